#include "encoder/linear.h"

#include <algorithm>

#include "encoder/product.h"
#include "parallel.h"

namespace fastbert {

Linear::Linear(const KernelTable& kernels, ComputeType type, const LinearWeights& weights,
               std::size_t outputs, std::size_t inputs, int threads)
    : kernels_(kernels), type_(type) {
  const Packing packing(kernels, type);
  storage_ = allocate<std::byte>(packing.bytes(outputs, inputs));
  packing.pack({{weights, outputs}}, inputs, storage_.get(), threads);
  packed_ = packing.view(storage_.get(), outputs, inputs);
}

void Linear::forward(const float* x, std::size_t rows, float* y, Activation activation,
                     int threads) const {
  if (rows == 0) return;
  const std::size_t outputs = packed_.outputs, inputs = packed_.inputs;
  const std::size_t width = packed_.panel_count * kernels_.panel_columns;
  // The kernel writes whole panels: straight into y if they fit, else by way of wider rows.
  const Buffer<float> wide = width == outputs ? nullptr : allocate<float>(rows * width);
  float* const target = wide ? wide.get() : y;
  // Rows of x that lie a multiple of 4 KiB apart would push each other out of L1: 74 % of the peak
  // instead of 87 % with 3072 inputs.
  const std::size_t stride = row_stride(inputs), quantized_stride = byte_stride(inputs);
  const bool quantized = type_ == ComputeType::int8;
  const Buffer<float> spread = allocate<float>(rows * stride);
  const Buffer<std::uint8_t> bytes =
      allocate<std::uint8_t>(quantized ? rows * quantized_stride : 0);
  const Buffer<float> scales = allocate<float>(quantized ? rows : 0);
  const Input input{spread.get(), stride, bytes.get(), quantized_stride, scales.get()};
  parallel_for(
      rows, kernels_.tile_rows * 8, threads, [&](std::size_t begin, std::size_t end) noexcept {
        const std::size_t count = end - begin;
        if (quantized)
          kernels_.quantize({Activation::identity, x + begin * inputs, inputs,
                             bytes.get() + begin * quantized_stride, quantized_stride,
                             scales.get() + begin, count, inputs, spread.get() + begin * stride});
        else
          for (std::size_t r = begin; r < end; ++r)
            std::copy_n(x + r * inputs, inputs, spread.get() + r * stride);
        multiply(kernels_, type_, packed_, input, target, width,
                 {begin, count, 0, packed_.panel_count}, activation);
        if (quantized) kernels_.activate({activation, target + begin * width, width, count, width});
        for (std::size_t r = begin; wide && r < end; ++r)
          std::copy_n(target + r * width, outputs, y + r * outputs);
      });
}

}  // namespace fastbert
