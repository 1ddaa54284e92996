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

// Under the lock: without it, a call may be gone as soon as its state has changed.
void wake(Call& call, Call::State state) {
  call.state = state;
  call.changed.notify_one();
}

}  // namespace

// How many calls should go together, so that all groups are as large.
std::size_t CallQueue::group_size() const { return (crowd_ + groups_ - 1) / groups_; }

void CallQueue::enter(Call& call) noexcept {
  std::unique_lock lock(mutex_);
  crowd_ = std::max(crowd_, ++inside_);
  if (running_ < groups_) {
    ++running_;
    call.state = Call::State::leading;
    return;
  }
  *end_ = &call;
  end_ = &call.next;
  ++waiting_;
  if (waiting_leader_) waiting_leader_->changed.notify_one();
  call.changed.wait(lock, [&] { return call.state != Call::State::waiting; });
}

void CallQueue::wait_for_company(std::unique_lock<std::mutex>& lock, Call& leader) {
  const auto complete = [&] { return 1 + waiting_ >= group_size(); };
  if (waiting_leader_ || complete()) return;
  waiting_leader_ = &leader;
  leader.changed.wait_for(lock, kPatience, complete);
  waiting_leader_ = nullptr;
}

void CallQueue::gather(Call& leader) noexcept {
  std::unique_lock lock(mutex_);
  wait_for_company(lock, leader);
  const std::size_t most = group_size();
  std::size_t calls = 1, tokens = leader.tokens();
  Call* last = &leader;
  Call** at = &first_;
  while (Call* const call = *at) {
    if (calls < most && tokens + call->tokens() <= kMostGroupTokens &&
        call->wants_the_same(leader)) {
      ++calls, tokens += call->tokens();
      *at = call->next;
      call->next = nullptr;
      last = last->next = call;
      --waiting_;
    } else {
      at = &call->next;
    }
  }
  end_ = at;
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
  --waiting_;
  wake(*call, Call::State::leading);
}

}  // namespace fastbert
