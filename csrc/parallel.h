// Threads: the only place that knows OpenMP.
//
// A region is entered once per call of the library, not once per operation: a Team of threads runs
// one body, and shares out the steps inside it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>

namespace fastbert {

// What the members of a running team share: where they meet, and which piece of work is next.
class TeamState {
 public:
  // Returns when all `size` members are here; take() starts again from 0. Spins for a few
  // microseconds, then yields the core, so that a team larger than the free cores gets on too.
  void barrier(int size) noexcept;

  std::size_t take() noexcept { return next_.fetch_add(1, std::memory_order_relaxed); }

 private:
  alignas(64) std::atomic<std::size_t> next_{0};
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> phase_{0};
};

// One member's view of its team.
struct Team {
  int rank;  // 0 .. size - 1
  int size;  // members that really run; may be fewer than were asked for
  TeamState* state;

  void barrier() const noexcept { state->barrier(size); }

  // Runs body(i) for every i < n, each on the member that is free first. All members call it, and
  // meet in a barrier before the next one. What body(i) computes must not depend on who runs it.
  template <class Body>
  void share(std::size_t n, const Body& body) const noexcept {
    for (std::size_t i; (i = state->take()) < n;) body(i);
    barrier();
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
  run_team(static_cast<int>(std::min<std::size_t>(threads, slices)), [&](const Team& team) {
    team.share(slices, [&](std::size_t s) { body(s * grain, std::min(n, (s + 1) * grain)); });
  });
}

}  // namespace fastbert
