// What the files in fastbert's cache need: a checksum, and large pages.
#include "bindings/arrays.h"
#include "bindings/register.h"
#include "checksum.h"
#include "huge_pages.h"

namespace fastbert::bindings {

void register_memory(py::module_& m) {
  m.def(
      "checksum",
      [](const py::object& bytes, int threads) {
        const auto* data = checked<std::uint8_t>(bytes, "bytes", {-1});
        const std::size_t size = extent(bytes, 0);
        const py::gil_scoped_release release;
        return checksum(data, size, threads);
      },
      py::arg("bytes"), py::arg("threads") = 0);
  m.def(
      "copy_to_huge_pages",
      [](const py::object& bytes) {
        const auto* data = checked<std::uint8_t>(bytes, "bytes", {-1});
        const std::size_t size = extent(bytes, 0);
        const py::gil_scoped_release release;
        copy_to_huge_pages(data, size);
      },
      py::arg("bytes"));
}

}  // namespace fastbert::bindings
