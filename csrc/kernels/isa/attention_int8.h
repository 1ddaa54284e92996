// softmax(q k^T) v of one head in integers: bytes for queries and keys, 16 bits for probabilities
// and values. Probabilities of 8 bits cost the vectors of texts of 512 tokens 1e-3 of cosine; with
// 12 bits it is less than 1e-5.
#pragma once

#include "attention_int8_pack.h"
#include "kernels/kernels.h"
#include "matmul_int8.h"
#include "tiles.h"
#include "vec.h"

namespace fastbert::FASTBERT_ISA {
namespace {

// Tokens whose products of probabilities and values cannot overflow a sum of 32 bits:
// 4095 * 1023 * 512 < 2^31.
constexpr size_t kExactTokens = 512;
static_assert(kInt8TileRows <= Vec::kLanes, "softmax_rows() holds a number of each row in a Vec");

// 4095 * 2^(scale * x), x <= 0, to the nearest integer, but for a relative error of 7.5e-5 (a third
// of the last bit) before it is rounded: a minimax polynomial on the fraction. Not for NaN.
inline Ints probabilities(Vec x, Vec scale, Vec lowest) {
  const Vec magic = Vec::fill(12582912.0f);  // 1.5 * 2^23: leaves no bits behind the point
  x = max(lowest, x);
  const Vec pushed = fma(x, scale, magic), f = fma(x, scale, magic - pushed);
  Vec p = Vec::fill(225.927985f);
  p = fma(p, f, Vec::fill(993.492546f));
  p = fma(p, f, Vec::fill(2838.90374f));
  p = fma(p, f, Vec::fill(4094.70546f));
  // The whole part, which is in the last bits of `pushed`, into the exponent.
  const Ints::Lanes bits = (Ints::Lanes)(p.v) + ((Ints::Lanes)(pushed.v) << 23);
  p.v = (decltype(p.v))(bits);
  return to_ints(p);
}

inline float largest(const float* scores, size_t count) {
  Vec top = Vec::load(scores);
  for (size_t i = Vec::kLanes; i < count; i += Vec::kLanes) top = max(top, Vec::load(scores + i));
  return top.max();
}

// Puts the probabilities of a row of scores in its place, in 16 bits, and returns their sum.
inline float softmax_integers(float* scores, size_t count, float top, float row_scale,
                              float row_lowest) {
  const Vec shift = Vec::fill(top), scale = Vec::fill(row_scale), lowest = Vec::fill(row_lowest);
  const Ints ones = Ints::fill(0x10001);
  Ints total = Ints::fill(0);
  char* out = reinterpret_cast<char*>(scores);
  for (size_t i = 0; i < count; i += kPanelColumns, out += 2 * kPanelColumns) {
    const Ints first = probabilities(Vec::load(scores + i) - shift, scale, lowest);
    Ints second = Ints::fill(0);
    if (i + Vec::kLanes < count)
      second = probabilities(Vec::load(scores + i + Vec::kLanes) - shift, scale, lowest);
    const Ints both = to_shorts(first, second);
    total = dot_pairs(total, both, ones);
    both.store(out);
  }
  return to_floats(total).sum();
}

// Bytes whose row scales softmax_integers() applies.
struct ScoreBytes : Bytes {
  static constexpr bool kScaleRows = false;
};

// Numbers of 16 bits.
struct Shorts {
  static constexpr bool kScaleRows = true;
  static Ints add(Ints sum, Ints a, Ints b) { return dot_pairs(sum, a, b); }
};

alignas(64) constexpr int32_t kNoStart[kPanelColumns] = {};

// No bias for the keys that are there, minus infinity for those missing in the last panel.
struct KeyBias {
  alignas(64) float of[2 * kPanelColumns];
};
constexpr KeyBias make_key_bias() {
  KeyBias bias{};
  for (size_t i = 0; i < kPanelColumns; ++i) bias.of[kPanelColumns + i] = -__builtin_inff();
  return bias;
}
constexpr KeyBias kKeyBias = make_key_bias();

// scores[r, :] of the queries [first, first + height) of those that are packed.
void integer_scores(const AttentionArgs& args, const IntegerAttentionScratch& at, size_t first,
                    size_t height) {
  const int32_t* start = reinterpret_cast<const int32_t*>(args.scratch + at.key_start);
  for (size_t n = 0; n < args.tokens; n += kPanelColumns) {
    const size_t missing = args.tokens - n < kPanelColumns ? kPanelColumns - (args.tokens - n) : 0;
    kIntegerTiles<ScoreBytes>.of[height]({args.scratch + at.queries + first,
                                          kDot,
                                          at.query_stride * sizeof(float),
                                          args.scratch + at.keys + n * at.key_steps,
                                          at.key_steps,
                                          start + n,
                                          nullptr,
                                          args.scratch + at.key_scales + n,
                                          kKeyBias.of + missing,
                                          0,
                                          args.scratch + at.scores + n,
                                          at.score_stride,
                                          {}});
  }
}

// Adds the biases to a tile of rows. Their scores are no integers then: a row's scale and its
// lowest score become those of all rows, NaN where a score is not finite.
void bias_rows(const AttentionArgs& args, const IntegerAttentionScratch& at, size_t first,
               size_t height) {
  float* const scales = args.scratch + at.query_scales + first;
  float* const lowest = args.scratch + at.lowest + first;
  for (size_t r = 0; r < height; ++r) {
    const float top = add_biases(args, args.query_begin + first + r, scales[r] / args.scale,
                                 args.scratch + at.scores + r * at.score_stride);
    scales[r] = args.scale + 0 * top;
    lowest[r] = kNoProbability / args.scale;
  }
}

// The probabilities of a row of scores as floats.
void float_probabilities(const float* scores, size_t count, float top, float scale, float* out) {
  const Vec shift = Vec::fill(top), factor = Vec::fill(scale);
  Vec total = Vec::zero();
  for_each_vector(count, [&](size_t i, size_t n) {
    const Vec power = exp2((Vec::load(scores + i) - shift) * factor).first(n, Vec::zero());
    power.store(out + i, n);
    total = total + power;
  });
  const Vec inverse = Vec::fill(1 / total.sum());
  for_each_vector(count,
                  [&](size_t i, size_t n) { (Vec::load(out + i, n) * inverse).store(out + i, n); });
}

// The probabilities of a tile of rows, and inverse[r] of their sums.
void softmax_rows(const AttentionArgs& args, const IntegerAttentionScratch& at, size_t first,
                  size_t height, float bound, float* inverse) {
  float* const scores = args.scratch + at.scores;
  const float* const scales = args.scratch + at.query_scales + first;
  const float* const lowest = args.scratch + at.lowest + first;
  float top[kInt8TileRows], total[kInt8TileRows];
  for (size_t r = 0; r < height; ++r) top[r] = largest(scores + r * at.score_stride, args.tokens);
  for (size_t r = 0; args.probabilities && r < height; ++r)
    float_probabilities(scores + r * at.score_stride, args.tokens, top[r], scales[r],
                        args.probabilities + (args.query_begin + first + r) * args.tokens);
  for (size_t r = 0; r < height; ++r)
    total[r] =
        softmax_integers(scores + r * at.score_stride, args.tokens, top[r], scales[r], lowest[r]);
  // Integers know no NaN: a row with an infinite or undefined score becomes NaN here.
  const Vec poison = Vec::load(scales, height) * Vec::fill(bound) * Vec::zero();
  (Vec::fill(1) / Vec::load(total, height) + poison).store(inverse, height);
}

// The weighted sums of one panel of values, a block of tokens at a time.
void weigh_values(const AttentionArgs& args, const IntegerAttentionScratch& at, size_t column,
                  size_t height, const float* inverse, float* y, size_t y_stride) {
  static constexpr float kZeros[kPanelColumns] = {};
  constexpr size_t kBlock = kExactTokens / 2;
  const float* const panel = args.scratch + at.values + column * at.pairs;
  for (size_t pair = 0; pair < at.pairs; pair += kBlock)
    kIntegerTiles<Shorts>.of[height]({args.scratch + at.scores + pair,
                                      at.score_stride * sizeof(float),
                                      kDot,
                                      panel + pair * kPanelColumns,
                                      at.pairs - pair < kBlock ? at.pairs - pair : kBlock,
                                      kNoStart,
                                      inverse,
                                      args.scratch + at.value_scales + column,
                                      pair ? y : kZeros,
                                      pair ? y_stride : 0,
                                      y,
                                      y_stride,
                                      {}});
}

void attention_int8(const AttentionArgs& args) {
  if (args.query_begin == args.query_end) return;
  const IntegerAttentionScratch at(args.tokens, args.head_size);
  float* const scratch = args.scratch;
  // No score is larger than this times the query's scale.
  const float bound = pack_keys(args, at) * (127.0f * 127.0f) * static_cast<float>(args.head_size);
  pack_values(args, at);
  pack_queries(args, at);

  for_each_tile<kInt8TileRows>(args.query_end - args.query_begin, [&](size_t first, size_t height) {
    integer_scores(args, at, first, height);
    if (args.distance_bias || args.key_bias) bias_rows(args, at, first, height);
    float inverse[kInt8TileRows];
    softmax_rows(args, at, first, height, bound, inverse);
    for (size_t c = 0; c < args.head_size; c += kPanelColumns) {
      float* const y = args.y + (args.query_begin + first) * args.y_stride + c;
      if (args.head_size - c >= kPanelColumns) {
        weigh_values(args, at, c, height, inverse, y, args.y_stride);
        continue;
      }
      float* const output = scratch + at.output;
      weigh_values(args, at, c, height, inverse, output, kPanelColumns);
      for (size_t r = 0; r < height; ++r)
        for_each_vector(args.head_size - c, [&](size_t i, size_t n) {
          Vec::load(output + r * kPanelColumns + i).store(y + r * args.y_stride + i, n);
        });
    }
  });
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
