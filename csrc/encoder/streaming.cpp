#include "encoder/streaming.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>

#include "encoder/memory.h"
#include "parallel.h"

namespace fastbert {
namespace {

// Sums in two cache lines' width of integers: integers, because the compiler may not reorder a sum
// of floats; two lines, so that no addition waits for the one before it.
constexpr std::size_t kLanes = 16;

std::uint64_t sum(const std::uint64_t* words, std::size_t count) {
  std::array<std::uint64_t, kLanes> sums{};
  for (std::size_t i = 0; i + kLanes <= count; i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += words[i + lane];
  std::uint64_t total = 0;
  for (const std::uint64_t part : sums) total += part;
  return total;
}

}  // namespace

double stream_seconds(std::size_t bytes, int threads, int tries) {
  const std::size_t blocks = bytes / (kLanes * sizeof(std::uint64_t));
  const Buffer<std::uint64_t> buffer = allocate<std::uint64_t>(blocks * kLanes);
  const ThreadGrant grant(threads);
  double best = std::numeric_limits<double>::infinity();
  grant.run([&](const Team& team) {
    const std::size_t rank = team.rank, members = team.size;
    const std::size_t begin = blocks * rank / members, end = blocks * (rank + 1) / members;
    std::uint64_t* const words = buffer.get();
    std::fill(words + begin * kLanes, words + end * kLanes, 1);
    for (int i = 0; i < tries; ++i) {
      team.barrier();
      const auto start = std::chrono::steady_clock::now();
      const volatile std::uint64_t result = sum(words + begin * kLanes, (end - begin) * kLanes);
      static_cast<void>(result);
      team.barrier();
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      if (rank == 0) best = std::min(best, seconds.count());
    }
  });
  return best;
}

}  // namespace fastbert
