// Activations by the names that configurations use.
#pragma once

#include <stdexcept>
#include <string>

#include "kernels/kernels.h"

namespace fastbert::bindings {

struct NamedActivation {
  const char* name;
  Activation value;
};

constexpr NamedActivation kActivations[] = {
    {"identity", Activation::identity},   {"gelu", Activation::gelu},
    {"gelu_tanh", Activation::gelu_tanh}, {"relu", Activation::relu},
    {"silu", Activation::silu},           {"sigmoid", Activation::sigmoid},
    {"tanh", Activation::tanh},
};

inline Activation activation(const std::string& name) {
  std::string known;
  for (const NamedActivation& entry : kActivations) {
    if (name == entry.name) return entry.value;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw std::invalid_argument("activation is '" + name + "', but must be one of " + known);
}

}  // namespace fastbert::bindings
