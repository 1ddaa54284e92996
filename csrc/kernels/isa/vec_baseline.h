// Four floats or integers in whatever the compiler finds: SSE2 on any x86-64, NEON on ARM, scalar
// code elsewhere. No intrinsics, only the vector extension that GCC and Clang share. See vec.h.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "isa.h"
#include "kernels/kernels.h"

namespace fastbert::FASTBERT_ISA {
namespace {

// Rows of a matmul tile of two vectors' width. 12 accumulators leave room for the vectors of the
// panel, a row's number and the product that a machine without fma keeps apart. GCC 12's
// code for 4 rows is a seventh slower; that for 3 is as fast, but passes over each panel twice as
// often.
constexpr size_t kTileRows = 6;
constexpr size_t kInt8TileRows = 2;  // dot() needs most of the registers

struct Vec {
  static constexpr int kLanes = 4;
  typedef float Floats __attribute__((vector_size(16)));
  typedef int Ints __attribute__((vector_size(16)));
  Floats v;

  static Vec zero() { return fill(0); }
  static Vec fill(float x) { return {Floats{x, x, x, x}}; }
  static Vec fill_from(const float* p) { return fill(*p); }
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

// With each quad of lanes (a, b, c, d): (c, d, a, b), and (b, a, d, c).
inline Vec swap_pairs(Vec a) { return {Vec::Floats{a.v[2], a.v[3], a.v[0], a.v[1]}}; }
inline Vec swap_neighbours(Vec a) { return {Vec::Floats{a.v[1], a.v[0], a.v[3], a.v[2]}}; }

// Largest magnitude, lane by lane and of all lanes; `top` has no signs. By the order of the bits,
// in which NaN is above infinity, so that neither is lost.
inline Vec max_magnitude(Vec top, Vec a) {
  const Vec::Ints bits = (Vec::Ints)(a.v) & 0x7fffffff;
  const Vec::Ints most = (Vec::Ints)(top.v);
  return {bits > most ? (Vec::Floats)(bits) : top.v};
}
inline float max_magnitude(Vec top) {
  top = max_magnitude(top, swap_pairs(top));
  return max_magnitude(top, swap_neighbours(top)).v[0];
}

// The first n lanes as bytes: 128 + the nearest integer, between 0 and 255.
inline void store_bytes(Vec a, uint8_t* p, size_t n) {
  const Vec held = min(Vec::fill(127), max(Vec::fill(-128), round(a)));
  const Vec::Ints whole = __builtin_convertvector(held.v, Vec::Ints);
  for (size_t i = 0; i < Vec::kLanes && i < n; ++i) p[i] = static_cast<uint8_t>(whole[i] + 128);
}

// Four pairs of bfloat16, the first of each in the low half.
inline void widen(const BFloat16Pair* p, Vec& first, Vec& second) {
  typedef unsigned Bits __attribute__((vector_size(16)));
  Bits pairs;
  memcpy(&pairs, p, sizeof pairs);
  const Bits low = pairs << 16, high = pairs & 0xffff0000u;
  memcpy(&first.v, &low, sizeof low);
  memcpy(&second.v, &high, sizeof high);
}

// Four 32-bit integers, or sixteen bytes.
struct Ints {
  typedef Vec::Ints Lanes;
  Lanes v;

  static Ints fill(int32_t x) { return {Vec::Ints{x, x, x, x}}; }
  static Ints load(const void* p) {
    Ints r;
    memcpy(&r.v, p, sizeof r.v);
    return r;
  }
  void store(void* p) const { memcpy(p, &v, sizeof v); }
  // The four bytes at p in every lane.
  static Ints fill_bytes(const void* p) {
    int32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return fill(bytes);
  }
};

// Wraps around, which the columns behind the last one may do.
inline Ints operator+(Ints a, Ints b) {
  typedef unsigned Bits __attribute__((vector_size(16)));
  return {(Vec::Ints)((Bits)a.v + (Bits)b.v)};
}

// In every lane: sum + the products of its four unsigned bytes with its four signed ones, exactly:
// 255 * 127 fits into the 16 bits of one product.
inline Ints dot(Ints sum, Ints unsigned_bytes, Ints signed_bytes) {
  typedef short Shorts __attribute__((vector_size(16)));
  typedef unsigned short UShorts __attribute__((vector_size(16)));
  const UShorts u = (UShorts)(unsigned_bytes.v);
  const Shorts s = (Shorts)(signed_bytes.v);
  const Shorts low = s << 8;
  const Shorts even = (Shorts)(u) & 0xff;
  const UShorts odd = u >> 8;
  const Shorts products[2] = {even * (low >> 8), (Shorts)(odd) * (s >> 8)};
  for (const Shorts& product : products) {
    const Vec::Ints pair = (Vec::Ints)(product);
    sum = sum + Ints{((pair << 16) >> 16) + (pair >> 16)};
  }
  return sum;
}

inline Vec to_floats(Ints a) { return {__builtin_convertvector(a.v, Vec::Floats)}; }

// In every lane: sum + the two products of its signed 16-bit numbers, whose sum shall be at most
// 2^24: floats are exact so far, and SSE2 has no 32-bit product of integers.
inline Ints dot_pairs(Ints sum, Ints a, Ints b) {
  const Vec low = to_floats({(a.v << 16) >> 16}) * to_floats({(b.v << 16) >> 16});
  const Vec both = low + to_floats({a.v >> 16}) * to_floats({b.v >> 16});
  return sum + Ints{__builtin_convertvector(both.v, Vec::Ints)};
}

// The nearest integers.
inline Ints to_ints(Vec a) { return {__builtin_convertvector(round(a).v, Vec::Ints)}; }

// The lanes of first, then of second, as 16-bit numbers.
inline Ints to_shorts(Ints first, Ints second) {
  typedef short Shorts __attribute__((vector_size(8)));
  const Shorts shorts[2] = {__builtin_convertvector(first.v, Shorts),
                            __builtin_convertvector(second.v, Shorts)};
  return Ints::load(shorts);
}

// The transpose of the 4 x 4 matrix whose rows are r[0] .. r[3].
inline void transpose(Vec (&r)[4]) {
  const Vec t[4] = {r[0], r[1], r[2], r[3]};
  for (int i = 0; i < 4; ++i) r[i].v = Vec::Floats{t[0].v[i], t[1].v[i], t[2].v[i], t[3].v[i]};
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
