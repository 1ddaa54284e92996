// Which texts are computed together, and by whom.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "encoder/config.h"

namespace fastbert {

// One text of the batch, and where its tokens lie among those of its chunk.
struct Placed {
  std::uint32_t text;
  std::size_t row, tokens;
};

// Texts that go through all layers side by side.
struct Chunk {
  std::size_t begin, end;  // of Schedule::texts
  std::size_t tokens;
};

struct Schedule {
  std::vector<Placed> texts;  // longest first
  std::vector<Chunk> chunks;
  // True: the whole team works on one chunk after the other, product by product. False: every
  // member takes whole chunks for itself and never waits for another.
  bool together;
  std::size_t max_tokens;  // of a chunk
  std::size_t max_length;  // of a text
};

// How many threads shorten the products of so many rows with so many weights between two barriers.
int useful_threads(std::size_t rows, std::size_t weights, ComputeType type);

Schedule make_schedule(const std::int32_t* offsets, std::size_t texts, int threads);

}  // namespace fastbert
