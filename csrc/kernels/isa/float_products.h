// How linear layers multiply floats on this instruction set: the one place that chooses. Attention
// takes Floats always, its sums are too short for anything else.
#pragma once

#include "matmul.h"
#include "pack.h"
#if defined(FASTBERT_FREE_ADDERS)
#include "matmul_winograd.h"
#include "pack_winograd.h"
#endif

namespace fastbert::FASTBERT_ISA {
namespace {

#if defined(FASTBERT_FREE_ADDERS)
using FloatProducts = WinogradFloats;
constexpr auto pack_floats = pack_winograd;
constexpr auto matmul_floats = matmul_winograd;
#else
using FloatProducts = Floats;
constexpr auto pack_floats = pack;
constexpr auto matmul_floats = matmul<Floats, float>;
#endif

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
