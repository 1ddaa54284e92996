// How fast products can be at all: the yardstick of docs/performance.md and the benchmarks.
#pragma once

#include <string.h>

#include "float_products.h"
#include "matmul_bfloat16.h"
#include "vec.h"

namespace fastbert::FASTBERT_ISA {
namespace {

// Steps of one round.
constexpr size_t kPeakChains = 12;

// `rounds` times kPeakChains steps that touch nothing but registers, in as many chains
// as hide their latency (4 cycles at 2 a cycle need 8, 6 at 1 of bfloat16). Returns a number that
// depends on them all.
template <class Step>
float run_chains(size_t rounds, const Step& step) {
  Vec chain[kPeakChains];
#pragma GCC unroll 16
  for (size_t i = 0; i < kPeakChains; ++i) chain[i] = Vec::fill(static_cast<float>(i));
  for (size_t r = 0; r < rounds; ++r)
#pragma GCC unroll 16
    for (size_t i = 0; i < kPeakChains; ++i) chain[i] = step(chain[i]);
  Vec total = Vec::zero();
#pragma GCC unroll 16
  for (size_t i = 0; i < kPeakChains; ++i) total = total + chain[i];
  return total.sum();
}

float multiply_adds(size_t rounds) {
  return run_chains(rounds, [](Vec chain) { return FloatProducts::peak_step(chain); });
}

#if defined(__AVX512BF16__)
float multiply_adds_bfloat16(size_t rounds) {
  const Ints a = Ints::fill(0x3c003c00), b = Ints::fill(0x3f803f80);
  return run_chains(rounds, [=](Vec chain) { return dot_bfloat16(chain, a, b); });
}
#else
static_assert(FloatProducts::kPeakProducts == 1, "bfloat16 is multiplied as floats");
constexpr auto multiply_adds_bfloat16 = multiply_adds;
#endif

// The same with products of bytes: as in a tile, each of six values meets two others, so that a
// dot() of several instructions shares what a tile can share.
float multiply_adds_int8(size_t rounds) {
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
  return static_cast<float>(sum);
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
