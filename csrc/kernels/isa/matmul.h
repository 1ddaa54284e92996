// y = activation(x W^T + bias) over packed panels: nearly all of the time is spent here.
//
// Every element of y is one chain of multiply-adds over k = 0, 1, 2 ... (in matmul_winograd.h a sum
// of blocks), whatever tile it falls into, so a row's bits do not depend on the rows that are
// multiplied with it.
#pragma once

#include "activation.h"
#include "kernels/kernels.h"
#include "tiles.h"
#include "vec.h"

namespace fastbert::FASTBERT_ISA {
namespace {

// For each row, what the sum of each block begins with; only matmul_winograd.h has these.
struct RowStarts {
  const float* values = nullptr;  // (rows, blocks)
  size_t blocks = 0;

  RowStarts from(size_t row) const { return {values + row * blocks, blocks}; }
};

// y[r, :] = bias + sum over k of x[r, k] * panel[k, :] for kRows rows of one panel.
template <class Element>
struct Tile {
  const float* x;
  size_t x_stride;
  const Element* panel;
  size_t inner;
  const float* bias;  // (kPanelColumns)
  float* y;
  size_t y_stride;
  Ahead ahead;
  RowStarts row_starts = {};  // of these rows
};

// Steps over k for every fetch ahead.
constexpr size_t kUnroll = 2;  // 4 makes GCC 12 spill an accumulator

// One step over k: a number of each row against two vectors of the panel.
template <int kRows>
inline __attribute__((always_inline)) void add_step(const float* x, size_t x_stride, Vec b0, Vec b1,
                                                    Vec (&sum)[kRows][2]) {
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const Vec a = Vec::fill_from(x + r * x_stride);
    sum[r][0] = fma(a, b0, sum[r][0]);
    sum[r][1] = fma(a, b1, sum[r][1]);
  }
}

// The tile of multiply-adds of floats. A step of a panel is kPanelColumns numbers, which
// Products::load reads as two vectors.
template <class Products, int kRows>
void float_tile(const typename Products::Argument& t) {
  Vec sum[kRows][2];
  const Vec bias0 = Vec::load(t.bias), bias1 = Vec::load(t.bias + Vec::kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) sum[r][0] = bias0, sum[r][1] = bias1;
  const float* x = t.x;
  const auto* panel = t.panel;
  Ahead ahead = t.ahead;
  const auto step = [&]() __attribute__((always_inline)) {
    Vec b0, b1;
    Products::load(panel, b0, b1);
    panel += Products::kStepElements;
    add_step(x++, t.x_stride, b0, b1, sum);
  };
  size_t k = t.inner;
  for (; k >= kUnroll; k -= kUnroll) {
    ahead.fetch();
    step(), step();
  }
  for (; k != 0; --k) step();
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    sum[r][0].store(t.y + r * t.y_stride);
    sum[r][1].store(t.y + r * t.y_stride + Vec::kLanes);
  }
}

// What products are made of: how large a panel is, and the tile of so many rows over one; for
// peak.h, a step of a chain in registers and for how many products it stands. Here of floats.
struct Floats {
  using Argument = Tile<float>;
  static constexpr size_t kStepsPerFetch = kUnroll;
  static constexpr size_t kStepElements = kPanelColumns;
  static constexpr size_t panel_size(size_t inner) { return inner * kStepElements; }
  static void load(const float* panel, Vec& b0, Vec& b1) {
    b0 = Vec::load(panel), b1 = Vec::load(panel + Vec::kLanes);
  }
  template <int kRows>
  static void run(const Argument& t) {
    float_tile<Floats, kRows>(t);
  }
  static constexpr size_t kPeakProducts = 1;
  static Vec peak_step(Vec chain) { return fma(chain, Vec::fill(0.999f), Vec::fill(0.001f)); }
};

template <class Products>
constexpr auto kTiles = tile_table<Products, kTileRows>();

// The panel outside, the rows inside: a panel stays in L2 while all rows pass over it, and each
// tile of rows fetches its share of what comes next. More than one panel would push out the rows.
template <class Products, class Element>
void multiply_tiles(const MatmulArgs<Element>& args, const RowStarts& row_starts) {
  if (args.rows == 0) return;
  const size_t panel_size = Products::panel_size(args.inner);
  for (size_t p = args.panel_begin; p < args.panel_end; ++p) {
    const Element* panel = args.panels + p * panel_size;
    const size_t column = p * kPanelColumns;
    FetchAhead ahead(panel, panel_size * sizeof(Element), args.rows, kTileRows,
                     args.inner / Products::kStepsPerFetch);
    for_each_tile<kTileRows>(args.rows, [&](size_t row, size_t height) {
      float* y = args.y + row * args.y_stride + column;
      kTiles<Products>.of[height]({args.x + row * args.x_stride, args.x_stride, panel, args.inner,
                                   args.bias + column, y, args.y_stride, ahead.share(),
                                   row_starts.from(row)});
      activate({args.activation, y, args.y_stride, height, kPanelColumns});  // still in L1
    });
  }
}

template <class Products, class Element>
void matmul(const MatmulArgs<Element>& args) {
  multiply_tiles<Products>(args, {});
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
