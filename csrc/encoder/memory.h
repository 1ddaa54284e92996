// Aligned memory for numbers.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace fastbert {

struct Free {
  void operator()(void* p) const { std::free(p); }
};

using FloatBuffer = std::unique_ptr<float[], Free>;

// `count` floats, uninitialised, aligned to a cache line, or to 2 MiB and backed by huge pages
// where the system grants them: streaming weights over 4 KiB pages costs 15-30 % of the bandwidth
// (docs/performance.md).
inline FloatBuffer allocate_floats(std::size_t count) {
  constexpr std::size_t kLine = 64, kHuge = std::size_t{2} << 20;
  const std::size_t bytes = count * sizeof(float);
  const std::size_t alignment = bytes >= kHuge ? kHuge : kLine;
  void* p = std::aligned_alloc(alignment, (bytes / alignment + 1) * alignment);
  if (!p) throw std::bad_alloc();
#if defined(__linux__)
  if (alignment == kHuge) madvise(p, bytes, MADV_HUGEPAGE);
#endif
  return FloatBuffer(static_cast<float*>(p));
}

// Rows of `columns` floats: room for a whole last panel, and an odd number of cache lines, so that
// rows one below the other do not fight for the same L1 sets.
inline std::size_t row_stride(std::size_t columns) { return (columns + 31) / 32 * 32 + 16; }

}  // namespace fastbert
