// What all products share: rows in tiles of nearly equal height, a function for each height, and
// fetching the panel that comes next.
#pragma once

#include <stddef.h>

#include <utility>

#include "vec.h"

namespace fastbert::FASTBERT_ISA {
namespace {

constexpr size_t kPanelColumns = 2 * Vec::kLanes;

// Calls body(first row, rows) for tiles of nearly equal height: 13 rows are 7 + 6, not 12 + 1,
// since a tile of few rows costs almost as much as a full one.
template <size_t kMostRows, class Body>
void for_each_tile(size_t rows, const Body& body) {
  const size_t tiles = (rows + kMostRows - 1) / kMostRows;
  for (size_t i = 0, row = 0; i < tiles; ++i) {
    const size_t height = (rows - row + (tiles - i) - 1) / (tiles - i);
    body(row, height);
    row += height;
  }
}

// Kind::run<1> .. Kind::run<kMostRows>, by height.
template <class Argument, size_t kMostRows>
struct TileTable {
  void (*of[kMostRows + 1])(const Argument&);
};
template <class Kind, size_t... kHeights>
constexpr TileTable<typename Kind::Argument, sizeof...(kHeights)> make_tile_table(
    std::index_sequence<kHeights...>) {
  return {{nullptr, Kind::template run<kHeights + 1>...}};
}
template <class Kind, size_t kMostRows>
constexpr TileTable<typename Kind::Argument, kMostRows> tile_table() {
  return make_tile_table<Kind>(std::make_index_sequence<kMostRows>{});
}

constexpr size_t kLineBytes = 64;

// Memory that will be needed next, to be fetched into L2 a few lines at a time.
struct Ahead {
  const char* next = nullptr;
  const char* end = nullptr;
  size_t lines = 0;  // for every call of fetch()

  void fetch() {
    if (next < end)
      for (size_t i = 0; i < lines; ++i, next += kLineBytes) __builtin_prefetch(next, 0, 2);
  }
};

// How far ahead the only tile of a panel fetches. A whole panel would leave the first one of every
// run of panels to the loads: 16 KiB are 5 to 10 % faster. See docs/performance.md.
constexpr size_t kBytesAhead = 16384;

// With so few rows, loads alone keep the hardware's own fetching far ahead, at the speed of plain
// streaming; ours would take half of that. 3 with AVX-512, 1 with AVX2, whose loads are half as
// long, and none with SSE2.
constexpr size_t kRowsThatStream = 3 * Vec::kLanes * sizeof(float) / kLineBytes;

// What the tiles that pass over a panel of `bytes` fetch for later, in equal shares: the panel
// behind it, or with one tile only what lies a distance ahead.
class FetchAhead {
 public:
  // `steps`: how often a tile calls fetch().
  FetchAhead(const void* panel, size_t bytes, size_t rows, size_t most_rows, size_t steps) {
    if (rows <= kRowsThatStream || steps == 0) return;
    const size_t tiles = (rows + most_rows - 1) / most_rows;
    const size_t lines = ((bytes + kLineBytes - 1) / kLineBytes + tiles - 1) / tiles;
    const size_t distance = tiles == 1 && bytes > kBytesAhead ? kBytesAhead : bytes;
    next_ = static_cast<const char*>(panel) + distance;
    share_ = lines * kLineBytes;
    lines_ = (lines + steps - 1) / steps;
  }

  Ahead share() {
    const Ahead ahead{next_, next_ + share_, lines_};
    next_ += share_;
    return ahead;
  }

 private:
  const char* next_ = nullptr;
  size_t share_ = 0, lines_ = 0;
};

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
