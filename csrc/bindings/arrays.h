// NumPy arrays at the border: checked, never converted, never copied.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace fastbert::bindings {

namespace py = pybind11;

inline std::string shape_text(const std::vector<py::ssize_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + (shape[i] < 0 ? std::string("any") : std::to_string(shape[i]));
  return text + (shape.size() == 1 ? ",)" : ")");
}

// The data of `object`, an array of T in C order with this shape; -1 stands for any size. Throws
// TypeError for another type and ValueError for another shape, both naming the argument.
template <class T>
const T* checked(const py::handle& object, const std::string& name,
                 const std::vector<py::ssize_t>& shape) {
  // A dtype's name is made by Python code in NumPy, 3 microseconds: only for a message.
  const auto type = [] { return std::string(py::str(py::dtype::of<T>())); };
  if (!py::isinstance<py::array>(object))
    throw py::type_error(name + " is a " +
                         std::string(py::str(py::type::of(object).attr("__name__"))) +
                         ", but must be a NumPy array of " + type());
  const auto array = py::reinterpret_borrow<py::array>(object);
  if (!array.dtype().equal(py::dtype::of<T>()))
    throw py::type_error(name + " is an array of " + std::string(py::str(array.dtype())) +
                         ", but must be one of " + type());
  const std::vector<py::ssize_t> actual(array.shape(), array.shape() + array.ndim());
  bool fits = actual.size() == shape.size();
  for (std::size_t i = 0; fits && i < shape.size(); ++i)
    fits = shape[i] < 0 || shape[i] == actual[i];
  if (!fits)
    throw std::invalid_argument(name + " has shape " + shape_text(actual) + ", but must have " +
                                shape_text(shape));
  constexpr int kNeeded = int{py::array::c_style} | int{py::detail::npy_api::NPY_ARRAY_ALIGNED_};
  if ((array.flags() & kNeeded) != kNeeded)
    throw std::invalid_argument(name + " must be contiguous in C order and aligned");
  return static_cast<const T*>(array.data());
}

inline py::ssize_t extent(const py::handle& object, int axis) {
  const auto array = py::reinterpret_borrow<py::array>(object);
  return axis < array.ndim() ? array.shape(axis) : -1;
}

using FloatArray = py::array_t<float, py::array::c_style>;

}  // namespace fastbert::bindings
