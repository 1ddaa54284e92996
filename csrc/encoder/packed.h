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
  float* panels;  // (panel_count, inputs, panel_columns)
  float* bias;    // (panel_count * panel_columns), zero behind the outputs
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

// All layers in one allocation.
class PackedWeights {
 public:
  PackedWeights(const KernelTable& kernels, const Config& config, const Weights& weights,
                int threads);

  const PackedLayer& layer(std::size_t i) const { return layers_[i]; }

 private:
  FloatBuffer storage_;
  std::vector<PackedLayer> layers_;
};

}  // namespace fastbert
