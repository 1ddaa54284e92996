// Weights in the order in which matmul_winograd() reads them.
#pragma once

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "matmul_winograd.h"
#include "pack.h"
#include "tiles.h"
#include "vec.h"

namespace fastbert::FASTBERT_ISA {
namespace {

// The power of 2 that brings the size of a row, the root of its mean square, between 1/4 and 1/2:
// of a sum, what is small beside the larger number is lost, and what BERT multiplies is of size 0.2
// (attention, feed-forward) to 0.7 (hidden states; all-MiniLM-L6-v2). 0: of zeros.
inline float power_for(const float* row, size_t inner) {
  Vec sums = Vec::zero();
  for_each_vector(inner, [&](size_t k, size_t count) {
    const Vec w = Vec::load(row + k, count);
    sums = fma(w, w, sums);
  });
  double squares = sums.sum();
  if (!(squares > 1e-30 && squares < 1e30)) {  // they may have left the range of floats
    squares = 0;
    for (size_t k = 0; k < inner; ++k) squares += static_cast<double>(row[k]) * row[k];
  }
  if (squares == 0) return 0;
  if (!(squares < HUGE_VAL)) return 1;  // isfinite would be a weak symbol, see docs/kernels.md
  constexpr int kMost = 126;            // so that both the power and 1 / power are normal numbers
  int exponent;
  frexp(sqrt(squares / static_cast<double>(inner)), &exponent);
  ++exponent;
  if (exponent > kMost) exponent = kMost;
  if (exponent < -kMost) exponent = -kMost;
  return static_cast<float>(ldexp(1.0, -exponent));
}

// Moves the numbers of one vector's columns to their blocks, scaled, and puts the starts in front.
// `to` is the first start; it lies in front of `from`, by a row for each block.
inline void scale_and_start(const float* from, size_t inner, Vec power, float* to) {
  const auto next = [&] {
    const Vec w = Vec::load(from) * power;
    from += kPanelColumns, to += kPanelColumns;
    w.store(to);
    return w;
  };
  for (size_t b = 0; b < panel_blocks(inner); ++b, to += kPanelColumns) {
    float* const start = to;
    Vec products[4] = {Vec::zero(), Vec::zero(), Vec::zero(), Vec::zero()};
    size_t steps = block_steps(inner, b);
    for (; steps >= kTriple; steps -= kTriple) {
      const Vec first = next(), second = next();
      Vec& sum = products[steps / kTriple % 4];  // short chains lose less
      sum = fma(first, second, sum);
      next();
    }
    for (; steps != 0; --steps) next();
    (Vec::zero() - (products[0] + products[1] + (products[2] + products[3]))).store(start);
  }
}

// What pack() writes goes to the end of the panel, and is then scaled and moved to its blocks.
void pack_winograd(const PackArgs<float>& args) {
  float* const blocks = args.panel + kPanelColumns;
  float* const numbers = blocks + panel_blocks(args.inner) * kPanelColumns;
  pack({args.rows, args.width, args.inner, numbers, nullptr});
  float powers[kPanelColumns] = {}, scales[kPanelColumns] = {};  // zeros make zero, exactly
  for (size_t n = 0; n < args.width; ++n) {
    powers[n] = power_for(args.rows[n], args.inner);
    if (powers[n] != 0) scales[n] = 1 / powers[n];
  }
  memcpy(args.panel, scales, sizeof scales);
  for (size_t n = 0; n < kPanelColumns; n += Vec::kLanes)
    scale_and_start(numbers + n, args.inner, Vec::load(powers + n), blocks + n);
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
