// Rows of floats to rows of bytes, each with a scale of its own.
//
// A few large numbers in a row would cost all others their precision, so the row is rotated first:
// multiplied by an orthogonal matrix (but for a factor), which spreads every number over 32 places.
// The weights are rotated alike, and the product of the two is what it was.
#pragma once

#include "activation.h"
#include "kernels/kernels.h"
#include "vec.h"

namespace fastbert::FASTBERT_ISA {
namespace {

constexpr int kZeroPoint = 128;  // a byte of this value stands for 0

// The matrix: Hadamard's of order `blocks` across as many equal blocks of the row, times the one of
// order 4 on every four numbers side by side. A row that four does not divide stays as it is.
struct Rotation {
  size_t blocks, quad;

  explicit Rotation(size_t columns) : blocks(1), quad(columns % 4 ? 1 : 4) {
    while (quad == 4 && blocks < 8 && columns / quad / blocks % 2 == 0) blocks *= 2;
  }
  // Two rotated rows have `blocks * quad` times the product of the rows themselves.
  float weight() const { return 1.0f / static_cast<float>(blocks * quad); }
};

// Hadamard's matrix of order n times the column of n vectors v.
template <size_t n>
inline void butterflies(Vec (&v)[n]) {
#pragma GCC unroll 4
  for (size_t stride = n / 2; stride > 0; stride /= 2)
#pragma GCC unroll 8
    for (size_t i = 0; i < n; ++i)
      if ((i & stride) == 0) {
        const Vec a = v[i], b = v[i + stride];
        v[i] = a + b;
        v[i + stride] = a - b;
      }
}

alignas(64) constexpr float kPairSigns[16] = {1, 1, -1, -1, 1, 1, -1, -1,
                                              1, 1, -1, -1, 1, 1, -1, -1};
alignas(64) constexpr float kNeighbourSigns[16] = {1, -1, 1, -1, 1, -1, 1, -1,
                                                   1, -1, 1, -1, 1, -1, 1, -1};

// Hadamard's matrix of order 4 times each quad of lanes. Multiplying by 1 or -1 is exact, so every
// instruction set gets the same bits.
inline Vec rotate_quads(Vec v) {
  v = fma(v, Vec::load(kPairSigns), swap_pairs(v));
  return fma(v, Vec::load(kNeighbourSigns), swap_neighbours(v));
}

// A row of numbers no larger than this is taken for zeros: the inverse of its scale would overflow.
constexpr float kNothing = 1e-36f;

// What one step of a quantised row is worth, and its inverse.
struct RowScale {
  float unit, inverse;
};

// y = the rotation of x, (columns); y may be x.
template <size_t kBlocks>
RowScale rotate_blocks(const float* x, size_t columns, bool quads, float* y) {
  const size_t block = columns / kBlocks;
  Vec top = Vec::zero();
  for_each_vector(block, [&](size_t i, size_t n) __attribute__((always_inline)) {
    Vec v[kBlocks];
#pragma GCC unroll 8
    for (size_t b = 0; b < kBlocks; ++b) v[b] = Vec::load(x + b * block + i, n);
    butterflies(v);
#pragma GCC unroll 8
    for (size_t b = 0; b < kBlocks; ++b) {
      if (quads) v[b] = rotate_quads(v[b]);
      top = max_magnitude(top, v[b]);
      v[b].store(y + b * block + i, n);
    }
  });
  const float largest = max_magnitude(top);
  return {largest / 127, largest > kNothing ? 127 / largest : 0};
}

RowScale rotate(const float* x, size_t columns, float* y) {
  const Rotation rotation(columns);
  const bool quads = rotation.quad == 4;
  switch (rotation.blocks) {
    case 8:
      return rotate_blocks<8>(x, columns, quads, y);
    case 4:
      return rotate_blocks<4>(x, columns, quads, y);
    case 2:
      return rotate_blocks<2>(x, columns, quads, y);
    default:
      return rotate_blocks<1>(x, columns, quads, y);
  }
}

// The activation has a pass of its own: in one loop with the rotation, both together take a seventh
// longer than one after the other.
void quantize(const QuantizeArgs& args) {
  for (size_t r = 0; r < args.rows; ++r) {
    const float* x = args.x + r * args.x_stride;
    if (args.activation != Activation::identity) {
      activate_row(args.activation, x, args.columns, args.scratch);
      x = args.scratch;
    }
    const RowScale scale = rotate(x, args.columns, args.scratch);
    args.scales[r] = scale.unit;
    const Vec inverse = Vec::fill(scale.inverse);
    uint8_t* y = args.y + r * args.y_stride;
    for_each_vector(args.columns, [&](size_t i, size_t n) {
      store_bytes(Vec::load(args.scratch + i, n) * inverse, y + i, n);
    });
  }
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
