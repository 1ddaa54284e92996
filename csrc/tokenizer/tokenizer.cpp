#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <new>
#include <numeric>
#include <stdexcept>

#include "cpu.h"
#include "parallel.h"
#include "tokenizer/text_encoder.h"

namespace fastbert {
namespace {

// A thread is worth waking for about 50 microseconds of work.
constexpr std::size_t kCharsPerThread = 16384;
constexpr std::size_t kSlicesPerThread = 8;

std::size_t threads_for(std::size_t chars, int requested) {
  const std::size_t useful = chars / kCharsPerThread;
  if (useful < 2) return 1;
  const int allowed = requested > 0 ? requested : cpu::default_threads();
  return std::min(useful, static_cast<std::size_t>(allowed));
}

// parallel_for, but a lack of memory in any thread becomes an exception of the caller.
template <class Body>
void encode_in_parallel(std::size_t n, std::size_t grain, int threads, const Body& body) {
  std::atomic<bool> out_of_memory{false};
  parallel_for(n, grain, threads, [&](std::size_t begin, std::size_t end) noexcept {
    try {
      body(begin, end);
    } catch (const std::exception&) {
      out_of_memory = true;
    }
  });
  if (out_of_memory) throw std::bad_alloc();
}

struct PairCounts {
  std::size_t first;
  std::size_t second;
};

// What is left of a pair in `budget` tokens: the longer text gives way first, then both.
PairCounts truncate_longest_first(PairCounts counts, std::size_t budget) {
  if (counts.first + counts.second <= budget) return counts;
  const std::size_t shorter = std::min(counts.first, counts.second);
  PairCounts kept{shorter, shorter > budget ? shorter : std::max(shorter, budget - shorter)};
  if (kept.first + kept.second > budget) kept = {budget / 2, budget / 2 + budget % 2};
  if (counts.first > counts.second) std::swap(kept.first, kept.second);
  return kept;
}

}  // namespace

// Encodes consecutive texts into one slice of the batch.
class SliceEncoder {
 public:
  SliceEncoder(const Pipeline& pipeline, const Template& pattern, const EncodeOptions& options,
               TokenBatch::Slice& slice)
      : pattern_(pattern), options_(options), slice_(slice), pipeline_(pipeline) {
    const std::size_t added = options.add_special_tokens ? pattern.size() : 0;
    budget_ = options.truncate ? options.max_length - added : std::numeric_limits<int>::max();
  }

  void encode(std::span<const Text> texts, std::span<const Text> pairs) {
    slice_.counts.reserve(texts.size());
    slice_.lengths.reserve(texts.size());
    if (options_.with_spans)
      encode_all<true>(texts, pairs);
    else
      encode_all<false>(texts, pairs);
  }

 private:
  template <bool kSpans>
  void encode_all(std::span<const Text> texts, std::span<const Text> pairs) {
    TextEncoder<kSpans> encoder(pipeline_, slice_.tokens);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::size_t start = slice_.tokens.size();
      const std::size_t cut = pairs.empty() ? encode_single(encoder, texts[i])
                                            : encode_pair(encoder, texts[i], pairs[i]);
      const std::size_t count = slice_.tokens.size() - start;
      slice_.counts.push_back(static_cast<std::int32_t>(count));
      slice_.lengths.push_back(static_cast<std::int32_t>(count + cut));
    }
  }

  // Both return how many tokens were cut off.
  template <bool kSpans>
  std::size_t encode_single(TextEncoder<kSpans>& encoder, const Text& text) {
    push_special<kSpans>(pattern_.prefix);
    const std::size_t count = encode_text(encoder, text);
    const std::size_t kept = std::min(count, budget_);
    keep(slice_.tokens.size() - count, count, kept);
    push_special<kSpans>(pattern_.suffix);
    return count - kept;
  }

  template <bool kSpans>
  std::size_t encode_pair(TextEncoder<kSpans>& encoder, const Text& first, const Text& second) {
    push_special<kSpans>(pattern_.prefix);
    const std::size_t first_start = slice_.tokens.size();
    const std::size_t first_count = encode_text(encoder, first);
    push_special<kSpans>(pattern_.middle);
    const std::size_t second_start = slice_.tokens.size();
    const std::size_t second_count = encode_text(encoder, second);
    const PairCounts kept = truncate_longest_first({first_count, second_count}, budget_);
    keep(second_start, second_count, kept.second);
    keep(first_start, first_count, kept.first);
    push_special<kSpans>(pattern_.suffix);
    append_type_ids(kept);
    return first_count + second_count - kept.first - kept.second;
  }

