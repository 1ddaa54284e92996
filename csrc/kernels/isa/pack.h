// Weights in the order in which the products read them.
#pragma once

#include <math.h>

#include "kernels/kernels.h"
#include "matmul_bfloat16.h"
#include "matmul_int8.h"
#include "quantize.h"
#include "tiles.h"
#include "vec.h"
#if defined(FASTBERT_FREE_ADDERS)
#include "matmul_winograd.h"
#endif

namespace fastbert::FASTBERT_ISA {
namespace {

// panel[k, n] = rows[n][k] for n < width, zero from there to kPanelColumns: blocks of kLanes x
// kLanes through registers.
void pack(const PackArgs<float>& args) {
  constexpr size_t kLanes = Vec::kLanes;
  for (size_t n = 0; n < kPanelColumns; n += kLanes)
    for_each_vector(args.inner, [&](size_t k, size_t count) {
      Vec block[kLanes];
      for (size_t i = 0; i < kLanes; ++i)
        block[i] = n + i < args.width ? Vec::load(args.rows[n + i] + k, count) : Vec::zero();
      if (n < args.width) transpose(block);
      for (size_t i = 0; i < count; ++i) block[i].store(args.panel + (k + i) * kPanelColumns + n);
    });
}

#if defined(FASTBERT_FREE_ADDERS)
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
#endif

// The upper half of a float, rounded to nearest, ties to even. NaN stays NaN.
inline uint32_t to_bfloat16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return x == x ? rounded : bits >> 16 | 0x40;
}

// Pairs of `count` numbers each.
inline void join(const float* first, const float* second, size_t count, BFloat16Pair* pairs) {
  for (size_t n = 0; n < count; ++n)
    pairs[n].bits = to_bfloat16(first[n]) | to_bfloat16(second[n]) << 16;
}

// The same numbers as pack, of bfloat16, in the pairs that the products read: of two steps or of
// one. An odd number of steps is followed by one of zeros.
void pack_bfloat16(const PackArgs<BFloat16Pair>& args) {
  constexpr size_t kPairs = kPanelColumns / 2;  // of a step
  pack({args.rows, args.width, args.inner, args.scratch, nullptr});
  const auto step = [&](size_t k) { return args.scratch + k * kPanelColumns; };
  const float zeros[kPanelColumns] = {};
  const size_t even = args.inner / 2 * 2;
  BFloat16Pair* last = args.panel + even * kPairs;
  if (BFloat16::kPairsOfSteps) {
    for (size_t k = 0; k < even; k += 2)
      join(step(k), step(k + 1), kPanelColumns, args.panel + k * kPairs);
    if (even < args.inner) join(step(even), zeros, kPanelColumns, last);
  } else {
    for (size_t k = 0; k < args.inner; ++k)
      join(step(k), step(k) + kPairs, kPairs, args.panel + k * kPairs);
    if (even < args.inner) join(zeros, zeros, kPairs, last + kPairs);
  }
}

// Each row rotated, scaled so that its largest magnitude is 127, and rounded.
void pack_int8(const PackInt8Args& args) {
  const PackArgs<int8_t>& p = args.pack;
  const size_t steps = (p.inner + kDot - 1) / kDot;
  memset(p.panel, 0, steps * kPanelColumns * kDot);
  for (size_t n = 0; n < kPanelColumns; ++n) {
    args.scales[n] = 0;
    args.start[n] = 0;
    if (n >= p.width) continue;
    const RowScale scale = rotate(p.rows[n], Activation::identity, p.inner, p.scratch);
    args.scales[n] = scale.unit * Rotation(p.inner).weight();
    for (size_t k = 0; k < p.inner; ++k) {
      const int value = static_cast<int>(lrintf(p.scratch[k] * scale.inverse));
      p.panel[(k / kDot * kPanelColumns + n) * kDot + k % kDot] = static_cast<int8_t>(value);
      args.start[n] -= kZeroPoint * value;
    }
  }
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
