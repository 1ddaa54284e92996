// Queries, keys and values of one head in integers, in the order in which attention_int8() reads
// them, and where they lie.
#pragma once

#include "attention.h"
#include "kernels/kernels.h"
#include "matmul_int8.h"
#include "tiles.h"
#include "vec.h"

namespace fastbert::FASTBERT_ISA {
namespace {

constexpr int kLargestValue = 1023;
constexpr float kNoProbability = -20;       // 4095 * 2^-20 is nothing
constexpr int32_t kSignBits = -0x7f7f7f80;  // 0x80 in each of the four bytes

// What `scratch` holds, one after the other, in floats.
struct IntegerAttentionScratch {
  size_t keys;          // (key panels, key_steps, kPanelColumns): four bytes each
  size_t key_steps;     // head_size / kDot, rounded up
  size_t key_scales;    // (padded tokens)
  size_t key_start;     // (padded tokens) integers
  size_t values;        // (value panels, pairs, kPanelColumns): two numbers of 16 bits each
  size_t pairs;         // tokens / 2, rounded up
  size_t value_scales;  // (padded head_size)
  size_t queries;       // (key_steps, query_stride): four bytes each
  size_t query_stride;
  size_t query_scales;  // (padded tokens)
  size_t lowest;   // (padded tokens): less than the largest score by this has no probability left
  size_t columns;  // (padded head_size, kLanes): rows transposed, to be made bytes
  size_t scores;   // (kInt8TileRows, score_stride): scores, then their powers of 2 in 16 bits
  size_t score_stride;
  size_t output;  // (kInt8TileRows, kPanelColumns): one panel of the weighted sum
  size_t total;

  IntegerAttentionScratch(size_t tokens, size_t head_size) {
    const size_t padded = round_up(tokens, kPanelColumns);
    const size_t width = round_up(head_size, kPanelColumns);
    size_t end = 0;
    const auto take = [&](size_t floats) {
      const size_t begin = end;
      end += round_up(floats, 16);  // whole cache lines
      return begin;
    };
    key_steps = (head_size + kDot - 1) / kDot;
    keys = take(padded * key_steps);
    key_scales = take(padded);
    key_start = take(padded);
    pairs = (tokens + 1) / 2;
    values = take(width * pairs);
    value_scales = take(width);
    query_stride = round_up(padded, 32) + 16;  // an odd number of cache lines
    queries = take(key_steps * query_stride);
    query_scales = take(padded);
    lowest = take(padded);
    columns = take(width * Vec::kLanes);
    score_stride = query_stride;
    scores = take(kInt8TileRows * score_stride);
    output = take(kInt8TileRows * kPanelColumns);
    total = end;
  }
};

size_t attention_int8_scratch(size_t tokens, size_t head_size) {
  return IntegerAttentionScratch(tokens, head_size).total;
}

// What a step is worth where `top` shall be `steps` of them, and its inverse. Zeros get a step as
// well, so that neither is infinite. NaN is handed on.
struct Step {
  Vec unit, inverse;

