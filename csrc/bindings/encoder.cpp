// The encoder: weights in as a dictionary, token ids in, vectors out.
#include "encoder/encoder.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>

#include "bindings/arrays.h"
#include "bindings/names.h"
#include "bindings/register.h"
#include "cpu.h"
#include "encoder/dynamic_batcher.h"

namespace fastbert::bindings {
namespace {

constexpr std::size_t kMostSize = std::numeric_limits<std::int32_t>::max();

Config read_config(const py::dict& values) {
  const auto size = [&](const char* key) {
    const auto value = values[key].cast<std::size_t>();
    if (value > kMostSize)
      throw std::invalid_argument(std::string(key) + " is " + std::to_string(value) +
                                  ", but must be at most " + std::to_string(kMostSize));
    return value;
  };
  return {size("vocab_size"),
          size("hidden_size"),
          size("num_hidden_layers"),
          size("num_attention_heads"),
          size("intermediate_size"),
          size("max_position_embeddings"),
          size("type_vocab_size"),
          values["layer_norm_eps"].cast<float>(),
          activation(values["hidden_act"].cast<std::string>()),
          size("embedding_size"),
          size("num_layer_groups"),
          values["padding_id"].cast<std::optional<std::int32_t>>(),
          size("relative_attention_num_buckets")};
}

// Finds tensors by name and checks their shapes.
class WeightReader {
 public:
  WeightReader(const py::dict& tensors, const Config& config)
      : tensors_(tensors),
        hidden_(static_cast<py::ssize_t>(config.hidden_size)),
        inner_(static_cast<py::ssize_t>(config.intermediate_size)) {}

  const float* table(const std::string& name, std::size_t rows, std::size_t columns) const {
    return tensor(name, {static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(columns)});
  }

  NormWeights norm(const std::string& name, py::ssize_t size) const {
    return {tensor(name + ".gamma", {size}), tensor(name + ".beta", {size})};
  }

  LinearWeights linear(const std::string& name, py::ssize_t outputs, py::ssize_t inputs) const {
    return {tensor(name + ".weight", {outputs, inputs}), tensor(name + ".bias", {outputs})};
  }

  LayerWeights layer(std::size_t index) const {
    const std::string prefix = "layers." + std::to_string(index) + ".";
    return {
        linear(prefix + "query", hidden_, hidden_),  linear(prefix + "key", hidden_, hidden_),
        linear(prefix + "value", hidden_, hidden_),  linear(prefix + "output", hidden_, hidden_),
        norm(prefix + "attention_norm", hidden_),    linear(prefix + "ffn_in", inner_, hidden_),
        linear(prefix + "ffn_out", hidden_, inner_), norm(prefix + "ffn_norm", hidden_)};
  }

 private:
  const float* tensor(const std::string& name, const std::vector<py::ssize_t>& shape) const {
    if (!tensors_.contains(name)) throw std::invalid_argument("weights lack '" + name + "'");
    return checked<float>(tensors_[name.c_str()], "weight '" + name + "'", shape);
  }

