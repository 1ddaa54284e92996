#include "parallel.h"

#include <omp.h>
#include <pthread.h>

#include <algorithm>
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

constexpr int kSpins = 2000;  // some 30 to 100 microseconds, by the length of a pause

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
  bool forked = false;
  pthread_t thread{};    // the thread that called fork()
  Host* host = nullptr;  // never deleted: its thread lives as long as the process
} inheritance;

void after_fork_in_child() {
  inheritance.forked = true;
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

void TeamState::barrier(int size) noexcept {
  const unsigned phase = phase_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == size - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    next_.store(0, std::memory_order_relaxed);
    phase_.store(phase + 1, std::memory_order_release);
    return;
  }
  for (int spins = 0; phase_.load(std::memory_order_acquire) == phase; ++spins) {
    if (spins < kSpins)
      FASTBERT_PAUSE();
    else
      std::this_thread::yield();
  }
}

ThreadGrant::ThreadGrant(int wanted) {
  const int usable = cpu::default_threads();
  wanted = std::min(wanted > 0 ? wanted : usable, kMostThreads);
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
  } else if (inheritance.forked && pthread_equal(inheritance.thread, pthread_self())) {
    if (!inheritance.host) inheritance.host = new Host;
    inheritance.host->run([&] { open_region(count_, body); });
  } else {
    open_region(count_, body);
  }
}

}  // namespace fastbert
