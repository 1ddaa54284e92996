// Weights in the order in which the products read them.
#pragma once

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "matmul_bfloat16.h"
#include "matmul_int8.h"
#include "quantize.h"
#include "tiles.h"
#include "vec.h"

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
    const RowScale scale = rotate(p.rows[n], p.inner, p.scratch);
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
