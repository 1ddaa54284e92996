// softmax(q k^T) v of one head, a tile of queries at a time: its whole rows of scores stay in L1
// between the two products, so there is no running maximum and nothing is rescaled.
#pragma once

#include "activation.h"
#include "kernels/kernels.h"
#include "matmul.h"
#include "pack.h"

namespace fastbert::FASTBERT_ISA {
namespace {

inline size_t round_up(size_t n, size_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// What `scratch` holds, one after the other.
struct AttentionScratch {
  size_t keys;    // (key panels, head_size, kPanelColumns): the keys transposed
  size_t values;  // (value panels, tokens, kPanelColumns): the values, one panel after the other
  size_t scores;  // (kTileRows, score_stride): scores, then their powers of 2
  size_t score_stride;
  size_t output;  // (kTileRows, kPanelColumns): one panel of the weighted sum
  size_t total;

  AttentionScratch(size_t tokens, size_t head_size) {
    const size_t padded = round_up(tokens, kPanelColumns);
    keys = 0;
    values = padded * head_size;
    scores = values + round_up(head_size, kPanelColumns) * tokens;
    score_stride = padded + 16;  // an odd number of cache lines: rows do not share L1 sets
    output = scores + kTileRows * score_stride;
    total = output + kTileRows * kPanelColumns;
  }
};

size_t attention_scratch(size_t tokens, size_t head_size) {
  return AttentionScratch(tokens, head_size).total;
}

// scores[i] = 2^(scale * (scores[i] - max)), i < count; returns 1 / their sum.
inline float softmax_numerators(float* scores, size_t count, float scale) {
  const size_t whole = count / Vec::kLanes * Vec::kLanes, rest = count - whole;
  Vec top = Vec::fill(-__builtin_inff());
  for (size_t i = 0; i < whole; i += Vec::kLanes) top = max(top, Vec::load(scores + i));
  if (rest) top = max(top, Vec::load(scores + whole).first(rest, top));
  const Vec factor = Vec::fill(scale), shift = Vec::fill(top.max());
  Vec total = Vec::zero();
  for (size_t i = 0; i < whole; i += Vec::kLanes) {
    const Vec power = exp2((Vec::load(scores + i) - shift) * factor);
    power.store(scores + i);
    total = total + power;
  }
  if (rest) {
    const Vec power = exp2((Vec::load(scores + whole) - shift) * factor).first(rest, Vec::zero());
    power.store(scores + whole, rest);
    total = total + power;
  }
  return 1 / total.sum();
}

// Every score that has a bias is at least this: where all keys are left out, all count the same.
constexpr float kLowestScore = -1e30f;

// scores[k] = unit * scores[k] + the biases of this query and key k. Returns the largest magnitude;
// NaN counts as more than infinity.
inline float add_biases(const AttentionArgs& args, size_t query, float unit, float* scores) {
  Vec top = Vec::zero();
  for_each_vector(args.tokens, [&](size_t k, size_t n) {
    Vec bias = Vec::zero();
    if (args.distance_bias) bias = Vec::load(args.distance_bias + k - query, n);
    if (args.key_bias) bias = bias + Vec::load(args.key_bias + k, n);
    const Vec score =
        max(Vec::fill(kLowestScore), fma(Vec::load(scores + k, n), Vec::fill(unit), bias));
    score.store(scores + k, n);
    top = max_magnitude(top, score);
  });
  return max_magnitude(top);
}

// Keys and values as the products read them. In the batch their rows are thousands of bytes apart,
// a page each: reading them there, once per tile of queries, misses the TLB on long texts.
void pack_keys_and_values(const AttentionArgs& args, const AttentionScratch& at) {
  for (size_t n = 0; n < args.tokens; n += kPanelColumns) {
    const size_t width = args.tokens - n < kPanelColumns ? args.tokens - n : kPanelColumns;
    const float* rows[kPanelColumns];
    for (size_t i = 0; i < width; ++i) rows[i] = args.key + (n + i) * args.stride;
    pack({rows, width, args.head_size, args.scratch + at.keys + n * args.head_size, nullptr});
  }
  float* out = args.scratch + at.values;
  for (size_t c = 0; c < args.head_size; c += kPanelColumns)
    for (size_t t = 0; t < args.tokens; ++t)
      for (size_t i = 0; i < kPanelColumns; i += Vec::kLanes, out += Vec::kLanes) {
        const size_t left = args.head_size > c + i ? args.head_size - c - i : 0;
        Vec::load(args.value + t * args.stride + c + i, left).store(out);
      }
}

void attention(const AttentionArgs& args) {
  alignas(64) static const float kZeros[kPanelColumns] = {};
  const AttentionScratch at(args.tokens, args.head_size);
  float* const scores = args.scratch + at.scores;
  float* const output = args.scratch + at.output;
  if (args.query_begin == args.query_end) return;

  pack_keys_and_values(args, at);

  for_each_tile<kTileRows>(args.query_end - args.query_begin, [&](size_t offset, size_t height) {
    const size_t row = args.query_begin + offset;
    for (size_t n = 0; n < args.tokens; n += kPanelColumns)
      kTiles<Floats>.of[height]({args.query + row * args.stride,
                                 args.stride,
                                 args.scratch + at.keys + n * args.head_size,
                                 args.head_size,
                                 kZeros,
                                 scores + n,
                                 at.score_stride,
                                 {}});
    if (args.distance_bias || args.key_bias)
      for (size_t r = 0; r < height; ++r)
        add_biases(args, row + r, 1, scores + r * at.score_stride);
    float inverse[kTileRows];
    for (size_t r = 0; r < height; ++r)
      inverse[r] = softmax_numerators(scores + r * at.score_stride, args.tokens, args.scale);
    for (size_t r = 0; args.probabilities && r < height; ++r)
      for_each_vector(args.tokens, [&](size_t k, size_t n) {
        (Vec::load(scores + r * at.score_stride + k) * Vec::fill(inverse[r]))
            .store(args.probabilities + (row + r) * args.tokens + k, n);
      });
    for (size_t c = 0; c < args.head_size; c += kPanelColumns) {
      kTiles<Floats>.of[height]({scores,
                                 at.score_stride,
                                 args.scratch + at.values + c * args.tokens,
                                 args.tokens,
                                 kZeros,
                                 output,
                                 kPanelColumns,
                                 {}});
      const size_t width = args.head_size - c < kPanelColumns ? args.head_size - c : kPanelColumns;
      for (size_t r = 0; r < height; ++r)
        for (size_t i = 0; i < width; i += Vec::kLanes)
          (Vec::load(output + r * kPanelColumns + i) * Vec::fill(inverse[r]))
              .store(args.y + (row + r) * args.y_stride + c + i, width - i);
    }
  });
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