  const py::dict& tensors_;
  py::ssize_t hidden_, inner_;
};

Weights read_weights(const py::dict& tensors, const Config& config) {
  const WeightReader reader(tensors, config);
  const std::size_t width = config.embedding_size, types = config.type_vocab_size;
  const std::size_t buckets = config.relative_attention_num_buckets;
  Weights weights{reader.table("word_embeddings", config.vocab_size, width),
                  reader.table("position_embeddings", config.max_position_embeddings, width),
                  types ? reader.table("type_embeddings", types, width) : nullptr,
                  reader.norm("embeddings_norm", width),
                  config.projects_embeddings()
                      ? reader.linear("embedding_projection", config.hidden_size, width)
                      : LinearWeights{},
                  buckets
                      ? reader.table("relative_attention_bias", buckets, config.num_attention_heads)
                      : nullptr,
                  {}};
  for (std::size_t i = 0; i < config.num_layer_groups; ++i)
    weights.layers.push_back(reader.layer(i));
  return weights;
}

void check_terms(const Config& config) {
  const std::size_t groups = config.num_layer_groups, layers = config.num_hidden_layers;
  if (groups > layers || (groups == 0 && layers > 0))
    throw std::invalid_argument("num_layer_groups is " + std::to_string(groups) +
                                ", but must be positive and at most num_hidden_layers, " +
                                std::to_string(layers));
  const std::int64_t padding = config.padding_id.value_or(0);
  const auto positions = static_cast<std::int64_t>(config.max_position_embeddings);
  if (config.padding_id && (padding < 0 || padding + 1 >= positions))
    throw std::invalid_argument(
        "padding_id is " + std::to_string(padding) +
        ", but must leave positions behind it of max_position_embeddings, " +
        std::to_string(positions));
  // Of fewer, none would be for one distance alone; of more, the last would be for none.
  const std::size_t buckets = config.relative_attention_num_buckets;
  if (buckets != 0 && (buckets < 4 || buckets >= 512))
    throw std::invalid_argument("relative_attention_num_buckets is " + std::to_string(buckets) +
                                ", but must be 0 or in [4, 512)");
}

void check_config(const Config& config) {
  if (config.num_attention_heads == 0 || config.hidden_size % config.num_attention_heads != 0)
    throw std::invalid_argument("hidden_size " + std::to_string(config.hidden_size) +
                                " is not a multiple of num_attention_heads " +
                                std::to_string(config.num_attention_heads));
  if (config.hidden_size == 0 || config.intermediate_size == 0 || config.embedding_size == 0 ||
      config.max_position_embeddings == 0)
    throw std::invalid_argument(
        "hidden_size, intermediate_size, embedding_size and max_position_embeddings must be "
        "positive");
  check_terms(config);
}

const std::byte* checked_packed(const py::object& packed, std::size_t bytes) {
  const std::uint8_t* data =
      checked<std::uint8_t>(packed, "packed", {static_cast<py::ssize_t>(bytes)});
  if (reinterpret_cast<std::uintptr_t>(data) % 64 != 0)
    throw std::invalid_argument("packed must begin at a multiple of 64 bytes");
  return reinterpret_cast<const std::byte*>(data);
}

// Whether weights must come from memory again for every text. Where they stay in the last cache,
// calls that wait for each other lose more than they save: 0.85 of the throughput of a batch
// instead of 0.95 (MiniLM in int8, 8 callers).
bool outgrows_caches(std::size_t bytes) {
  std::size_t last = cpu::cache_bytes(3);
  if (last == 0) last = cpu::cache_bytes(2);
  return last != 0 && bytes > last;
}

class PyEncoder {
 public:
  PyEncoder(const py::dict& config, const py::dict& tensors, const std::string& isa, int threads,
            const std::string& type, const py::object& packed)
      : tensors_(tensors.attr("copy")()),
        packed_(packed),
        config_(read_config(config)),
        type_(compute_type(type)) {
    check_config(config_);
    const Weights weights = read_weights(tensors_, config_);
    const KernelTable& table = kernels_of(isa);
    const std::byte* const stored =
        packed.is_none() ? nullptr
                         : checked_packed(packed, PackedWeights::bytes(table, config_, type_));
    const py::gil_scoped_release release;
    encoder_ = std::make_unique<Encoder>(table, config_, type_, weights, stored, threads);
    batcher_ =
        std::make_unique<DynamicBatcher>(*encoder_, outgrows_caches(encoder_->packed_bytes()));
  }

