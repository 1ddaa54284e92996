// The sizes of an encoder, named as in a checkpoint's config.json.
#pragma once

#include <cstddef>

#include "kernels/kernels.h"

namespace fastbert {

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
