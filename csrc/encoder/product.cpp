#include "encoder/product.h"

namespace fastbert {

void multiply(const KernelTable& kernels, ComputeType type, const PackedLinear& linear,
              const Input& input, float* y, std::size_t y_stride, const Block& block,
              Activation activation) {
  y += block.row * y_stride;
  const float* const x = input.x + block.row * input.stride;
  switch (type) {
    case ComputeType::float32:
      return kernels.matmul({x, input.stride, reinterpret_cast<const float*>(linear.panels),
                             linear.bias, y, y_stride, block.rows, linear.inputs, block.panel_begin,
                             block.panel_end, activation});
    case ComputeType::bfloat16:
      return kernels.matmul_bfloat16(
          {x, input.stride, reinterpret_cast<const BFloat16Pair*>(linear.panels), linear.bias, y,
           y_stride, block.rows, linear.inputs, block.panel_begin, block.panel_end, activation});
    case ComputeType::int8:
      return kernels.matmul_int8({input.quantized + block.row * input.quantized_stride,
                                  input.quantized_stride, input.scales + block.row,
                                  reinterpret_cast<const std::int8_t*>(linear.panels),
                                  linear.scales, linear.start, linear.bias, y, y_stride, block.rows,
                                  linear.inputs, block.panel_begin, block.panel_end});
  }
}

}  // namespace fastbert
