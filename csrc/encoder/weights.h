// The weights of an encoder as a checkpoint has them: borrowed pointers, each with its shape.
// Linear weights are (outputs, inputs).
#pragma once

#include <vector>

namespace fastbert {

struct LinearWeights {
  const float* weight;  // (outputs, inputs)
  const float* bias;    // (outputs)
};

struct NormWeights {
  const float* gamma;  // (hidden), or (embedding)
  const float* beta;   // likewise
};

struct LayerWeights {
  LinearWeights query, key, value, output;  // (hidden, hidden)
  NormWeights attention_norm;
  LinearWeights ffn_in;   // (intermediate, hidden)
  LinearWeights ffn_out;  // (hidden, intermediate)
  NormWeights ffn_norm;
};

struct Weights {
  const float* word_embeddings;      // (vocab, embedding)
  const float* position_embeddings;  // (max_position, embedding)
  const float* type_embeddings;      // (type_vocab, embedding); null: none
  NormWeights embeddings_norm;
  LinearWeights embedding_projection;    // (hidden, embedding); null: none
  const float* relative_attention_bias;  // (buckets, heads); null: none
  std::vector<LayerWeights> layers;      // (layer groups)
};

}  // namespace fastbert
