// The one source that is compiled once per instruction set; table() is the only symbol it exports.
#include "activation.h"
#include "attention.h"
#include "attention_int8.h"
#include "float_products.h"
#include "kernels/kernels.h"
#include "layer_norm.h"
#include "matmul.h"
#include "matmul_bfloat16.h"
#include "matmul_int8.h"
#include "pack.h"
#include "peak.h"
#include "quantize.h"

namespace fastbert::FASTBERT_ISA {

const KernelTable& table() {
  static constexpr KernelTable kTable{
      FASTBERT_TEXT(FASTBERT_ISA),
      kPanelColumns,
      kTileRows,
      FloatProducts::panel_size,
      pack_floats,
      matmul_floats,
      pack_bfloat16,
      matmul<BFloat16>,
      pack_int8,
      matmul_int8,
      quantize,
      attention,
      attention_scratch,
      attention_int8,
      attention_int8_scratch,
      layer_norm,
      embed,
      activate,
      {multiply_adds, 2 * FloatProducts::kPeakProducts * Vec::kLanes * kPeakChains},
      {multiply_adds_bfloat16, 2 * BFloat16::kPeakProducts * Vec::kLanes * kPeakChains},
      {multiply_adds_int8, 2 * kDot * Vec::kLanes * kPeakChains},
  };
  return kTable;  // constant: no code runs before the CPU has been checked
}

}  // namespace fastbert::FASTBERT_ISA
