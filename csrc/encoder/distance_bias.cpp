#include "encoder/distance_bias.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace fastbert {
namespace {

// Distances from here on share one bucket.
constexpr double kFarthest = 128;

// Half of the buckets are for keys behind the query. Of each half, half are for one distance each,
// the others for ever more of them.
std::size_t bucket(std::ptrdiff_t distance, std::size_t buckets) {
  const std::size_t half = buckets / 2, exact = half / 2;
  const std::size_t far = std::abs(distance), first = distance > 0 ? half : 0;
  if (far < exact) return first + far;
  const double near = static_cast<double>(exact), count = static_cast<double>(half - exact);
  const double step = std::log(static_cast<double>(far) / near) / std::log(kFarthest / near);
  return first + std::min(exact + static_cast<std::size_t>(step * count), half - 1);
}

}  // namespace

DistanceBias::DistanceBias(const Config& config, const float* weights)
    : reach_(config.max_length() - 1) {
  const std::size_t buckets = config.relative_attention_num_buckets;
  if (buckets == 0) return;
  const std::size_t heads = config.num_attention_heads;
  const float unit = std::sqrt(static_cast<float>(config.head_size()));
  const auto reach = static_cast<std::ptrdiff_t>(reach_);
  for (std::size_t head = 0; head < heads; ++head)
    for (std::ptrdiff_t distance = -reach; distance <= reach; ++distance)
      values_.push_back(unit * weights[bucket(distance, buckets) * heads + head]);
}

}  // namespace fastbert