  Step(Vec top, int steps) {
    const Vec largest = max(Vec::fill(1e-30f), top), count = Vec::fill(static_cast<float>(steps));
    unit = largest / count, inverse = count / largest;
  }
};

// columns[k, i] = rows[i, k] for kLanes rows, of which the last stands for those missing. Returns
// the largest magnitude of each.
inline Vec transpose_rows(const float* rows, size_t stride, size_t count, size_t size,
                          float* columns) {
  const float* row[Vec::kLanes];
  for (size_t i = 0; i < Vec::kLanes; ++i) row[i] = rows, rows += i + 1 < count ? stride : 0;
  Vec top = Vec::zero();
  for (size_t k = 0; k < size; k += Vec::kLanes) {
    Vec block[Vec::kLanes];
    for (size_t i = 0; i < Vec::kLanes; ++i) block[i] = Vec::load(row[i] + k, size - k);
    transpose(block);
    for (size_t i = 0; i < Vec::kLanes; ++i) {
      top = max_magnitude(top, block[i]);
      block[i].store(columns + (k + i) * Vec::kLanes);
    }
  }
  return top;
}

// In every lane the bytes 128 + a, 128 + b, 128 + c, 128 + d, a in the lowest.
inline Ints unsigned_bytes(Ints a, Ints b, Ints c, Ints d) {
  typedef unsigned Bits __attribute__((vector_size(sizeof(Ints::Lanes))));  // sums wrap around
  const Bits sum = (Bits)a.v + ((Bits)b.v << 8) + ((Bits)c.v << 16) + ((Bits)d.v << 24);
  return {(Ints::Lanes)(sum + (Bits)Ints::fill(kSignBits).v)};
}

// The quantised rows of the transposed `columns`, four bytes of every row a step.
template <class Store>
inline void make_bytes(const float* columns, Vec inverse, size_t steps, const Store& store) {
  for (size_t k = 0; k < steps; ++k, columns += kDot * Vec::kLanes) {
    Ints whole[kDot];
    for (size_t i = 0; i < kDot; ++i)
      whole[i] = to_ints(Vec::load(columns + i * Vec::kLanes) * inverse);
    store(k, unsigned_bytes(whole[0], whole[1], whole[2], whole[3]));
  }
}

// The keys, transposed in panels of signed bytes. Returns the largest of their scales.
float pack_keys(const AttentionArgs& args, const IntegerAttentionScratch& at) {
  const Ints sign_bits = Ints::fill(kSignBits);
  float* const columns = args.scratch + at.columns;
  Vec top_unit = Vec::zero();
  for (size_t n = 0; n < args.tokens; n += Vec::kLanes) {
    const Step step(transpose_rows(args.key + n * args.stride, args.stride, args.tokens - n,
                                   args.head_size, columns),
                    127);
    top_unit = max_magnitude(top_unit, step.unit);
    const size_t panel = n / kPanelColumns * kPanelColumns;
    float* const keys = args.scratch + at.keys + panel * at.key_steps + n - panel;
    Ints sum = Ints::fill(0);
    make_bytes(columns, step.inverse, at.key_steps, [&](size_t k, Ints bytes) {
      const Ints key = {bytes.v ^ sign_bits.v};
      key.store(keys + k * kPanelColumns);
      sum = dot(sum, sign_bits, key);  // 128 times its bytes
    });
    Ints{-sum.v}.store(args.scratch + at.key_start + n);
    step.unit.store(args.scratch + at.key_scales + n);
  }
  return max_magnitude(top_unit);
}

// The queries that are wanted, transposed like the keys, and what belongs to each of them.
void pack_queries(const AttentionArgs& args, const IntegerAttentionScratch& at) {
  float* const columns = args.scratch + at.columns;
  const size_t count = args.query_end - args.query_begin;
  for (size_t n = 0; n < count; n += Vec::kLanes) {
    const float* const rows = args.query + (args.query_begin + n) * args.stride;
    const Step step(transpose_rows(rows, args.stride, count - n, args.head_size, columns), 127);
    const Vec scale = step.unit * Vec::fill(args.scale);
    scale.store(args.scratch + at.query_scales + n);
    (Vec::fill(kNoProbability) / scale).store(args.scratch + at.lowest + n);
    float* const queries = args.scratch + at.queries + n;
    make_bytes(columns, step.inverse, at.key_steps,
               [&](size_t k, Ints bytes) { bytes.store(queries + k * at.query_stride); });
  }
}

// The values of kLanes columns, two tokens side by side in a lane of 32 bits; a scale for each
// column.
void pack_value_columns(const float* value, size_t stride, size_t tokens, size_t width,
                        float* panel, float* scales) {
  Vec top = Vec::zero();
  for (size_t t = 0; t < tokens; ++t)
    top = max_magnitude(top, Vec::load(value + t * stride, width));
  const Step step(top, kLargestValue);
  step.unit.store(scales);
  const auto whole = [&](size_t t) {
    return to_ints(Vec::load(value + t * stride, width) * step.inverse);
  };
  size_t t = 0;
  for (; t + 2 <= tokens; t += 2, panel += kPanelColumns)
    Ints{(whole(t).v & 0xffff) | (whole(t + 1).v << 16)}.store(panel);
  if (t < tokens) Ints{whole(t).v & 0xffff}.store(panel);
}

void pack_values(const AttentionArgs& args, const IntegerAttentionScratch& at) {
  for (size_t c = 0; c < round_up(args.head_size, kPanelColumns); c += Vec::kLanes) {
    const size_t panel = c / kPanelColumns * kPanelColumns;
    pack_value_columns(args.value + c, args.stride, args.tokens,
                       args.head_size > c ? args.head_size - c : 0,
                       args.scratch + at.values + panel * at.pairs + c - panel,
                       args.scratch + at.value_scales + c);
  }
}

}  // namespace
}  // namespace fastbert::FASTBERT_ISA
