// From token vectors to text vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fastbert {

// One text: its token vectors, and where its own vector goes.
struct PoolArgs {
  const float* x;  // (tokens, hidden), rows stride apart
  std::size_t stride;
  std::size_t tokens, hidden;
  std::size_t skip;  // leading tokens that do not count: those of a prompt
  float* y;          // (hidden)
  // (tokens): 0 where a token does not count, but for cls and lasttoken; null: all count.
  const std::uint8_t* mask = nullptr;

  bool counts(std::size_t token) const { return token >= skip && (!mask || mask[token] != 0); }
};

using Pooling = void (*)(const PoolArgs& args);

// The pooling of that name: cls, max, mean, mean_sqrt_len, weightedmean, lasttoken.
// Throws std::invalid_argument for any other.
Pooling pooling(const std::string& name);

// Whether the pooling reads nothing but the first token that counts.
bool reads_first_token_only(Pooling pooling);

// Scales each row of x, (rows, columns), to length 1; rows of length 0 stay as they are.
void normalize(float* x, std::size_t rows, std::size_t columns);

}  // namespace fastbert
