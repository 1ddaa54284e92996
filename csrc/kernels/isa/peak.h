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

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
