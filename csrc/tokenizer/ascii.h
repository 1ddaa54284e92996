// ASCII eight characters at a time, in ordinary 64-bit arithmetic.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fastbert::ascii {

constexpr std::size_t kBlock = 8;
constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighBits = 0x80 * kOnes;

// Eight bytes, the first in the lowest bits.
inline std::uint64_t load(const std::uint8_t* p) {
  std::uint64_t x;
  std::memcpy(&x, p, sizeof x);
  if constexpr (std::endian::native == std::endian::big) x = __builtin_bswap64(x);
  return x;
}

inline void store(std::uint64_t x, std::uint8_t* p) {
  if constexpr (std::endian::native == std::endian::big) x = __builtin_bswap64(x);
  std::memcpy(p, &x, sizeof x);
}

// The letters and digits that start a block.
struct Run {
  std::uint64_t bytes;  // folded to lower case if asked for; behind the run, zero
  std::size_t size;     // 0 to 8
};

// High bit of each byte of `x` that lies in [first, last]; the high bits of `x` must be clear.
inline std::uint64_t in_range(std::uint64_t x, std::uint8_t first, std::uint8_t last) {
  const std::uint64_t not_below = x + (0x80u - first) * kOnes;
  const std::uint64_t above = x + (0x7Fu - last) * kOnes;
  return not_below & ~above & kHighBits;
}

// `case_bits`: 0x20 in every byte to fold to lower case, 0 to keep the case.
[[gnu::always_inline]] inline Run alphanumeric_run(std::uint64_t x, std::uint64_t case_bits) {
  const std::uint64_t seven_bits = x & ~kHighBits;
  const std::uint64_t letters = in_range(seven_bits | 0x20 * kOnes, 'a', 'z');
  const std::uint64_t word = (letters | in_range(seven_bits, '0', '9')) & ~x;
  const std::uint64_t stops = ~word & kHighBits;
  const std::uint64_t below_first_stop = ((stops & (0 - stops)) >> 7) - 1;
  const std::uint64_t folded = x | (letters >> 2 & case_bits);
  return {folded & below_first_stop, static_cast<std::size_t>(std::countr_zero(stops)) / 8};
}

}  // namespace fastbert::ascii
