// Weights in the order in which the kernels read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "encoder/config.h"
#include "encoder/memory.h"
#include "encoder/weights.h"
#include "kernels/kernels.h"

namespace fastbert {

// Of the layout below and of those in docs/kernels.md: a change makes stored weights unreadable.
constexpr int kPackedLayout = 2;

// A linear layer in panels; views into storage that somebody else owns.
struct PackedLinear {
  const std::byte* panels;    // (panel_count) of the compute type, see docs/kernels.md
  const float* bias;          // (panel_count * panel_columns), zero behind the outputs
  const float* scales;        // int8 only, like bias: see MatmulInt8Args
  const std::int32_t* start;  // int8 only, like bias
  std::size_t inputs, outputs, panel_count;
};

struct PackedLayer {
  PackedLinear query_key_value;  // (3 * hidden, hidden): one product instead of three
  PackedLinear output, ffn_in, ffn_out;
};

// Rows of a linear layer that go to one place of a packed one.
struct LinearPart {
  LinearWeights weights;
  std::size_t outputs;
};

// How linear layers of one compute type lie in memory, for one instruction set.
class Packing {
 public:
  Packing(const KernelTable& kernels, ComputeType type) : kernels_(kernels), type_(type) {}

  // Of one layer: a multiple of the cache line. Throws std::invalid_argument if there are more
  // inputs than products can have.
  std::size_t bytes(std::size_t outputs, std::size_t inputs) const;

  // The layer in the bytes(outputs, inputs) at `storage`.
  PackedLinear view(const std::byte* storage, std::size_t outputs, std::size_t inputs) const;

  // The panels [begin, end) of a layer, as a layer of their own.
  PackedLinear panels(const PackedLinear& linear, std::size_t begin, std::size_t end) const;

  // Packs the parts, one under the other, into the bytes(outputs, inputs) at `storage`.
  void pack(const std::vector<LinearPart>& parts, std::size_t inputs, std::byte* storage,
            int threads) const;

 private:
  // Where the rows behind the panels begin.
  struct Layout {
    std::size_t bias, scales, start, end;
  };
  Layout layout(std::size_t outputs, std::size_t inputs) const;
  std::size_t panel_count(std::size_t outputs) const;
  std::size_t panel_bytes(std::size_t inputs) const;
  void pack_panel(const float* const* rows, std::size_t width, std::size_t inputs, std::byte* panel,
                  float* scales, std::int32_t* start, float* scratch) const;

  const KernelTable& kernels_;
  ComputeType type_;
};

// The projection of the embeddings, if there is one, and all layers, in one piece of memory.
class PackedWeights {
 public:
  // Packs `weights` into memory of its own.
  PackedWeights(const KernelTable& kernels, const Config& config, ComputeType type,
                const Weights& weights, int threads);
  // Borrows what another one has packed: its bytes() at data(), aligned to a cache line.
  PackedWeights(const KernelTable& kernels, const Config& config, ComputeType type,
                const std::byte* packed);

  static std::size_t bytes(const KernelTable& kernels, const Config& config, ComputeType type);
  const std::byte* data() const { return data_; }
  const PackedLinear& embedding_projection() const { return embedding_projection_; }
  const PackedLayer& layer(std::size_t group) const { return layers_[group]; }

 private:
  PackedWeights(const KernelTable& kernels, const Config& config, ComputeType type,
                Buffer<std::byte> storage);

  Buffer<std::byte> storage_;  // empty if borrowed
  const std::byte* data_;
  PackedLinear embedding_projection_{};
  std::vector<PackedLayer> layers_;
};

}  // namespace fastbert
