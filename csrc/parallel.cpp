#include "parallel.h"

#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "cpu.h"

#if defined(__x86_64__)
#define FASTBERT_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define FASTBERT_PAUSE() asm volatile("yield")
#else
#define FASTBERT_PAUSE() ((void)0)
#endif

namespace fastbert {
namespace {

constexpr int kSpins = 1000;  // some 15 to 50 microseconds, by the length of a pause

// Not sched_yield: on Linux 6.6 and later each one puts its thread further back in the queue, and
// some thousand of them behind a busy neighbour for seconds. See "Steadiness" in
// docs/performance.md.
constexpr std::chrono::microseconds kNap{20};

// Threads that callers of this module have at work right now. A caller gets what the others have
// left, so that many Python threads sharing one model do not each start a full team.
std::atomic<int> busy{0};

// libgomp keeps a pool of workers per calling thread. After fork() the child has the calling thread
// and its pool, but none of the workers, and the next region waits for them for ever. Threads that
// the child starts itself get a fresh pool. So in a child the one inherited thread hands its
// regions to a host thread. (libomp resets itself after fork; the detour costs it a thread switch.)
class Host {
 public:
  Host() { std::thread(&Host::serve, this).detach(); }

  void run(const std::function<void()>& job) {
    std::unique_lock lock(mutex_);
    job_ = &job;
    changed_.notify_all();
    changed_.wait(lock, [&] { return job_ == nullptr; });
  }

 private:
  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return job_ != nullptr; });
      (*job_)();
      job_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* job_ = nullptr;
};

struct Inheritance {
  unsigned generation = 0;  // 0: nothing is inherited
  pthread_t thread{};       // the thread that called fork()
  Host* host = nullptr;     // never deleted: its thread lives as long as the process
} inheritance;

void after_fork_in_child() {
  ++inheritance.generation;
  inheritance.thread = pthread_self();
  inheritance.host = nullptr;  // the parent's host, if any, did not come along
  busy.store(0);
}

const int registered = pthread_atfork(nullptr, nullptr, after_fork_in_child);

void open_region(int threads, const std::function<void(const Team&)>& body) {
  TeamState state;
#pragma omp parallel num_threads(threads)
  body(Team{omp_get_thread_num(), omp_get_num_threads(), &state});
}

}  // namespace

void TeamState::finish(std::uint32_t step, std::size_t done, std::size_t pieces) noexcept {
  if (done > 0 && done_.fetch_add(done, std::memory_order_acq_rel) + done == pieces) {
    done_.store(0, std::memory_order_relaxed);
    ticket_.store(std::uint64_t{step + 1} << 32, std::memory_order_release);
    return;
  }
  for (int spins = 0; ticket_.load(std::memory_order_acquire) >> 32 == step; ++spins) {
    if (spins < kSpins)
      FASTBERT_PAUSE();
    else
      std::this_thread::sleep_for(kNap);
  }
}

unsigned fork_generation() { return inheritance.generation; }

ThreadGrant::ThreadGrant(int wanted, int most) {
  const int usable = cpu::default_threads();
  wanted = std::max(1, std::min({wanted > 0 ? wanted : usable, most, kMostThreads}));
  const int others = busy.fetch_add(wanted);
  count_ = std::clamp(std::max(wanted, usable) - others, 1, wanted);
  busy.fetch_sub(wanted - count_);
}

ThreadGrant::~ThreadGrant() { busy.fetch_sub(count_); }

void ThreadGrant::run(const std::function<void(const Team&)>& body) const {
  static_cast<void>(registered);
  if (count_ == 1) {
    TeamState state;
    body(Team{0, 1, &state});
  } else if (inheritance.generation != 0 && pthread_equal(inheritance.thread, pthread_self())) {
    if (!inheritance.host) inheritance.host = new Host;
    inheritance.host->run([&] { open_region(count_, body); });
  } else {
    open_region(count_, body);
  }
}

}  // namespace fastbert
