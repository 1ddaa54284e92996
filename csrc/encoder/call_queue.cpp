#include "encoder/call_queue.h"

#include <algorithm>
#include <chrono>

namespace fastbert {
namespace {

// More do not go together: four or five short texts at once are nearly as fast as a long batch, and
// others would only wait for them.
constexpr std::size_t kMostGroupTokens = 128;

// How long a leader waits for its share of the crowd, which has got its results a moment ago and is
// on its way through Python. Without it, it mostly goes alone, and then three of four with it.
constexpr std::chrono::microseconds kPatience{300};

// When one has waited for nobody, the crowd has gone or wants different things: so many do not
// wait.
constexpr int kDiscouraged = 8;

// Under the lock: without it, a call may be gone as soon as its state has changed.
void wake(Call& call, Call::State state) {
  call.state = state;
  call.changed.notify_one();
}

}  // namespace

// How many calls should go together, so that all groups are as large.
std::size_t CallQueue::group_size() const { return (crowd_ + cores_ - 1) / cores_; }

void CallQueue::enter(Call& call) {
  std::unique_lock lock(mutex_);
  cores_ = callers_cores_.count();
  crowd_ = std::max(crowd_, ++inside_);
  if (running_ < cores_) {
    ++running_;
    call.state = Call::State::leading;
    return;
  }
  *end_ = &call;
  end_ = &call.next;
  if (waiting_leader_) waiting_leader_->changed.notify_one();
  call.changed.wait(lock, [&] { return call.state != Call::State::waiting; });
}

void CallQueue::gather(Call& leader) noexcept {
  std::unique_lock lock(mutex_);
  Group group{leader, &leader, 1, leader.tokens()};
  collect(group);
  wait_for_company(lock, group);
}

// Moves from the queue to the group who can go with it.
void CallQueue::collect(Group& group) {
  const std::size_t most = group_size();
  Call** at = &first_;
  while (Call* const call = *at) {
    if (group.calls < most && group.tokens + call->tokens() <= kMostGroupTokens &&
        call->wants_the_same(group.leader)) {
      ++group.calls, group.tokens += call->tokens();
      *at = call->next;
      call->next = nullptr;
      group.last = group.last->next = call;
    } else {
      at = &call->next;
    }
  }
  end_ = at;
}

// Whether there is room for another call like these, and nobody whom the group has left behind.
bool CallQueue::expects_more(const Group& group) const {
  return !first_ && group.calls < group_size() &&
         group.tokens + group.tokens / group.calls <= kMostGroupTokens;
}

void CallQueue::wait_for_company(std::unique_lock<std::mutex>& lock, Group& group) {
  if (waiting_leader_ || !expects_more(group)) return;
  if (not_to_wait_ > 0) {
    --not_to_wait_;
    return;
  }
  const std::size_t calls = group.calls;
  waiting_leader_ = &group.leader;
  group.leader.changed.wait_for(lock, kPatience, [&] {
    collect(group);
    return !expects_more(group);
  });
  waiting_leader_ = nullptr;
  if (group.calls == calls) not_to_wait_ = kDiscouraged, crowd_ = inside_;
}

void CallQueue::leave(const Call& leader) noexcept {
  const std::lock_guard lock(mutex_);
  // Slowly: some are outside for a moment. A crowd that has gone is forgotten after a few groups.
  if (crowd_ > inside_) crowd_ -= (crowd_ - inside_ + 7) / 8;
  --inside_;
  for (Call *call = leader.next, *next; call; call = next) {
    next = call->next;
    --inside_;
    wake(*call, Call::State::done);
  }
  Call* const call = first_;
  if (!call) {
    --running_;
    return;
  }
  first_ = call->next;
  if (!first_) end_ = &first_;
  call->next = nullptr;
  wake(*call, Call::State::leading);
}

}  // namespace fastbert
