// One linear layer on its own: the Dense module of a sentence-transformers directory.
#pragma once

#include <cstddef>

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

  std::size_t inputs() const { return packed_.inputs; }
  std::size_t outputs() const { return packed_.outputs; }

 private:
  const KernelTable& kernels_;
  ComputeType type_;
  Buffer<std::byte> storage_;
  PackedLinear packed_;
};

}  // namespace fastbert
