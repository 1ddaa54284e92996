// The tokens of a model and their ids, both ways, as one block of UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fastbert {

class Vocabulary {
 public:
  static constexpr std::int32_t kNoId = -1;

  // `token` must be UTF-8. Ids may have gaps but must differ; a token may come again and then has
  // its last id, as in the `tokenizers` library. Throws std::invalid_argument.
  void add(std::string_view token, std::int64_t id);

  // Adds the lines of a vocab.txt, numbered from 0, without their trailing white space.
  void add_lines(std::string_view text);

  // All tokens as one block, and the tokens of such a block added. Throws std::invalid_argument.
  std::string records() const;
  void add_records(std::string_view records);

  // Must be called once, after the last token. Throws std::invalid_argument when an id comes twice.
  void finish();

  std::size_t size() const { return by_id_.size(); }
  std::int32_t id(std::string_view token) const;
  bool contains_id(std::int32_t id) const;
  std::string_view token(std::int32_t id) const;  // "" when there is none

  // Visits tokens in the order of their ids, or of their bytes.
  struct Entry {
    std::string_view token;
    std::int32_t id;
  };
  Entry entry_by_id(std::size_t i) const { return entry(by_id_[i]); }
  Entry entry_by_bytes(std::size_t i) const { return entry(by_bytes_[i]); }

 private:
  struct Span {
    std::uint32_t start;
    std::uint32_t size;
    std::int32_t id;
  };

  Entry entry(std::uint32_t index) const {
    const Span& span = spans_[index];
    return {std::string_view(bytes_).substr(span.start, span.size), span.id};
  }
  std::vector<std::uint32_t> order_by_bytes() const;
  std::vector<std::uint32_t>::const_iterator find_id(std::int32_t id) const;

  std::string bytes_;
  std::vector<Span> spans_;              // in the order of add()
  std::vector<std::uint32_t> by_bytes_;  // indices of spans_, each token once
  std::vector<std::uint32_t> by_id_;
};

}  // namespace fastbert
