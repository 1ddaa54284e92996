// Every buffer of one chunk on its way through the layers: allocated once, used by all layers,
// handed back for the next call.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "encoder/config.h"
#include "encoder/memory.h"
#include "kernels/kernels.h"

namespace fastbert {

struct Workspace {
  Workspace(const KernelTable& kernels, const Config& config, ComputeType type, std::size_t rows_,
            std::size_t length_, int members_)
      : rows(rows_),
        length(length_),
        members(members_),
        hidden_stride(row_stride(config.hidden_size)),
        wide_stride(row_stride(
            std::max({3 * config.hidden_size, config.intermediate_size, config.embedding_size}))),
        quantized_stride(byte_stride(
            std::max({config.hidden_size, config.intermediate_size, config.embedding_size}))),
        scratch_size(round_up(
            std::max({(type == ComputeType::int8
                           ? kernels.attention_int8_scratch
                           : kernels.attention_scratch)(length, config.head_size()),
                      config.hidden_size, config.intermediate_size, config.embedding_size}) +
                64,
            16)),
        floats(allocate<float>(rows * (3 * hidden_stride + wide_stride) + members * scratch_size)),
        bytes(allocate<std::uint8_t>(type == ComputeType::int8 ? rows * quantized_stride : 0)),
        scales(type == ComputeType::int8 ? rows : 0),
        ids(rows),
        positions(rows),
        type_ids(rows),
        key_bias(rows) {
    hidden = floats.get();
    context = hidden + rows * hidden_stride;
    // What attention gathered is done with once it is in bytes.
    product = type == ComputeType::int8 ? context : context + rows * hidden_stride;
    // Embeddings are done with before the first query, key and value are made, these before the
    // inner rows, and those before the next query, key and value. With one stride for all, no
    // member of a team touches another's rows.
    embeddings = qkv = ffn = product + rows * hidden_stride;
    scratch = qkv + rows * wide_stride;
  }

  bool alone() const { return members == 1; }
  bool fits(std::size_t rows_, std::size_t length_, int members_) const {
    return rows_ <= rows && length_ <= length && members_ <= members && (members_ == 1) == alone();
  }

  std::size_t rows, length;  // tokens of a chunk, tokens of a text
  int members;               // threads that work on the chunk
  std::size_t hidden_stride, wide_stride, quantized_stride, scratch_size;
  Buffer<float> floats;
  float* hidden;      // (rows, hidden): the residual stream
  float* embeddings;  // (rows, embedding): what is projected to it; rows wide_stride apart
  float* context;     // (rows, hidden): what attention gathers
  float* product;     // (rows, hidden): what is added to the residual stream
  float* qkv;         // (rows, 3 * hidden): query, key, value, in the same place
  float* ffn;         // (rows, intermediate), in the same place
  float* scratch;     // (members, scratch_size)
  // int8 only: the rows that the next product reads, (rows, hidden, intermediate or embedding),
  // with room for the longest.
  Buffer<std::uint8_t> bytes;
  std::vector<float> scales;                           // (rows)
  std::vector<std::int32_t> ids, positions, type_ids;  // (rows)
  std::vector<float> key_bias;                         // (rows), where there is a mask
};

// Workspaces that are not in use. Calls on several threads each take their own. Never waits for the
// lock, which in a forked child may belong to a thread that did not come along: without it, a
// workspace is made anew or thrown away.
class WorkspacePool {
 public:
  WorkspacePool(const KernelTable& kernels, const Config& config, ComputeType type)
      : kernels_(kernels), config_(config), type_(type) {}

  std::unique_ptr<Workspace> take(std::size_t rows, std::size_t length, int members) {
    if (const std::unique_lock lock(mutex_, std::try_to_lock); lock) {
      const auto fitting = std::find_if(idle_.begin(), idle_.end(), [&](const auto& idle) {
        return idle->fits(rows, length, members);
      });
      if (fitting != idle_.end()) return remove(fitting);
      // One that is too small has had its day: a larger one takes its place.
      const auto outgrown = std::find_if(idle_.begin(), idle_.end(), [&](const auto& idle) {
        return idle->alone() == (members == 1);
      });
      if (outgrown != idle_.end()) remove(outgrown);
    }
    return std::make_unique<Workspace>(kernels_, config_, type_, round_up(rows, 96),
                                       round_up(length, 64), members);
  }

  void give_back(std::unique_ptr<Workspace> workspace) {
    if (const std::unique_lock lock(mutex_, std::try_to_lock); lock && idle_.size() < kMostIdle)
      idle_.push_back(std::move(workspace));
  }

 private:
  using Idle = std::vector<std::unique_ptr<Workspace>>;
  static constexpr std::size_t kMostIdle = 64;

  std::unique_ptr<Workspace> remove(Idle::iterator at) {
    std::unique_ptr<Workspace> workspace = std::move(*at);
    idle_.erase(at);
    return workspace;
  }

  const KernelTable& kernels_;
  const Config& config_;
  ComputeType type_;
  std::mutex mutex_;
  Idle idle_;
};

}  // namespace fastbert
