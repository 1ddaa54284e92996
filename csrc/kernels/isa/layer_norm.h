// Layer normalisation, alone, after a residual sum, and after the sum of the three embeddings.
#pragma once

#include <math.h>

#include "kernels/kernels.h"
#include "vec.h"

namespace fastbert::FASTBERT_ISA {
namespace {

// y = (z - mean) / sqrt(var + eps) * gamma + beta for one row; z(i, n) gives lanes [i, i + n) of z,
// zeros behind them.
//
// Two passes after the one that makes z, not E[z^2] - E[z]^2, which cancels badly when the mean is
// large. The row is in L1 throughout.
template <class Source>
void layer_norm_row(const Source& z, const float* gamma, const float* beta, float* y,
                    size_t columns, float eps) {
  const float count = static_cast<float>(columns);
  // Two sums each, in turn: one chain of additions would wait for itself.
  Vec total[2] = {Vec::zero(), Vec::zero()};
  for_each_vector(columns, [&](size_t i, size_t n) {
    const Vec v = z(i, n);
    v.store(y + i, n);
    const Vec sum = total[0] + v;
    total[0] = total[1];
    total[1] = sum;
  });
  const Vec mean = Vec::fill((total[0] + total[1]).sum() / count);

  Vec squares[2] = {Vec::zero(), Vec::zero()};
  for_each_vector(columns, [&](size_t i, size_t n) {
    const Vec d = n == Vec::kLanes ? Vec::load(y + i) - mean
                                   : (Vec::load(y + i, n) - mean).first(n, Vec::zero());
    const Vec sum = fma(d, d, squares[0]);
    squares[0] = squares[1];
    squares[1] = sum;
  });
  const Vec scale = Vec::fill(1 / sqrtf((squares[0] + squares[1]).sum() / count + eps));

  for_each_vector(columns, [&](size_t i, size_t n) {
    const Vec d = (Vec::load(y + i, n) - mean) * scale;
    fma(d, Vec::load(gamma + i, n), Vec::load(beta + i, n)).store(y + i, n);
  });
}

void layer_norm(const LayerNormArgs& args) {
  for (size_t r = 0; r < args.rows; ++r) {
    const float* x = args.x + r * args.stride;
    const float* residual = args.residual ? args.residual + r * args.stride : nullptr;
    layer_norm_row(
        [=](size_t i, size_t n) {
          const Vec v = Vec::load(x + i, n);
          return residual ? v + Vec::load(residual + i, n) : v;
        },
        args.gamma, args.beta, args.y + r * args.stride, args.columns, args.eps);
  }
}

// How many rows ahead of the one that is summed a word is asked for: words lie anywhere in a table
// that no cache holds.
constexpr size_t kWordsAhead = 2;

void embed(const EmbedArgs& args) {
  constexpr size_t kLineFloats = 16;
  for (size_t r = 0; r < args.rows; ++r) {
    if (r + kWordsAhead < args.rows) {
      const float* next = args.word + args.ids[r + kWordsAhead] * args.columns;
      for (size_t i = 0; i < args.columns; i += kLineFloats) __builtin_prefetch(next + i);
    }
    const float* word = args.word + args.ids[r] * args.columns;
    const float* position = args.position + args.positions[r] * args.columns;
    const float* type =
        args.type ? args.type + (args.type_ids ? args.type_ids[r] : 0) * args.columns : nullptr;
    layer_norm_row(
        [=](size_t i, size_t n) {
          // The order of the reference implementation: (word + type) + position.
          const Vec v = Vec::load(word + i, n);
          return (type ? v + Vec::load(type + i, n) : v) + Vec::load(position + i, n);
        },
        args.gamma, args.beta, args.y + r * args.stride, args.columns, args.eps);
  }
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
