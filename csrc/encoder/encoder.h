// BERT's forward pass over a ragged batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "encoder/config.h"
#include "encoder/distance_bias.h"
#include "encoder/packed.h"
#include "encoder/pooling.h"
#include "encoder/profile.h"
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
  // (tokens): 0 for a token that no token attends to; see also PoolArgs. Null: there is none.
  const std::uint8_t* mask = nullptr;
};

// What is wanted of the hidden states, and where it goes: token vectors, those of several layers
// side by side, or text vectors, those of the layers beside each other and of the poolings behind
// each other.
struct Output {
  float* y;  // (tokens, layers * hidden), or (texts, poolings * layers * hidden)
  std::vector<std::size_t> layers;  // 0: the embeddings, i: the output of layer i; each once
  std::vector<Pooling> poolings;    // empty: token vectors
  std::size_t pool_skip;            // leading tokens of each text that the poolings leave out
  // The probabilities of the attention of every layer that is computed: of text i, from
  // attention_begin[i] on, (depth, heads, its tokens, its tokens). Null: not wanted.
  float* attentions = nullptr;
  std::vector<std::size_t> attention_begin = {};

  // The layers that must be computed.
  std::size_t depth() const;
  // Whether nothing is read behind the attention of the deepest layer, or of it, but the first
  // token of each text.
  bool first_tokens_only() const;
};

class Encoder {
 public:
  // Borrows `weights` for as long as the encoder lives. Packs copies of the linear ones, or borrows
  // what an encoder of the same kernels, config and type has packed().
  Encoder(const KernelTable& kernels, const Config& config, ComputeType type,
          const Weights& weights, const std::byte* packed, int threads);
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  // The caller has checked ids, type ids and lengths against config(). Any number of threads may be
  // here at once. The bits of a text's result depend on nothing but the text. What it did is added
  // to `profile`, unless that is null.
  void forward(const Batch& batch, const Output& output, int threads,
               Profile* profile = nullptr) const;

  const Config& config() const { return config_; }
  const KernelTable& kernels() const { return kernels_; }
  const std::byte* packed() const { return packed_.data(); }
  std::size_t packed_bytes() const { return PackedWeights::bytes(kernels_, config_, type_); }

 private:
  // One member's part in a chunk. The team either splits the rows, and each member takes its own
  // through products and norms without waiting for the others, or it splits every step.
  struct Run {
    const Batch& batch;
    const Placed* texts;  // (text_count)
    std::size_t text_count;
    std::size_t row_begin, row_end;  // the rows that `team` works on
    Workspace& buffers;
    const Team& team;           // who shares the steps on these rows: one member, or everyone
    const Team& everyone;       // who works on the chunk
    Clock* clock;               // null: nobody wants to know
    bool first_tokens = false;  // the rows are the first tokens of the texts, no others

    // Where a text's rows begin.
    std::size_t row(std::size_t text) const { return first_tokens ? text : texts[text].row; }
    std::size_t rows() const { return row_end - row_begin; }
    // Where the steps are not shared, waits for the others' rows.
    void meet() const {
      if (team.size != everyone.size) everyone.barrier();
    }
    void lap(Step step) const {
      if (clock) clock->lap(step);
    }
    // The tokens of a text that lie in these rows, counted from its first.
    struct Part {
      std::size_t begin, end;
    };
    Part part(const Placed& text) const;
  };

  void count_work(const Batch& batch, const Output& output, std::size_t chunks,
                  Profile& profile) const;
  void run_chunk(const Run& run, const Output& output) const;
  void embed(const Run& run) const;
  void place(const std::int32_t* ids, const Run::Part& part, std::int32_t* positions) const;
  void self_attention(const Run& run, const Output& output, std::size_t index,
                      bool first_tokens) const;
  Run keep_first_tokens(const Run& run) const;
  void feed_forward(const Run& run, std::size_t index) const;
  void attend(const Run& run, const Output& output, std::size_t index, bool first_tokens) const;
  const float* key_bias(const Run& run, const Placed& text) const;
  void product(const Run& run, const PackedLinear& linear, const float* x, std::size_t x_stride,
               float* y, std::size_t y_stride, Activation activation) const;
  void add_and_norm(const Run& run, const NormWeights& norm) const;
  void quantize(const Run& run, const float* x, std::size_t stride, std::size_t columns,
                Activation activation) const;
  void quantize_rows(const Run& run, std::size_t row, std::size_t rows, const float* x,
                     std::size_t stride, std::size_t columns, Activation activation) const;
  std::uint8_t* quantized(const Run& run, std::size_t columns) const;
  void deliver(const Run& run, const Output& output, std::size_t layer) const;

  const KernelTable& kernels_;
  Config config_;
  ComputeType type_;
  float score_scale_;  // of the products of queries and keys, in front of a power of 2
  DistanceBias distance_bias_;
  Weights weights_;
  PackedWeights packed_;
  mutable WorkspacePool workspaces_;
};

}  // namespace fastbert
