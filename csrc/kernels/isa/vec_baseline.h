// Four floats in whatever the compiler finds: SSE2 on any x86-64, NEON on ARM, scalar code
// elsewhere. No intrinsics, only the vector extension that GCC and Clang share. See vec.h.
#pragma once

#include <stddef.h>
#include <string.h>

#include "isa.h"

namespace fastbert::FASTBERT_ISA {
namespace {

// Rows of a matmul tile of two vectors' width. 8 accumulators leave room for the product that a
// machine without fma keeps apart.
constexpr size_t kTileRows = 4;

struct Vec {
  static constexpr int kLanes = 4;
  typedef float Floats __attribute__((vector_size(16)));
  typedef int Ints __attribute__((vector_size(16)));
  Floats v;

  static Vec zero() { return fill(0); }
  static Vec fill(float x) { return {Floats{x, x, x, x}}; }
  static Vec load(const float* p) {
    Vec r;
    memcpy(&r.v, p, sizeof r.v);
    return r;
  }
  // The first n lanes from memory, the others zero; n lanes to memory, nothing behind them.
  static Vec load(const float* p, size_t n) {
    if (n >= kLanes) return load(p);
    Vec r = zero();
    for (size_t i = 0; i < n; ++i) r.v[i] = p[i];
    return r;
  }
  void store(float* p) const { memcpy(p, &v, sizeof v); }
  void store(float* p, size_t n) const {
    if (n >= kLanes) return store(p);
    for (size_t i = 0; i < n; ++i) p[i] = v[i];
  }

  // Lanes 0 .. n - 1 of this, and of `other` from lane n on.
  Vec first(size_t n, Vec other) const {
    const int count = static_cast<int>(n < kLanes ? n : kLanes);
    return {Ints{0, 1, 2, 3} < count ? v : other.v};
  }

  float sum() const { return (v[0] + v[2]) + (v[1] + v[3]); }
  float max() const {
    const float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];
    return a > b ? a : b;
  }
};

inline Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
inline Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
inline Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
inline Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
inline Vec max(Vec a, Vec b) { return {a.v > b.v ? a.v : b.v}; }
inline Vec min(Vec a, Vec b) { return {a.v < b.v ? a.v : b.v}; }
// Two roundings: baseline x86-64 has no fused multiply-add, and every machine that runs this file
// shall compute the same.
inline Vec fma(Vec a, Vec b, Vec c) { return {a.v * b.v + c.v}; }
// Adding 1.5 * 2^23 leaves no bits behind the point; exact for |a| < 2^22.
inline Vec round(Vec a) {
  const Vec magic = Vec::fill(12582912.0f);
  return (a + magic) - magic;
}
// a * 2^n for an integral n; zero below the smallest normal exponent.
inline Vec scale(Vec a, Vec n) {
  const Vec::Ints exponent = __builtin_convertvector(max(n, Vec::fill(-127)).v, Vec::Ints);
  const Vec::Ints bits = (exponent + 127) << 23;
  Vec power;
  memcpy(&power.v, &bits, sizeof bits);
  return a * power;
}

// The transpose of the 4 x 4 matrix whose rows are r[0] .. r[3].
inline void transpose(Vec (&r)[4]) {
  const Vec t[4] = {r[0], r[1], r[2], r[3]};
  for (int i = 0; i < 4; ++i) r[i].v = Vec::Floats{t[0].v[i], t[1].v[i], t[2].v[i], t[3].v[i]};
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
