// Eight floats in a ymm register. Every ISA offers the same struct; see vec.h.
#pragma once

#include <immintrin.h>
#include <stddef.h>

#include "isa.h"

namespace fastbert::FASTBERT_ISA {
namespace {

// Rows of a matmul tile of two vectors' width. 12 accumulators, 2 vectors of the panel and 1
// broadcast: 15 of 16 registers.
constexpr size_t kTileRows = 6;

struct Vec {
  static constexpr int kLanes = 8;
  __m256 v;

  static Vec zero() { return {_mm256_setzero_ps()}; }
  static Vec fill(float x) { return {_mm256_set1_ps(x)}; }
  static Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  // The first n lanes from memory, the others zero; n lanes to memory, nothing behind them.
  static Vec load(const float* p, size_t n) {
    return n >= kLanes ? load(p) : Vec{_mm256_maskload_ps(p, mask(n))};
  }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store(float* p, size_t n) const {
    n >= kLanes ? store(p) : _mm256_maskstore_ps(p, mask(n), v);
  }

  // Lanes 0 .. n - 1 of this, and of `other` from lane n on.
  Vec first(size_t n, Vec other) const {
    return {_mm256_blendv_ps(other.v, v, _mm256_castsi256_ps(mask(n)))};
  }

  float sum() const {
    const __m128 quad = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 pair = _mm_add_ps(quad, _mm_movehl_ps(quad, quad));
    return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
  }
  float max() const {
    const __m128 quad = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 pair = _mm_max_ps(quad, _mm_movehl_ps(quad, quad));
    return _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)));
  }

 private:
  static __m256i mask(size_t n) {
    const int count = static_cast<int>(n < kLanes ? n : kLanes);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

inline Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
inline Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }
inline Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
inline Vec round(Vec a) {
  return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
// a * 2^n for an integral n; zero below the smallest normal exponent.
inline Vec scale(Vec a, Vec n) {
  const __m256i exponent = _mm256_cvtps_epi32(_mm256_max_ps(n.v, _mm256_set1_ps(-127)));
  const __m256i power = _mm256_slli_epi32(_mm256_add_epi32(exponent, _mm256_set1_epi32(127)), 23);
  return {_mm256_mul_ps(a.v, _mm256_castsi256_ps(power))};
}

// The transpose of the 8 x 8 matrix whose rows are r[0] .. r[7].
inline void transpose(Vec (&r)[8]) {
  __m256 t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i].v, r[i + 1].v);
    t[i + 1] = _mm256_unpackhi_ps(r[i].v, r[i + 1].v);
  }
  __m256 u[8];
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      u[i + 2 * j] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0x44);
      u[i + 2 * j + 1] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0xee);
    }
  for (int i = 0; i < 4; ++i) {
    r[i].v = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
    r[i + 4].v = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
  }
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
