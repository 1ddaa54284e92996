// What this machine is and how much of it the process may use. The only place that asks the CPU or
// reads the environment.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace fastbert::cpu {

bool has_avx2();         // AVX2, FMA and F16C
bool has_avx512();       // AVX-512 F, BW, DQ and VL, and all of has_avx2()
bool has_avx_vnni();     // the 256-bit byte products without AVX-512, and all of has_avx2()
bool has_avx512_vnni();  // the 512-bit ones, and all of has_avx512()
// AMD's cores from Zen 4 on: adders beside the multipliers, products of bfloat16 that are faster
// than those of floats, and all of has_avx512_vnni().
bool has_zen4();

// The value of FASTBERT_ISA, or "" when it is unset.
std::string forced_isa();

// Threads that the process may really keep busy: the physical cores in its affinity mask, capped by
// the cgroup's CPU quota. OMP_NUM_THREADS, if a positive number when this is loaded, wins.
int default_threads();

// The cores that several threads may use between them, which may be pinned to different ones.
class CoresOfCallers {
 public:
  // How many they are, with those of the calling thread, whatever OMP_NUM_THREADS says.
  int count();

 private:
  std::vector<std::byte> mask_;  // as the system writes it
  int count_ = 0;
};

// Marketing name of the processor, or "" when the system does not tell.
std::string model_name();

// Whether the system may give huge pages to who asks for them.
bool gives_huge_pages();

// Bytes of the data or unified cache of a level (1, 2, 3); 0 when the system does not tell.
std::size_t cache_bytes(int level);

}  // namespace fastbert::cpu
