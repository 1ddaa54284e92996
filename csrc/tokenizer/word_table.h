// Whole words of up to 16 bytes, found with one probe: the quick way past the trie.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "tokenizer/ascii.h"
#include "tokenizer/table.h"

namespace fastbert {

// A word of 1 to 16 bytes, padded with NULs. A word that contains NUL has no key.
struct WordKey {
  std::uint64_t low = 0;   // the first 8 bytes, the first in the lowest bits
  std::uint64_t high = 0;  // the next 8

  static constexpr std::size_t kMaxBytes = 16;
  bool operator==(const WordKey&) const = default;
};

// The key of word[0, size), of which WordKey::kMaxBytes bytes can be read.
inline WordKey make_word_key(const std::uint8_t* word, std::size_t size) {
  const auto first = [](std::uint64_t x, std::size_t bytes) {
    return bytes < ascii::kBlock ? x & ((std::uint64_t{1} << 8 * bytes) - 1) : x;
  };
  if (size <= ascii::kBlock) return {first(ascii::load(word), size), 0};
  return {ascii::load(word), first(ascii::load(word + ascii::kBlock), size - ascii::kBlock)};
}

// Open addressing with a bounded search. A word that finds no free slot nearby is left out: this
// table only saves time, the trie knows every word.
class WordTable {
 public:
  static constexpr std::int32_t kNotHere = -1;

  struct Slot {
    WordKey key;
    std::int32_t id = kNotHere;
    std::int32_t unused = 0;  // in place of padding: the bytes are written to files
  };

  // Frequent words should come first: they then sit where the search starts.
  explicit WordTable(std::span<const Slot> words)
      : bits_(static_cast<unsigned>(std::bit_width(words.size() + words.size() / 3 + 1))) {
    std::vector<Slot> slots(size(bits_));
    for (const Slot& word : words) {
      Slot* const first = &slots[start(word.key)];
      Slot* const slot =
          std::find_if(first, first + kReach, [](const Slot& s) { return s.id == kNotHere; });
      if (slot != first + kReach) *slot = word;
    }
    slots_ = Table<Slot>(std::move(slots));
  }

  // What it consists of, and a table of the same again; there are size(bits) slots.
  unsigned bits() const { return bits_; }
  const Table<Slot>& slots() const { return slots_; }
  WordTable(unsigned bits, Table<Slot> slots) : bits_(bits), slots_(std::move(slots)) {}
  static std::size_t size(unsigned bits) { return (std::size_t{1} << bits) + kReach; }

  std::int32_t find(const WordKey& key) const {
    const Slot* slot = &slots_[start(key)];
    for (std::size_t i = 0; i < kReach && slot[i].id != kNotHere; ++i)
      if (slot[i].key == key) return slot[i].id;
    return kNotHere;
  }

 private:
  static constexpr std::size_t kReach = 8;

  std::size_t start(const WordKey& key) const {
    std::uint64_t h = key.low * 0x9E3779B97F4A7C15u ^ key.high * 0xC2B2AE3D27D4EB4Fu;
    h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93u;
    return h >> (64 - bits_);
  }

  unsigned bits_;  // at least 1
  Table<Slot> slots_;
};

}  // namespace fastbert
