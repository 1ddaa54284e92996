// One text to tokens: added tokens, normaliser, pre-tokenizer and WordPiece in a single pass.
//
// Text that is ASCII words, white space and punctuation takes the fast path, eight characters at a
// time; ideographs and other punctuation, words by themselves, go one at a time. Anything else goes
// through the normaliser a character at a time until the text is plain again, so one accent costs
// one word.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tokenizer/ascii.h"
#include "tokenizer/pipeline.h"
#include "tokenizer/token_buffer.h"
#include "tokenizer/word_builder.h"

namespace fastbert {

template <bool kSpans>
class TextEncoder {
 public:
  TextEncoder(const Pipeline& pipeline, TokenBuffer& out)
      : pipeline_(pipeline), out_(out), words_(pipeline.model(), out) {}

  // Appends the tokens of text[0, size), special tokens of the template not included.
  template <class Char>
  void encode(const Char* text, std::size_t size) {
    first_token_ = out_.size();
    if (pipeline_.raw_tokens().empty()) {
      if (size) encode_between(text, 0, size);
      return;
    }
    pipeline_.raw_tokens().split(
        text, 0, size,
        [&](std::size_t begin, std::size_t end) { encode_between(text, begin, end); },
        [&](std::int32_t id, std::size_t begin, std::size_t end) {
          push_added(id, text + begin, text + end, begin, end);
        });
  }

 private:
  // Normalised characters kept for a second search for added tokens. A sink of Normalizer::run.
  struct Normalized {
    std::vector<char32_t> characters;
    std::vector<std::size_t> origins;

    void put(char32_t c, unsigned, std::size_t origin) {
      characters.push_back(c);
      origins.push_back(origin);
    }
    void put_alone(char32_t c, unsigned flags, std::size_t origin) {
      put(U' ', unicode::kSpace, origin);
      put(c, flags, origin);
      put(U' ', unicode::kSpace, origin);
    }
    static bool may_stop() { return false; }
  };

  // An added token that was found as the characters [first, last) and stands for [begin, end) of
  // the text.
  template <class Char>
  void push_added(std::int32_t id, const Char* first, const Char* last, std::size_t begin,
                  std::size_t end) {
    if (kSpans && pipeline_.added_spans().trim) {
      const auto is_space = [](Char c) {
        return (unicode::record(to_code_point(c)).flags & unicode::kRegexSpace) != 0;
      };
      const Char* content = std::find_if_not(first, last, is_space);
      auto front = static_cast<std::size_t>(content - first);
      std::size_t back = 0;
      while (last > first && is_space(last[-1])) --last, ++back;
      const bool is_first = out_.size() == first_token_ || begin == 0;
      if (pipeline_.added_spans().keep_single_first && is_first && front == 1) front = 0;
      begin = std::min(begin + front, end);
      end = std::max(end - std::min(back, end), begin);
    }
    out_.reserve(1);
    out_.push<kSpans>(id, begin, end);
  }

  template <class Char>
  void encode_between(const Char* text, std::size_t begin, std::size_t end) {
    if (!pipeline_.normalized_tokens().empty()) {
      encode_normalized(text, begin, end);
    } else if (pipeline_.has_fast_path()) {
      encode_fast(text, begin, end);
    } else {
      for (std::size_t pos = begin; pos < end;) pos = encode_words(text, begin, pos, end);
    }
  }

  // Through the normaliser, from `pos` to the next ASCII character between words.
  template <class Char>
  std::size_t encode_words(const Char* text, std::size_t begin, std::size_t pos, std::size_t end) {
    pos = pipeline_.normalizer().run(text, begin, pos, end, words_);
    if (pos == end) words_.flush();
    return pos;
  }

  template <class Char>
  void encode_normalized(const Char* text, std::size_t begin, std::size_t end) {
    Normalized normalized;
    pipeline_.normalizer().run(text, begin, begin, end, normalized);
    const auto& origins = normalized.origins;
    pipeline_.normalized_tokens().split(
        normalized.characters.data(), 0, normalized.characters.size(),
        [&](std::size_t first, std::size_t last) {
          for (std::size_t i = first; i < last; ++i) {
            const char32_t c = normalized.characters[i];
            words_.put(c, unicode::record(c).flags, origins[i]);
          }
          words_.flush();
        },
        [&](std::int32_t id, std::size_t first, std::size_t last) {
          const char32_t* characters = normalized.characters.data();
          push_added(id, characters + first, characters + last, origins[first],
                     origins[last - 1] + 1);
        });
  }

