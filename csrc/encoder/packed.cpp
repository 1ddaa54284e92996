#include "encoder/packed.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "parallel.h"

namespace fastbert {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kPanelsAtOnce = 8;
// 255 * 127 times this fits into a sum of 32 bits.
constexpr std::size_t kMostInt8Inputs = 66000;
// What the kernels are made for, see docs/kernels.md.
constexpr std::size_t kMostInputs = 1000000;

struct Shape {
  std::size_t outputs, inputs;
};

Shape projection_shape(const Config& config) { return {config.hidden_size, config.embedding_size}; }

// The linear layers of one layer of BERT, in the order in which they are stored.
struct LayerShapes {
  explicit LayerShapes(const Config& config)
      : query_key_value{3 * config.hidden_size, config.hidden_size},
        output{config.hidden_size, config.hidden_size},
        ffn_in{config.intermediate_size, config.hidden_size},
        ffn_out{config.hidden_size, config.intermediate_size} {}

  std::size_t bytes(const Packing& packing) const {
    std::size_t total = 0;
    for (const Shape& shape : {query_key_value, output, ffn_in, ffn_out})
      total += packing.bytes(shape.outputs, shape.inputs);
    return total;
  }

  Shape query_key_value, output, ffn_in, ffn_out;
};

}  // namespace

std::size_t Packing::panel_count(std::size_t outputs) const {
  return (outputs + kernels_.panel_columns - 1) / kernels_.panel_columns;
}

std::size_t Packing::panel_bytes(std::size_t inputs) const {
  switch (type_) {
    case ComputeType::bfloat16:
      return round_up(inputs, 2) * kernels_.panel_columns * sizeof(BFloat16Pair) / 2;
    case ComputeType::int8:
      return round_up(inputs, 4) * kernels_.panel_columns;
    default:
      return kernels_.panel_size(inputs) * sizeof(float);
  }
}

Packing::Layout Packing::layout(std::size_t outputs, std::size_t inputs) const {
  const bool int8 = type_ == ComputeType::int8;
  const std::size_t most = int8 ? kMostInt8Inputs : kMostInputs;
  if (inputs > most)
    throw std::invalid_argument("a linear layer has " + std::to_string(inputs) + " inputs, but " +
                                (int8 ? "int8 can sum at most " : "can have at most ") +
                                std::to_string(most));
  const std::size_t panels = panel_count(outputs);
  const std::size_t row = round_up(panels * kernels_.panel_columns * sizeof(float), kLine);
  const std::size_t bias = round_up(panels * panel_bytes(inputs), kLine);
  const std::size_t scales = bias + row, start = scales + row;
  return {bias, scales, start, int8 ? start + row : scales};
}

std::size_t Packing::bytes(std::size_t outputs, std::size_t inputs) const {
  return layout(outputs, inputs).end;
}

PackedLinear Packing::view(const std::byte* storage, std::size_t outputs,
                           std::size_t inputs) const {
  const Layout at = layout(outputs, inputs);
  return {storage,
          reinterpret_cast<const float*>(storage + at.bias),
          reinterpret_cast<const float*>(storage + at.scales),
          reinterpret_cast<const std::int32_t*>(storage + at.start),
          inputs,
          outputs,
          panel_count(outputs)};
}

PackedLinear Packing::panels(const PackedLinear& linear, std::size_t begin, std::size_t end) const {
  const std::size_t column = begin * kernels_.panel_columns;
  PackedLinear part = linear;
  part.panels += begin * panel_bytes(linear.inputs);
  part.bias += column;
  if (type_ == ComputeType::int8) part.scales += column, part.start += column;
  part.outputs = std::min(linear.outputs, end * kernels_.panel_columns) - column;
  part.panel_count = end - begin;
  return part;
}

