// y = activation(x W^T + bias) with fewer multiplications than products, for CPUs that add beside
// their multiply-adds: Winograd's inner product (1968),
//
//   x0 w0 + x1 w1 = (x0 + w1) (x1 + w0) - x0 x1 - w0 w1.
//
// What is subtracted depends on one row of x or one column of W alone, and is summed up once for
// all. So two products are one multiply-add and two additions. Of every three, two are computed so
// and the third as it is: two multiply-adds and two additions, which keeps all units busy and
// is 1.5 times what multiply-adds alone could do. docs/kernels.md has the layout, and what it is
// off by.
#pragma once

#include "matmul.h"

namespace fastbert::FASTBERT_ISA {
namespace {

// Two products by way of one multiplication, and one product.
constexpr size_t kTriple = 3;

// Products that are summed up by themselves and then added to those before them: what is lost grows
// with the length of a chain. So 384 products lose no more than a chain of multiply-adds does, more
// of them less, for 2 % of the time.
constexpr size_t kBlockSteps = 64 * kTriple;

inline size_t panel_blocks(size_t inner) {
  return inner == 0 ? 1 : (inner + kBlockSteps - 1) / kBlockSteps;
}
inline size_t block_steps(size_t inner, size_t block) {
  return inner - block * kBlockSteps < kBlockSteps ? inner - block * kBlockSteps : kBlockSteps;
}

// A panel is a row of kPanelColumns scales, what 1 in the sums is worth, and then, for each block,
// a row of starts, what the sums begin with, and the rows of its steps.
struct WinogradFloats {
  using Argument = Tile<float>;
  static constexpr size_t kStepsPerFetch = kTriple;
  static size_t panel_size(size_t inner) {
    return (1 + panel_blocks(inner) + inner) * kPanelColumns;
  }
  template <int kRows>
  static void run(const Argument& t);
  // Two multiply-adds and two additions.
  static constexpr size_t kPeakProducts = kTriple;
  static Vec peak_step(Vec chain) {
    Vec x = Vec::fill(0.999f);
    const Vec y = Vec::fill(0.001f);
    asm volatile("" : "+v"(x.v));  // or the additions would be done only once
    return fma(x + x, x + y, fma(chain, Vec::fill(0.5f), y));
  }
};

// What a block adds to the sums of a tile.
template <int kRows>
inline __attribute__((always_inline)) void sum_block(const Tile<float>& t, size_t block,
                                                     const float* panel, Ahead& ahead,
                                                     Vec (&sum)[kRows][2]) {
  constexpr size_t kLanes = Vec::kLanes;
  const Vec start0 = Vec::load(panel), start1 = Vec::load(panel + kLanes);
  panel += kPanelColumns;
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const Vec own = Vec::fill_from(t.row_starts.values + r * t.row_starts.blocks + block);
    sum[r][0] = start0 + own, sum[r][1] = start1 + own;
  }
  const float* x = t.x + block * kBlockSteps;
  const auto pair = [&]() __attribute__((always_inline)) {
    const Vec a0 = Vec::load(panel), a1 = Vec::load(panel + kLanes);
    const Vec b0 = Vec::load(panel + 2 * kLanes), b1 = Vec::load(panel + 3 * kLanes);
    panel += 2 * kPanelColumns;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const float* const row = x + r * t.x_stride;
      const Vec xa = Vec::fill_from(row), xb = Vec::fill_from(row + 1);
      sum[r][0] = fma(xa + b0, xb + a0, sum[r][0]);
      sum[r][1] = fma(xa + b1, xb + a1, sum[r][1]);
    }
    x += 2;
  };
  const auto step = [&]() __attribute__((always_inline)) {
    add_step(x++, t.x_stride, Vec::load(panel), Vec::load(panel + kLanes), sum);
    panel += kPanelColumns;
  };
  size_t steps = block_steps(t.inner, block);
  for (; steps >= kTriple; steps -= kTriple) {
    ahead.fetch();
    pair(), step();
  }
  for (; steps != 0; --steps) step();
}

template <int kRows>
void WinogradFloats::run(const Tile<float>& t) {
  constexpr size_t kLanes = Vec::kLanes;
  const float* panel = t.panel + kPanelColumns;
  Ahead ahead = t.ahead;
  for (size_t block = 0; block < t.row_starts.blocks; ++block) {
    Vec sum[kRows][2];
    sum_block<kRows>(t, block, panel, ahead, sum);
    panel += (1 + kBlockSteps) * kPanelColumns;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      float* const y = t.y + r * t.y_stride;
      if (block != 0) sum[r][0] = sum[r][0] + Vec::load(y);
      if (block != 0) sum[r][1] = sum[r][1] + Vec::load(y + kLanes);
      sum[r][0].store(y), sum[r][1].store(y + kLanes);
    }
  }
  for (size_t n = 0; n < kPanelColumns; n += kLanes) {
    const Vec scale = Vec::load(t.panel + n), bias = Vec::load(t.bias + n);
    for (int r = 0; r < kRows; ++r) {
      float* const y = t.y + r * t.y_stride + n;
      fma(Vec::load(y), scale, bias).store(y);
    }
  }
}

// -(x[0] x[1] + x[3] x[4] + ...): what the sums of a block of this row begin with.
inline float row_start(const float* x, size_t steps) {
  // Lanes whose number, counted from the begin of the block, is a multiple of 3: of the first
  // vector, of the second and of the third, and so on.
  constexpr uint16_t kFirst[kTriple] = {0x9249, 0x4924, 0x2492};
  Vec sums[kTriple] = {Vec::zero(), Vec::zero(), Vec::zero()};  // no addition waits for another
  const auto add = [&](size_t k, size_t i, uint16_t lanes) __attribute__((always_inline)) {
    sums[i] = fma(Vec::load_lanes(x + k, lanes), Vec::load_lanes(x + k + 1, lanes), sums[i]);
  };
  const size_t paired = steps / kTriple * kTriple;
  size_t k = 0;
  for (; k + kTriple * Vec::kLanes <= paired; k += kTriple * Vec::kLanes)
    for (size_t i = 0; i < kTriple; ++i) add(k + i * Vec::kLanes, i, kFirst[i]);
  for (size_t i = 0; k < paired; k += Vec::kLanes, ++i) {
    const size_t left = paired - k;
    add(k, i, left < Vec::kLanes ? kFirst[i] & ((1u << left) - 1) : kFirst[i]);
  }
  return -(sums[0] + sums[1] + sums[2]).sum();
}

// Starts of rows that are kept on the stack: 512 rows of 3072 numbers.
constexpr size_t kStartsAtOnce = 8192;

void matmul_winograd(const MatmulArgs<float>& args) {
  float starts[kStartsAtOnce];
  const size_t blocks = panel_blocks(args.inner), most = kStartsAtOnce / blocks;
  MatmulArgs<float> part = args;
  for (size_t row = 0; row < args.rows; row += part.rows) {
    part.rows = args.rows - row < most ? args.rows - row : most;
    part.x = args.x + row * args.x_stride;
    part.y = args.y + row * args.y_stride;
    for (size_t r = 0; r < part.rows; ++r)
      for (size_t b = 0; b < blocks; ++b)
        starts[r * blocks + b] =
            row_start(part.x + r * part.x_stride + b * kBlockSteps, block_steps(args.inner, b));
    multiply_tiles<WinogradFloats>(part, {starts, blocks});
  }
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
