// The sizes of an encoder, named as in a checkpoint's config.json.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "kernels/kernels.h"

namespace fastbert {

// What the weights of the layers are stored as: float32, bfloat16 (sums in float32; where the CPU
// multiplies pairs of bfloat16, the rows are rounded on the way), or int8 (products of integers,
// the rows quantised on the way).
enum class ComputeType : int { float32, bfloat16, int8 };

// BERT has none of the terms of other families: their neutral values are at the last four fields.
struct Config {
  std::size_t vocab_size;
  std::size_t hidden_size;
  std::size_t num_hidden_layers;
  std::size_t num_attention_heads;
  std::size_t intermediate_size;
  std::size_t max_position_embeddings;
  std::size_t type_vocab_size;  // 0: no types
  float layer_norm_eps;
  Activation hidden_act;
  std::size_t embedding_size;    // of the tables; if not hidden_size, a linear layer follows
  std::size_t num_layer_groups;  // num_hidden_layers, or fewer: layers of a group share weights
  // None: token t stands at position t. Else tokens that are not this one count from the position
  // behind it on, and this one stands at its own number.
  std::optional<std::int32_t> padding_id;
  std::size_t relative_attention_num_buckets;  // 0: no bias by distance

  std::size_t head_size() const { return hidden_size / num_attention_heads; }
  bool projects_embeddings() const { return embedding_size != hidden_size; }
  std::size_t layer_group(std::size_t layer) const {
    return layer * num_layer_groups / num_hidden_layers;
  }
  // Tokens of the longest text.
  std::size_t max_length() const {
    return max_position_embeddings - (padding_id ? static_cast<std::size_t>(*padding_id) + 1 : 0);
  }
};

}  // namespace fastbert
