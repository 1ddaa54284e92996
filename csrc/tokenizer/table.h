// Numbers that are made once and then only read: our own, or a part of a file that somebody maps.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace fastbert {

// A copy shares the numbers.
template <class T>
class Table {
 public:
  Table() = default;

  explicit Table(std::vector<T> values)
      : own_(std::make_shared<const std::vector<T>>(std::move(values))),
        data_(own_->data()),
        size_(own_->size()) {}

  // Borrows data[0, size), which must outlive every copy.
  Table(const T* data, std::size_t size) : data_(data), size_(size) {}

  const T& operator[](std::size_t i) const { return data_[i]; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::shared_ptr<const std::vector<T>> own_;  // null if borrowed
  const T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace fastbert
