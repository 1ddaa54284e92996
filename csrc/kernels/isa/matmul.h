// y = activation(x W^T + bias) over packed panels: nearly all of the time is spent here.
//
// Every element of y is one chain of multiply-adds over k = 0, 1, 2 ..., whatever tile it falls
// into, so a row's bits do not depend on the rows that are multiplied with it.
#pragma once

#include <utility>

#include "activation.h"
#include "kernels/kernels.h"
#include "vec.h"

namespace fastbert::FASTBERT_ISA {
namespace {

constexpr size_t kPanelColumns = 2 * Vec::kLanes;

// y[r, :] = start[r, :] + sum over k of x[r, k] * panel[k, :] for kRows rows of one panel.
struct Tile {
  const float* x;
  size_t x_stride;
  const float* panel;
  size_t panel_stride;
  size_t inner;
  const float* start;  // (kPanelColumns): the same for every row
  float* y;
  size_t y_stride;
  const float* ahead;  // what is needed next, up to ahead_end: fetched into L2
  const float* ahead_end;
  size_t ahead_lines;  // lines of it for every kUnroll of k
};

constexpr size_t kUnroll = 2;  // 4 makes GCC 12 spill an accumulator
constexpr size_t kLineFloats = 16;

template <int kRows>
void tile(const Tile& t) {
  Vec sum[kRows][2];
  const Vec start0 = Vec::load(t.start), start1 = Vec::load(t.start + Vec::kLanes);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) sum[r][0] = start0, sum[r][1] = start1;
  const float *x = t.x, *panel = t.panel, *ahead = t.ahead;
  const auto step = [&]() __attribute__((always_inline)) {
    const Vec b0 = Vec::load(panel), b1 = Vec::load(panel + Vec::kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vec a = Vec::fill(x[r * t.x_stride]);
      sum[r][0] = fma(a, b0, sum[r][0]);
      sum[r][1] = fma(a, b1, sum[r][1]);
    }
    ++x;
    panel += t.panel_stride;
  };
  size_t k = t.inner;
  for (; k >= kUnroll; k -= kUnroll) {
    if (ahead < t.ahead_end)
      for (size_t i = 0; i < t.ahead_lines; ++i, ahead += kLineFloats)
        __builtin_prefetch(ahead, 0, 2);
    step(), step();
  }
  for (; k != 0; --k) step();
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    sum[r][0].store(t.y + r * t.y_stride);
    sum[r][1].store(t.y + r * t.y_stride + Vec::kLanes);
  }
}

// tile<1> .. tile<kTileRows>, by height.
struct TileTable {
  void (*of[kTileRows + 1])(const Tile&);
};
template <size_t... kHeights>
constexpr TileTable make_tiles(std::index_sequence<kHeights...>) {
  return {{nullptr, tile<kHeights + 1>...}};
}
constexpr TileTable kTiles = make_tiles(std::make_index_sequence<kTileRows>{});

// Calls body(first row, rows) for tiles of nearly equal height: 13 rows are 7 + 6, not 12 + 1,
// since a tile of few rows costs almost as much as a full one.
template <class Body>
void for_each_tile(size_t rows, const Body& body) {
  const size_t tiles = (rows + kTileRows - 1) / kTileRows;
  for (size_t i = 0, row = 0; i < tiles; ++i) {
    const size_t height = (rows - row + (tiles - i) - 1) / (tiles - i);
    body(row, height);
    row += height;
  }
}

// The panel outside, the rows inside: a panel stays in L2 while all rows pass over it, and each
// tile of rows fetches its share of the panel behind it. More than that one would push out the
// rows.
void matmul(const MatmulArgs& args) {
  if (args.rows == 0) return;
  const size_t panel_size = args.inner * kPanelColumns;
  const size_t tiles = (args.rows + kTileRows - 1) / kTileRows;
  const size_t lines = (panel_size + kLineFloats - 1) / kLineFloats;
  const size_t share = (lines + tiles - 1) / tiles * kLineFloats;
  const size_t ahead_lines = (kUnroll * kPanelColumns / kLineFloats + tiles - 1) / tiles;
  for (size_t p = args.panel_begin; p < args.panel_end; ++p) {
    const float* panel = args.panels + p * panel_size;
    const float* ahead = panel + panel_size;
    const size_t column = p * kPanelColumns;
    for_each_tile(args.rows, [&](size_t row, size_t height) {
      float* y = args.y + row * args.y_stride + column;
      kTiles.of[height]({args.x + row * args.x_stride, args.x_stride, panel, kPanelColumns,
                         args.inner, args.bias + column, y, args.y_stride, ahead, ahead + share,
                         ahead_lines});
      ahead += share;
      activate({args.activation, y, args.y_stride, height, kPanelColumns});  // still in L1
    });
  }
}

// Blocks of kLanes x kLanes through registers; what is left over, number by number.
void pack(const PackArgs& args) {
  constexpr size_t kLanes = Vec::kLanes;
  const auto scale = [&](size_t n) { return args.scales ? args.scales[n] : 1.0f; };
  const size_t whole_n = args.width / kLanes * kLanes, whole_k = args.inner / kLanes * kLanes;
  for (size_t n = 0; n < whole_n; n += kLanes)
    for (size_t k = 0; k < whole_k; k += kLanes) {
      Vec block[kLanes];
      for (size_t i = 0; i < kLanes; ++i)
        block[i] = Vec::load(args.rows[n + i] + k) * Vec::fill(scale(n + i));
      transpose(block);
      for (size_t i = 0; i < kLanes; ++i) block[i].store(args.panel + (k + i) * kPanelColumns + n);
    }
  for (size_t k = 0; k < args.inner; ++k)
    for (size_t n = k < whole_k ? whole_n : 0; n < kPanelColumns; ++n)
      args.panel[k * kPanelColumns + n] = n < args.width ? args.rows[n][k] * scale(n) : 0;
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
