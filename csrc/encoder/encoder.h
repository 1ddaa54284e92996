// BERT's forward pass over a ragged batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "encoder/config.h"
#include "encoder/packed.h"
#include "encoder/pooling.h"
#include "encoder/schedule.h"
#include "encoder/weights.h"
#include "encoder/workspace.h"
#include "kernels/kernels.h"
#include "parallel.h"

namespace fastbert {

// Texts one behind the other, without padding: text i is ids[offsets[i] : offsets[i + 1]].
struct Batch {
  const std::int32_t* ids;       // (tokens)
  const std::int32_t* offsets;   // (texts + 1)
  const std::int32_t* type_ids;  // (tokens); null: all zero
  std::size_t texts;
};

// Where the result goes: token vectors, or text vectors of one or several poolings side by side.
struct Output {
  float* y;                       // (tokens, hidden), or (texts, poolings * hidden)
  std::vector<Pooling> poolings;  // empty: token vectors
  std::size_t pool_skip;          // leading tokens of each text that the poolings leave out
};

class Encoder {
 public:
  // Borrows `weights` for as long as the encoder lives, and packs copies of the linear ones.
  Encoder(const KernelTable& kernels, const Config& config, const Weights& weights, int threads);
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  // The caller has checked ids, type ids and lengths against config(). Any number of threads may be
  // here at once. The bits of a text's result depend on nothing but the text.
  void forward(const Batch& batch, const Output& output, int threads) const;

  const Config& config() const { return config_; }
  const KernelTable& kernels() const { return kernels_; }
  std::size_t packed_bytes() const { return packed_.bytes(); }

 private:
  // The texts of one chunk, the buffers they go through, and the threads that work on them.
  struct Run {
    const Batch& batch;
    const Placed* texts;  // (text_count)
    std::size_t text_count, rows;
    Workspace& buffers;
    const Team& team;
  };

  void run_chunk(const Run& run, const Output& output) const;
  void embed(const Run& run) const;
  void layer(const Run& run, std::size_t index) const;
  void attend(const Run& run) const;
  void product(const Run& run, const PackedLinear& linear, const float* x, std::size_t x_stride,
               float* y, std::size_t y_stride, Activation activation) const;
  void add_and_norm(const Run& run, const NormWeights& norm) const;
  void deliver(const Run& run, const Output& output) const;

  const KernelTable& kernels_;
  Config config_;
  Weights weights_;
  PackedWeights packed_;
  mutable WorkspacePool workspaces_;
};

}  // namespace fastbert
