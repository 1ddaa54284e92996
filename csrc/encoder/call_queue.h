// Short calls of several threads: who runs, who waits, and who goes with whom.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>

#include "cpu.h"
#include "encoder/encoder.h"
#include "parallel.h"

namespace fastbert {

// What one caller wants, on its stack until it has it.
struct Call {
  enum class State { waiting, leading, done };

  const Batch& batch;
  const Output& output;
  int threads;
  State state = State::waiting;
  Call* next = nullptr;  // behind it in the queue, or in its leader's group
  std::exception_ptr error = nullptr;
  std::condition_variable changed = {};

  std::size_t tokens() const { return batch.offsets[batch.texts]; }
  bool wants_the_same(const Call& other) const {
    return threads == other.threads && output.layers == other.output.layers &&
           output.poolings == other.output.poolings && output.pool_skip == other.output.pool_skip;
  }
};

// As many groups of calls run at once as there are cores, each led by the caller that came first.
// To lead, a call does enter(), gather(), and, when all of its group are done, leave().
class CallQueue {
 public:
  // Returns when `call` is to lead, or done.
  void enter(Call& call);

  // Moves those who can go with `leader` from the queue to behind it.
  void gather(Call& leader) noexcept;

  // The group of `leader` is done. Who has waited longest leads the next.
  void leave(const Call& leader) noexcept;

  // Whether a parent process made it: then threads that did not come along may hold its lock.
  bool is_inherited() const { return generation_ != fork_generation(); }

 private:
  struct Group {
    Call& leader;
    Call* last;
    std::size_t calls, tokens;
  };

  std::size_t group_size() const;
  void collect(Group& group);
  bool expects_more(const Group& group) const;
  void wait_for_company(std::unique_lock<std::mutex>& lock, Group& group);

  const unsigned generation_ = fork_generation();
  std::mutex mutex_;  // of all that follows, and of the state of every call
  Call* first_ = nullptr;
  Call** end_ = &first_;  // where the next one to wait goes
  cpu::CoresOfCallers callers_cores_;
  std::size_t cores_ = 1;           // their number: how many groups may run
  std::size_t running_ = 0;         // groups
  std::size_t inside_ = 0;          // calls that wait, lead or are led
  std::size_t crowd_ = 0;           // how many were inside at once, lately
  Call* waiting_leader_ = nullptr;  // for its company
  int not_to_wait_ = 0;             // how many of the next leaders do not wait
};

}  // namespace fastbert
