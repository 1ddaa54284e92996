// The one source that is compiled once per instruction set; table() is the only symbol it exports.
#include "activation.h"
#include "attention.h"
#include "kernels/kernels.h"
#include "layer_norm.h"
#include "matmul.h"
#include "peak.h"

namespace fastbert::FASTBERT_ISA {

const KernelTable& table() {
  static constexpr KernelTable kTable{
      FASTBERT_TEXT(FASTBERT_ISA),
      kPanelColumns,
      kTileRows,
      pack,
      matmul,
      attention,
      attention_scratch,
      layer_norm,
      embed,
      activate,
      multiply_adds,
      2 * Vec::kLanes * kPeakChains,
  };
  return kTable;  // constant: no code runs before the CPU has been checked
}

}  // namespace fastbert::FASTBERT_ISA
