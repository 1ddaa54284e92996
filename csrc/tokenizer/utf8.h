// UTF-8, the encoding of the vocabulary and of the words that are looked up in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fastbert {

constexpr char32_t kReplacement = 0xFFFD;
constexpr std::size_t kMaxUtf8Bytes = 4;

// A character of a Python str as a code point. Lone surrogates, which only Python can hold, read as
// U+FFFD, which is also what `str.encode(errors="replace")` and back would give a UTF-8 library.
template <class Char>
inline char32_t to_code_point(Char c) {
  if constexpr (sizeof(Char) == 1) return static_cast<std::uint8_t>(c);
  const auto code_point = static_cast<char32_t>(c);
  return (code_point & 0xFFFFF800) == 0xD800 ? kReplacement : code_point;
}

// Writes `c` at `out` and returns how many bytes it took.
inline std::size_t encode_utf8(char32_t c, std::uint8_t* out) {
  const auto tail = [c](int shift) {
    return static_cast<std::uint8_t>(0x80 | ((c >> shift) & 0x3F));
  };
  if (c < 0x80) {
    out[0] = static_cast<std::uint8_t>(c);
    return 1;
  }
  if (c < 0x800) {
    out[0] = static_cast<std::uint8_t>(0xC0 | (c >> 6));
    out[1] = tail(0);
    return 2;
  }
  if (c < 0x10000) {
    out[0] = static_cast<std::uint8_t>(0xE0 | (c >> 12));
    out[1] = tail(6);
    out[2] = tail(0);
    return 3;
  }
  out[0] = static_cast<std::uint8_t>(0xF0 | (c >> 18));
  out[1] = tail(12);
  out[2] = tail(6);
  out[3] = tail(0);
  return 4;
}

// Decodes the character at `pos` and moves past it. `text` must be valid UTF-8.
inline char32_t decode_utf8(std::string_view text, std::size_t& pos) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[pos + i]); };
  const std::uint8_t lead = byte(0);
  char32_t c;
  if (lead < 0x80) {
    pos += 1;
    return lead;
  }
  if (lead < 0xE0) {
    c = (lead & 0x1F) << 6 | (byte(1) & 0x3F);
    pos += 2;
  } else if (lead < 0xF0) {
    c = (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    pos += 3;
  } else {
    c = (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
    pos += 4;
  }
  return c;
}

// Whether `text` is well-formed UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace fastbert
