// Threads: the only place that knows OpenMP.
//
// A region is entered once per call of the library, not once per operation: a Team of threads runs
// one body, and shares out the steps inside it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace fastbert {

// What the members of a running team share: which step they are at, and which pieces of it are
// left.
//
// A step is over when its pieces are done, not when all members are there: one that the system has
// put aside holds nobody up, unless it is in the middle of a piece, and later skips what was done
// without it. See "Steadiness" in docs/performance.md.
class TeamState {
 public:
  // A piece of `step`, which has `pieces`; or `pieces` when there are none left.
  std::size_t take(std::uint32_t step, std::size_t pieces) noexcept {
    std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
    while (ticket >> 32 == step && (ticket & kPiece) < pieces)
      if (ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acquire))
        return ticket & kPiece;
    return pieces;
  }

  // Adds `done` to the pieces of `step` that are done, and returns when all are. Spins for a few
  // microseconds, then naps, so that a team larger than the free cores gets on too.
  void finish(std::uint32_t step, std::size_t done, std::size_t pieces) noexcept;

 private:
  static constexpr std::uint64_t kPiece = 0xFFFFFFFF;

  // In one cache line, which moves half as often as two or three.
  alignas(64) std::atomic<std::uint64_t> ticket_{0};  // step << 32 | next piece
  std::atomic<std::size_t> done_{0};
};

// One member's view of its team.
struct Team {
  int rank;  // 0 .. size - 1
  int size;  // members that really run; may be fewer than were asked for
  TeamState* state;
  mutable std::uint32_t step = 0;  // this member's; the team may be further on

  // Returns when all members are here.
  void barrier() const noexcept {
    if (size > 1) state->finish(step++, 1, size);
  }

  // Runs body(i) for every i < n, each on the member that is free first, and returns when all are
  // done. All members call it, but some may come too late to run any. What body(i) computes must
  // not depend on who runs it.
  template <class Body>
  void share(std::size_t n, const Body& body) const noexcept {
    if (size == 1) {
      for (std::size_t i = 0; i < n; ++i) body(i);
    } else if (n > 0) {
      std::size_t done = 0;
      for (std::size_t i; (i = state->take(step, n)) < n; ++done) body(i);
      state->finish(step++, done, n);
    }
  }
};

// How many forks lie between this process and the first that loaded this module.
unsigned fork_generation();

// More than this many threads are never started: libgomp ends the process when it cannot start one.
constexpr int kMostThreads = 1024;

// Threads for one call: `wanted` of them (0: all that the process may use), less what other callers
// have at work at the moment, and `most` at most, but one at least. They are counted as busy until
// it is destroyed.
class ThreadGrant {
 public:
  explicit ThreadGrant(int wanted, int most = kMostThreads);
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
void parallel_for(std::size_t n, std::size_t grain, const ThreadGrant& grant, const Body& body) {
  static_assert(noexcept(body(n, n)), "an exception cannot leave a team: mark the lambda noexcept");
  if (n == 0) return;
  const std::size_t members = grant.count();
  grain = std::min(grain, (n + members - 1) / members);
  const std::size_t slices = (n + grain - 1) / grain;
  grant.run([&](const Team& team) {
    team.share(slices, [&](std::size_t s) { body(s * grain, std::min(n, (s + 1) * grain)); });
  });
}

// The same on `threads` threads (0: all that the process may use), or on n if that is less.
template <class Body>
void parallel_for(std::size_t n, std::size_t grain, int threads, const Body& body) {
  const int most = static_cast<int>(std::min<std::size_t>(n, kMostThreads));
  parallel_for(n, grain, ThreadGrant(threads, most), body);
}

}  // namespace fastbert
