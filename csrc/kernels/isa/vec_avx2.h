// Eight floats or integers in a ymm register. Every ISA offers the same structs; see vec.h.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "isa.h"
#include "kernels/kernels.h"

namespace fastbert::FASTBERT_ISA {
namespace {

// Rows of a matmul tile of two vectors' width. 12 accumulators, 2 vectors of the panel and 1
// broadcast: 15 of 16 registers.
constexpr size_t kTileRows = 6;
#if defined(__AVXVNNI__)
constexpr size_t kInt8TileRows = 6;
#else
constexpr size_t kInt8TileRows = 4;  // dot() needs seven more registers
#endif

struct Vec {
  static constexpr int kLanes = 8;
  __m256 v;

  static Vec zero() { return {_mm256_setzero_ps()}; }
  static Vec fill(float x) { return {_mm256_set1_ps(x)}; }
  static Vec fill_from(const float* p) { return fill(*p); }
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

// With each quad of lanes (a, b, c, d): (c, d, a, b), and (b, a, d, c).
inline Vec swap_pairs(Vec a) { return {_mm256_permute_ps(a.v, 0x4e)}; }
inline Vec swap_neighbours(Vec a) { return {_mm256_permute_ps(a.v, 0xb1)}; }

// Largest magnitude, lane by lane and of all lanes; `top` has no signs. By the order of the bits,
// in which NaN is above infinity, so that neither is lost.
inline Vec max_magnitude(Vec top, Vec a) {
  const __m256i bits = _mm256_and_si256(_mm256_castps_si256(a.v), _mm256_set1_epi32(0x7fffffff));
  return {_mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(top.v), bits))};
}
inline float max_magnitude(Vec top) {
  const __m256i all = _mm256_castps_si256(top.v);
  __m128i quad = _mm_max_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  quad = _mm_max_epi32(quad, _mm_shuffle_epi32(quad, 0x4e));
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_max_epi32(quad, _mm_shuffle_epi32(quad, 0xb1))));
}

// The first n lanes as bytes: 128 + the nearest integer, between 0 and 255.
inline void store_bytes(Vec a, uint8_t* p, size_t n) {
  const __m256i whole = _mm256_cvtps_epi32(a.v);
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  const __m128i bytes =
      _mm_xor_si128(_mm_packs_epi16(words, words), _mm_set1_epi8(static_cast<char>(0x80)));
  const long long eight = _mm_cvtsi128_si64(bytes);
  memcpy(p, &eight, n < Vec::kLanes ? n : Vec::kLanes);
}

// Eight pairs of bfloat16, the first of each in the low half.
inline void widen(const BFloat16Pair* p, Vec& first, Vec& second) {
  const __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  first.v = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
  second.v =
      _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000))));
}

// Eight 32-bit integers, or thirty-two bytes. Of a vector type of its own, see vec_avx512.h.
struct Ints {
  typedef int Lanes __attribute__((vector_size(32)));
  Lanes v;

  static Ints fill(int32_t x) { return {(Lanes)_mm256_set1_epi32(x)}; }
  static Ints load(const void* p) {
    return {(Lanes)_mm256_loadu_si256(static_cast<const __m256i*>(p))};
  }
  void store(void* p) const { _mm256_storeu_si256(static_cast<__m256i*>(p), (__m256i)v); }
  // The four bytes at p in every lane.
  static Ints fill_bytes(const void* p) {
    int32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return fill(bytes);
  }
};

#if defined(FASTBERT_EVEX_VNNI)
#define FASTBERT_VNNI(name) "%{evex%} " #name  // for tests on a CPU that has AVX-512 VNNI only
#else
#define FASTBERT_VNNI(name) "%{vex%} " #name
#endif

// Wraps around, which the columns behind the last one may do.
inline Ints operator+(Ints a, Ints b) {
  return {(Ints::Lanes)_mm256_add_epi32((__m256i)a.v, (__m256i)b.v)};
}

// In every lane: sum + the products of its four unsigned bytes with its four signed ones, exactly.
inline Ints dot(Ints sum, Ints unsigned_bytes, Ints signed_bytes) {
#if defined(__AVXVNNI__)
  asm(FASTBERT_VNNI(vpdpbusd) " %2, %1, %0"
      : "+x"(sum.v)
      : "x"(unsigned_bytes.v), "x"(signed_bytes.v));
  return sum;
#else
  // Through 16 bits: the multiply-add of bytes (vpmaddubsw) saturates.
  const __m256i u = (__m256i)unsigned_bytes.v, s = (__m256i)signed_bytes.v;
  const __m256i even = _mm256_madd_epi16(_mm256_and_si256(u, _mm256_set1_epi16(0xff)),
                                         _mm256_srai_epi16(_mm256_slli_epi16(s, 8), 8));
  const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(u, 8), _mm256_srai_epi16(s, 8));
  return sum + Ints{(Ints::Lanes)_mm256_add_epi32(even, odd)};
#endif
}

// In every lane: sum + the two products of its signed 16-bit numbers.
inline Ints dot_pairs(Ints sum, Ints a, Ints b) {
#if defined(__AVXVNNI__)
  asm(FASTBERT_VNNI(vpdpwssd) " %2, %1, %0" : "+x"(sum.v) : "x"(a.v), "x"(b.v));
  return sum;
#else
  return sum + Ints{(Ints::Lanes)_mm256_madd_epi16((__m256i)a.v, (__m256i)b.v)};
#endif
}

inline Vec to_floats(Ints a) { return {_mm256_cvtepi32_ps((__m256i)a.v)}; }
// The nearest integers.
inline Ints to_ints(Vec a) { return {(Ints::Lanes)_mm256_cvtps_epi32(a.v)}; }

// The lanes of first, then of second, as 16-bit numbers.
inline Ints to_shorts(Ints first, Ints second) {
  const __m256i mixed = _mm256_packs_epi32((__m256i)first.v, (__m256i)second.v);
  return {(Ints::Lanes)_mm256_permute4x64_epi64(mixed, 0xd8)};
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
