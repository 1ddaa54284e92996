// A byte trie in a double array: the longest key that starts a string, one load per byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "tokenizer/table.h"

namespace fastbert {

struct TrieKey {
  std::string_view bytes;  // not empty
  std::int32_t value;      // not negative
};

class Trie {
 public:
  static constexpr std::int32_t kNoValue = -1;

  struct Match {
    std::int32_t value = kNoValue;
    std::size_t size = 0;  // bytes of the key; 0 when no key matches
  };

  // One root per set of keys; each set is sorted by its bytes and holds no key twice.
  // Throws std::invalid_argument when the sets need more than 2^23 nodes.
  explicit Trie(std::span<const std::span<const TrieKey>> key_sets);

  // The children of a node lie at base + byte. No two nodes have the same base, so the label alone
  // tells whose child a unit is.
  struct Unit {
    std::int32_t value = kNoValue;
    std::uint32_t link = 0;  // base << kLabelBits | label
  };

  // What it consists of, and a trie of the same again.
  const Table<Unit>& units() const { return units_; }
  explicit Trie(Table<Unit> units) : units_(std::move(units)) {}

  std::uint32_t root(std::size_t key_set) const { return static_cast<std::uint32_t>(key_set); }

  // The child of `node` along `byte`, or kNoNode.
  static constexpr std::uint32_t kNoNode = 0;
  std::uint32_t child(std::uint32_t node, std::uint8_t byte) const {
    const std::uint32_t next = (units_[node].link >> kLabelBits) + byte;
    return (units_[next].link & kLabelMask) == byte + 1u ? next : kNoNode;
  }

  std::int32_t value(std::uint32_t node) const { return units_[node].value; }

  // The longest key of the set at `root` that is a prefix of bytes[0, size).
  Match longest_prefix(std::uint32_t root, const std::uint8_t* bytes, std::size_t size) const {
    Match match;
    std::uint32_t node = root;
    for (std::size_t i = 0; i < size && (node = child(node, bytes[i])) != kNoNode; ++i)
      if (value(node) != kNoValue) match = {value(node), i + 1};
    return match;
  }

 private:
  friend class TrieBuilder;

  static constexpr unsigned kLabelBits = 9;  // the byte that leads here plus one; 0: a free unit
  static constexpr std::uint32_t kLabelMask = (1u << kLabelBits) - 1;

  Table<Unit> units_;
};

}  // namespace fastbert
