// How fast this machine's memory gives weights to the team: the yardstick of short texts.
#pragma once

#include <cstddef>

namespace fastbert {

// The shortest time in seconds of `tries` passes in which the team reads `bytes` bytes, rounded
// down to whole cache lines, on huge pages, every member a part of its own.
double stream_seconds(std::size_t bytes, int threads, int tries);

}  // namespace fastbert
