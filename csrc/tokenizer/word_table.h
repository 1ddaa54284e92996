// Whole words of up to 16 bytes, found with one probe: the quick way past the trie.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tokenizer/ascii.h"

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

  explicit WordTable(std::size_t words)
      : shift_(64 - static_cast<unsigned>(std::bit_width(words + words / 3 + 1))),
        slots_((std::size_t{1} << (64 - shift_)) + kReach) {}

  // Frequent words should come first: they then sit where the search starts.
  void insert(const WordKey& key, std::int32_t id) {
    Slot* slot = &slots_[start(key)];
    for (std::size_t i = 0; i < kReach; ++i)
      if (slot[i].id == kNotHere) {
        slot[i] = {key, id};
        return;
      }
  }

  std::int32_t find(const WordKey& key) const {
    const Slot* slot = &slots_[start(key)];
    for (std::size_t i = 0; i < kReach && slot[i].id != kNotHere; ++i)
      if (slot[i].key == key) return slot[i].id;
    return kNotHere;
  }

 private:
  static constexpr std::size_t kReach = 8;

  struct Slot {
    WordKey key;
    std::int32_t id = kNotHere;
  };

  std::size_t start(const WordKey& key) const {
    std::uint64_t h = key.low * 0x9E3779B97F4A7C15u ^ key.high * 0xC2B2AE3D27D4EB4Fu;
    h = (h ^ (h >> 32)) * 0xD6E8FEB86659FD93u;
    return h >> shift_;
  }

  unsigned shift_;
  std::vector<Slot> slots_;
};

}  // namespace fastbert
