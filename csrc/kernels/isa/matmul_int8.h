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
// y[r, :] = bias[r, :] + x_scales[r] * scales * sum[r, :]. A step takes kDot bytes of each row and
// of each column.
struct IntegerTile {
  const void* x;
  size_t x_stride, x_step;  // bytes from row to row, and from step to step
  const void* panel;        // (steps, kPanelColumns, kDot) bytes
  size_t steps;
  const int32_t* start;   // (kPanelColumns)
  const float* x_scales;  // (kRows)
  const float* scales;    // (kPanelColumns)
  const float* bias;  // (kRows, kPanelColumns), rows bias_stride apart: 0 for one that all share
  size_t bias_stride;
  float* y;
  size_t y_stride;
  Ahead ahead;
};

// Unsigned bytes times signed ones.
struct Bytes {
  static constexpr bool kScaleRows = true;  // false: as if x_scales were 1
  static Ints add(Ints sum, Ints a, Ints b) { return dot(sum, a, b); }
};

template <class Products, int kRows>
void integer_tile(const IntegerTile& t) {
  Ints sum[kRows][2];
  const Ints start0 = Ints::load(t.start), start1 = Ints::load(t.start + Vec::kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) sum[r][0] = start0, sum[r][1] = start1;
  const char* x = static_cast<const char*>(t.x);
  const char* panel = static_cast<const char*>(t.panel);
  Ahead ahead = t.ahead;
  for (size_t k = t.steps; k != 0; --k) {
    ahead.fetch();
    const Ints b0 = Ints::load(panel), b1 = Ints::load(panel + kDot * Vec::kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Ints a = Ints::fill_bytes(x + r * t.x_stride);
      sum[r][0] = Products::add(sum[r][0], a, b0);
      sum[r][1] = Products::add(sum[r][1], a, b1);
    }
    x += t.x_step;
    panel += kDot * kPanelColumns;
  }
  const Vec scale0 = Vec::load(t.scales), scale1 = Vec::load(t.scales + Vec::kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const float* bias = t.bias + r * t.bias_stride;
    float* y = t.y + r * t.y_stride;
    Vec y0 = to_floats(sum[r][0]), y1 = to_floats(sum[r][1]), scale[2] = {scale0, scale1};
    if (Products::kScaleRows) {
      y0 = y0 * scale0, y1 = y1 * scale1;
      scale[0] = scale[1] = Vec::fill(t.x_scales[r]);
    }
    fma(y0, scale[0], Vec::load(bias)).store(y);
    fma(y1, scale[1], Vec::load(bias + Vec::kLanes)).store(y + Vec::kLanes);
  }
}

template <class Products>
struct IntegerTiles {
  using Argument = IntegerTile;
  template <int kRows>
  static void run(const Argument& t) {
    integer_tile<Products, kRows>(t);
  }
};
template <class Products>
constexpr auto kIntegerTiles = tile_table<IntegerTiles<Products>, kInt8TileRows>();

// The order of matmul().
void matmul_int8(const MatmulInt8Args& args) {
  if (args.rows == 0) return;
  const size_t steps = (args.inner + kDot - 1) / kDot;
  const size_t panel_size = steps * kPanelColumns * kDot;
  for (size_t p = args.panel_begin; p < args.panel_end; ++p) {
    const int8_t* panel = args.panels + p * panel_size;
    const size_t column = p * kPanelColumns;
    FetchAhead ahead(panel, panel_size, args.rows, kInt8TileRows, steps);
    for_each_tile<kInt8TileRows>(args.rows, [&](size_t row, size_t height) {
      kIntegerTiles<Bytes>.of[height](
          {args.x + row * args.x_stride, args.x_stride, kDot, panel, steps, args.start + column,
           args.x_scales + row, args.scales + column, args.bias + column, 0,
           args.y + row * args.y_stride + column, args.y_stride, ahead.share()});
    });
  }
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
