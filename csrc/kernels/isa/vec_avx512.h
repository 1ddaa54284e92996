// Sixteen floats or integers in a zmm register. Every ISA offers the same structs; see vec.h.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "isa.h"
#include "kernels/kernels.h"

namespace fastbert::FASTBERT_ISA {
namespace {

// Rows of a matmul tile of two vectors' width. 24 accumulators, 2 vectors of the panel and 1
// broadcast: 27 of 32 registers; all 32 in matmul_winograd.h.
constexpr size_t kTileRows = 12;
#if defined(__AVX512VNNI__)
constexpr size_t kInt8TileRows = 12;
#else
constexpr size_t kInt8TileRows = 8;  // dot() needs seven more registers
#endif

struct Vec {
  static constexpr int kLanes = 16;
  __m512 v;

  static Vec zero() { return {_mm512_setzero_ps()}; }
  static Vec fill(float x) { return {_mm512_set1_ps(x)}; }
  static Vec fill_from(const float* p) {
#if defined(FASTBERT_FREE_ADDERS) && !defined(__SANITIZE_ADDRESS__)
    // As an integer: vbroadcastss to 512 bits takes time of Zen 4's adders, this takes none. What
    // assembly reads, a sanitizer does not see.
    Vec x;
    asm("vpbroadcastd %1, %0" : "=v"(x.v) : "m"(*p));
    return x;
#else
    return fill(*p);
#endif
  }
  static Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  // The first n lanes from memory, the others zero; n lanes to memory, nothing behind them.
  static Vec load(const float* p, size_t n) {
    return n >= kLanes ? load(p) : Vec{_mm512_maskz_loadu_ps(mask(n), p)};
  }
  // Lane i where bit i of `lanes` is set, the others zero; reads no more.
  static Vec load_lanes(const float* p, uint16_t lanes) {
    return {_mm512_maskz_loadu_ps(lanes, p)};
  }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store(float* p, size_t n) const {
    n >= kLanes ? store(p) : _mm512_mask_storeu_ps(p, mask(n), v);
  }

  // Lanes 0 .. n - 1 of this, and of `other` from lane n on.
  Vec first(size_t n, Vec other) const { return {_mm512_mask_mov_ps(other.v, mask(n), v)}; }

  float sum() const { return _mm512_reduce_add_ps(v); }
  float max() const { return _mm512_reduce_max_ps(v); }

 private:
  static __mmask16 mask(size_t n) {
    return static_cast<__mmask16>(n >= kLanes ? 0xffff : (1u << n) - 1);
  }
};

inline Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Vec round(Vec a) {
  return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
// a * 2^n for an integral n; underflows to zero by itself.
inline Vec scale(Vec a, Vec n) { return {_mm512_scalef_ps(a.v, n.v)}; }

// With each quad of lanes (a, b, c, d): (c, d, a, b), and (b, a, d, c).
inline Vec swap_pairs(Vec a) { return {_mm512_permute_ps(a.v, 0x4e)}; }
inline Vec swap_neighbours(Vec a) { return {_mm512_permute_ps(a.v, 0xb1)}; }

inline Vec magnitude(Vec a) { return {_mm512_abs_ps(a.v)}; }
// Sixteen numbers of a table, by the four lowest bits of each lane.
inline Vec lookup(const float* table, Vec index) {
  return {_mm512_permutexvar_ps(_mm512_castps_si512(index.v), _mm512_load_ps(table))};
}

// Largest magnitude, lane by lane and of all lanes; `top` has no signs. By the order of the bits,
// in which NaN is above infinity, so that neither is lost.
inline Vec max_magnitude(Vec top, Vec a) {
  const __m512i bits = _mm512_and_si512(_mm512_castps_si512(a.v), _mm512_set1_epi32(0x7fffffff));
  return {_mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(top.v), bits))};
}
inline float max_magnitude(Vec top) {
  const int bits = _mm512_reduce_max_epi32(_mm512_castps_si512(top.v));
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// The first n lanes as bytes: 128 + the nearest integer, between 0 and 255.
inline void store_bytes(Vec a, uint8_t* p, size_t n) {
  const __m128i bytes = _mm_xor_si128(_mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(a.v)),
                                      _mm_set1_epi8(static_cast<char>(0x80)));
  if (n >= Vec::kLanes)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
  else
    _mm_mask_storeu_epi8(p, static_cast<__mmask16>((1u << n) - 1), bytes);
}

// Sixteen pairs of bfloat16, the first of each in the low half.
inline void widen(const BFloat16Pair* p, Vec& first, Vec& second) {
  const __m512i pairs = _mm512_loadu_si512(p);
  first.v = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
  second.v =
      _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000))));
}

// Sixteen 32-bit integers, sixty-four bytes or thirty-two bfloat16. Of a vector type of its own:
// GCC 12 keeps arrays of __m512i in memory, at half the speed.
struct Ints {
  typedef int Lanes __attribute__((vector_size(64)));
  Lanes v;

