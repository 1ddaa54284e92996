// A checksum against damage: a broken disk, a file cut short. No defence against an attacker.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastbert {

// The same for any number of threads; 0 takes all that the process may use.
std::uint64_t checksum(const void* data, std::size_t size, int threads);

}  // namespace fastbert