  template <bool kSpans>
  std::size_t encode_text(TextEncoder<kSpans>& encoder, const Text& text) {
    const std::size_t start = slice_.tokens.size();
    if (text.kind == 1)
      encoder.encode(static_cast<const std::uint8_t*>(text.data), text.size);
    else if (text.kind == 2)
      encoder.encode(static_cast<const char16_t*>(text.data), text.size);
    else
      encoder.encode(static_cast<const char32_t*>(text.data), text.size);
    return slice_.tokens.size() - start;
  }

  // Of the `count` tokens at `start`, drops all behind the first `kept`.
  void keep(std::size_t start, std::size_t count, std::size_t kept) {
    if (kept < count) slice_.tokens.erase(start + kept, start + count);
  }

  template <bool kSpans>
  void push_special(const std::vector<SpecialToken>& tokens) {
    if (!options_.add_special_tokens) return;
    slice_.tokens.reserve(tokens.size());
    for (const SpecialToken& token : tokens) slice_.tokens.push<kSpans>(token.id, 0, 0);
  }

  void append_type_ids(const PairCounts& counts) {
    append_type_ids(pattern_.prefix);
    slice_.type_ids.insert(slice_.type_ids.end(), counts.first, pattern_.first_type_id);
    append_type_ids(pattern_.middle);
    slice_.type_ids.insert(slice_.type_ids.end(), counts.second, pattern_.second_type_id);
    append_type_ids(pattern_.suffix);
  }

  void append_type_ids(const std::vector<SpecialToken>& tokens) {
    if (!options_.add_special_tokens) return;
    for (const SpecialToken& token : tokens) slice_.type_ids.push_back(token.type_id);
  }

  const Template& pattern_;
  const EncodeOptions& options_;
  TokenBatch::Slice& slice_;
  const Pipeline& pipeline_;
  std::size_t budget_;
};

std::size_t TokenBatch::tokens() const {
  std::size_t count = 0;
  for (const Slice& slice : slices_) count += slice.tokens.size();
  return count;
}

std::int32_t TokenBatch::longest() const {
  std::int32_t most = 0;
  for (const Slice& slice : slices_)
    for (const std::int32_t length : slice.lengths) most = std::max(most, length);
  return most;
}

void TokenBatch::write(std::int32_t* ids, std::int32_t* offsets, std::int32_t* lengths,
                       std::int32_t* type_ids, std::int32_t* spans) const {
  std::int32_t offset = 0;
  if (offsets) *offsets++ = 0;
  for (const Slice& slice : slices_) {
    ids = std::copy_n(slice.tokens.ids(), slice.tokens.size(), ids);
    if (lengths) lengths = std::copy(slice.lengths.begin(), slice.lengths.end(), lengths);
    if (type_ids) type_ids = std::copy(slice.type_ids.begin(), slice.type_ids.end(), type_ids);
    if (spans)
      for (const TokenSpan& span : std::span(slice.tokens.spans(), slice.tokens.size())) {
        *spans++ = span.start;
        *spans++ = span.end;
      }
    if (offsets)
      for (const std::int32_t count : slice.counts) *offsets++ = offset += count;
  }
}

TokenBatch Tokenizer::encode(std::span<const Text> texts, std::span<const Text> pairs,
                             const EncodeOptions& options) const {
  std::size_t chars = 0;
  for (const Text& text : texts) chars += text.size;
  for (const Text& text : pairs) chars += text.size;
  const std::size_t threads = threads_for(chars, options.threads);
  const std::size_t slices = std::min(texts.size(), threads == 1 ? 1 : threads * kSlicesPerThread);

  TokenBatch batch;
  batch.texts_ = texts.size();
  if (texts.empty()) return batch;
  const std::size_t grain = (texts.size() + slices - 1) / slices;
  batch.slices_.reserve((texts.size() + grain - 1) / grain);
  for (std::size_t i = 0; i < texts.size(); i += grain)
    batch.slices_.emplace_back(options.with_spans);

  const auto encode_slice = [&](std::size_t begin, std::size_t end) {
    SliceEncoder encoder(pipeline_, template_for(!pairs.empty()), options,
                         batch.slices_[begin / grain]);
    encoder.encode(texts.subspan(begin, end - begin),
                   pairs.empty() ? pairs : pairs.subspan(begin, end - begin));
  };
  if (slices == 1)
    encode_slice(0, texts.size());
  else
    encode_in_parallel(texts.size(), grain, static_cast<int>(threads), encode_slice);
  if (batch.tokens() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    throw std::invalid_argument(
        "the batch has " + std::to_string(batch.tokens()) +
        " tokens, but offsets end at 2147483647; give fewer texts at a time");
  return batch;
}

}  // namespace fastbert
