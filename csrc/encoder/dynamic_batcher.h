// Dynamic batching: short calls of several threads at once become one batch.
#pragma once

#include <atomic>
#include <cstddef>

#include "encoder/call_queue.h"
#include "encoder/encoder.h"

namespace fastbert {

// Forward passes of one encoder for any number of calling threads.
//
// A short text waits for its weights. Of many callers at once, each alone would stream all of them,
// and all would share the memory's bandwidth; so they go in groups. The bits of a text's result
// depend on nothing but the text, so nobody sees in whose company it was.
class DynamicBatcher {
 public:
  // Borrows `encoder`.
  DynamicBatcher(const Encoder& encoder, bool on);
  ~DynamicBatcher();
  DynamicBatcher(const DynamicBatcher&) = delete;
  DynamicBatcher& operator=(const DynamicBatcher&) = delete;

  // As Encoder::forward().
  void forward(const Batch& batch, const Output& output, int threads, Profile* profile) const;

  // Whether calls go together.
  bool on() const { return on_; }
  void set_on(bool on) { on_ = on; }

  // How many calls have been led by another one.
  std::size_t companions() const { return companions_; }

 private:
  bool takes(const Batch& batch, const Output& output) const;
  CallQueue& queue() const;
  void lead(CallQueue& queue, Call& leader) const;
  void run(Call& call) const noexcept;
  void run_together(const Call& leader) const;

  const Encoder& encoder_;
  std::atomic<bool> on_;
  mutable std::atomic<std::size_t> companions_{0};
  mutable std::atomic<CallQueue*> queue_;
};

}  // namespace fastbert