  static Ints fill(int32_t x) { return {(Lanes)_mm512_set1_epi32(x)}; }
  static Ints load(const void* p) { return {(Lanes)_mm512_loadu_si512(p)}; }
  void store(void* p) const { _mm512_storeu_si512(p, (__m512i)v); }
  // The four bytes at p in every lane.
  static Ints fill_bytes(const void* p) {
    int32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return fill(bytes);
  }
};

// Wraps around, which the columns behind the last one may do.
inline Ints operator+(Ints a, Ints b) {
  return {(Ints::Lanes)_mm512_add_epi32((__m512i)a.v, (__m512i)b.v)};
}

// In every lane: sum + the products of its four unsigned bytes with its four signed ones, exactly.
inline Ints dot(Ints sum, Ints unsigned_bytes, Ints signed_bytes) {
#if defined(__AVX512VNNI__)
  asm("vpdpbusd %2, %1, %0" : "+v"(sum.v) : "v"(unsigned_bytes.v), "v"(signed_bytes.v));
  return sum;
#else
  // Through 16 bits: the multiply-add of bytes (vpmaddubsw) saturates.
  const __m512i u = (__m512i)unsigned_bytes.v, s = (__m512i)signed_bytes.v;
  const __m512i even = _mm512_madd_epi16(_mm512_and_si512(u, _mm512_set1_epi16(0xff)),
                                         _mm512_srai_epi16(_mm512_slli_epi16(s, 8), 8));
  const __m512i odd = _mm512_madd_epi16(_mm512_srli_epi16(u, 8), _mm512_srai_epi16(s, 8));
  return sum + Ints{(Ints::Lanes)_mm512_add_epi32(even, odd)};
#endif
}

// In every lane: sum + the two products of its signed 16-bit numbers.
inline Ints dot_pairs(Ints sum, Ints a, Ints b) {
#if defined(__AVX512VNNI__)
  asm("vpdpwssd %2, %1, %0" : "+v"(sum.v) : "v"(a.v), "v"(b.v));
  return sum;
#else
  return sum + Ints{(Ints::Lanes)_mm512_madd_epi16((__m512i)a.v, (__m512i)b.v)};
#endif
}

#if defined(__AVX512BF16__)
// In every lane: sum + the two products of its bfloat16 numbers. The instruction takes numbers too
// small to be normal for zero, whatever the mode of the CPU.
inline Vec dot_bfloat16(Vec sum, Ints a, Ints b) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum.v) : "v"(a.v), "v"(b.v));
  return sum;
}

// The lanes of first, then of second, as bfloat16, rounded to nearest even.
inline Ints to_bfloat16(Vec first, Vec second) {
  return {(Ints::Lanes)_mm512_cvtne2ps_pbh(second.v, first.v)};
}
#endif

inline Vec to_floats(Ints a) { return {_mm512_cvtepi32_ps((__m512i)a.v)}; }
// The nearest integers.
inline Ints to_ints(Vec a) { return {(Ints::Lanes)_mm512_cvtps_epi32(a.v)}; }

// The lanes of first, then of second, as 16-bit numbers.
inline Ints to_shorts(Ints first, Ints second) {
  const __m512i mixed = _mm512_packs_epi32((__m512i)first.v, (__m512i)second.v);
  const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
  return {(Ints::Lanes)_mm512_permutexvar_epi64(order, mixed)};
}

// The transpose of the 16 x 16 matrix whose rows are r[0] .. r[15].
inline void transpose(Vec (&r)[16]) {
  __m512 t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i].v, r[i + 1].v);
    t[i + 1] = _mm512_unpackhi_ps(r[i].v, r[i + 1].v);
  }
  __m512 u[16];
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 2; ++j) {
      const __m512d low = _mm512_castps_pd(t[i + j]), high = _mm512_castps_pd(t[i + j + 2]);
      u[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
      u[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
    }
  for (int i = 0; i < 4; ++i) {
    const __m512 a = _mm512_shuffle_f32x4(u[i], u[i + 4], 0x88);
    const __m512 b = _mm512_shuffle_f32x4(u[i], u[i + 4], 0xdd);
    const __m512 c = _mm512_shuffle_f32x4(u[i + 8], u[i + 12], 0x88);
    const __m512 d = _mm512_shuffle_f32x4(u[i + 8], u[i + 12], 0xdd);
    r[i].v = _mm512_shuffle_f32x4(a, c, 0x88);
    r[i + 4].v = _mm512_shuffle_f32x4(b, d, 0x88);
    r[i + 8].v = _mm512_shuffle_f32x4(a, c, 0xdd);
    r[i + 12].v = _mm512_shuffle_f32x4(b, d, 0xdd);
  }
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
