// How fast multiply-adds can be at all: the yardstick of docs/performance.md and the benchmarks.
#pragma once

#include "vec.h"

namespace fastbert::FASTBERT_ISA {
namespace {

// Multiply-adds of one round of multiply_adds.
constexpr size_t kPeakChains = 12;

// `rounds` times kPeakChains vector multiply-adds that touch nothing but registers, in as many
// chains as hide their latency (4 cycles at 2 a cycle need 8). Returns a number that depends on
// them all.
float multiply_adds(size_t rounds) {
  Vec chain[kPeakChains];
#pragma GCC unroll 16
  for (size_t i = 0; i < kPeakChains; ++i) chain[i] = Vec::fill(static_cast<float>(i));
  const Vec a = Vec::fill(0.999f), b = Vec::fill(0.001f);
  for (size_t r = 0; r < rounds; ++r)
#pragma GCC unroll 16
    for (size_t i = 0; i < kPeakChains; ++i) chain[i] = fma(chain[i], a, b);
  Vec total = Vec::zero();
#pragma GCC unroll 16
  for (size_t i = 0; i < kPeakChains; ++i) total = total + chain[i];
  return total.sum();
}

// The same with products of bytes: as in a tile, each of six values meets two others, so that a
// dot() of several instructions shares what a tile can share.
int32_t multiply_adds_int8(size_t rounds) {
  Ints chain[kPeakChains];
#pragma GCC unroll 16
  for (size_t i = 0; i < kPeakChains; ++i) chain[i] = Ints::fill(static_cast<int>(i));
  const Ints b[2] = {Ints::fill(0x7f010203), Ints::fill(0x04050607)};
  int32_t bytes[kPeakChains / 2] = {1, 2, 3, 4, 5, 6};
  for (size_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
    for (size_t i = 0; i < kPeakChains; ++i) {
      if (i % 2 == 0) asm volatile("" : "+m"(bytes));  // or much of it would be done only once
      chain[i] = dot(chain[i], Ints::fill_bytes(bytes + i / 2), b[i % 2]);
    }
  }
  int32_t total[kPeakChains * Vec::kLanes], sum = 0;
  memcpy(total, chain, sizeof total);
  for (const int32_t value : total) sum ^= value;
  return sum;
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
