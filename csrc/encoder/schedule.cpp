#include "encoder/schedule.h"

#include <algorithm>

#include "parallel.h"

namespace fastbert {
namespace {

// Tokens of one chunk for one thread. Fewer stream the weights from memory more often, more push
// the activations out of L2. See docs/performance.md.
constexpr std::size_t kMinTokens = 32, kMaxTokens = 96;

// Below this many tokens a thread, one chunk shared by the team is finished sooner than the longest
// of a few chunks of one thread each.
constexpr std::size_t kTokensToSplit = 160;

// Multiply-adds that are worth a thread: some 5 microseconds, what the barriers of a layer cost a
// team. See docs/performance.md.
constexpr std::size_t kThreadsWork = 384 * 1024;

// Cuts the texts, longest first, into chunks of at most limit(tokens left) tokens; a longer text is
// a chunk of its own.
template <class Limit>
void cut(Schedule& schedule, std::size_t total, const Limit& limit) {
  schedule.chunks.clear();
  schedule.max_tokens = 0;
  std::size_t room = 0;
  for (std::size_t i = 0; i < schedule.texts.size(); ++i) {
    Placed& text = schedule.texts[i];
    if (schedule.chunks.empty() || schedule.chunks.back().tokens + text.tokens > room) {
      schedule.chunks.push_back({i, i, 0});
      room = limit(total);
    }
    Chunk& chunk = schedule.chunks.back();
    text.row = chunk.tokens;
    chunk.tokens += text.tokens;
    chunk.end = i + 1;
    total -= text.tokens;
    schedule.max_tokens = std::max(schedule.max_tokens, chunk.tokens);
  }
}

// Tokens of the busiest thread when each takes the next chunk as soon as it is free.
std::size_t makespan(const std::vector<Chunk>& chunks, int threads) {
  std::vector<std::size_t> busy(threads, 0);
  for (const Chunk& chunk : chunks) *std::min_element(busy.begin(), busy.end()) += chunk.tokens;
  return *std::max_element(busy.begin(), busy.end());
}

}  // namespace

int useful_threads(std::size_t rows, std::size_t weights, ComputeType type) {
  // A product of bytes takes a quarter of the time of one of floats.
  const std::size_t work = rows * (type == ComputeType::int8 ? weights / 4 : weights);
  return static_cast<int>(std::clamp<std::size_t>(work / kThreadsWork, 1, kMostThreads));
}

Schedule make_schedule(const std::int32_t* offsets, std::size_t texts, int threads) {
  Schedule schedule{};
  for (std::uint32_t text = 0; text < texts; ++text)
    schedule.texts.push_back(
        {text, 0, static_cast<std::size_t>(offsets[text + 1] - offsets[text])});
  std::stable_sort(schedule.texts.begin(), schedule.texts.end(),
                   [](const Placed& a, const Placed& b) { return a.tokens > b.tokens; });
  schedule.max_length = texts ? schedule.texts.front().tokens : 0;

  const std::size_t total = offsets[texts] - offsets[0], team = threads;
  // Chunks get smaller towards the end, so that all threads finish at about the same time.
  cut(schedule, total, [&](std::size_t left) {
    return team == 1 ? kMaxTokens : std::clamp(left / (2 * team), kMinTokens, kMaxTokens);
  });
  schedule.together = team > 1 && (total < team * kTokensToSplit ||
                                   makespan(schedule.chunks, threads) * team > total + total / 8);
  if (schedule.together) cut(schedule, total, [&](std::size_t) { return team * kMaxTokens; });
  return schedule;
}

}  // namespace fastbert
