#include "tokenizer/vocabulary.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace fastbert {
namespace {

std::string quoted(std::string_view token) { return "'" + std::string(token) + "'"; }

// Where the trailing white space of `line` starts. `line` must be UTF-8.
std::size_t trimmed_size(std::string_view line) {
  std::size_t size = line.size();
  while (size > 0) {
    std::size_t pos = size - 1;
    while ((static_cast<std::uint8_t>(line[pos]) & 0xC0) == 0x80) --pos;
    std::size_t next = pos;
    if (!(unicode::record(decode_utf8(line, next)).flags & unicode::kRegexSpace)) break;
    size = pos;
  }
  return size;
}

// In front of every token of records().
struct RecordHead {
  std::int32_t id;
  std::uint32_t size;
};

// The first 8 bytes as a number that sorts like them.
std::uint64_t sort_key(std::string_view token) {
  std::uint64_t key = 0;
  for (std::size_t i = 0; i < 8; ++i)
    key = key << 8 | (i < token.size() ? static_cast<std::uint8_t>(token[i]) : 0);
  return key;
}

}  // namespace

void Vocabulary::add(std::string_view token, std::int64_t id) {
  constexpr auto kMaxId = std::numeric_limits<std::int32_t>::max();
  if (id < 0 || id > kMaxId)
    throw std::invalid_argument("token " + quoted(token) + " has id " + std::to_string(id) +
                                ", but ids are from 0 to 2147483647");
  if (bytes_.size() + token.size() > std::numeric_limits<std::uint32_t>::max())
    throw std::invalid_argument("the tokens of the vocabulary take more than 4 GiB");
  spans_.push_back({static_cast<std::uint32_t>(bytes_.size()),
                    static_cast<std::uint32_t>(token.size()), static_cast<std::int32_t>(id)});
  bytes_ += token;
}

void Vocabulary::add_lines(std::string_view text) {
  bytes_.reserve(text.size());
  for (std::int64_t number = 0; !text.empty(); ++number) {
    const std::size_t size = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, size);
    if (!is_utf8(line))
      throw std::invalid_argument("line " + std::to_string(number + 1) + " is not UTF-8");
    add(line.substr(0, trimmed_size(line)), number);
    text.remove_prefix(std::min(size + 1, text.size()));
  }
}

std::string Vocabulary::records() const {
  std::string records;
  for (std::size_t i = 0; i < size(); ++i) {
    const Entry entry = entry_by_id(i);
    const RecordHead head{entry.id, static_cast<std::uint32_t>(entry.token.size())};
    records.append(reinterpret_cast<const char*>(&head), sizeof(head)).append(entry.token);
  }
  return records;
}

void Vocabulary::add_records(std::string_view records) {
  bytes_.reserve(records.size());
  while (!records.empty()) {
    RecordHead head{};
    std::memcpy(&head, records.data(), std::min(sizeof(head), records.size()));
    if (records.size() < sizeof(head) + head.size)
      throw std::invalid_argument("a record of the vocabulary is cut short");
    add(records.substr(sizeof(head), head.size), head.id);
    records.remove_prefix(sizeof(head) + head.size);
  }
}

std::vector<std::uint32_t> Vocabulary::order_by_bytes() const {
  struct Item {
    std::uint64_t key;
    std::uint32_t index;
  };
  std::vector<Item> items(spans_.size());
  for (std::uint32_t i = 0; i < items.size(); ++i) items[i] = {sort_key(entry(i).token), i};
  std::sort(items.begin(), items.end(), [this](const Item& a, const Item& b) {
    if (a.key != b.key) return a.key < b.key;
    const int order = entry(a.index).token.compare(entry(b.index).token);
    return order ? order < 0 : a.index < b.index;
  });
  std::vector<std::uint32_t> order(items.size());
  std::transform(items.begin(), items.end(), order.begin(), [](const Item& i) { return i.index; });
  return order;
}

void Vocabulary::finish() {
  const std::vector<std::uint32_t> order = order_by_bytes();
  std::vector<bool> comes_again(order.size());
  by_bytes_.reserve(order.size());
  by_id_.reserve(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i + 1 < order.size() && entry(order[i]).token == entry(order[i + 1]).token)
      comes_again[order[i]] = true;
    else
      by_bytes_.push_back(order[i]);
  }
  for (std::uint32_t i = 0; i < comes_again.size(); ++i)
    if (!comes_again[i]) by_id_.push_back(i);
  const auto lower_id = [this](std::uint32_t a, std::uint32_t b) {
    return spans_[a].id < spans_[b].id;
  };
  // Files list tokens by id nearly always.
  if (!std::is_sorted(by_id_.begin(), by_id_.end(), lower_id))
    std::sort(by_id_.begin(), by_id_.end(), lower_id);
  for (std::size_t i = 1; i < by_id_.size(); ++i) {
    const Entry a = entry_by_id(i - 1), b = entry_by_id(i);
    if (a.id == b.id)
      throw std::invalid_argument("tokens " + quoted(a.token) + " and " + quoted(b.token) +
                                  " both have id " + std::to_string(a.id));
  }
}

std::int32_t Vocabulary::id(std::string_view token) const {
  const auto found = std::lower_bound(
      by_bytes_.begin(), by_bytes_.end(), token,
      [this](std::uint32_t index, std::string_view t) { return entry(index).token < t; });
  if (found == by_bytes_.end() || entry(*found).token != token) return kNoId;
  return entry(*found).id;
}

std::vector<std::uint32_t>::const_iterator Vocabulary::find_id(std::int32_t id) const {
  const auto found = std::lower_bound(
      by_id_.begin(), by_id_.end(), id,
      [this](std::uint32_t index, std::int32_t i) { return spans_[index].id < i; });
  return found == by_id_.end() || spans_[*found].id != id ? by_id_.end() : found;
}

bool Vocabulary::contains_id(std::int32_t id) const { return find_id(id) != by_id_.end(); }

std::string_view Vocabulary::token(std::int32_t id) const {
  const auto found = find_id(id);
  return found == by_id_.end() ? std::string_view() : entry(*found).token;
}

}  // namespace fastbert
