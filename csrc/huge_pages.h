// Large pages for memory that has been mapped from a file.
#pragma once

#include <cstddef>

namespace fastbert {

// Puts huge pages of our own, with the same bytes, in the place of the pages behind [data, data +
// size), a mapping that nobody writes. Other threads may go on reading meanwhile. `data` lies at
// the beginning of a page. Changes nothing if the system has no such pages to give.
void copy_to_huge_pages(const void* data, std::size_t size);

}  // namespace fastbert
