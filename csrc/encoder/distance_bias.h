// What the distance from a query to a key adds to their score, for families with such a table.
#pragma once

#include <cstddef>
#include <vector>

#include "encoder/config.h"

namespace fastbert {

// A table over all distances for each head, as AttentionArgs::distance_bias wants it: in the unit
// of the product. Empty if there is no such bias.
class DistanceBias {
 public:
  // `weights`: (buckets, heads), what is added to the scores of the distances in a bucket.
  DistanceBias(const Config& config, const float* weights);

  // The middle of a head's table; null: no bias.
  const float* of(std::size_t head) const {
    return values_.empty() ? nullptr : values_.data() + head * (2 * reach_ + 1) + reach_;
  }

 private:
  std::size_t reach_;          // the longest distance
  std::vector<float> values_;  // (heads, 2 * reach + 1)
};

}  // namespace fastbert
