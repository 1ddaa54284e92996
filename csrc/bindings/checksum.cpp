// The checksum of the files in fastbert's cache.
#include "checksum.h"

#include "bindings/arrays.h"
#include "bindings/register.h"

namespace fastbert::bindings {

void register_checksum(py::module_& m) {
  m.def(
      "checksum",
      [](const py::object& bytes, int threads) {
        const auto* data = checked<std::uint8_t>(bytes, "bytes", {-1});
        const std::size_t size = extent(bytes, 0);
        const py::gil_scoped_release release;
        return checksum(data, size, threads);
      },
      py::arg("bytes"), py::arg("threads") = 0);
}

}  // namespace fastbert::bindings