  py::object forward(const py::object& ids, const py::object& offsets, const py::object& type_ids,
                     const py::object& mask, const std::vector<std::int64_t>& layers,
                     const std::vector<std::string>& poolings, std::size_t pool_skip,
                     bool attentions, int threads, Profile* profile) const {
    const Batch batch = read_batch(ids, offsets, type_ids, mask);
    Output output{nullptr, read_layers(layers), {}, pool_skip};
    for (const std::string& name : poolings) output.poolings.push_back(pooling(name));
    const std::size_t parts = std::max<std::size_t>(1, poolings.size()) * output.layers.size();
    FloatArray y({poolings.empty() ? extent(ids, 0) : static_cast<py::ssize_t>(batch.texts),
                  static_cast<py::ssize_t>(config_.hidden_size * parts)});
    output.y = y.mutable_data();
    FloatArray probabilities(attentions ? place_attentions(batch, output) : 0);
    if (attentions) output.attentions = probabilities.mutable_data();
    {
      const py::gil_scoped_release release;
      batcher_->forward(batch, output, threads, profile);
    }
    if (!attentions) return y;
    return py::make_tuple(y, probabilities);
  }

  // The packed weights as bytes, a read-only view that keeps `self` alive.
  static py::array packed(const py::object& self) {
    const auto& it = self.cast<const PyEncoder&>();
    const std::size_t bytes = it.encoder_->packed_bytes();
    py::array view(py::dtype::of<std::uint8_t>(), {bytes}, {std::size_t{1}}, it.encoder_->packed(),
                   self);
    view.attr("flags").attr("writeable") = false;
    return view;
  }

  const Encoder& encoder() const { return *encoder_; }
  DynamicBatcher& batcher() const { return *batcher_; }
  std::string type() const { return name_of(type_); }

 private:
  Batch read_batch(const py::object& ids, const py::object& offsets, const py::object& type_ids,
                   const py::object& mask) const {
    Batch batch{checked<std::int32_t>(ids, "ids", {-1}),
                checked<std::int32_t>(offsets, "offsets", {-1}), nullptr, 0};
    if (extent(offsets, 0) < 1)
      throw std::invalid_argument("offsets is empty, but must begin with 0");
    batch.texts = extent(offsets, 0) - 1;
    const py::ssize_t tokens = extent(ids, 0);
    if (!type_ids.is_none()) batch.type_ids = checked<std::int32_t>(type_ids, "type_ids", {tokens});
    if (!mask.is_none()) batch.mask = checked<std::uint8_t>(mask, "mask", {tokens});
    check_batch(batch, tokens);
    return batch;
  }

  std::vector<std::size_t> read_layers(const std::vector<std::int64_t>& layers) const {
    const std::size_t last = config_.num_hidden_layers;
    if (layers.empty()) return {last};
    std::vector<std::size_t> read;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const auto layer = static_cast<std::size_t>(layers[i]);
      const std::string text = "layers[" + std::to_string(i) + "] is " + std::to_string(layers[i]);
      if (layers[i] < 0 || layer > last)
        throw std::invalid_argument(text + ", but must be in [0, " + std::to_string(last) + "]");
      if (std::find(read.begin(), read.end(), layer) != read.end())
        throw std::invalid_argument(text + ", but each layer must be there only once");
      read.push_back(layer);
    }
    return read;
  }

  // Sets where each text's probabilities begin, and returns how many there are.
  py::ssize_t place_attentions(const Batch& batch, Output& output) const {
    constexpr std::size_t kMost = std::numeric_limits<py::ssize_t>::max() / sizeof(float);
    const std::size_t each = output.depth() * config_.num_attention_heads;
    std::size_t count = 0;
    for (std::size_t i = 0; i < batch.texts; ++i) {
      const std::size_t tokens = batch.offsets[i + 1] - batch.offsets[i];  // less than 2^31
      output.attention_begin.push_back(count);
      if (each > 0 && tokens * tokens > (kMost - count) / each)
        throw std::invalid_argument("attentions of " + std::to_string(each) + " heads for text " +
                                    std::to_string(i) + " with its " + std::to_string(tokens) +
                                    " tokens are more than can be addressed");
      count += each * tokens * tokens;
    }
    return static_cast<py::ssize_t>(count);
  }

