// The kernels of a named instruction set as Python functions, for tests and benchmarks. Products
// are tested through Linear, which packs its weights.
#include "kernels/kernels.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/names.h"
#include "bindings/register.h"
#include "encoder/memory.h"
#include "encoder/product.h"

namespace fastbert::bindings {
namespace {

// One instruction set's table. Arrays are checked here; kernels check nothing.
struct Kernels {
  const KernelTable* table;

  FloatArray layer_norm(const py::object& x, const py::object& gamma, const py::object& beta,
                        float eps, const py::object& residual) const {
    const float* rows = checked<float>(x, "x", {-1, -1});
    const py::ssize_t count = extent(x, 0), columns = extent(x, 1);
    const float* added =
        residual.is_none() ? nullptr : checked<float>(residual, "residual", {count, columns});
    FloatArray y({count, columns});
    table->layer_norm({rows, added, y.mutable_data(), static_cast<std::size_t>(columns),
                       checked<float>(gamma, "gamma", {columns}),
                       checked<float>(beta, "beta", {columns}), static_cast<std::size_t>(count),
                       static_cast<std::size_t>(columns), eps});
    return y;
  }

  FloatArray activate(const std::string& name, const py::object& x) const {
    const float* values = checked<float>(x, "x", {-1});
    const py::ssize_t count = extent(x, 0);
    FloatArray y(count);
    std::copy_n(values, count, y.mutable_data());
    const std::size_t columns = count;
    table->activate({activation(name), y.mutable_data(), columns, 1, columns});
    return y;
  }

  // The rows [begin, end) of one text's attention, the others zero; end < 0: to the last. The same
  // rows of `probabilities` are written, unless it is None.
  FloatArray attention(const py::object& query, const py::object& key, const py::object& value,
                       float scale, py::ssize_t begin, py::ssize_t end,
                       const py::object& distance_bias, const py::object& key_bias,
                       const py::object& probabilities) const {
    return attend(table->attention, table->attention_scratch, query, key, value, scale, begin, end,
                  distance_bias, key_bias, probabilities);
  }

  FloatArray attention_int8(const py::object& query, const py::object& key, const py::object& value,
                            float scale, py::ssize_t begin, py::ssize_t end,
                            const py::object& distance_bias, const py::object& key_bias,
                            const py::object& probabilities) const {
    return attend(table->attention_int8, table->attention_int8_scratch, query, key, value, scale,
                  begin, end, distance_bias, key_bias, probabilities);
  }

  // The bytes and the scales of rows.
  py::tuple quantize(const py::object& x, const std::string& name) const {
    const float* rows = checked<float>(x, "x", {-1, -1});
    const py::ssize_t count = extent(x, 0), columns = extent(x, 1);
    py::array_t<std::uint8_t> y({count, columns});
    FloatArray scales(count);
    std::vector<float> scratch(columns);
    const std::size_t width = columns;
    table->quantize({activation(name), rows, width, y.mutable_data(), width, scales.mutable_data(),
                     static_cast<std::size_t>(count), width, scratch.data()});
    return py::make_tuple(y, scales);
  }

  FloatArray pack(const py::object& weight) const {
    const float* rows = checked<float>(weight, "weight", {-1, -1});
    const std::size_t outputs = extent(weight, 0), inner = extent(weight, 1);
    const std::size_t columns = table->panel_columns, panels = (outputs + columns - 1) / columns;
    const std::size_t size = table->panel_size(inner);
    FloatArray y({panels, size / columns, columns});
    for (std::size_t p = 0; p < panels; ++p) {
      const std::size_t width = std::min(columns, outputs - p * columns);
      std::vector<const float*> row_of(width);
      for (std::size_t n = 0; n < width; ++n) row_of[n] = rows + (p * columns + n) * inner;
      table->pack({row_of.data(), width, inner, y.mutable_data(p), nullptr});
    }
    return y;
  }

 private:
  static FloatArray attend(void (*kernel)(const AttentionArgs&),
                           std::size_t (*scratch_size)(std::size_t, std::size_t),
                           const py::object& query, const py::object& key, const py::object& value,
                           float scale, py::ssize_t begin, py::ssize_t end,
                           const py::object& distance_bias, const py::object& key_bias,
                           const py::object& probabilities) {
    const float* q = checked<float>(query, "query", {-1, -1});
    const py::ssize_t tokens = extent(query, 0), size = extent(query, 1);
    const float* k = checked<float>(key, "key", {tokens, size});
    const float* v = checked<float>(value, "value", {tokens, size});
    const float* distances = nullptr;
    if (!distance_bias.is_none())
      distances = checked<float>(distance_bias, "distance_bias", {2 * tokens - 1}) + tokens - 1;
    const float* const keys =
        key_bias.is_none() ? nullptr : checked<float>(key_bias, "key_bias", {tokens});
    float* softmax = nullptr;
    if (!probabilities.is_none()) {
      checked<float>(probabilities, "probabilities", {tokens, tokens});
      softmax = static_cast<float*>(py::array(probabilities).mutable_data());
    }
    end = std::clamp<py::ssize_t>(end < 0 ? tokens : end, 0, tokens);
    begin = std::clamp<py::ssize_t>(begin, 0, end);
    // One buffer, as in a real batch.
    const std::size_t stride = 3 * size;
    std::vector<float> qkv(tokens * stride, 0.0f);
    for (py::ssize_t t = 0; t < tokens; ++t) {
      float* row = qkv.data() + t * stride;
      std::copy_n(q + t * size, size, row);
      std::copy_n(k + t * size, size, row + size);
      std::copy_n(v + t * size, size, row + 2 * size);
    }
    std::vector<float> scratch(scratch_size(tokens, size));
    FloatArray y({tokens, size});
    std::fill_n(y.mutable_data(), tokens * size, 0.0f);
    kernel({qkv.data(), qkv.data() + size, qkv.data() + 2 * size, stride, y.mutable_data(),
            static_cast<std::size_t>(size), scratch.data(), static_cast<std::size_t>(tokens),
            static_cast<std::size_t>(size), scale, static_cast<std::size_t>(begin),
            static_cast<std::size_t>(end), distances, keys, softmax});
    return y;
  }
};

// The shortest of `tries` runs, in seconds.
template <class Body>
double best_seconds(int tries, const Body& body) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < tries; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best = std::min(best, seconds.count());
  }
  return best;
}

