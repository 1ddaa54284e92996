// One linear layer on its own: a Dense module, or the head of a task.
#pragma once

#include <cstddef>
#include <cstdint>

#include "encoder/memory.h"
#include "encoder/packed.h"
#include "kernels/kernels.h"

namespace fastbert {

class Linear {
 public:
  // Packs a copy of the weights.
  Linear(const KernelTable& kernels, ComputeType type, const LinearWeights& weights,
         std::size_t outputs, std::size_t inputs, int threads);

  // y = activation(x W^T + b), (rows, outputs) from (rows, inputs), both contiguous.
  void forward(const float* x, std::size_t rows, float* y, Activation activation,
               int threads) const;

  // y[i, :] = the largest number of every column of x W^T + b over text i, which is the rows
  // [offsets[i], offsets[i + 1]) of x; zeros where there are none. (texts, outputs), contiguous.
  // Nowhere are there more than a few rows of the product.
  void forward_max(const float* x, const std::int32_t* offsets, std::size_t texts, float* y,
                   int threads) const;

  std::size_t inputs() const { return packed_.inputs; }
  std::size_t outputs() const { return packed_.outputs; }

 private:
  class Rows;

  // How many panels a thread reads before it looks for more.
  std::size_t panels_at_once() const;

  const KernelTable& kernels_;
  ComputeType type_;
  Buffer<std::byte> storage_;
  PackedLinear packed_;
};

}  // namespace fastbert
