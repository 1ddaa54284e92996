// The kernels of one instruction set, as a table of plain functions: the border between code that
// is compiled once and code that is compiled per instruction set. Contracts: docs/kernels.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fastbert {

enum class Activation : int { identity, gelu, gelu_tanh, relu, silu, sigmoid, tanh };

// panel[k, n] = rows[n][k] * scales[n] for n < width, zero from there to panel_columns: one panel
// of a packed matrix, (inner, panel_columns).
struct PackArgs {
  const float* const* rows;  // (width), each (inner)
  const float* scales;       // (width); null: all 1
  std::size_t width, inner;
  float* panel;
};

// y[r, n] = activation(bias[n] + sum over k of x[r, k] * weight[n, k]) for the columns n of the
// panels [panel_begin, panel_end).
struct MatmulArgs {
  const float* x;  // (rows, inner), rows x_stride apart
  std::size_t x_stride;
  const float* panels;  // (panels, inner, panel_columns)
  const float* bias;    // (panels * panel_columns)
  float* y;             // (rows, panels * panel_columns), rows y_stride apart; not x
  std::size_t y_stride;
  std::size_t rows, inner;
  std::size_t panel_begin, panel_end;
  Activation activation;
};

// y[q, :] = sum over k of p[q, k] * value[k, :] with p[q, :] = 2^(query[q] . key[:]) divided by its
// sum: one head of one text. For a softmax of base e the caller scales the queries by log2(e).
struct AttentionArgs {
  const float* query;  // (tokens, head_size), rows stride apart; key and value likewise
  const float* key;
  const float* value;
  std::size_t stride;
  float* y;  // (tokens, head_size), rows y_stride apart; none of the above
  std::size_t y_stride;
  float* scratch;  // attention_scratch(tokens, head_size) floats
  std::size_t tokens, head_size;
  std::size_t query_begin, query_end;  // the rows of y that are wanted
};

// y[r, :] = (z - mean(z)) / sqrt(var(z) + eps) * gamma + beta with z = x[r, :] + residual[r, :].
struct LayerNormArgs {
  const float* x;         // (rows, columns), rows stride apart; residual and y likewise
  const float* residual;  // null: no residual
  float* y;               // may be x or residual
  std::size_t stride;
  const float* gamma;  // (columns)
  const float* beta;   // (columns)
  std::size_t rows, columns;
  float eps;
};

// y[t, :] = layer_norm(word[ids[t]] + type[type_ids[t]] + position[positions[t]]).
struct EmbedArgs {
  const std::int32_t* ids;        // (rows)
  const std::int32_t* positions;  // (rows)
  const std::int32_t* type_ids;   // (rows); null: all zero
  const float* word;              // (vocabulary, columns)
  const float* position;          // (positions, columns)
  const float* type;              // (types, columns)
  float* y;                       // (rows, columns), rows stride apart
  std::size_t stride;
  const float* gamma;
  const float* beta;
  std::size_t rows, columns;
  float eps;
};

// x[r, :] = activation(x[r, :]), in place.
struct ActivateArgs {
  Activation activation;
  float* x;  // (rows, columns), rows stride apart
  std::size_t stride;
  std::size_t rows, columns;
};

struct KernelTable {
  const char* isa;
  std::size_t panel_columns;  // columns of a panel
  std::size_t tile_rows;      // rows that a matmul keeps in registers at most

  void (*pack)(const PackArgs& args);
  void (*matmul)(const MatmulArgs& args);
  void (*attention)(const AttentionArgs& args);
  std::size_t (*attention_scratch)(std::size_t tokens, std::size_t head_size);
  void (*layer_norm)(const LayerNormArgs& args);
  void (*embed)(const EmbedArgs& args);
  void (*activate)(const ActivateArgs& args);

  // For measuring the machine: multiply-adds in registers alone, so many operations a round.
  float (*multiply_adds)(std::size_t rounds);
  std::size_t operations_per_round;
};

// The table this process uses: the best this CPU can run, or the one that FASTBERT_ISA names.
// Throws std::invalid_argument if that one is unknown or cannot run here.
const KernelTable& kernels();

// The named table. Throws std::invalid_argument if it is unknown or this CPU cannot run it.
const KernelTable& kernels(const std::string& isa);

std::vector<std::string> compiled_isas();   // best first
std::vector<std::string> available_isas();  // those of them that this CPU can run

}  // namespace fastbert