  template <class Char>
  void encode_fast(const Char* text, std::size_t begin, std::size_t end) {
    const std::size_t size = end - begin;
    const std::uint8_t* bytes = narrow(text + begin, size);
    out_.reserve(size);
    for (std::size_t pos = 0; pos < size;) {
      ascii::Run run = ascii::alphanumeric_run(ascii::load(bytes + pos), pipeline_.case_bits());
      WordKey key{run.bytes, 0};
      std::size_t length = run.size;
      if (length == ascii::kBlock) {
        run = ascii::alphanumeric_run(ascii::load(bytes + pos + length), pipeline_.case_bits());
        key.high = run.bytes;
        length += run.size;
      }
      const std::uint8_t next = bytes[pos + length];
      const Pipeline::Stop stop = pipeline_.stop(next);
      const bool plain = length != WordKey::kMaxBytes && stop != Pipeline::Stop::kOther;
      if (!plain && (length == WordKey::kMaxBytes || !is_word(text[begin + pos + length]))) {
        pos = encode_words(text, begin, begin + pos, end) - begin;
        out_.reserve(size - pos);
        continue;
      }
      if (length) push_ascii_word(key, length, begin + pos);
      pos += length;
      if (!plain) {
        do push_character(text[begin + pos], begin + pos);
        while (++pos < size && bytes[pos] >= 0x80 && is_word(text[begin + pos]));
        continue;
      }
      if (stop == Pipeline::Stop::kPunctuation)
        out_.push<kSpans>(pipeline_.punctuation_id(next), begin + pos, begin + pos + 1);
      ++pos;
    }
  }

  // The text as bytes, with spaces behind it; what is not ASCII becomes 0x80.
  template <class Char>
  const std::uint8_t* narrow(const Char* text, std::size_t size) {
    constexpr std::size_t kPadding = WordKey::kMaxBytes + ascii::kBlock;
    std::uint8_t* bytes = small_;
    if (size + kPadding > sizeof small_) {
      if (narrowed_.capacity() < size + kPadding) narrowed_.grow(0, size + size / 4 + kPadding);
      bytes = narrowed_.data();
    }
    for (std::size_t i = 0; i < size; ++i)
      bytes[i] = static_cast<std::uint8_t>(text[i] < 0x80 ? text[i] : 0x80);
    std::fill_n(bytes + size, kPadding, std::uint8_t{' '});
    return bytes;
  }

  // Whether a character is a word by itself, whatever is around it: an ideograph or punctuation.
  template <class Char>
  bool is_word(Char character) const {
    const unsigned flags = unicode::record(to_code_point(character)).flags;
    const unsigned changes = flags & pipeline_.normalizer().active();
    return changes == unicode::kIdeograph || (!changes && flags & unicode::kPunctuation);
  }

  // The trie alone is quicker here than the table of words: three bytes at most, nearly always, and
  // a character that no token starts with is known by the first or second.
  template <class Char>
  void push_character(Char character, std::size_t start) {
    std::uint8_t bytes[kMaxUtf8Bytes];
    std::int32_t ids[kMaxUtf8Bytes];
    const std::size_t size = encode_utf8(to_code_point(character), bytes);
    const std::size_t pieces = pipeline_.model().split(bytes, size, ids, nullptr);
    out_.push<kSpans>(pieces ? ids[0] : pipeline_.model().unknown_id(), start, start + 1);
  }

  void push_ascii_word(const WordKey& key, std::size_t length, std::size_t start) {
    const std::int32_t id = pipeline_.model().find_whole(key);
    if (id != WordTable::kNotHere)
      out_.push<kSpans>(id, start, start + length);
    else
      push_ascii_pieces(key, length, start);
  }

  void push_ascii_pieces(const WordKey& key, std::size_t length, std::size_t start) {
    std::uint8_t word[WordKey::kMaxBytes];
    std::uint32_t ends[WordKey::kMaxBytes];
    ascii::store(key.low, word);
    ascii::store(key.high, word + ascii::kBlock);
    const std::size_t pieces = pipeline_.model().split(word, length, out_.free_ids(), ends);
    if constexpr (kSpans)
      for (std::size_t i = 0; i < pieces; ++i)
        out_.set_span(out_.size() + i, start + (i ? ends[i - 1] : 0), start + ends[i]);
    out_.advance(pieces);
    if (!pieces) out_.push<kSpans>(pipeline_.model().unknown_id(), start, start + length);
  }

  const Pipeline& pipeline_;
  TokenBuffer& out_;
  WordBuilder<kSpans> words_;
  std::size_t first_token_ = 0;  // of the text in the buffer
  RawArray<std::uint8_t> narrowed_;
  std::uint8_t small_[1024];
};

}  // namespace fastbert
