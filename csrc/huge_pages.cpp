#include "huge_pages.h"

#include <cstdint>
#include <cstring>

#include "cpu.h"

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace fastbert {

#if defined(__linux__)

void copy_to_huge_pages(const void* data, std::size_t size) {
  constexpr std::size_t kHuge = std::size_t{2} << 20;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const auto target = reinterpret_cast<std::uintptr_t>(data);
  if (size < kHuge || target % page || !cpu::gives_huge_pages()) return;
  const std::size_t length = (size + page - 1) / page * page;
  // Whole huge pages can be moved if source and target lie at the same place within them.
  void* const room =
      mmap(nullptr, length + kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) return;
  const auto begin = reinterpret_cast<std::uintptr_t>(room);
  const std::uintptr_t source = begin + (target - begin) % kHuge;
  void* const copy = reinterpret_cast<void*>(source);
  bool moved = false;
  if (madvise(copy, length, MADV_HUGEPAGE) == 0) {
    std::memcpy(copy, data, size);
    mprotect(copy, length, PROT_READ);
    // In one step for every other thread: a read in between waits for the kernel to finish.
    moved = mremap(copy, length, length, MREMAP_MAYMOVE | MREMAP_FIXED,
                   reinterpret_cast<void*>(target)) != MAP_FAILED;
  }
  // What is left of the room.
  if (source > begin) munmap(room, source - begin);
  if (!moved) munmap(copy, length);
  munmap(reinterpret_cast<void*>(source + length), begin + kHuge - source);
}

#else

void copy_to_huge_pages(const void*, std::size_t) {}

#endif

}  // namespace fastbert
