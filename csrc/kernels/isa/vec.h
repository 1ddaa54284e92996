// The vector type of this unit's instruction set. All kernels are written over it once; what an
// instruction set adds is one of these files.
//
//   kTileRows  how many rows a matmul keeps in registers
//   Vec        kLanes floats; load and store, whole or the first n lanes; sum and max over lanes
//   + - * /, min, max, fma, round (to nearest), scale (a * 2^n)
//   transpose  of a square of kLanes registers
#pragma once

#if defined(__AVX512F__)
#include "vec_avx512.h"
#elif defined(__AVX2__)
#include "vec_avx2.h"
#else
#include "vec_baseline.h"
#endif
