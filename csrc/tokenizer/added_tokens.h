// Added tokens, such as [MASK], written inside a text: they are cut out before anything else
// sees them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "tokenizer/trie.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace fastbert {

struct AddedToken {
  std::string content;  // UTF-8
  std::int32_t id = 0;
  bool single_word = false;  // not next to a letter, digit or underscore
  bool lstrip = false;       // takes the white space in front of it along
  bool rstrip = false;       // takes the white space behind it along
  bool normalized = false;   // sought in the normalised text
};

// What becomes of the spaces that lstrip and rstrip took, in the span of the token.
struct AddedSpanOptions {
  bool trim = false;               // they do not count
  bool keep_single_first = false;  // but one in front of the first token does
};

// Finds tokens as the `tokenizers` library does: the leftmost, and there the longest; one that
// `single_word` rejects still uses up its characters.
class AddedTokenMatcher {
 public:
  // Contents are not empty, and differ. Throws std::invalid_argument.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  // Cuts text[begin, end) into pieces: calls `found(id, begin, end)` for each added token and
  // `between(begin, end)` for what lies between them, in order.
  template <class Char, class Between, class Found>
  void split(const Char* text, std::size_t begin, std::size_t end, const Between& between,
             const Found& found) const {
    std::size_t done = begin;
    for (std::size_t pos = begin; (pos = find_start(text, pos, end)) < end;) {
      const Match match = match_at(text, pos, end);
      if (!match.token) {
        ++pos;
        continue;
      }
      std::size_t start = pos, stop = match.end;
      pos = match.end;
      if (match.token->single_word && touches_word(text, begin, start, stop, end)) continue;
      if (match.token->lstrip)
        while (start > done && has(text[start - 1], unicode::kRegexSpace)) --start;
      if (match.token->rstrip)
        while (stop < end && has(text[stop], unicode::kRegexSpace)) ++stop;
      if (done < start) between(done, start);
      found(match.token->id, start, stop);
      done = stop;
    }
    if (done < end) between(done, end);
  }

 private:
  static constexpr std::size_t kNotAscii = 128;

  struct Match {
    const AddedToken* token = nullptr;
    std::size_t end = 0;
  };

  template <class Char>
  static bool has(Char c, unsigned flags) {
    return unicode::record(to_code_point(c)).flags & flags;
  }

  // The next position whose character starts a token.
  template <class Char>
  std::size_t find_start(const Char* text, std::size_t pos, std::size_t end) const {
    if constexpr (sizeof(Char) == 1) {
      if (only_start_ != 0) {
        const void* found = std::memchr(text + pos, only_start_, end - pos);
        return found ? static_cast<std::size_t>(static_cast<const Char*>(found) - text) : end;
      }
    }
    while (pos < end && !starts_[std::min<std::size_t>(text[pos], kNotAscii)]) ++pos;
    return pos;
  }

  template <class Char>
  Match match_at(const Char* text, std::size_t pos, std::size_t end) const {
    Match match;
    std::uint32_t node = trie_.root(0);
    while (pos < end) {
      std::uint8_t bytes[kMaxUtf8Bytes];
      const std::size_t size = encode_utf8(to_code_point(text[pos++]), bytes);
      for (std::size_t i = 0; i < size; ++i)
        if ((node = trie_.child(node, bytes[i])) == Trie::kNoNode) return match;
      if (trie_.value(node) != Trie::kNoValue)
        match = {&tokens_[static_cast<std::size_t>(trie_.value(node))], pos};
    }
    return match;
  }

  template <class Char>
  static bool touches_word(const Char* text, std::size_t begin, std::size_t start, std::size_t stop,
                           std::size_t end) {
    return (start > begin && has(text[start - 1], unicode::kRegexWord)) ||
           (stop < end && has(text[stop], unicode::kRegexWord));
  }

  std::vector<AddedToken> tokens_;  // sorted by content
  Trie trie_;
  bool starts_[kNotAscii + 1] = {};
  std::uint8_t only_start_ = 0;  // the ASCII character that starts all tokens, if there is one
};

}  // namespace fastbert
