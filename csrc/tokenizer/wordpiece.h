// The WordPiece model: one normalised word in, the ids of its pieces out.
//
// Greedy longest match from the left. A word that cannot be covered is one unknown token. Matching
// restarts behind each piece, so it reads a byte at most as often as the longest token is long;
// in practice little more than once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/trie.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/word_table.h"

namespace fastbert {

struct WordPieceOptions {
  std::string unknown_token = "[UNK]";
  std::string continuation_prefix = "##";
  std::size_t max_word_chars = 100;  // longer words are unknown
};

class WordPiece {
 public:
  // `vocabulary` is finished. Throws std::invalid_argument when it lacks the unknown token.
  WordPiece(const Vocabulary& vocabulary, const WordPieceOptions& options);

  // The same model again from tables(), which must be aligned to 8 bytes, outlive it and come from
  // a vocabulary with these options. Throws std::invalid_argument when their size is impossible.
  WordPiece(std::span<const std::uint8_t> tables, const WordPieceOptions& options);

  // What takes long to make from a vocabulary, in one block.
  std::string tables() const;

  std::int32_t unknown_id() const { return unknown_id_; }
  std::size_t max_word_chars() const { return max_word_chars_; }

  // The id of a whole word, or WordTable::kNotHere, which proves nothing.
  std::int32_t find_whole(const WordKey& key) const { return table_.find(key); }

  // Writes the pieces of word[0, size) to `ids`, and where in the word each ends to `ends` unless
  // that is null; both have room for `size`. Returns their number; 0 when the word is unknown.
  std::size_t split(const std::uint8_t* word, std::size_t size, std::int32_t* ids,
                    std::uint32_t* ends) const;

 private:
  // In front of the two tables.
  struct Header {
    std::int64_t unknown_id, table_bits, units;
  };

  enum KeySet : std::size_t { kWordStart, kContinuation };

  std::int32_t unknown_id_;
  std::size_t max_word_chars_;
  WordTable table_;
  Trie trie_;
};

}  // namespace fastbert
