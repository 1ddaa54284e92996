// What products of bfloat16 are made of. Where the instruction set multiplies pairs of them, the
// rows of x are rounded too; elsewhere the weights are widened, and the arithmetic is that of
// floats.
#pragma once

#include "matmul.h"

namespace fastbert::FASTBERT_ISA {
namespace {

struct BFloat16Panels {
  using Argument = Tile<BFloat16Pair>;
  static constexpr size_t kStepsPerFetch = kUnroll;
  // An even number of steps, the last one perhaps of zeros.
  static constexpr size_t panel_size(size_t inner) { return (inner + 1) / 2 * kPanelColumns; }
};

#if defined(__AVX512BF16__)

// Two steps over k at a time: a pair of each row against a pair of each column.
//
// The rows are rounded where they are used, a block at a time into L1: 1 conversion for 32 dots,
// hidden among them (97 % of the peak, as without), and no buffer as large as x.
template <int kRows>
void pair_tile(const Tile<BFloat16Pair>& t) {
  constexpr size_t kLanes = Vec::kLanes, kBlock = 2 * kLanes;
  alignas(kLineBytes) BFloat16Pair rows[kRows][kLanes];
  Vec sum[kRows][2];
  const Vec bias0 = Vec::load(t.bias), bias1 = Vec::load(t.bias + kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) sum[r][0] = bias0, sum[r][1] = bias1;
  const BFloat16Pair* panel = t.panel;
  Ahead ahead = t.ahead;
  const auto block = [&](size_t k, size_t count) __attribute__((always_inline)) {
    const size_t first = count < kLanes ? count : kLanes;
#pragma GCC unroll 1  // unrolled, GCC 12 spills what it loads: 93 % of the peak
    for (int r = 0; r < kRows; ++r) {
      const float* x = t.x + r * t.x_stride + k;
      to_bfloat16(Vec::load(x, first), Vec::load(x + kLanes, count - first)).store(rows[r]);
    }
    for (size_t i = 0; i < (count + 1) / 2; ++i) {
      ahead.fetch();
      const Ints b0 = Ints::load(panel), b1 = Ints::load(panel + kLanes);
      panel += kPanelColumns;
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const Ints a = Ints::fill_bytes(&rows[r][i]);
        sum[r][0] = dot_bfloat16(sum[r][0], a, b0);
        sum[r][1] = dot_bfloat16(sum[r][1], a, b1);
      }
    }
  };
  size_t k = 0;
  for (; k + kBlock <= t.inner; k += kBlock) block(k, kBlock);
  if (k < t.inner) block(k, t.inner - k);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    sum[r][0].store(t.y + r * t.y_stride);
    sum[r][1].store(t.y + r * t.y_stride + kLanes);
  }
}

struct BFloat16 : BFloat16Panels {
  static constexpr bool kPairsOfSteps = true;  // a pair: column n of the steps k and k + 1
  static constexpr size_t kPeakProducts = 2;
  template <int kRows>
  static void run(const Argument& t) {
    pair_tile<kRows>(t);
  }
};

#else

struct BFloat16 : BFloat16Panels {
  static constexpr bool kPairsOfSteps = false;  // a pair: the columns n and n + kLanes of a step
  static constexpr size_t kPeakProducts = 1;
  static constexpr size_t kStepElements = kPanelColumns / 2;
  static void load(const BFloat16Pair* panel, Vec& b0, Vec& b1) { widen(panel, b0, b1); }
  template <int kRows>
  static void run(const Argument& t) {
    float_tile<BFloat16, kRows>(t);
  }
};

#endif

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
