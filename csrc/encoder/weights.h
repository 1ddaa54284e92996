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
  const float* gamma;  // (hidden)
  const float* beta;   // (hidden)
};

struct LayerWeights {
  LinearWeights query, key, value, output;  // (hidden, hidden)
  NormWeights attention_norm;
  LinearWeights ffn_in;   // (intermediate, hidden)
  LinearWeights ffn_out;  // (hidden, intermediate)
  NormWeights ffn_norm;
};

struct Weights {
  const float* word_embeddings;      // (vocab, hidden)
  const float* position_embeddings;  // (max_position, hidden)
  const float* type_embeddings;      // (type_vocab, hidden)
  NormWeights embeddings_norm;
  std::vector<LayerWeights> layers;
};

}  // namespace fastbert
