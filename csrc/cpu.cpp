#include "cpu.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sched.h>
#include <unistd.h>
#endif

namespace fastbert::cpu {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

int hardware_threads() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

#if defined(__linux__)
using Affinity = cpu_set_t;

Affinity affinity() {
  Affinity mask;
  // Fails where CPU ids go past the 1,024 bits of the mask; then it is empty.
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) CPU_ZERO(&mask);
  return mask;
}

bool same(const Affinity& a, const Affinity& b) { return CPU_EQUAL(&a, &b); }

Affinity either(const Affinity& a, const Affinity& b) {
  Affinity both;
  CPU_OR(&both, &a, &b);
  return both;
}

// CPUs in the affinity mask, hardware threads of one core counted once: two of them share the
// vector units that the kernels keep full.
int usable_cores(const Affinity& mask) {
  std::set<std::string> cores;
  for (int id = 0; id < CPU_SETSIZE; ++id) {
    if (!CPU_ISSET(id, &mask)) continue;
    const std::string topology = "/sys/devices/system/cpu/cpu" + std::to_string(id) + "/topology/";
    const std::string siblings = first_line(topology + "thread_siblings_list");
    cores.insert(siblings.empty() ? std::to_string(id) : siblings);
  }
  return cores.empty() ? hardware_threads() : static_cast<int>(cores.size());
}
#else
struct Affinity {};
Affinity affinity() { return {}; }
bool same(const Affinity&, const Affinity&) { return true; }
Affinity either(const Affinity&, const Affinity&) { return {}; }
int usable_cores(const Affinity&) { return hardware_threads(); }
#endif

// CPUs that a cgroup quota amounts to, or 0 when there is none.
double quota_at(const std::string& directory) {
  std::string quota, period;
  std::ifstream v2(directory + "/cpu.max");
  if (!(v2 >> quota >> period)) {
    quota = first_line(directory + "/cpu.cfs_quota_us");
    period = first_line(directory + "/cpu.cfs_period_us");
  }
  const double limit = std::atof(quota.c_str()), every = std::atof(period.c_str());
  return limit > 0 && every > 0 ? limit / every : 0;
}

// The tightest quota on the way from the process's own cgroup up to the root.
double cgroup_cpus() {
  double tightest = 0;
  const auto note = [&](double cpus) {
    if (cpus > 0) tightest = tightest > 0 ? std::min(tightest, cpus) : cpus;
  };
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    // One group for all, or of cgroup v1 a list: "cpu,cpuacct", but not "cpuset".
    if (!controllers.empty() && ("," + controllers + ",").find(",cpu,") == std::string::npos)
      continue;
    const std::string mount = std::string("/sys/fs/cgroup") + (controllers.empty() ? "" : "/cpu");
    for (std::string path = line.substr(second + 1); !path.empty() && path != "/";
         path.erase(path.rfind('/')))
      note(quota_at(mount + path));
    note(quota_at(mount));
  }
  return tightest;
}

// Read once, while Python loads the module and holds its lock: to call getenv() later, beside
// somebody who sets a variable, is undefined.
const int wanted_threads = [] {
  const char* const value = std::getenv("OMP_NUM_THREADS");
  return value ? std::atoi(value) : 0;
}();

int count_threads(const Affinity& mask) {
  const int cores = usable_cores(mask);
  const double quota = cgroup_cpus();
  return quota > 0 ? std::clamp(static_cast<int>(std::ceil(quota)), 1, cores) : cores;
}

}  // namespace

bool has_avx2() {
#if defined(__x86_64__)
  // F16C by hand: Clang 14 does not know its name. That the system saves its registers, the test of
  // AVX2 has seen.
  unsigned a, b, c = 0, d;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
#else
  return false;
#endif
}

bool has_avx512() {
#if defined(__x86_64__)
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

bool has_avx_vnni() {
#if defined(FASTBERT_EVEX_VNNI)
  return has_avx512_vnni();  // a build for tests: the same instructions in another encoding
#elif defined(__x86_64__)
  // By hand: Clang 14 does not know its name.
  unsigned a = 0, b, c, d;
  return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
#else
  return false;
#endif
}

bool has_avx512_vnni() {
#if defined(__x86_64__)
  return has_avx512() && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

// On Intel's cores additions of 512 bits take the multipliers' ports, and vdpbf16ps, which they
// have for what their AMX computes, reaches 85 GFLOP/s where floats reach 172 (Emerald Rapids).
bool has_zen4() {
#if defined(__x86_64__)
  return has_avx512_vnni() && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_is("amd");
#else
  return false;
#endif
}

std::string forced_isa() {
  const char* value = std::getenv("FASTBERT_ISA");
  return value ? value : "";
}

int default_threads() {
  if (wanted_threads > 0) return wanted_threads;
  // Counting cores reads some files, 50 microseconds and more: too much for every call, so it is
  // done again only for another affinity than that of this thread before, and of the last to count.
  struct Counted {
    Affinity mask{};
    int threads = 0;
  };
  static std::mutex mutex;
  static Counted last;
  static thread_local Counted own;
  const Affinity mask = affinity();
  const auto fits = [&](const Counted& it) { return it.threads != 0 && same(it.mask, mask); };
  if (fits(own)) return own.threads;
  // Never waits: in a forked child the lock may belong to a thread that did not come along.
  const std::unique_lock lock(mutex, std::try_to_lock);
  own = lock && fits(last) ? last : Counted{mask, count_threads(mask)};
  if (lock) last = own;
  return own.threads;
}

int CoresOfCallers::count() {
  Affinity seen{};
  if (!mask_.empty()) std::memcpy(&seen, mask_.data(), sizeof seen);
  const Affinity now = either(seen, affinity());
  if (count_ == 0 || !same(now, seen)) {
    mask_.resize(sizeof now);
    std::memcpy(mask_.data(), &now, sizeof now);
    count_ = count_threads(now);
  }
  return count_;
}

std::string model_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "";
}

bool gives_huge_pages() {
  const std::string choice = first_line("/sys/kernel/mm/transparent_hugepage/enabled");
  return !choice.empty() && choice.find("[never]") == std::string::npos;
}

std::size_t cache_bytes(int level) {
  const std::string caches = "/sys/devices/system/cpu/cpu0/cache/index";
  for (int index = 0; index < 8; ++index) {
    const std::string entry = caches + std::to_string(index);
    if (first_line(entry + "/level") != std::to_string(level)) continue;
    if (first_line(entry + "/type") == "Instruction") continue;
    const std::string size = first_line(entry + "/size");
    const std::size_t unit = size.find('M') != std::string::npos ? 1 << 20 : 1 << 10;
    return std::strtoull(size.c_str(), nullptr, 10) * unit;
  }
  return 0;
}

}  // namespace fastbert::cpu