  void check_batch(const Batch& batch, py::ssize_t tokens) const {
    const auto limit = static_cast<std::int64_t>(config_.max_length());
    if (batch.offsets[0] != 0 || batch.offsets[batch.texts] != tokens)
      throw std::invalid_argument("offsets must begin with 0 and end with the number of ids, " +
                                  std::to_string(tokens));
    for (std::size_t i = 0; i < batch.texts; ++i) {
      const std::int64_t length = std::int64_t{batch.offsets[i + 1]} - batch.offsets[i];
      if (length < 0) throw std::invalid_argument("offsets must not decrease");
      if (length > limit)
        throw std::invalid_argument("text " + std::to_string(i) + " has " + std::to_string(length) +
                                    " tokens, but max_length is " + std::to_string(limit));
    }
    check_range(batch.ids, tokens, config_.vocab_size, "ids");
    if (batch.type_ids && config_.type_vocab_size == 0)
      throw std::invalid_argument("type_ids are given, but type_vocab_size is 0");
    if (batch.type_ids) check_range(batch.type_ids, tokens, config_.type_vocab_size, "type_ids");
  }

  static void check_range(const std::int32_t* values, py::ssize_t count, std::size_t end,
                          const std::string& name) {
    for (py::ssize_t i = 0; i < count; ++i)
      if (values[i] < 0 || static_cast<std::size_t>(values[i]) >= end)
        throw std::invalid_argument(name + "[" + std::to_string(i) + "] is " +
                                    std::to_string(values[i]) + ", but must be in [0, " +
                                    std::to_string(end) + ")");
  }

  py::dict tensors_;   // a copy: the caller's may change, and the encoder borrows these arrays
  py::object packed_;  // borrowed likewise
  Config config_;
  ComputeType type_;
  std::unique_ptr<Encoder> encoder_;
  std::unique_ptr<DynamicBatcher> batcher_;
};

}  // namespace

void register_encoder(py::module_& m) {
  py::class_<PyEncoder>(m, "Encoder")
      .def(py::init<const py::dict&, const py::dict&, const std::string&, int, const std::string&,
                    const py::object&>(),
           py::arg("config"), py::arg("weights"), py::kw_only(), py::arg("isa") = "",
           py::arg("threads") = 0, py::arg("compute_type") = "float32",
           py::arg("packed") = py::none())
      .def("forward", &PyEncoder::forward, py::arg("ids"), py::arg("offsets"), py::kw_only(),
           py::arg("type_ids") = py::none(), py::arg("mask") = py::none(),
           py::arg("layers") = std::vector<std::int64_t>{},
           py::arg("poolings") = std::vector<std::string>{}, py::arg("pool_skip") = 0,
           py::arg("attentions") = false, py::arg("threads") = 0, py::arg("profile") = py::none())
      .def_property_readonly("isa", [](const PyEncoder& e) { return e.encoder().kernels().isa; })
      .def_property_readonly("compute_type", &PyEncoder::type)
      .def_property_readonly("packed", &PyEncoder::packed)
      .def_property(
          "dynamic_batching", [](const PyEncoder& e) { return e.batcher().on(); },
          [](const PyEncoder& e, bool on) { e.batcher().set_on(on); })
      .def_property_readonly("companions",
                             [](const PyEncoder& e) { return e.batcher().companions(); });
  m.attr("PACKED_LAYOUT") = kPackedLayout;
  m.def("outgrows_caches", &outgrows_caches, py::arg("bytes"));
  m.def("compute_types", &compute_types);
  m.def(
      "packed_bytes",
      [](const py::dict& values, const std::string& isa, const std::string& type) {
        const Config config = read_config(values);
        check_config(config);
        return PackedWeights::bytes(kernels_of(isa), config, compute_type(type));
      },
      py::arg("config"), py::kw_only(), py::arg("isa") = "", py::arg("compute_type") = "float32");
}

}  // namespace fastbert::bindings
