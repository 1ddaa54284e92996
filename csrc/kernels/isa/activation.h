// Functions of one number, applied to vectors: exp2 and what BERT activates with.
#pragma once

#include "gelu.h"
#include "kernels/kernels.h"
#include "vec.h"

namespace fastbert::FASTBERT_ISA {
namespace {

// 2^x for |x| <= 126, NaN for NaN; smaller x give zero or a subnormal, larger ones at most 2^127.
// Minimax polynomial on the fraction (relative error 8e-8 after rounding), exact scaling by the
// rest. In min and max the argument comes second: a NaN there is handed on.
inline Vec exp2(Vec x) {
  x = min(Vec::fill(127.0f), max(Vec::fill(-150.0f), x));
  const Vec whole = round(x), f = x - whole;
  Vec p = Vec::fill(1.54614447e-4f);
  p = fma(p, f, Vec::fill(1.340042818e-3f));
  p = fma(p, f, Vec::fill(9.618056679e-3f));
  p = fma(p, f, Vec::fill(5.550327227e-2f));
  p = fma(p, f, Vec::fill(2.402265092e-1f));
  p = fma(p, f, Vec::fill(6.931472067e-1f));
  p = fma(p, f, Vec::fill(1.0f));
  return scale(p, whole);
}

inline Vec exp(Vec x) { return exp2(x * Vec::fill(1.442695041f)); }

inline Vec sigmoid(Vec x) { return Vec::fill(1) / (Vec::fill(1) + exp(Vec::zero() - x)); }

inline Vec tanh(Vec x) { return fma(Vec::fill(2), sigmoid(x + x), Vec::fill(-1)); }

// x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), "gelu_new" in checkpoints.
inline Vec gelu_tanh(Vec x) {
  const Vec inner = x * fma(x * x, Vec::fill(0.044715f * 0.7978845608f), Vec::fill(0.7978845608f));
  return x * sigmoid(inner + inner);
}

// Calls body(function) with the activation as a function of a vector.
template <class Body>
void with_activation(Activation activation, const Body& body) {
  switch (activation) {
    case Activation::gelu:
      return body([](Vec v) { return gelu(v); });
    case Activation::gelu_tanh:
      return body([](Vec v) { return gelu_tanh(v); });
    case Activation::relu:
      return body([](Vec v) { return max(Vec::zero(), v); });
    case Activation::silu:
      return body([](Vec v) { return v * sigmoid(v); });
    case Activation::sigmoid:
      return body([](Vec v) { return sigmoid(v); });
    case Activation::tanh:
      return body([](Vec v) { return tanh(v); });
    default:
      return body([](Vec v) { return v; });
  }
}

// y = function(x), (columns); y may be x.
template <class Function>
inline void apply(const Function& function, const float* x, size_t columns, float* y) {
  for_each_vector(columns,
                  [&](size_t i, size_t n) { function(Vec::load(x + i, n)).store(y + i, n); });
}

void activate_row(Activation activation, const float* x, size_t columns, float* y) {
  with_activation(activation, [&](const auto& function) { apply(function, x, columns, y); });
}

void activate(const ActivateArgs& args) {
  if (args.activation == Activation::identity) return;
  with_activation(args.activation, [&](const auto& function) {
    for (size_t r = 0; r < args.rows; ++r) {
      float* x = args.x + r * args.stride;
      apply(function, x, args.columns, x);
    }
  });
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