const Yardstick& yardstick(const KernelTable& table, ComputeType type) {
  switch (type) {
    case ComputeType::bfloat16:
      return table.peak_bfloat16;
    case ComputeType::int8:
      return table.peak_int8;
    default:
      return table.peak;
  }
}

// Operations of one thread per nanosecond that does nothing but what products of the compute type
// are made of, in registers, two operations for each product: the yardstick.
double peak_gops(const std::string& isa, const std::string& type, int tries) {
  const Yardstick& peak = yardstick(kernels(isa), compute_type(type));
  constexpr std::size_t kRounds = 200000;
  const py::gil_scoped_release release;
  const double seconds = best_seconds(tries, [&] {
    volatile float result = peak.multiply_adds(kRounds);
    static_cast<void>(result);
  });
  return static_cast<double>(kRounds * peak.operations_per_round) / seconds / 1e9;
}

// The same of the product kernel alone, over buffers laid out as the encoder lays them.
double matmul_gops(const std::string& isa, std::size_t rows, std::size_t outputs,
                   std::size_t inputs, const std::string& type, int tries) {
  const KernelTable& table = kernels(isa);
  const ComputeType stored = compute_type(type);
  const Packing packing(table, stored);
  const std::size_t bytes = packing.bytes(outputs, inputs);
  const Buffer<std::byte> weight = allocate<std::byte>(bytes);
  std::fill_n(weight.get(), bytes, std::byte{0x3c});  // 0.01 as a float, 60 as an int8
  const PackedLinear linear = packing.view(weight.get(), outputs, inputs);
  const std::size_t x_stride = row_stride(inputs), y_stride = row_stride(outputs);
  const Buffer<float> x = allocate<float>(rows * x_stride), y = allocate<float>(rows * y_stride);
  const Buffer<float> scales = allocate<float>(rows);
  const Buffer<std::uint8_t> quantized = allocate<std::uint8_t>(rows * byte_stride(inputs));
  std::fill_n(x.get(), rows * x_stride, 0.5f);
  std::fill_n(scales.get(), rows, 0.5f);
  std::fill_n(quantized.get(), rows * byte_stride(inputs), std::uint8_t{3});
  const Input input{x.get(), x_stride, quantized.get(), byte_stride(inputs), scales.get()};
  const py::gil_scoped_release release;
  const double seconds = best_seconds(tries, [&] {
    multiply(table, stored, linear, input, y.get(), y_stride, {0, rows, 0, linear.panel_count},
             Activation::identity);
  });
  return 2e-9 * static_cast<double>(rows * outputs * inputs) / seconds;
}

}  // namespace

void register_kernels(py::module_& m) {
  py::class_<Kernels>(m, "Kernels")
      .def_property_readonly("isa", [](const Kernels& k) { return k.table->isa; })
      .def_property_readonly("panel_columns",
                             [](const Kernels& k) { return k.table->panel_columns; })
      .def_property_readonly("tile_rows", [](const Kernels& k) { return k.table->tile_rows; })
      .def("layer_norm", &Kernels::layer_norm, py::arg("x"), py::arg("gamma"), py::arg("beta"),
           py::arg("eps"), py::arg("residual") = py::none())
      .def("activate", &Kernels::activate, py::arg("activation"), py::arg("x"))
      .def("attention", &Kernels::attention, py::arg("query"), py::arg("key"), py::arg("value"),
           py::arg("scale") = 1.0f, py::arg("begin") = 0, py::arg("end") = -1,
           py::arg("distance_bias") = py::none(), py::arg("key_bias") = py::none(),
           py::arg("probabilities") = py::none())
      .def("attention_int8", &Kernels::attention_int8, py::arg("query"), py::arg("key"),
           py::arg("value"), py::arg("scale") = 1.0f, py::arg("begin") = 0, py::arg("end") = -1,
           py::arg("distance_bias") = py::none(), py::arg("key_bias") = py::none(),
           py::arg("probabilities") = py::none())
      .def("quantize", &Kernels::quantize, py::arg("x"), py::arg("activation") = "identity")
      .def("pack", &Kernels::pack, py::arg("weight"));
  m.def("peak_gops", &peak_gops, py::arg("isa"), py::arg("compute_type") = "float32",
        py::arg("tries") = 20);
  m.def("matmul_gops", &matmul_gops, py::arg("isa"), py::arg("rows"), py::arg("outputs"),
        py::arg("inputs"), py::arg("compute_type") = "float32", py::arg("tries") = 20);
  m.def("kernels", [](const std::string& isa) { return Kernels{&kernels(isa)}; }, py::arg("isa"));
}

}  // namespace fastbert::bindings
