// The vector type of this unit's instruction set. All kernels are written over it once; what an
// instruction set adds is one of these files.
//
//   kTileRows  how many rows a matmul keeps in registers; kInt8TileRows: one of integers
//   Vec        kLanes floats; fill and fill_from: one number in all lanes; load and store, whole or
//              the first n lanes; sum and max over lanes
//   + - * /, min, max, fma, round (to nearest), scale (a * 2^n)
//   swap_pairs, swap_neighbours (of each quad of lanes), max_magnitude
//   transpose  of a square of kLanes registers
//   widen      bfloat16 to floats; store_bytes: floats to bytes
//   Ints       kLanes integers or four times as many bytes; dot (products of bytes), dot_pairs (of
//              16-bit numbers), to_floats, to_ints, to_shorts
//   magnitude, lookup         only with __AVX512F__; gelu.h
//   dot_bfloat16, to_bfloat16  only with __AVX512BF16__; matmul_bfloat16.h
//   Vec::load_lanes            needed only with FASTBERT_FREE_ADDERS; matmul_winograd.h
#pragma once

#if defined(__AVX512F__)
#include "vec_avx512.h"
#elif defined(__AVX2__)
#include "vec_avx2.h"
#else
#include "vec_baseline.h"
#endif

namespace fastbert::FASTBERT_ISA {
namespace {

// Calls body(i, n) for the lanes [i, i + n) of a row, a whole vector at a time and then the rest.
template <class Body>
void for_each_vector(size_t columns, const Body& body) {
  size_t i = 0;
  for (; i + Vec::kLanes <= columns; i += Vec::kLanes) body(i, size_t{Vec::kLanes});
  if (i < columns) body(i, columns - i);
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
