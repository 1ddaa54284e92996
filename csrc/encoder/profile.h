// Where the time of a forward pass goes.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace fastbert {

// `schedule` is what no other step explains: cutting the batch, starting the team, and waiting for
// its last member. `ffn_in` has the activation in it; with int8, `quantize` has it.
enum class Step : std::size_t {
  schedule,
  embed,
  query_key_value,
  attention,
  output,
  ffn_in,
  ffn_out,
  norm,
  quantize,
  pooling,
};

constexpr std::array kStepNames = {"schedule", "embed",  "query_key_value", "attention",
                                   "output",   "ffn_in", "ffn_out",         "norm",
                                   "quantize", "pooling"};
constexpr std::size_t kSteps = kStepNames.size();

// One member's stopwatch: every moment since it was made belongs to one of the laps.
class alignas(64) Clock {
 public:
  using Time = std::chrono::steady_clock;
  explicit Clock(Time::time_point start) : last_(start) {}

  // The time since the last lap was spent in `step`.
  void lap(Step step) noexcept {
    const Time::time_point now = Time::now();
    elapsed_[static_cast<std::size_t>(step)] += now - last_;
    ++laps_[static_cast<std::size_t>(step)];
    last_ = now;
  }

  double seconds(Step step) const {
    return std::chrono::duration<double>(elapsed_[static_cast<std::size_t>(step)]).count();
  }
  std::uint64_t laps(Step step) const { return laps_[static_cast<std::size_t>(step)]; }

 private:
  Time::time_point last_;
  std::array<Time::duration, kSteps> elapsed_{};
  std::array<std::uint64_t, kSteps> laps_{};
};

// What the calls of Encoder::forward that were given it have done so far.
class Profile {
 public:
  struct Entry {
    double seconds = 0;       // of the wall time
    std::uint64_t calls = 0;  // how often a chunk went through it, in any layer
    double flops = 0;         // multiplications and additions; 0: not counted
    double weight_bytes = 0;  // packed weights, once for every chunk
  };
  std::array<Entry, kSteps> steps;
  int threads = 0;  // most that took part

  Entry& operator[](Step step) { return steps[static_cast<std::size_t>(step)]; }

  // Adds the laps of members that have walked side by side. Each one's add up to the wall time, so
  // their means do too.
  void add(const std::vector<Clock>& members);

 private:
  std::uint64_t calls_ = 0;  // of Encoder::forward
};

}  // namespace fastbert
