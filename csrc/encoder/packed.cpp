#include "encoder/packed.h"

#include <algorithm>
#include <cmath>

#include "parallel.h"

namespace fastbert {
namespace {

std::size_t panel_count(const KernelTable& kernels, std::size_t outputs) {
  return (outputs + kernels.panel_columns - 1) / kernels.panel_columns;
}

PackedLinear view_linear(const KernelTable& kernels, std::size_t outputs, std::size_t inputs,
                         const float* storage) {
  const std::size_t panels = panel_count(kernels, outputs);
  return {storage, storage + panels * kernels.panel_columns * inputs, inputs, outputs, panels};
}

}  // namespace

std::size_t packed_floats(const KernelTable& kernels, std::size_t outputs, std::size_t inputs) {
  return panel_count(kernels, outputs) * kernels.panel_columns * (inputs + 1);
}

PackedLinear pack_linear(const KernelTable& kernels, const std::vector<LinearPart>& parts,
                         std::size_t inputs, float* storage, int threads) {
  std::size_t outputs = 0;
  for (const LinearPart& part : parts) outputs += part.outputs;
  const std::size_t columns = kernels.panel_columns, panels = panel_count(kernels, outputs);
  float* const bias = storage + panels * columns * inputs;
  std::fill(bias, bias + panels * columns, 0.0f);

  // A panel may hold the end of one part and the beginning of the next, so it is put together from
  // a copy of its rows.
  std::size_t first = 0;
  std::vector<const float*> rows(outputs);
  std::vector<float> scales(outputs);
  for (const LinearPart& part : parts) {
    for (std::size_t n = 0; n < part.outputs; ++n) {
      rows[first + n] = part.weights.weight + n * inputs;
      scales[first + n] = part.scale;
      bias[first + n] = part.weights.bias[n] * part.scale;
    }
    first += part.outputs;
  }
  parallel_for(panels, 1, threads, [&](std::size_t begin, std::size_t end) noexcept {
    for (std::size_t p = begin; p < end; ++p) {
      const std::size_t n = p * columns, width = std::min(columns, outputs - n);
      kernels.pack(
          {rows.data() + n, scales.data() + n, width, inputs, storage + p * columns * inputs});
    }
  });
  return view_linear(kernels, outputs, inputs, storage);
}

std::size_t PackedWeights::size(const KernelTable& kernels, const Config& config) {
  const std::size_t hidden = config.hidden_size, inner = config.intermediate_size;
  const std::size_t per_layer =
      packed_floats(kernels, 3 * hidden, hidden) + packed_floats(kernels, hidden, hidden) +
      packed_floats(kernels, inner, hidden) + packed_floats(kernels, hidden, inner);
  return per_layer * config.num_hidden_layers * sizeof(float);
}

PackedWeights::PackedWeights(const KernelTable& kernels, const Config& config,
                             const Weights& weights, const void* packed, int threads)
    : storage_(packed ? nullptr : allocate_floats(size(kernels, config) / sizeof(float))),
      data_(packed ? static_cast<const float*>(packed) : storage_.get()) {
  const std::size_t hidden = config.hidden_size, inner = config.intermediate_size;
  // softmax(q k / sqrt(d)) is taken as powers of 2: both factors go into the query once.
  const float query_scale =
      static_cast<float>(1.0 / std::log(2.0) / std::sqrt(static_cast<double>(config.head_size())));
  std::size_t next = 0;
  const auto place = [&](const std::vector<LinearPart>& parts, std::size_t inputs) {
    std::size_t outputs = 0;
    for (const LinearPart& part : parts) outputs += part.outputs;
    const std::size_t begin = next;
    next += packed_floats(kernels, outputs, inputs);
    return storage_ ? pack_linear(kernels, parts, inputs, storage_.get() + begin, threads)
                    : view_linear(kernels, outputs, inputs, data_ + begin);
  };
  for (const LayerWeights& layer : weights.layers)
    layers_.push_back({
        place(
            {{layer.query, hidden, query_scale}, {layer.key, hidden, 1}, {layer.value, hidden, 1}},
            hidden),
        place({{layer.output, hidden, 1}}, hidden),
        place({{layer.ffn_in, inner, 1}}, hidden),
        place({{layer.ffn_out, hidden, 1}}, inner),
    });
}

}  // namespace fastbert
