// The sizes of an encoder, named as in a checkpoint's config.json.
#pragma once

#include <cstddef>

#include "kernels/kernels.h"

namespace fastbert {

// What the weights of the layers are stored as: float32, bfloat16 (sums in float32; where the CPU
// multiplies pairs of bfloat16, the rows are rounded on the way), or int8 (products of integers,
// the rows quantised on the way).
enum class ComputeType : int { float32, bfloat16, int8 };

struct Config {
  std::size_t vocab_size;
  std::size_t hidden_size;
  std::size_t num_hidden_layers;
  std::size_t num_attention_heads;
  std::size_t intermediate_size;
  std::size_t max_position_embeddings;
  std::size_t type_vocab_size;
  float layer_norm_eps;
  Activation hidden_act;

  std::size_t head_size() const { return hidden_size / num_attention_heads; }
};

}  // namespace fastbert
