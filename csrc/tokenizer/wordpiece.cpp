#include "tokenizer/wordpiece.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <stdexcept>

#include "tokenizer/ascii.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace fastbert {
namespace {

// Whether any character of `text` has one of the record flags.
bool contains_any(std::string_view text, unsigned flags) {
  for (std::size_t pos = 0; pos < text.size();)
    if (unicode::record(decode_utf8(text, pos)).flags & flags) return true;
  return false;
}

// Whether the pre-tokenizer can produce `token` as the start of a word: words hold no white space,
// and punctuation only as words of one character. Other tokens, such as [CLS], are never matched.
bool can_start_word(std::string_view token) {
  if (token.empty()) return false;
  std::size_t pos = 0;
  decode_utf8(token, pos);
  const bool one_character = pos == token.size();
  return !contains_any(token, unicode::kSpace | (one_character ? 0 : unicode::kPunctuation));
}

bool can_continue_word(std::string_view piece) {
  return !piece.empty() && !contains_any(piece, unicode::kSpace | unicode::kPunctuation);
}

struct KeySets {
  std::vector<TrieKey> word_start;
  std::vector<TrieKey> continuation;
};

KeySets make_key_sets(const Vocabulary& vocabulary, std::string_view prefix) {
  KeySets sets;
  sets.word_start.reserve(vocabulary.size());
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const Vocabulary::Entry entry = vocabulary.entry_by_bytes(i);
    if (can_start_word(entry.token)) sets.word_start.push_back({entry.token, entry.id});
    if (!entry.token.starts_with(prefix)) continue;
    // Without their common prefix the continuations are still sorted.
    const std::string_view piece = entry.token.substr(prefix.size());
    if (can_continue_word(piece)) sets.continuation.push_back({piece, entry.id});
  }
  return sets;
}

Trie make_trie(const Vocabulary& vocabulary, std::string_view prefix) {
  const KeySets sets = make_key_sets(vocabulary, prefix);
  const std::array<std::span<const TrieKey>, 2> both = {sets.word_start, sets.continuation};
  return Trie(both);
}

WordTable make_table(const Vocabulary& vocabulary) {
  std::vector<WordTable::Slot> words;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const Vocabulary::Entry entry = vocabulary.entry_by_id(i);
    const bool has_key =
        entry.token.size() <= WordKey::kMaxBytes && entry.token.find('\0') == entry.token.npos;
    if (!has_key || !can_start_word(entry.token)) continue;
    std::uint8_t bytes[WordKey::kMaxBytes] = {};
    std::memcpy(bytes, entry.token.data(), entry.token.size());
    words.push_back({make_word_key(bytes, entry.token.size()), entry.id});
  }
  return WordTable(words);
}

}  // namespace

WordPiece::WordPiece(const Vocabulary& vocabulary, const WordPieceOptions& options)
    : unknown_id_(vocabulary.id(options.unknown_token)),
      max_word_chars_(options.max_word_chars),
      table_(make_table(vocabulary)),
      trie_(make_trie(vocabulary, options.continuation_prefix)) {
  if (unknown_id_ == Vocabulary::kNoId)
    throw std::invalid_argument("the unknown token '" + options.unknown_token +
                                "' is not in the vocabulary");
}

WordPiece::WordPiece(std::span<const std::uint8_t> tables, const WordPieceOptions& options)
    : max_word_chars_(options.max_word_chars), table_(1, {}), trie_(Table<Trie::Unit>()) {
  constexpr std::int64_t kMaxBits = 32, kMaxUnits = std::int64_t{1} << 32;
  Header header{};
  std::memcpy(&header, tables.data(), std::min(sizeof(header), tables.size()));
  const bool possible = header.table_bits >= 1 && header.table_bits <= kMaxBits &&
                        header.units >= 0 && header.units <= kMaxUnits;
  const std::size_t slots = possible ? WordTable::size(header.table_bits) : 0;
  if (!possible || tables.size() != sizeof(header) + slots * sizeof(WordTable::Slot) +
                                        header.units * sizeof(Trie::Unit))
    throw std::invalid_argument("these are no tables of a WordPiece model");
  const auto* first_slot = reinterpret_cast<const WordTable::Slot*>(tables.data() + sizeof(header));
  unknown_id_ = static_cast<std::int32_t>(header.unknown_id);
  table_ = WordTable(static_cast<unsigned>(header.table_bits), {first_slot, slots});
  trie_ = Trie(Table<Trie::Unit>(reinterpret_cast<const Trie::Unit*>(first_slot + slots),
                                 static_cast<std::size_t>(header.units)));
}

std::string WordPiece::tables() const {
  const Header header{unknown_id_, table_.bits(), static_cast<std::int64_t>(trie_.units().size())};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
  const auto append = [&bytes]<class T>(const Table<T>& table) {
    bytes.append(reinterpret_cast<const char*>(table.data()), table.size() * sizeof(T));
  };
  append(table_.slots());
  append(trie_.units());
  return bytes;
}

std::size_t WordPiece::split(const std::uint8_t* word, std::size_t size, std::int32_t* ids,
                             std::uint32_t* ends) const {
  std::size_t pieces = 0;
  std::uint32_t root = trie_.root(kWordStart);
  for (std::size_t pos = 0; pos < size; root = trie_.root(kContinuation)) {
    const Trie::Match match = trie_.longest_prefix(root, word + pos, size - pos);
    if (!match.size) return 0;
    pos += match.size;
    ids[pieces] = match.value;
    if (ends) ends[pieces] = static_cast<std::uint32_t>(pos);
    ++pieces;
  }
  return pieces;
}

}  // namespace fastbert
