#include "encoder/pooling.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace fastbert {
namespace {

const float* row(const PoolArgs& args, std::size_t token) { return args.x + token * args.stride; }

void copy_row(const PoolArgs& args, std::size_t token) {
  if (args.skip < args.tokens && token < args.tokens)
    std::copy_n(row(args, token), args.hidden, args.y);
  else
    std::fill_n(args.y, args.hidden, 0.0f);
}

void cls(const PoolArgs& args) { copy_row(args, args.skip); }

void lasttoken(const PoolArgs& args) { copy_row(args, args.tokens - 1); }

void max(const PoolArgs& args) {
  std::size_t first = 0;
  while (first < args.tokens && !args.counts(first)) ++first;
  copy_row(args, first);
  for (std::size_t t = first + 1; t < args.tokens; ++t) {
    if (!args.counts(t)) continue;
    for (std::size_t i = 0; i < args.hidden; ++i) {
      const float v = row(args, t)[i];
      args.y[i] = v > args.y[i] || v != v ? v : args.y[i];
    }
  }
}

// y = sum over tokens of weight(t) * x[t, :], divided by divisor(sum of the weights). No tokens: 0.
template <class Weight, class Divisor>
void weighted(const PoolArgs& args, const Weight& weight, const Divisor& divisor) {
  std::fill_n(args.y, args.hidden, 0.0f);
  float total = 0;
  for (std::size_t t = 0; t < args.tokens; ++t) {
    if (!args.counts(t)) continue;
    const float w = weight(t);
    total += w;
    for (std::size_t i = 0; i < args.hidden; ++i) args.y[i] += w * row(args, t)[i];
  }
  if (total == 0) return;
  const float scale = 1 / divisor(total);
  for (std::size_t i = 0; i < args.hidden; ++i) args.y[i] *= scale;
}

constexpr auto kOne = [](std::size_t) { return 1.0f; };
constexpr auto kTotal = [](float total) { return total; };

void mean(const PoolArgs& args) { weighted(args, kOne, kTotal); }

void mean_sqrt_len(const PoolArgs& args) {
  weighted(args, kOne, [](float total) { return std::sqrt(total); });
}

// Token t weighs t + 1, counted from the start of the text even when a prompt is skipped.
void weightedmean(const PoolArgs& args) {
  weighted(args, [](std::size_t t) { return static_cast<float>(t + 1); }, kTotal);
}

struct Named {
  const char* name;
  Pooling function;
};
constexpr Named kPoolings[] = {
    {"cls", cls},
    {"max", max},
    {"mean", mean},
    {"mean_sqrt_len", mean_sqrt_len},
    {"weightedmean", weightedmean},
    {"lasttoken", lasttoken},
};

}  // namespace

Pooling pooling(const std::string& name) {
  std::string known;
  for (const Named& entry : kPoolings) {
    if (name == entry.name) return entry.function;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw std::invalid_argument("pooling is '" + name + "', but must be one of " + known);
}

bool reads_first_token_only(Pooling pooling) { return pooling == cls; }

void normalize(float* x, std::size_t rows, std::size_t columns) {
  for (std::size_t r = 0; r < rows; ++r, x += columns) {
    // Four sums, so that the additions need not wait for each other.
    float sums[4] = {};
    for (std::size_t i = 0; i < columns; ++i) sums[i % 4] += x[i] * x[i];
    const float length = std::sqrt((sums[0] + sums[2]) + (sums[1] + sums[3]));
    const float scale = 1 / std::max(length, 1e-12f);
    for (std::size_t i = 0; i < columns; ++i) x[i] *= scale;
  }
}

}  // namespace fastbert
