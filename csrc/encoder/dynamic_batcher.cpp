#include "encoder/dynamic_batcher.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "encoder/memory.h"

namespace fastbert {
namespace {

// A call of more tokens goes by itself, at once: it makes good use of the weights that it streams.
constexpr std::size_t kMostTokens = 32;

// The texts of several calls as one batch.
class Together {
 public:
  explicit Together(const Call& leader) {
    for (const Call* call = &leader; call; call = call->next) {
      const Batch& batch = call->batch;
      typed_ = typed_ || batch.type_ids;
      const std::int32_t begin = offsets_.back();
      for (std::size_t i = 1; i <= batch.texts; ++i) offsets_.push_back(begin + batch.offsets[i]);
      ids_.insert(ids_.end(), batch.ids, batch.ids + call->tokens());
      type_ids_.resize(ids_.size());  // zeros, where a call has none
      if (batch.type_ids) std::copy_n(batch.type_ids, call->tokens(), type_ids_.data() + begin);
    }
  }

  Batch batch() const {
    return {ids_.data(), offsets_.data(), typed_ ? type_ids_.data() : nullptr, offsets_.size() - 1};
  }

 private:
  std::vector<std::int32_t> ids_, type_ids_, offsets_{0};
  bool typed_ = false;
};

}  // namespace

DynamicBatcher::DynamicBatcher(const Encoder& encoder, bool on)
    : encoder_(encoder), on_(on), queue_(new CallQueue) {}

// A parent's queue is left as it is: to destroy a mutex that somebody holds is undefined.
DynamicBatcher::~DynamicBatcher() {
  CallQueue* const queue = queue_.load();
  if (!queue->is_inherited()) delete queue;
}

// A forked child makes one of its own.
CallQueue& DynamicBatcher::queue() const {
  CallQueue* queue = queue_.load();
  if (!queue->is_inherited()) return *queue;
  auto own = std::make_unique<CallQueue>();
  // Another thread may have been faster: then `queue` is its.
  return queue_.compare_exchange_strong(queue, own.get()) ? *own.release() : *queue;
}

bool DynamicBatcher::takes(const Batch& batch, const Output& output) const {
  const std::size_t tokens = batch.offsets[batch.texts];
  return on_ && tokens > 0 && tokens <= kMostTokens && !batch.mask && !output.attentions;
}

void DynamicBatcher::forward(const Batch& batch, const Output& output, int threads,
                             Profile* profile) const {
  if (profile || !takes(batch, output)) return encoder_.forward(batch, output, threads, profile);
  CallQueue& queue = this->queue();
  Call call{batch, output, threads};
  queue.enter(call);
  if (call.state == Call::State::leading) lead(queue, call);
  if (call.error) std::rethrow_exception(call.error);
}

// Together there may be too little memory where alone there is enough.
void DynamicBatcher::lead(CallQueue& queue, Call& leader) const {
  queue.gather(leader);
  try {
    if (!leader.next)
      run(leader);
    else
      run_together(leader);
  } catch (...) {
    for (Call* call = &leader; call; call = call->next) run(*call);
  }
  queue.leave(leader);
}

void DynamicBatcher::run(Call& call) const noexcept {
  try {
    encoder_.forward(call.batch, call.output, call.threads);
  } catch (...) {
    call.error = std::current_exception();
  }
}

void DynamicBatcher::run_together(const Call& leader) const {
  const Together together(leader);
  const Batch batch = together.batch();
  Output output = leader.output;
  const bool tokens = output.poolings.empty();
  const std::size_t columns =
      output.layers.size() * encoder_.config().hidden_size * (tokens ? 1 : output.poolings.size());
  const std::size_t rows = tokens ? batch.offsets[batch.texts] : batch.texts;
  const Buffer<float> results = allocate<float>(rows * columns);
  output.y = results.get();
  encoder_.forward(batch, output, leader.threads);
  const float* result = results.get();
  for (const Call* call = &leader; call; call = call->next) {
    const std::size_t count = columns * (tokens ? call->tokens() : call->batch.texts);
    std::copy_n(result, count, call->output.y);
    result += count;
    companions_ += call != &leader;
  }
}

}  // namespace fastbert
