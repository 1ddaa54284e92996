#include "checksum.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "parallel.h"

namespace fastbert {
namespace {

constexpr std::size_t kLanes = 8, kStripe = kLanes * sizeof(std::uint64_t);
constexpr std::size_t kBlock = std::size_t{1} << 20;  // one thread's piece
constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15u;

std::uint64_t mix(std::uint64_t h, std::uint64_t x) {
  h = (h ^ x) * 0xD6E8FEB86659FD93u;
  return h ^ (h >> 32);
}

// Every stripe adds its words and, to the neighbours' sums, products of their halves with a key
// that changes from stripe to stripe: a changed word changes a sum, and so does a moved one. 32-bit
// products are what every instruction set has for vectors, so compilers vectorise this.
std::uint64_t block_checksum(const std::uint8_t* data, std::size_t size) {
  std::uint64_t sums[kLanes] = {}, keys[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) keys[i] = kOdd * (i + 1);
  const auto add = [&](const std::uint8_t* stripe) {
    std::uint64_t words[kLanes];
    std::memcpy(words, stripe, kStripe);
    for (std::size_t i = 0; i < kLanes; ++i) {
      const std::uint64_t keyed = words[i] ^ keys[i];
      sums[i] += (keyed & 0xFFFFFFFFu) * (keyed >> 32) + words[i ^ 1];
      keys[i] += kOdd;
    }
  };
  std::size_t pos = 0;
  for (; pos + kStripe <= size; pos += kStripe) add(data + pos);
  std::uint8_t tail[kStripe] = {};
  std::copy(data + pos, data + size, tail);
  add(tail);
  std::uint64_t h = size;
  for (const std::uint64_t sum : sums) h = mix(h, sum);
  return h;
}

}  // namespace

std::uint64_t checksum(const void* data, std::size_t size, int threads) {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  std::vector<std::uint64_t> sums((size + kBlock - 1) / kBlock);
  parallel_for(sums.size(), 1, threads, [&](std::size_t begin, std::size_t end) noexcept {
    for (std::size_t i = begin; i < end; ++i)
      sums[i] = block_checksum(bytes + i * kBlock, std::min(kBlock, size - i * kBlock));
  });
  std::uint64_t h = size;
  for (const std::uint64_t sum : sums) h = mix(h, sum);
  return h;
}

}  // namespace fastbert
