// Activations, compute types and instruction sets by their names in Python.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "encoder/config.h"
#include "kernels/kernels.h"

namespace fastbert::bindings {

template <class Value>
struct Named {
  const char* name;
  Value value;
};

constexpr Named<Activation> kActivations[] = {
    {"identity", Activation::identity},   {"gelu", Activation::gelu},
    {"gelu_tanh", Activation::gelu_tanh}, {"relu", Activation::relu},
    {"silu", Activation::silu},           {"sigmoid", Activation::sigmoid},
    {"tanh", Activation::tanh},
};

constexpr Named<ComputeType> kComputeTypes[] = {
    {"float32", ComputeType::float32},
    {"bfloat16", ComputeType::bfloat16},
    {"int8", ComputeType::int8},
};

// The value of that name in the table. Throws std::invalid_argument, which says what is what.
template <class Value, std::size_t kCount>
Value named(const Named<Value> (&table)[kCount], const char* what, const std::string& name) {
  std::string known;
  for (const Named<Value>& entry : table) {
    if (name == entry.name) return entry.value;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw std::invalid_argument(std::string(what) + " is '" + name + "', but must be one of " +
                              known);
}

inline Activation activation(const std::string& name) {
  return named(kActivations, "activation", name);
}

inline ComputeType compute_type(const std::string& name) {
  return named(kComputeTypes, "compute_type", name);
}

inline std::vector<std::string> compute_types() {
  std::vector<std::string> names;
  for (const auto& entry : kComputeTypes) names.push_back(entry.name);
  return names;
}

inline std::string name_of(ComputeType type) {
  return kComputeTypes[static_cast<std::size_t>(type)].name;
}

// The table of that instruction set; of the one in use for "".
inline const KernelTable& kernels_of(const std::string& isa) {
  return isa.empty() ? kernels() : kernels(isa);
}

}  // namespace fastbert::bindings
