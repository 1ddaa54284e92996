#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/register.h"
#include "cpu.h"
#include "kernels/kernels.h"

namespace py = pybind11;

namespace {

py::dict cpu_info() {
  using namespace fastbert;
  py::dict info;
  info["model_name"] = cpu::model_name();
  info["isa"] = kernels().isa;
  info["available_isas"] = available_isas();
  info["compiled_isas"] = compiled_isas();
  info["threads"] = cpu::default_threads();
  info["l1d_bytes"] = cpu::cache_bytes(1);
  info["l2_bytes"] = cpu::cache_bytes(2);
  info["l3_bytes"] = cpu::cache_bytes(3);
  return info;
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "The native encoder of fastbert. Use the fastbert package instead.";
  m.def("cpu_info", &cpu_info);
  m.def("isa", [] { return fastbert::kernels().isa; });
  fastbert::bindings::register_profile(m);
  fastbert::bindings::register_encoder(m);
  fastbert::bindings::register_postprocessing(m);
  fastbert::bindings::register_kernels(m);
  fastbert::bindings::register_streaming(m);
  fastbert::bindings::register_memory(m);
}
