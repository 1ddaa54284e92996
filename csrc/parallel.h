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

// More than this many threads are never started: libgomp ends the process when it cannot start one.
constexpr int kMostThreads = 1024;

// Threads for one call: `wanted` of them (0: all that the process may use), less what other callers
// have at work at the moment, but one at least. They are counted as busy until it is destroyed.
class ThreadGrant {
 public:
  explicit ThreadGrant(int wanted);
  ~ThreadGrant();
  ThreadGrant(const ThreadGrant&) = delete;
  ThreadGrant& operator=(const ThreadGrant&) = delete;

  int count() const { return count_; }

  // Runs `body(Team)` on these threads and returns when all are done. The body must not throw.
  // Correct in a forked child too: see parallel.cpp.
  void run(const std::function<void(const Team&)>& body) const;

 private:
  int count_;
};

// Runs `body(begin, end)` over disjoint slices of at most `grain`, one for each thread at least,
// that cover [0, n). Threads take slices as they become free, so the body must not care which one
// runs it.
template <class Body>
void parallel_for(std::size_t n, std::size_t grain, int threads, const Body& body) {
  static_assert(noexcept(body(n, n)), "an exception cannot leave a team: mark the lambda noexcept");
  if (n == 0) return;
  const ThreadGrant grant(static_cast<int>(std::min<std::size_t>(threads > 0 ? threads : 0, n)));
  const std::size_t members = grant.count();
  grain = std::min(grain, (n + members - 1) / members);
  const std::size_t slices = (n + grain - 1) / grain;
  grant.run([&](const Team& team) {
    team.share(slices, [&](std::size_t s) { body(s * grain, std::min(n, (s + 1) * grain)); });
  });
}

}  // namespace fastbert
