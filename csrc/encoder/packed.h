// Weights in the order in which the kernels read them.
#pragma once

#include <cstddef>
#include <vector>

#include "encoder/config.h"
#include "encoder/memory.h"
#include "encoder/weights.h"
#include "kernels/kernels.h"

namespace fastbert {

// A linear layer in panels; views into storage that somebody else owns.
struct PackedLinear {
  const float* panels;  // (panel_count, inputs, panel_columns)
  const float* bias;    // (panel_count * panel_columns), zero behind the outputs
  std::size_t inputs, outputs, panel_count;
};

struct PackedLayer {
  PackedLinear query_key_value;  // (3 * hidden, hidden): one product instead of three
  PackedLinear output, ffn_in, ffn_out;
};

// Rows of a linear layer that go to one place of a packed one, multiplied by `scale`.
struct LinearPart {
  LinearWeights weights;
  std::size_t outputs;
  float scale;
};

std::size_t packed_floats(const KernelTable& kernels, std::size_t outputs, std::size_t inputs);

// Packs the parts one under the other into `storage`, packed_floats() floats.
PackedLinear pack_linear(const KernelTable& kernels, const std::vector<LinearPart>& parts,
                         std::size_t inputs, float* storage, int threads);

// Goes up when the bytes of PackedWeights change for the same weights, kernels and sizes.
constexpr int kPackedLayout = 1;

// All layers in one block, whose layout follows from the kernels and the sizes alone.
class PackedWeights {
 public:
  // Takes `packed`, size() bytes that another PackedWeights of the same weights, kernels and sizes
  // has filled; they must live as long as this. Null: packs the weights into memory of its own.
  PackedWeights(const KernelTable& kernels, const Config& config, const Weights& weights,
                const void* packed, int threads);

  static std::size_t size(const KernelTable& kernels, const Config& config);  // bytes

  const PackedLayer& layer(std::size_t i) const { return layers_[i]; }
  const void* data() const { return data_; }

 private:
  FloatBuffer storage_;  // null if borrowed
  const float* data_;
  std::vector<PackedLayer> layers_;
};

}  // namespace fastbert