void Packing::pack(const std::vector<LinearPart>& parts, std::size_t inputs, std::byte* storage,
                   int threads) const {
  // A panel may hold the end of one part and the beginning of the next: the rows of all, in order.
  std::vector<const float*> rows;
  std::vector<float> biases;
  for (const LinearPart& part : parts)
    for (std::size_t n = 0; n < part.outputs; ++n) {
      rows.push_back(part.weights.weight + n * inputs);
      biases.push_back(part.weights.bias[n]);
    }
  const std::size_t outputs = rows.size(), columns = kernels_.panel_columns;
  const std::size_t panels = panel_count(outputs);
  const Layout at = layout(outputs, inputs);
  std::fill(storage + panels * panel_bytes(inputs), storage + at.end, std::byte{0});
  std::copy(biases.begin(), biases.end(), reinterpret_cast<float*>(storage + at.bias));

  const std::size_t slices = (panels + kPanelsAtOnce - 1) / kPanelsAtOnce;
  const Buffer<float> scratch =
      allocate<float>(type_ == ComputeType::float32 ? 0 : slices * columns * inputs);
  parallel_for(slices, 1, threads, [&](std::size_t slice, std::size_t) noexcept {
    for (std::size_t i = 0; i < kPanelsAtOnce; ++i) {
      const std::size_t panel = slice * kPanelsAtOnce + i, n = panel * columns;
      if (panel >= panels) return;
      pack_panel(rows.data() + n, std::min(columns, outputs - n), inputs,
                 storage + panel * panel_bytes(inputs),
                 reinterpret_cast<float*>(storage + at.scales) + n,
                 reinterpret_cast<std::int32_t*>(storage + at.start) + n,
                 scratch.get() + slice * columns * inputs);
    }
  });
}

void Packing::pack_panel(const float* const* rows, std::size_t width, std::size_t inputs,
                         std::byte* panel, float* scales, std::int32_t* start,
                         float* scratch) const {
  switch (type_) {
    case ComputeType::float32:
      return kernels_.pack({rows, width, inputs, reinterpret_cast<float*>(panel), nullptr});
    case ComputeType::bfloat16:
      return kernels_.pack_bfloat16(
          {rows, width, inputs, reinterpret_cast<BFloat16Pair*>(panel), scratch});
    case ComputeType::int8:
      return kernels_.pack_int8(
          {{rows, width, inputs, reinterpret_cast<std::int8_t*>(panel), scratch}, scales, start});
  }
}

std::size_t PackedWeights::bytes(const KernelTable& kernels, const Config& config,
                                 ComputeType type) {
  const Packing packing(kernels, type);
  const Shape projection = projection_shape(config);
  return LayerShapes(config).bytes(packing) * config.num_layer_groups +
         (config.projects_embeddings() ? packing.bytes(projection.outputs, projection.inputs) : 0);
}

PackedWeights::PackedWeights(const KernelTable& kernels, const Config& config, ComputeType type,
                             const std::byte* packed)
    : data_(packed) {
  const Packing packing(kernels, type);
  const LayerShapes shapes(config);
  const auto next = [&](const Shape& shape) {
    const PackedLinear linear = packing.view(packed, shape.outputs, shape.inputs);
    packed += packing.bytes(shape.outputs, shape.inputs);
    return linear;
  };
  if (config.projects_embeddings()) embedding_projection_ = next(projection_shape(config));
  for (std::size_t i = 0; i < config.num_layer_groups; ++i)  // braces keep the order
    layers_.push_back(PackedLayer{next(shapes.query_key_value), next(shapes.output),
                                  next(shapes.ffn_in), next(shapes.ffn_out)});
}

PackedWeights::PackedWeights(const KernelTable& kernels, const Config& config, ComputeType type,
                             const Weights& weights, int threads)
    : PackedWeights(kernels, config, type, allocate<std::byte>(bytes(kernels, config, type))) {
  const Packing packing(kernels, type);
  const std::size_t hidden = config.hidden_size, inner = config.intermediate_size;
  std::byte* next = storage_.get();
  const auto place = [&](const std::vector<LinearPart>& parts, const Shape& shape) {
    packing.pack(parts, shape.inputs, next, threads);
    next += packing.bytes(shape.outputs, shape.inputs);
  };
  if (config.projects_embeddings())
    place({{weights.embedding_projection, hidden}}, projection_shape(config));
  const LayerShapes shapes(config);
  for (const LayerWeights& layer : weights.layers) {
    place({{layer.query, hidden}, {layer.key, hidden}, {layer.value, hidden}},
          shapes.query_key_value);
    place({{layer.output, hidden}}, shapes.output);
    place({{layer.ffn_in, inner}}, shapes.ffn_in);
    place({{layer.ffn_out, hidden}}, shapes.ffn_out);
  }
}

PackedWeights::PackedWeights(const KernelTable& kernels, const Config& config, ComputeType type,
                             Buffer<std::byte> storage)
    : PackedWeights(kernels, config, type, storage.get()) {
  storage_ = std::move(storage);
}

}  // namespace fastbert
