// One function per binding file; module.cpp calls them all.
#pragma once

#include <pybind11/pybind11.h>

namespace fastbert::bindings {

void register_profile(pybind11::module_& m);
void register_encoder(pybind11::module_& m);
void register_postprocessing(pybind11::module_& m);
void register_kernels(pybind11::module_& m);
void register_streaming(pybind11::module_& m);
void register_memory(pybind11::module_& m);

}  // namespace fastbert::bindings
