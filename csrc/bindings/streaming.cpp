// How fast memory can be read, for benchmarks.
#include "encoder/streaming.h"

#include <pybind11/pybind11.h>

#include <stdexcept>

#include "bindings/register.h"

namespace py = pybind11;

namespace fastbert::bindings {
namespace {

double stream_gb_per_s(int threads, std::size_t bytes, int tries) {
  constexpr std::size_t kLeast = 1 << 16, kMost = std::size_t{1} << 32;
  if (bytes < kLeast || bytes > kMost)
    throw std::invalid_argument("bytes is " + std::to_string(bytes) + ", but must be in [" +
                                std::to_string(kLeast) + ", " + std::to_string(kMost) + "]");
  if (tries < 1)
    throw std::invalid_argument("tries is " + std::to_string(tries) + ", but must be positive");
  const py::gil_scoped_release release;
  return static_cast<double>(bytes) / stream_seconds(bytes, threads, tries) / 1e9;
}

}  // namespace

void register_streaming(py::module_& m) {
  m.def("stream_gb_per_s", &stream_gb_per_s, py::arg("threads"), py::arg("bytes"),
        py::arg("tries") = 10);
}

}  // namespace fastbert::bindings
