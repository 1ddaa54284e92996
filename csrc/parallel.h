// Threads: the only place that knows OpenMP.
//
// A region is entered once per call of the library, not once per operation: a Team of threads runs
// one body, and the steps inside it are kept apart by `Team::barrier`.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>

namespace fastbert {

// Keeps the members of a team together. Waits by spinning for a few microseconds, then yields the
// core, so that a team larger than the free cores still makes progress.
class Barrier {
 public:
  void wait(int size) noexcept;

 private:
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> phase_{0};
};

// One member's view of the running team.
struct Team {
  int rank;          // 0 .. size - 1
  int size;          // threads that really run; may be fewer than were asked for
  Barrier* shared;

  void barrier() const noexcept {
    if (size > 1) shared->wait(size);
  }
};

// Runs `body(Team)` on up to `threads` threads and returns when all are done. The body must not
// throw. Correct in a forked child too: see parallel.cpp.
void run_team(int threads, const std::function<void(const Team&)>& body);

// Runs `body(begin, end)` over disjoint slices of at most `grain` that cover [0, n). Threads take
// slices as they become free, so the body must not care which thread runs it.
template <class Body>
void parallel_for(std::size_t n, std::size_t grain, int threads, const Body& body) {
  static_assert(noexcept(body(n, n)), "an exception cannot leave a team: mark the lambda noexcept");
  const std::size_t slices = (n + grain - 1) / grain;
  std::atomic<std::size_t> next{0};
  run_team(static_cast<int>(std::min<std::size_t>(threads, slices)), [&](const Team&) {
    for (std::size_t s; (s = next.fetch_add(1, std::memory_order_relaxed)) < slices;)
      body(s * grain, std::min(n, (s + 1) * grain));
  });
}

}  // namespace fastbert
