// The kernels of one instruction set, as a table of plain functions: the border between code that
// is compiled once and code that is compiled per instruction set. Contracts: docs/kernels.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fastbert {

enum class Activation : int { identity, gelu, gelu_tanh, relu, silu, sigmoid, tanh };

// Two bfloat16 numbers, the upper halves of floats, the first in the low half. Which two of a panel
// stand together depends on the instruction set.
struct BFloat16Pair {
  std::uint32_t bits;
};

// Rows of weights to one panel of a packed matrix; docs/kernels.md has the layout of each type.
template <class Element>
struct PackArgs {
  const float* const* rows;  // (width), each (inner)
  std::size_t width, inner;
  Element* panel;
  float* scratch;  // (panel_columns, inner) floats; unused for float
};

// y[r, n] = activation(bias[n] + sum over k of x[r, k] * weight[n, k]) for the columns n of the
// panels [panel_begin, panel_end).
template <class Element>
struct MatmulArgs {
  const float* x;  // (rows, inner), rows x_stride apart
  std::size_t x_stride;
  const Element* panels;  // as packed: of floats, each of panel_size(inner) numbers
  const float* bias;      // (panels * panel_columns)
  float* y;               // (rows, panels * panel_columns), rows y_stride apart; not x
  std::size_t y_stride;
  std::size_t rows, inner;
  std::size_t panel_begin, panel_end;
  Activation activation;
};

// y[r, :] = 128 + round(h[r, :] * (1 / scales[r])), h being the rotation of activation(x[r, :]),
// and scales[r] what makes its largest magnitude 127.
struct QuantizeArgs {
  Activation activation;
  const float* x;  // (rows, columns), rows x_stride apart
  std::size_t x_stride;
  std::uint8_t* y;  // (rows, columns), rows y_stride apart
  std::size_t y_stride;
  float* scales;  // (rows)
  std::size_t rows, columns;
  float* scratch;  // (columns)
};

// One panel of a packed matrix of int8, and what belongs to its columns.
struct PackInt8Args {
  PackArgs<std::int8_t> pack;  // the panel: (inner / 4 rounded up, panel_columns, 4)
  float* scales;               // (panel_columns): what 1 in a sum of integer products is worth
  std::int32_t* start;  // (panel_columns): what takes the 128 of the quantised rows out again
};

// y[r, n] = bias[n] + x_scales[r] * scales[n] * (start[n] + sum over k of x[r, k] * weight[n, k])
// for the columns n of the panels [panel_begin, panel_end).
struct MatmulInt8Args {
  const std::uint8_t* x;  // (rows, inner rounded up to 4), rows x_stride apart
  std::size_t x_stride;
  const float* x_scales;      // (rows)
  const std::int8_t* panels;  // (panels, inner / 4 rounded up, panel_columns, 4)
  const float* scales;        // (panels * panel_columns)
  const std::int32_t* start;  // (panels * panel_columns)
  const float* bias;          // (panels * panel_columns)
  float* y;                   // (rows, panels * panel_columns), rows y_stride apart
  std::size_t y_stride;
  std::size_t rows, inner;
  std::size_t panel_begin, panel_end;
};

// y[q, :] = sum over k of p[q, k] * value[k, :] with p[q, k] = 2^(scale * s[q, k]) divided by the
// sum of its row, and s[q, k] = query[q] . key[k] + distance_bias[k - q] + key_bias[k]: one head of
// one text. For a softmax of base e the scale holds a factor log2(e).
struct AttentionArgs {
  const float* query;  // (tokens, head_size), rows stride apart; key and value likewise
  const float* key;
  const float* value;
  std::size_t stride;
  float* y;  // (tokens, head_size), rows y_stride apart; none of the above
  std::size_t y_stride;
  float* scratch;  // attention_scratch(tokens, head_size) floats
  std::size_t tokens, head_size;
  float scale;
  std::size_t query_begin, query_end;  // the rows of y that are wanted
  // Null: all zero. Minus infinity leaves a key out.
  const float* distance_bias = nullptr;  // (1 - tokens .. tokens - 1): the middle of a table
  const float* key_bias = nullptr;       // (tokens)
  float* probabilities = nullptr;        // (tokens, tokens): p, of the wanted rows; null: nobody's
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

// y[t, :] = layer_norm(word[ids[t]] + type[type_ids[t]] + position[positions[t]]), the type only
// where there are types.
struct EmbedArgs {
  const std::int32_t* ids;        // (rows)
  const std::int32_t* positions;  // (rows)
  const std::int32_t* type_ids;   // (rows); null: all zero
  const float* word;              // (vocabulary, columns)
  const float* position;          // (positions, columns)
  const float* type;              // (types, columns); null: no types
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

// For measuring the machine: what products are made of, in registers alone.
struct Yardstick {
  float (*multiply_adds)(std::size_t rounds);
  std::size_t operations_per_round;
};

struct KernelTable {
  const char* isa;
  std::size_t panel_columns;  // columns of a panel
  std::size_t tile_rows;      // rows that a matmul keeps in registers at most

  std::size_t (*panel_size)(std::size_t inner);  // numbers of a panel of floats

  void (*pack)(const PackArgs<float>& args);
  void (*matmul)(const MatmulArgs<float>& args);
  void (*pack_bfloat16)(const PackArgs<BFloat16Pair>& args);
  void (*matmul_bfloat16)(const MatmulArgs<BFloat16Pair>& args);
  void (*pack_int8)(const PackInt8Args& args);
  void (*matmul_int8)(const MatmulInt8Args& args);
  void (*quantize)(const QuantizeArgs& args);
  void (*attention)(const AttentionArgs& args);
  std::size_t (*attention_scratch)(std::size_t tokens, std::size_t head_size);
  void (*attention_int8)(const AttentionArgs& args);
  std::size_t (*attention_int8_scratch)(std::size_t tokens, std::size_t head_size);
  void (*layer_norm)(const LayerNormArgs& args);
  void (*embed)(const EmbedArgs& args);
  void (*activate)(const ActivateArgs& args);

  Yardstick peak, peak_bfloat16, peak_int8;
};

// The table this process uses: the best this CPU can run, or the one that FASTBERT_ISA names.
// Throws std::invalid_argument if that one is unknown or cannot run here.
const KernelTable& kernels();

// The named table. Throws std::invalid_argument if it is unknown or this CPU cannot run it.
const KernelTable& kernels(const std::string& isa);

std::vector<std::string> compiled_isas();   // best first
std::vector<std::string> available_isas();  // those of them that this CPU can run

}  // namespace fastbert
