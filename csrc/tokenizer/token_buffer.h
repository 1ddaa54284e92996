// Where tokens are written: growing arrays without the zero-filling of std::vector.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace fastbert {

// Memory that keeps its first `used` elements when it grows; the rest is not initialised.
template <class T>
class RawArray {
 public:
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t capacity() const { return capacity_; }

  void grow(std::size_t used, std::size_t capacity) {
    auto data = std::make_unique_for_overwrite<T[]>(capacity);
    std::copy_n(data_.get(), used, data.get());
    data_ = std::move(data);
    capacity_ = capacity;
  }

 private:
  std::unique_ptr<T[]> data_;
  std::size_t capacity_ = 0;
};

// Half-open range of characters of the text.
struct TokenSpan {
  std::int32_t start;
  std::int32_t end;
};

// Ids, and spans when asked for, of many texts one after the other.
class TokenBuffer {
 public:
  explicit TokenBuffer(bool with_spans) : with_spans_(with_spans) {}

  std::size_t size() const { return size_; }
  bool with_spans() const { return with_spans_; }
  const std::int32_t* ids() const { return ids_.data(); }
  const TokenSpan* spans() const { return spans_.data(); }

  // Makes room for `count` more tokens. The functions below do not check.
  void reserve(std::size_t count) {
    if (ids_.capacity() - size_ >= count) return;
    const std::size_t capacity = std::max(size_ + count, size_ + size_ / 2);
    ids_.grow(size_, capacity);
    if (with_spans_) spans_.grow(size_, capacity);
  }

  template <bool kSpans>
  void push(std::int32_t id, std::size_t start, std::size_t end) {
    ids_.data()[size_] = id;
    if constexpr (kSpans) set_span(size_, start, end);
    ++size_;
  }

  // Room in front: free elements to be filled directly, then counted with `advance`.
  std::int32_t* free_ids() { return ids_.data() + size_; }
  void advance(std::size_t count) { size_ += count; }

  void set_span(std::size_t i, std::size_t start, std::size_t end) {
    spans_.data()[i] = {static_cast<std::int32_t>(start), static_cast<std::int32_t>(end)};
  }

  // Removes the tokens [start, end).
  void erase(std::size_t start, std::size_t end) {
    std::copy(ids_.data() + end, ids_.data() + size_, ids_.data() + start);
    if (with_spans_) std::copy(spans_.data() + end, spans_.data() + size_, spans_.data() + start);
    size_ -= end - start;
  }

 private:
  bool with_spans_;
  std::size_t size_ = 0;
  RawArray<std::int32_t> ids_;
  RawArray<TokenSpan> spans_;
};

}  // namespace fastbert
