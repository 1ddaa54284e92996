// What the tokenizer knows about a code point, in one table look-up.
//
// The tables are generated from the `tokenizers` library itself, whose crates follow different
// editions of Unicode: see tools/make_unicode_tables.py, which also explains each flag.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastbert::unicode {

struct CharRecord {
  std::int32_t lower_delta;         // lower case minus the character
  std::uint16_t flags;              // kRemoved, kBlank, ...
  std::uint16_t decomposition;      // index of its parts in kDecompositions
  std::uint8_t decomposition_size;  // 0 for Hangul, which is arithmetic
  std::uint8_t combining_class;
};

#include "tokenizer/unicode_tables.inc"

constexpr char32_t kLastCodePoint = 0x10FFFF;
constexpr char32_t kDottedI = 0x130;  // the one character whose lower case is two: i, U+0307
constexpr char32_t kDotAbove = 0x307;
constexpr std::uint32_t kMarkBit = 1u << 31;  // in kDecompositions: a part with the flag kMark

inline const CharRecord& record(char32_t c) {
  constexpr char32_t kInBlock = (1u << kBlockBits) - 1;
  return kRecords[kStage2[kStage1[c >> kBlockBits] << kBlockBits | (c & kInBlock)]];
}

// Calls `part(code point, is a mark)` for each character of the canonical decomposition of `c`.
template <class Part>
inline void decompose(char32_t c, const CharRecord& r, const Part& part) {
  if (!(r.flags & kDecomposes)) {
    part(c, (r.flags & kMark) != 0);
  } else if (r.decomposition_size) {
    for (std::size_t i = 0; i < r.decomposition_size; ++i) {
      const std::uint32_t entry = kDecompositions[r.decomposition + i];
      part(static_cast<char32_t>(entry & ~kMarkBit), (entry & kMarkBit) != 0);
    }
  } else {
    constexpr char32_t kVowels = 21, kTrails = 28;
    const char32_t index = c - 0xAC00;
    part(0x1100 + index / (kVowels * kTrails), false);
    part(0x1161 + index / kTrails % kVowels, false);
    if (index % kTrails) part(0x11A7 + index % kTrails, false);
  }
}

}  // namespace fastbert::unicode
