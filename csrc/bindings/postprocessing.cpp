// What follows the encoder in some models: pooling token vectors, linear layers, normalisation.
#include <algorithm>

#include "bindings/arrays.h"
#include "bindings/names.h"
#include "bindings/register.h"
#include "encoder/linear.h"
#include "encoder/pooling.h"

namespace fastbert::bindings {
namespace {

std::unique_ptr<Linear> make_linear(const py::object& weight, const py::object& bias,
                                    const std::string& isa, const std::string& type, int threads) {
  const float* rows = checked<float>(weight, "weight", {-1, -1});
  const py::ssize_t outputs = extent(weight, 0), inputs = extent(weight, 1);
  const LinearWeights weights{rows, checked<float>(bias, "bias", {outputs})};
  const KernelTable& table = kernels_of(isa);
  const ComputeType stored = compute_type(type);
  const py::gil_scoped_release release;
  return std::make_unique<Linear>(table, stored, weights, outputs, inputs, threads);
}

FloatArray forward(const Linear& linear, const py::object& x, const std::string& name,
                   int threads) {
  const float* rows = checked<float>(x, "x", {-1, static_cast<py::ssize_t>(linear.inputs())});
  const Activation act = activation(name);
  FloatArray y({extent(x, 0), static_cast<py::ssize_t>(linear.outputs())});
  float* const target = y.mutable_data();
  const std::size_t count = extent(x, 0);
  const py::gil_scoped_release release;
  linear.forward(rows, count, target, act, threads);
  return y;
}

// The offsets, which must cut the rows of `x` into texts.
const std::int32_t* checked_offsets(const py::object& offsets, const py::object& x) {
  const std::int32_t* bounds = checked<std::int32_t>(offsets, "offsets", {-1});
  const py::ssize_t texts = extent(offsets, 0) - 1;
  if (texts < 0 || bounds[0] != 0 || bounds[texts] != extent(x, 0) ||
      !std::is_sorted(bounds, bounds + texts + 1))
    throw std::invalid_argument("offsets must rise from 0 to the number of rows, " +
                                std::to_string(extent(x, 0)));
  return bounds;
}

FloatArray forward_max(const Linear& linear, const py::object& x, const py::object& offsets,
                       int threads) {
  const float* rows = checked<float>(x, "x", {-1, static_cast<py::ssize_t>(linear.inputs())});
  const std::int32_t* bounds = checked_offsets(offsets, x);
  const py::ssize_t texts = extent(offsets, 0) - 1;
  FloatArray y({texts, static_cast<py::ssize_t>(linear.outputs())});
  float* const target = y.mutable_data();
  const py::gil_scoped_release release;
  linear.forward_max(rows, bounds, texts, target, threads);
  return y;
}

FloatArray pool(const py::object& x, const py::object& offsets,
                const std::vector<std::string>& names, std::size_t skip, const py::object& mask) {
  const float* rows = checked<float>(x, "x", {-1, -1});
  const std::int32_t* bounds = checked_offsets(offsets, x);
  const py::ssize_t texts = extent(offsets, 0) - 1, hidden = extent(x, 1);
  const std::uint8_t* const counts =
      mask.is_none() ? nullptr : checked<std::uint8_t>(mask, "mask", {extent(x, 0)});
  const std::size_t size = hidden;
  FloatArray y({texts, hidden * static_cast<py::ssize_t>(names.size())});
  for (std::size_t p = 0; p < names.size(); ++p)
    for (py::ssize_t i = 0; i < texts; ++i)
      pooling(names[p])({rows + bounds[i] * size, size,
                         static_cast<std::size_t>(bounds[i + 1] - bounds[i]), size, skip,
                         y.mutable_data(i) + p * size, counts ? counts + bounds[i] : nullptr});
  return y;
}

void normalize_rows(py::array& x) {
  checked<float>(x, "x", {-1, -1});
  normalize(static_cast<float*>(x.mutable_data()), x.shape(0), x.shape(1));
}

}  // namespace

void register_postprocessing(py::module_& m) {
  m.def("pool", &pool, py::arg("x"), py::arg("offsets"), py::arg("poolings"), py::arg("skip") = 0,
        py::arg("mask") = py::none());
  m.def("normalize", &normalize_rows, py::arg("x"));
  py::class_<Linear>(m, "Linear")
      .def(py::init(&make_linear), py::arg("weight"), py::arg("bias"), py::kw_only(),
           py::arg("isa") = "", py::arg("compute_type") = "float32", py::arg("threads") = 0)
      .def("forward", &forward, py::arg("x"), py::kw_only(), py::arg("activation") = "identity",
           py::arg("threads") = 0)
      .def("forward_max", &forward_max, py::arg("x"), py::arg("offsets"), py::kw_only(),
           py::arg("threads") = 0);
}

}  // namespace fastbert::bindings
