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
// The power of 2 that makes numbers about as large as those that they are added to: BERT's hidden
// states are of size 1. What is lost of a sum is what is small beside the larger number. 0: of
// nothing.
inline float power_for(const float* row, size_t inner) {
  Vec sums = Vec::zero();
  for_each_vector(inner, [&](size_t k, size_t count) {
    const Vec w = Vec::load(row + k, count);
    sums = fma(w, w, sums);
  });
  double squares = sums.sum();
  if (!(squares > 1e-30 && squares < 1e30)) {  // squares may have left the range of floats
    squares = 0;
    for (size_t k = 0; k < inner; ++k) squares += static_cast<double>(row[k]) * row[k];
  }
  if (squares == 0) return 0;
  if (!isfinite(squares)) return 1;
  constexpr int kMost = 120;  // so that 1 / power is a normal number, too
  int exponent;
  frexp(sqrt(squares / static_cast<double>(inner)), &exponent);
  if (exponent > kMost) exponent = kMost;
  if (exponent < -kMost) exponent = -kMost;
  return static_cast<float>(ldexp(1.0, -exponent));
}

// The panel of pack(), its columns times a power of 2, between what its blocks begin with.
void pack_winograd(const PackArgs<float>& args) {
  const size_t blocks = panel_blocks(args.inner);
  float* const numbers = args.panel + (1 + blocks) * kPanelColumns;
  pack({args.rows, args.width, args.inner, numbers, nullptr});
  float powers[kPanelColumns] = {}, worth[kPanelColumns] = {};  // nothing gives nothing, exactly
  for (size_t n = 0; n < args.width; ++n) {
    powers[n] = power_for(args.rows[n], args.inner);
    if (powers[n] != 0) worth[n] = 1 / powers[n];
  }
  memcpy(args.panel, worth, sizeof worth);
  for (size_t n = 0; n < kPanelColumns; n += Vec::kLanes) {
    const Vec power = Vec::load(powers + n);
    const float* from = numbers + n;
    float* to = args.panel + kPanelColumns + n;  // never behind `from`
    const auto next = [&] {
      const Vec w = Vec::load(from) * power;
      from += kPanelColumns, to += kPanelColumns;
      w.store(to);
      return w;
    };
    for (size_t b = 0; b < blocks; ++b, to += kPanelColumns) {
      float* const start = to;
      Vec products[4] = {Vec::zero(), Vec::zero(), Vec::zero(), Vec::zero()};
      size_t steps = block_steps(args.inner, b);
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
