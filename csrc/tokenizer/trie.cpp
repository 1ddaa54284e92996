#include "tokenizer/trie.h"

#include <array>
#include <deque>
#include <stdexcept>
#include <vector>

namespace fastbert {

// Places the nodes breadth first: nodes near the roots have the most children, and they are easy to
// place while the array is still empty.
class TrieBuilder {
 public:
  explicit TrieBuilder(std::vector<Trie::Unit>& units) : units_(units) {}

  void build(std::span<const std::span<const TrieKey>> key_sets) {
    std::size_t keys = 0;
    for (const std::span<const TrieKey> set : key_sets) keys += set.size();
    units_.reserve(kUnitsPerKey * keys);
    slots_.reserve(kUnitsPerKey * keys);
    grow(key_sets.size() + kAlphabet);
    slots_[0].base_taken = true;  // base 0 says that a node has no children yet
    for (std::uint32_t set = 0; set < key_sets.size(); ++set) {
      take(set);
      if (!key_sets[set].empty()) queue_.push_back({set, 0, key_sets[set]});
    }
    while (!queue_.empty()) {
      place_children(queue_.front());
      queue_.pop_front();
    }
    finish();
  }

 private:
  static constexpr std::uint32_t kAlphabet = 256;
  static constexpr std::uint32_t kMaxUnits = 1u << (32 - Trie::kLabelBits);
  static constexpr int kMaxTries = 64;
  static constexpr std::size_t kUnitsPerKey = 3;  // 2.2 in the English vocabulary of BERT

  // A node whose keys share their first `depth` bytes.
  struct Node {
    std::uint32_t unit;
    std::size_t depth;
    std::span<const TrieKey> keys;
  };

  struct Slot {
    std::uint32_t previous_free;
    std::uint32_t next_free;
    bool base_taken = false;
  };

  void place_children(const Node& node) {
    std::array<std::uint8_t, kAlphabet> bytes;
    std::array<std::size_t, kAlphabet + 1> starts;
    std::size_t children = 0;
    std::span<const TrieKey> keys = node.keys;
    if (keys.front().bytes.size() == node.depth) {  // sorted: the key that ends here is the first
      units_[node.unit].value = keys.front().value;
      keys = keys.subspan(1);
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto byte = static_cast<std::uint8_t>(keys[i].bytes[node.depth]);
      if (children && bytes[children - 1] == byte) continue;
      bytes[children] = byte;
      starts[children++] = i;
    }
    if (!children) return;
    starts[children] = keys.size();
    const std::uint32_t base = find_base({bytes.data(), children});
    slots_[base].base_taken = true;
    units_[node.unit].link |= base << Trie::kLabelBits;
    for (std::size_t i = 0; i < children; ++i) {
      const std::uint32_t unit = base + bytes[i];
      take(unit);
      units_[unit].link = bytes[i] + 1u;
      queue_.push_back({unit, node.depth + 1, keys.subspan(starts[i], starts[i + 1] - starts[i])});
    }
  }

  // The first base at which every child falls on a free unit. Free units that many nodes could not
  // use are given up: a full search would be quadratic and would save little.
  std::uint32_t find_base(std::span<const std::uint8_t> bytes) {
    int tries = 0;
    for (std::uint32_t s = first_free_; s != kEnd; s = slots_[s].next_free) {
      if (s < bytes.front()) continue;
      const std::uint32_t base = s - bytes.front();
      if (fits(base, bytes)) return base;
      if (++tries == kMaxTries) break;
    }
    while (tries-- > kMaxTries / 2) take(first_free_);
    const auto base = static_cast<std::uint32_t>(units_.size());
    grow(kAlphabet);
    return base;
  }

  bool fits(std::uint32_t base, std::span<const std::uint8_t> bytes) {
    if (base + kAlphabet > units_.size()) grow(kAlphabet);
    if (slots_[base].base_taken) return false;
    for (const std::uint8_t byte : bytes)
      if (!is_free(base + byte)) return false;
    return true;
  }

  bool is_free(std::uint32_t unit) const { return slots_[unit].next_free != kTaken; }

  void grow(std::size_t count) {
    const std::size_t old_size = units_.size();
    if (old_size + count > kMaxUnits - kAlphabet)
      throw std::invalid_argument("the vocabulary needs more than 2^23 trie nodes");
    units_.resize(old_size + count);
    slots_.resize(old_size + count);
    for (std::size_t i = old_size; i < old_size + count; ++i) {
      const auto unit = static_cast<std::uint32_t>(i);
      slots_[i].previous_free = last_free_;
      slots_[i].next_free = kEnd;
      (last_free_ == kEnd ? first_free_ : slots_[last_free_].next_free) = unit;
      last_free_ = unit;
    }
  }

  void take(std::uint32_t unit) {
    Slot& slot = slots_[unit];
    (slot.previous_free == kEnd ? first_free_ : slots_[slot.previous_free].next_free) =
        slot.next_free;
    (slot.next_free == kEnd ? last_free_ : slots_[slot.next_free].previous_free) =
        slot.previous_free;
    slot.next_free = kTaken;
  }

  // Cuts the free tail, then gives every node without children a base behind which all is free.
  void finish() {
    std::size_t size = units_.size();
    while (size > 0 && is_free(static_cast<std::uint32_t>(size - 1))) --size;
    units_.resize(size);
    const auto no_children = static_cast<std::uint32_t>(size) << Trie::kLabelBits;
    for (Trie::Unit& unit : units_)
      if (unit.link >> Trie::kLabelBits == 0) unit.link |= no_children;
    units_.resize(size + kAlphabet);
    units_.shrink_to_fit();
  }

  static constexpr std::uint32_t kEnd = 0xFFFFFFFF;    // of the list of free units
  static constexpr std::uint32_t kTaken = 0xFFFFFFFE;  // in place of the next free unit

  std::vector<Trie::Unit>& units_;
  std::vector<Slot> slots_;
  std::deque<Node> queue_;
  std::uint32_t first_free_ = kEnd;
  std::uint32_t last_free_ = kEnd;
};

Trie::Trie(std::span<const std::span<const TrieKey>> key_sets) {
  std::vector<Unit> units;
  TrieBuilder(units).build(key_sets);
  units_ = Table<Unit>(std::move(units));
}

}  // namespace fastbert
