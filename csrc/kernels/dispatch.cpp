#include <stdexcept>

#include "cpu.h"
#include "kernels/kernels.h"

namespace fastbert {

#define FASTBERT_DECLARE(isa) \
  namespace isa {             \
  const KernelTable& table(); \
  }
FASTBERT_DECLARE(baseline)
FASTBERT_DECLARE(avx2)
FASTBERT_DECLARE(avx_vnni)
FASTBERT_DECLARE(avx512)
FASTBERT_DECLARE(avx512_vnni)
FASTBERT_DECLARE(zen4)

namespace {

struct Isa {
  const char* name;
  bool (*usable)();  // covers every flag that its table is compiled with
  const KernelTable& (*table)();
};

// Best first.
constexpr Isa kIsas[] = {
#ifdef FASTBERT_HAS_zen4
    {"zen4", cpu::has_zen4, zen4::table},
#endif
#ifdef FASTBERT_HAS_avx512_vnni
    {"avx512_vnni", cpu::has_avx512_vnni, avx512_vnni::table},
#endif
#ifdef FASTBERT_HAS_avx512
    {"avx512", cpu::has_avx512, avx512::table},
#endif
#ifdef FASTBERT_HAS_avx_vnni
    {"avx_vnni", cpu::has_avx_vnni, avx_vnni::table},
#endif
#ifdef FASTBERT_HAS_avx2
    {"avx2", cpu::has_avx2, avx2::table},
#endif
    {"baseline", [] { return true; }, baseline::table},
};

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::vector<std::string> compiled_isas() {
  std::vector<std::string> names;
  for (const Isa& isa : kIsas) names.push_back(isa.name);
  return names;
}

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Isa& isa : kIsas)
    if (isa.usable()) names.push_back(isa.name);
  return names;
}

const KernelTable& kernels(const std::string& name) {
  for (const Isa& isa : kIsas)
    if (isa.name == name && isa.usable()) return isa.table();
  throw std::invalid_argument("instruction set '" + name + "' cannot run here; this CPU can run " +
                              joined(available_isas()));
}

const KernelTable& kernels() {
  const std::string forced = cpu::forced_isa();
  if (forced.empty()) return kernels(available_isas().front());
  try {
    return kernels(forced);
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(std::string("FASTBERT_ISA: ") + error.what());
  }
}

}  // namespace fastbert
