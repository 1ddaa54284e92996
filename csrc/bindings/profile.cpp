// Where the time of Encoder.forward went.
#include "encoder/profile.h"

#include <pybind11/pybind11.h>

#include "bindings/register.h"

namespace py = pybind11;

namespace fastbert::bindings {
namespace {

py::dict steps(const Profile& profile) {
  py::dict found;
  for (std::size_t i = 0; i < kSteps; ++i) {
    const Profile::Entry& entry = profile.steps[i];
    found[kStepNames[i]] =
        py::make_tuple(entry.seconds, entry.calls, entry.flops, entry.weight_bytes);
  }
  return found;
}

}  // namespace

void register_profile(py::module_& m) {
  py::class_<Profile>(m, "Profile")
      .def(py::init<>())
      .def("steps", &steps)
      .def_readonly("threads", &Profile::threads);
}

}  // namespace fastbert::bindings
