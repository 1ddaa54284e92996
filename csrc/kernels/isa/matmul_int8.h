// y = x W^T + bias of quantised rows and weights. The sums of integer products are exact, so the
// numbers are the same on every instruction set but for the roundings of the last line.
#pragma once

#include "kernels/kernels.h"
#include "tiles.h"
#include "vec.h"

namespace fastbert::FASTBERT_ISA {
namespace {

constexpr size_t kDot = 4;  // products of one dot()

// sum[r, :] = start[:] + sum over k of x[r, k] * panel[k, :] for kRows rows of one panel, then
// y[r, :] = bias + x_scales[r] * scales * sum[r, :].
struct Int8Tile {
  const uint8_t* x;
  size_t x_stride;
  const int8_t* panel;  // (steps, kPanelColumns, kDot)
  size_t steps;
  const int32_t* start;   // (kPanelColumns)
  const float* x_scales;  // (kRows)
  const float* scales;    // (kPanelColumns)
  const float* bias;      // (kPanelColumns)
  float* y;
  size_t y_stride;
  Ahead ahead;
};

template <int kRows>
void int8_tile(const Int8Tile& t) {
  Ints sum[kRows][2];
  const Ints start0 = Ints::load(t.start), start1 = Ints::load(t.start + Vec::kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) sum[r][0] = start0, sum[r][1] = start1;
  const uint8_t* x = t.x;
  const int8_t* panel = t.panel;
  Ahead ahead = t.ahead;
  for (size_t k = t.steps; k != 0; --k) {
    ahead.fetch();
    const Ints b0 = Ints::load(panel), b1 = Ints::load(panel + kDot * Vec::kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Ints a = Ints::fill_bytes(x + r * t.x_stride);
      sum[r][0] = dot(sum[r][0], a, b0);
      sum[r][1] = dot(sum[r][1], a, b1);
    }
    x += kDot;
    panel += kDot * kPanelColumns;
  }
  const Vec scale0 = Vec::load(t.scales), scale1 = Vec::load(t.scales + Vec::kLanes);
  const Vec bias0 = Vec::load(t.bias), bias1 = Vec::load(t.bias + Vec::kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const Vec scale = Vec::fill(t.x_scales[r]);
    float* y = t.y + r * t.y_stride;
    fma(to_floats(sum[r][0]) * scale0, scale, bias0).store(y);
    fma(to_floats(sum[r][1]) * scale1, scale, bias1).store(y + Vec::kLanes);
  }
}

struct Int8Tiles {
  using Argument = Int8Tile;
  template <int kRows>
  static void run(const Argument& t) {
    int8_tile<kRows>(t);
  }
};
constexpr auto kInt8Tiles = tile_table<Int8Tiles, kInt8TileRows>();

// The order of matmul().
void matmul_int8(const MatmulInt8Args& args) {
  if (args.rows == 0) return;
  const size_t steps = (args.inner + kDot - 1) / kDot;
  const size_t panel_size = steps * kPanelColumns * kDot;
  for (size_t p = args.panel_begin; p < args.panel_end; ++p) {
    const int8_t* panel = args.panels + p * panel_size;
    const size_t column = p * kPanelColumns;
    NextPanel next(panel + panel_size, panel_size, args.rows, kInt8TileRows, steps);
    for_each_tile<kInt8TileRows>(args.rows, [&](size_t row, size_t height) {
      kInt8Tiles.of[height]({args.x + row * args.x_stride, args.x_stride, panel, steps,
                             args.start + column, args.x_scales + row, args.scales + column,
                             args.bias + column, args.y + row * args.y_stride + column,
                             args.y_stride, next.share()});
    });
  }
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
