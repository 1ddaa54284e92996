#include "encoder/encoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "encoder/product.h"

namespace fastbert {
namespace {

// With at least this many rows each, the members of a team split the rows: activations stay in the
// caches of the core that made them. With fewer, streaming the weights decides, and each member
// takes its own part of those.
constexpr std::size_t kRowsToSplit = 40;

// Shares the rows [begin, end) out among the team in blocks small enough to keep all members busy.
template <class Body>
void share_rows(const Team& team, std::size_t begin, std::size_t end, const Body& body) {
  const std::size_t members = team.size, rows = end - begin;
  const std::size_t block =
      members == 1 ? rows : std::clamp<std::size_t>(rows / (2 * members), 1, 16);
  if (rows == 0) return;
  team.share((rows + block - 1) / block,
             [&](std::size_t i) { body(begin + i * block, std::min(block, rows - i * block)); });
}

}  // namespace

std::size_t Output::depth() const { return *std::max_element(layers.begin(), layers.end()); }

bool Output::first_tokens_only() const {
  return pool_skip == 0 && !poolings.empty() && !attentions &&
         std::all_of(poolings.begin(), poolings.end(), reads_first_token_only);
}

Encoder::Encoder(const KernelTable& kernels, const Config& config, ComputeType type,
                 const Weights& weights, const std::byte* packed, int threads)
    : kernels_(kernels),
      config_(config),
      type_(type),
      score_scale_(static_cast<float>(1.0 / std::log(2.0) /
                                      std::sqrt(static_cast<double>(config.head_size())))),
      distance_bias_(config, weights.relative_attention_bias),
      weights_(weights),
      packed_(packed ? PackedWeights(kernels, config, type, packed)
                     : PackedWeights(kernels, config, type, weights, threads)),
      workspaces_(kernels_, config_, type) {}

void Encoder::forward(const Batch& batch, const Output& output, int threads,
                      Profile* profile) const {
  const Clock::Time::time_point start = profile ? Clock::Time::now() : Clock::Time::time_point{};
  const std::size_t layer_weights =
      2 * config_.hidden_size * (2 * config_.hidden_size + config_.intermediate_size);
  const ThreadGrant grant(threads,
                          useful_threads(batch.offsets[batch.texts], layer_weights, type_));
  const Schedule schedule = make_schedule(batch.offsets, batch.texts, grant.count());
  const std::size_t chunks = schedule.chunks.size();
  // One workspace for the whole team, or one for each member. Taken here, because nothing may throw
  // inside the team.
  const int members = schedule.together ? grant.count() : 1;
  const std::size_t workspace_count =
      schedule.together ? 1 : std::min<std::size_t>(grant.count(), chunks);
  std::vector<std::unique_ptr<Workspace>> workspaces;
  for (std::size_t i = 0; i < workspace_count; ++i)
    workspaces.push_back(workspaces_.take(schedule.max_tokens, schedule.max_length, members));

  // Together, all walk through the same steps: the first one's laps stand for all.
  std::vector<Clock> clocks(profile ? (schedule.together ? 1 : grant.count()) : 0, Clock(start));

  const auto run = [&](std::size_t i, Workspace& workspace, const Team& everyone, Clock* clock) {
    const Chunk& chunk = schedule.chunks[i];
    const Placed* const texts = schedule.texts.data() + chunk.begin;
    const std::size_t count = chunk.end - chunk.begin, rows = chunk.tokens;
    const std::size_t members = everyone.size, rank = everyone.rank;
    if (members > 1 && rows >= members * kRowsToSplit) {
      TeamState own;
      const Team alone{0, 1, &own};
      run_chunk({batch, texts, count, rows * rank / members, rows * (rank + 1) / members, workspace,
                 alone, everyone, clock},
                output);
    } else {
      run_chunk({batch, texts, count, 0, rows, workspace, everyone, everyone, clock}, output);
    }
  };
  grant.run([&](const Team& team) {
    const std::size_t rank = team.rank;
    Clock* const clock = rank < clocks.size() ? &clocks[rank] : nullptr;
    if (clock) clock->lap(Step::schedule);
    if (schedule.together) {
      for (std::size_t i = 0; i < chunks; ++i) run(i, *workspaces[0], team, clock);
    } else {
      // A member without a workspace is one more than there are chunks.
      TeamState own;
      const Team alone{0, 1, &own};
      if (rank < workspace_count)
        team.share(chunks, [&](std::size_t i) { run(i, *workspaces[rank], alone, clock); });
    }
    if (clock) clock->lap(Step::schedule);
  });
  for (auto& workspace : workspaces) workspaces_.give_back(std::move(workspace));
  if (profile) {
    profile->add(clocks);
    profile->threads = std::max(profile->threads, grant.count());
    count_work(batch, output, chunks, *profile);
  }
}

void Encoder::count_work(const Batch& batch, const Output& output, std::size_t chunks,
                         Profile& profile) const {
  const double tokens = batch.offsets[batch.texts] - batch.offsets[0];
  double pairs = 0, texts = 0;  // pairs of a query and a key; texts that have tokens
  for (std::size_t i = 0; i < batch.texts; ++i) {
    const double length = batch.offsets[i + 1] - batch.offsets[i];
    pairs += length * length;
    texts += length > 0;
  }
  const auto count = [&](Step step, const PackedLinear& linear, double rows) {
    profile[step].flops += 2.0 * rows * static_cast<double>(linear.inputs * linear.outputs);
    const std::size_t bytes = Packing(kernels_, type_).bytes(linear.outputs, linear.inputs);
    profile[step].weight_bytes += static_cast<double>(chunks * bytes);
  };
  if (config_.projects_embeddings()) count(Step::embed, packed_.embedding_projection(), tokens);
  const std::size_t depth = output.depth();
  for (std::size_t i = 0; i < depth; ++i) {
    const PackedLayer& layer = packed_.layer(config_.layer_group(i));
    const bool shortened = i + 1 == depth && output.first_tokens_only();
    const double rows = shortened ? texts : tokens;
    count(Step::query_key_value, layer.query_key_value, tokens);
    count(Step::output, layer.output, rows);
    count(Step::ffn_in, layer.ffn_in, rows);
    count(Step::ffn_out, layer.ffn_out, rows);
    profile[Step::attention].flops +=
        4.0 * static_cast<double>(config_.hidden_size) * (shortened ? tokens : pairs);
  }
}

Encoder::Run::Part Encoder::Run::part(const Placed& text) const {
  const std::size_t begin = std::clamp(row_begin, text.row, text.row + text.tokens);
  const std::size_t end = std::clamp(row_end, begin, text.row + text.tokens);
  return {begin - text.row, end - text.row};
}

void Encoder::run_chunk(const Run& run, const Output& output) const {
  const std::size_t depth = output.depth();
  embed(run);
  run.lap(Step::embed);
  deliver(run, output, 0);
  for (std::size_t i = 0; i + 1 < depth; ++i) {
    self_attention(run, output, i, false);
    feed_forward(run, i);
    deliver(run, output, i + 1);
  }
  if (depth == 0) return;
  // Behind the last attention no token meets another: what is not read need not be computed.
  const bool shortened = output.first_tokens_only();
  self_attention(run, output, depth - 1, shortened);
  const Run rest = shortened ? keep_first_tokens(run) : run;
  feed_forward(rest, depth - 1);
  deliver(rest, output, depth);
}

void Encoder::self_attention(const Run& run, const Output& output, std::size_t index,
                             bool first_tokens) const {
  Workspace& b = run.buffers;
  product(run, packed_.layer(config_.layer_group(index)).query_key_value, b.hidden, b.hidden_stride,
          b.qkv, b.wide_stride, Activation::identity);
  run.meet();  // attention reads the keys and values of all rows
  run.lap(Step::query_key_value);
  attend(run, output, index, first_tokens);
  run.meet();  // and they are overwritten from here on
  run.lap(Step::attention);
}

// The first tokens moved up to the first rows, where attend() has put what they gathered. Texts
// without tokens are the last ones.
Encoder::Run Encoder::keep_first_tokens(const Run& run) const {
  Workspace& b = run.buffers;
  std::size_t count = 0;
  for (; count < run.text_count && run.texts[count].tokens > 0; ++count)
    if (run.everyone.rank == 0)
      std::memmove(b.hidden + count * b.hidden_stride,
                   b.hidden + run.texts[count].row * b.hidden_stride,
                   config_.hidden_size * sizeof(float));
  run.everyone.barrier();
  const bool split = run.team.size != run.everyone.size;
  const std::size_t parts = split ? run.everyone.size : 1, part = split ? run.everyone.rank : 0;
  return {run.batch,
          run.texts,
          run.text_count,
          count * part / parts,
          count * (part + 1) / parts,
          run.buffers,
          run.team,
          run.everyone,
          run.clock,
          true};
}

void Encoder::feed_forward(const Run& run, std::size_t index) const {
  Workspace& b = run.buffers;
  const std::size_t group = config_.layer_group(index);
  const PackedLayer& packed = packed_.layer(group);
  const LayerWeights& weights = weights_.layers[group];

  quantize(run, b.context, b.hidden_stride, config_.hidden_size, Activation::identity);
  product(run, packed.output, b.context, b.hidden_stride, b.product, b.hidden_stride,
          Activation::identity);
  run.lap(Step::output);
  add_and_norm(run, weights.attention_norm);
  run.lap(Step::norm);

  product(run, packed.ffn_in, b.hidden, b.hidden_stride, b.ffn, b.wide_stride, config_.hidden_act);
  run.lap(Step::ffn_in);
  quantize(run, b.ffn, b.wide_stride, config_.intermediate_size, config_.hidden_act);
  product(run, packed.ffn_out, b.ffn, b.wide_stride, b.product, b.hidden_stride,
          Activation::identity);
  run.lap(Step::ffn_out);
  add_and_norm(run, weights.ffn_norm);
  run.lap(Step::norm);
}

void Encoder::embed(const Run& run) const {
  Workspace& b = run.buffers;
  run.team.share(run.text_count, [&](std::size_t i) {
    const Placed& text = run.texts[i];
    const Run::Part part = run.part(text);
    const std::size_t row = text.row + part.begin, count = part.end - part.begin;
    const std::size_t first = run.batch.offsets[text.text] + part.begin;
    std::copy_n(run.batch.ids + first, count, b.ids.data() + row);
    if (run.batch.type_ids) std::copy_n(run.batch.type_ids + first, count, b.type_ids.data() + row);
    for (std::size_t t = 0; run.batch.mask && t < count; ++t)
      b.key_bias[row + t] =
          run.batch.mask[first + t] ? 0.0f : -std::numeric_limits<float>::infinity();
    place(run.batch.ids + first - part.begin, part, b.positions.data() + row);
  });
  const bool projects = config_.projects_embeddings();
  float* const x = projects ? b.embeddings : b.hidden;
  const std::size_t stride = projects ? b.wide_stride : b.hidden_stride;
  share_rows(run.team, run.row_begin, run.row_end, [&](std::size_t row, std::size_t rows) {
    kernels_.embed({b.ids.data() + row, b.positions.data() + row,
                    run.batch.type_ids ? b.type_ids.data() + row : nullptr,
                    weights_.word_embeddings, weights_.position_embeddings,
                    weights_.type_embeddings, x + row * stride, stride,
                    weights_.embeddings_norm.gamma, weights_.embeddings_norm.beta, rows,
                    config_.embedding_size, config_.layer_norm_eps});
    quantize_rows(run, row, rows, x, stride, config_.embedding_size, Activation::identity);
  });
  if (!projects) return;
  product(run, packed_.embedding_projection(), x, stride, b.hidden, b.hidden_stride,
          Activation::identity);
  share_rows(run.team, run.row_begin, run.row_end, [&](std::size_t row, std::size_t rows) {
    quantize_rows(run, row, rows, b.hidden, b.hidden_stride, config_.hidden_size,
                  Activation::identity);
  });
}

// Null where all tokens of a text count, so that its bits are those without a mask; and where none
// does: what all scores lose is no loss to any of them.
const float* Encoder::key_bias(const Run& run, const Placed& text) const {
  if (!run.batch.mask) return nullptr;
  const std::uint8_t* const mask = run.batch.mask + run.batch.offsets[text.text];
  const std::size_t masked = std::count(mask, mask + text.tokens, 0);
  return masked == 0 || masked == text.tokens ? nullptr : run.buffers.key_bias.data() + text.row;
}

// Where the tokens of a part of a text stand; `ids` are those of the whole text.
void Encoder::place(const std::int32_t* ids, const Run::Part& part, std::int32_t* positions) const {
  if (!config_.padding_id) {
    std::iota(positions, positions + (part.end - part.begin),
              static_cast<std::int32_t>(part.begin));
    return;
  }
  const std::int32_t padding = *config_.padding_id;
  const auto before = part.begin - std::count(ids, ids + part.begin, padding);
  std::int32_t next = padding + 1 + static_cast<std::int32_t>(before);
  for (std::size_t t = part.begin; t < part.end; ++t)
    *positions++ = ids[t] == padding ? padding : next++;
}

// Of the texts' first tokens alone: theirs go to the first rows of the context, one for each text.
void Encoder::attend(const Run& run, const Output& output, std::size_t index,
                     bool first_tokens) const {
  Workspace& b = run.buffers;
  const std::size_t heads = config_.num_attention_heads, size = config_.head_size();
  float* const scratch = b.scratch + run.everyone.rank * b.scratch_size;
  const auto attention = type_ == ComputeType::int8 ? kernels_.attention_int8 : kernels_.attention;
  run.team.share(run.text_count * heads, [&](std::size_t i) {
    const Placed& text = run.texts[i / heads];
    const Run::Part part = run.part(text);
    const std::size_t end = first_tokens ? std::min<std::size_t>(part.end, 1) : part.end;
    if (part.begin >= end) return;
    const std::size_t row = first_tokens ? i / heads : text.row;
    const float* query = b.qkv + text.row * b.wide_stride + i % heads * size;
    const std::size_t pairs = text.tokens * text.tokens;
    float* const probabilities = output.attentions
                                     ? output.attentions + output.attention_begin[text.text] +
                                           (index * heads + i % heads) * pairs
                                     : nullptr;
    attention({query, query + config_.hidden_size, query + 2 * config_.hidden_size, b.wide_stride,
               b.context + row * b.hidden_stride + i % heads * size, b.hidden_stride, scratch,
               text.tokens, size, score_scale_, part.begin, end, distance_bias_.of(i % heads),
               key_bias(run, text), probabilities});
  });
}

// Alone, one call does it all. A team shares out panels, one run of them for each member: in
// smaller pieces, every one would begin with a panel that nobody has fetched ahead, up to 10 % of a
// short text. Where the panels do not go round, and with many rows, it shares out blocks of rows as
// well.
void Encoder::product(const Run& run, const PackedLinear& linear, const float* x,
                      std::size_t x_stride, float* y, std::size_t y_stride,
                      Activation activation) const {
  const Workspace& b = run.buffers;
  const Input input{x, x_stride, quantized(run, linear.inputs), byte_stride(linear.inputs),
                    b.scales.data()};
  const std::size_t members = run.team.size, panels = linear.panel_count, rows = run.rows();
  const std::size_t group = (panels + members - 1) / members;
  const std::size_t groups = (panels + group - 1) / group;
  const std::size_t most = std::max<std::size_t>(1, rows / kernels_.tile_rows);
  const std::size_t blocks =
      members == 1 ? 1 : std::clamp<std::size_t>(4 * members / groups, 1, most);
  const std::size_t height = (rows + blocks - 1) / blocks;
  run.team.share(groups * blocks, [&](std::size_t i) {
    const std::size_t row = run.row_begin + i % blocks * height, panel = i / blocks * group;
    if (row >= run.row_end) return;
    multiply(kernels_, type_, linear, input, y, y_stride,
             {row, std::min(height, run.row_end - row), panel, std::min(panel + group, panels)},
             activation);
  });
}

void Encoder::add_and_norm(const Run& run, const NormWeights& norm) const {
  Workspace& b = run.buffers;
  share_rows(run.team, run.row_begin, run.row_end, [&](std::size_t row, std::size_t rows) {
    float* hidden = b.hidden + row * b.hidden_stride;
    kernels_.layer_norm({b.product + row * b.hidden_stride, hidden, hidden, b.hidden_stride,
                         norm.gamma, norm.beta, rows, config_.hidden_size, config_.layer_norm_eps});
    quantize_rows(run, row, rows, b.hidden, b.hidden_stride, config_.hidden_size,
                  Activation::identity);
  });
}

// Makes what the next product reads, where products are of integers.
void Encoder::quantize(const Run& run, const float* x, std::size_t stride, std::size_t columns,
                       Activation activation) const {
  if (type_ != ComputeType::int8) return;
  share_rows(run.team, run.row_begin, run.row_end, [&](std::size_t row, std::size_t rows) {
    quantize_rows(run, row, rows, x, stride, columns, activation);
  });
  run.lap(Step::quantize);
}

void Encoder::quantize_rows(const Run& run, std::size_t row, std::size_t rows, const float* x,
                            std::size_t stride, std::size_t columns, Activation activation) const {
  if (type_ != ComputeType::int8) return;
  Workspace& b = run.buffers;
  const std::size_t y_stride = byte_stride(columns);
  kernels_.quantize({activation, x + row * stride, stride, quantized(run, columns) + row * y_stride,
                     y_stride, b.scales.data() + row, rows, columns,
                     b.scratch + run.everyone.rank * b.scratch_size});
}

// Row 0 of the bytes where they are `columns` long: close together, for the caches, but each
// member's rows within the room that they have when they are longest.
std::uint8_t* Encoder::quantized(const Run& run, std::size_t columns) const {
  const Workspace& b = run.buffers;
  return b.bytes.get() + run.row_begin * (b.quantized_stride - byte_stride(columns));
}

// The hidden states of a layer, if they are wanted, to their place in the result. They stay as they
// are until all members are done with them.
void Encoder::deliver(const Run& run, const Output& output, std::size_t layer) const {
  const auto wanted = std::find(output.layers.begin(), output.layers.end(), layer);
  if (wanted == output.layers.end()) return;
  run.meet();
  run.lap(Step::schedule);  // it was a wait
  const Workspace& b = run.buffers;
  const std::size_t hidden = config_.hidden_size, row_width = output.layers.size() * hidden;
  const std::size_t width = output.poolings.size() * row_width;
  float* const block = output.y + (wanted - output.layers.begin()) * hidden;
  run.everyone.share(run.text_count, [&](std::size_t i) {
    const Placed& text = run.texts[i];
    const std::size_t first = run.batch.offsets[text.text];
    const std::uint8_t* const mask = run.batch.mask ? run.batch.mask + first : nullptr;
    const float* x = b.hidden + run.row(i) * b.hidden_stride;
    if (output.poolings.empty()) {
      float* y = block + first * row_width;
      for (std::size_t t = 0; t < text.tokens; ++t)
        std::memcpy(y + t * row_width, x + t * b.hidden_stride, hidden * sizeof(float));
    }
    for (std::size_t p = 0; p < output.poolings.size(); ++p)
      output.poolings[p]({x, b.hidden_stride, text.tokens, hidden, output.pool_skip,
                          block + text.text * width + p * row_width, mask});
  });
  run.lap(Step::pooling);
}

}  // namespace fastbert
