// Products of rows with a packed linear layer, of any compute type.
#pragma once

#include <cstddef>
#include <cstdint>

#include "encoder/config.h"
#include "encoder/packed.h"
#include "kernels/kernels.h"

namespace fastbert {

// Rows as products read them: floats or, for int8, what quantize() made of them.
struct Input {
  const float* x;
  std::size_t stride;
  const std::uint8_t* quantized;
  std::size_t quantized_stride;
  const float* scales;
};

// A block of rows, and the panels that it is multiplied with.
struct Block {
  std::size_t row, rows;
  std::size_t panel_begin, panel_end;
};

// y[row, :] = input[row, :] W^T + b for the rows and panels of the block, whole panels wide. The
// activation is for floats only: those of int8 are part of the next quantize().
void multiply(const KernelTable& kernels, ComputeType type, const PackedLinear& linear,
              const Input& input, float* y, std::size_t y_stride, const Block& block,
              Activation activation);

}  // namespace fastbert
