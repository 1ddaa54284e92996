// Normalised characters to words, and words to tokens.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tokenizer/token_buffer.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"
#include "tokenizer/wordpiece.h"

namespace fastbert {

// Splits normalised characters into words, as BertPreTokenizer does, and words into tokens. A sink
// of Normalizer::run.
template <bool kSpans>
class WordBuilder {
 public:
  WordBuilder(const WordPiece& model, TokenBuffer& out) : model_(model), out_(out) {}

  bool may_stop() const { return chars_ == 0; }

  void put(char32_t c, unsigned flags, std::size_t origin) {
    if (!(flags & (unicode::kSpace | unicode::kPunctuation)))
      append(c, origin);
    else if (flags & unicode::kPunctuation)
      put_alone(c, flags, origin);
    else
      flush();
  }

  // A character with spaces around it.
  void put_alone(char32_t c, unsigned, std::size_t origin) {
    flush();
    append(c, origin);
    flush();
  }

  // Ends the word.
  void flush() {
    if (chars_ == 0) return;
    out_.reserve(size_);
    if (chars_ > model_.max_word_chars())
      push_unknown();
    else
      push_pieces();
    size_ = 0;
    chars_ = 0;
    has_nul_ = false;
  }

 private:
  static constexpr std::size_t kInitialBytes =
      256;  // which most texts do not need: see TextEncoder

  void append(char32_t c, std::size_t origin) {
    if (chars_ == 0) first_origin_ = origin;
    last_origin_ = origin;
    // A word that is too long is unknown whatever it holds.
    if (++chars_ > model_.max_word_chars()) return;
    if (size_ + kMaxUtf8Bytes > bytes_.size()) grow();
    const std::size_t size = encode_utf8(c, bytes_.data() + size_);
    if constexpr (kSpans) std::fill_n(origins_.data() + size_, size, origin);
    size_ += size;
    has_nul_ |= c == 0;
  }

  void grow() {
    bytes_.resize(std::max(kInitialBytes, 2 * bytes_.size()));
    if constexpr (kSpans) origins_.resize(bytes_.size());
  }

  void push_unknown() {
    out_.reserve(1);
    out_.push<kSpans>(model_.unknown_id(), first_origin_, last_origin_ + 1);
  }

  void push_pieces() {
    if (size_ <= WordKey::kMaxBytes && !has_nul_) {
      const std::int32_t id = model_.find_whole(make_word_key(bytes_.data(), size_));
      if (id != WordTable::kNotHere) {
        out_.push<kSpans>(id, first_origin_, last_origin_ + 1);
        return;
      }
    }
    if (kSpans && ends_.size() < size_) ends_.resize(size_);
    const std::size_t pieces =
        model_.split(bytes_.data(), size_, out_.free_ids(), kSpans ? ends_.data() : nullptr);
    if constexpr (kSpans)
      for (std::size_t i = 0; i < pieces; ++i)
        out_.set_span(out_.size() + i, origins_[i ? ends_[i - 1] : 0], origins_[ends_[i] - 1] + 1);
    out_.advance(pieces);
    if (!pieces) push_unknown();
  }

  const WordPiece& model_;
  TokenBuffer& out_;
  std::vector<std::uint8_t> bytes_;   // the word so far, UTF-8, in the first size_
  std::vector<std::size_t> origins_;  // of each byte
  std::vector<std::uint32_t> ends_;   // of the pieces
  std::size_t size_ = 0;
  std::size_t chars_ = 0;
  std::size_t first_origin_ = 0;
  std::size_t last_origin_ = 0;
  bool has_nul_ = false;
};

}  // namespace fastbert
