// BertNormalizer: clean_text, handle_chinese_chars, strip_accents, lowercase, in that order, as one
// pass over the characters of a Python str.
//
// Each normalised character carries the index of the character it came from, because spans refer
// to the original text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace fastbert {

struct NormalizerOptions {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};

class Normalizer {
 public:
  explicit Normalizer(const NormalizerOptions& options)
      : options_(options),
        active_((options.clean_text ? unicode::kRemoved | unicode::kBlank : 0) |
                (options.handle_chinese_chars ? unicode::kIdeograph : 0) |
                (options.strip_accents ? unicode::kMark | unicode::kDecomposes | unicode::kReorders
                                       : 0) |
                (options.lowercase ? unicode::kUpper : 0)) {}

  const NormalizerOptions& options() const { return options_; }

  // The record flags that make this normalizer change a character.
  unsigned active() const { return active_; }

  // Calls `sink.put(code point, record flags, origin)` for each normalised character of
  // text[pos, end), or `sink.put_alone` when there is a space in front of it and behind it, and
  // returns `end`; or stops early, after at least one character, in front of an
  // ASCII character for which `sink.may_stop()` is true. `begin` is where the string starts that
  // the library would have normalised as a whole.
  template <class Char, class Sink>
  std::size_t run(const Char* text, std::size_t begin, std::size_t pos, std::size_t end,
                  Sink& sink) const {
    do {
      const char32_t c = to_code_point(text[pos]);
      const unicode::CharRecord& r = unicode::record(c);
      const unsigned flags = r.flags & active_;
      if (!flags) {
        sink.put(c, r.flags, pos);
      } else if (flags & (unicode::kRemoved | unicode::kBlank)) {
        if (!(flags & unicode::kRemoved)) put_space(pos, sink);
      } else if (flags == unicode::kIdeograph) {
        sink.put_alone(c, r.flags, pos);
      } else if (flags & unicode::kIdeograph) {
        put_space(pos, sink);
        put_decomposed(c, r, pos, sink);
        put_space(pos, sink);
      } else if (flags & unicode::kReorders) {
        pos = put_reordered(text, begin, pos, end, sink);
        continue;
      } else {
        put_decomposed(c, r, pos, sink);
      }
      ++pos;
    } while (pos < end && !(text[pos] < 0x80 && sink.may_stop()));
    return pos;
  }

 private:
  struct Part {
    char32_t code_point;
    bool mark;
    bool first;  // of the decomposition of its character
    std::uint8_t combining_class;
  };

  template <class Sink>
  static void put_space(std::size_t origin, Sink& sink) {
    sink.put(U' ', unicode::kSpace, origin);
  }

  template <class Sink>
  void put_lower(char32_t c, const unicode::CharRecord& r, std::size_t origin, Sink& sink) const {
    if (!(r.flags & active_ & unicode::kUpper)) {
      sink.put(c, r.flags, origin);
    } else if (c == unicode::kDottedI) {
      sink.put(U'i', unicode::record(U'i').flags, origin);
      sink.put(unicode::kDotAbove, unicode::record(unicode::kDotAbove).flags, origin);
    } else {
      const char32_t lower = c + static_cast<char32_t>(r.lower_delta);
      sink.put(lower, unicode::record(lower).flags, origin);
    }
  }

  template <class Sink>
  void put_decomposed(char32_t c, const unicode::CharRecord& r, std::size_t origin,
                      Sink& sink) const {
    if (!(r.flags & active_ & (unicode::kDecomposes | unicode::kMark))) {
      put_lower(c, r, origin, sink);
      return;
    }
    unicode::decompose(c, r, [&](char32_t part, bool mark) {
      if (!mark) put_lower(part, unicode::record(part), origin, sink);
    });
  }

  // Whether canonical reordering stops in front of a character.
  bool starts_run(const unicode::CharRecord& r) const {
    if (r.flags & active_ & (unicode::kBlank | unicode::kIdeograph)) return true;
    if (!r.decomposition_size) return r.combining_class == 0;
    const std::uint32_t part = unicode::kDecompositions[r.decomposition] & ~unicode::kMarkBit;
    return unicode::record(static_cast<char32_t>(part)).combining_class == 0;
  }

  // The rare case: text[pos] is, or contains, a combining character that is kept, so where
  // canonical reordering puts it matters. Takes the whole run of combining characters around `pos`
  // with the character they combine with, sorts it as NFD does, and puts what is kept. Returns the
  // end of the run.
  //
  // The library tracks origins by position: after sorting, the n-th character that is the first of
  // a decomposition belongs to the n-th character of the text. So do we.
  template <class Char, class Sink>
  std::size_t put_reordered(const Char* text, std::size_t begin, std::size_t pos, std::size_t end,
                            Sink& sink) const {
    std::size_t first = pos;
    for (std::size_t i = pos; i > begin && !starts_run_at(text[first]);) {
      const unicode::CharRecord& r = unicode::record(to_code_point(text[--i]));
      if (r.flags & active_ & unicode::kRemoved) continue;
      if (r.flags & active_ & (unicode::kBlank | unicode::kIdeograph)) break;
      first = i;
    }
    std::vector<Part> parts;
    std::vector<std::size_t> origins;
    std::size_t i = first;
    for (; i < end; ++i) {
      const char32_t c = to_code_point(text[i]);
      const unicode::CharRecord& r = unicode::record(c);
      if (r.flags & active_ & unicode::kRemoved) continue;
      if (i != first && starts_run(r)) break;
      origins.push_back(i);
      bool is_first = true;
      unicode::decompose(c, r, [&](char32_t part, bool mark) {
        parts.push_back({part, mark, is_first, unicode::record(part).combining_class});
        is_first = false;
      });
    }
    const auto combining =
        std::find_if(parts.begin(), parts.end(), [](const Part& p) { return p.combining_class; });
    std::stable_sort(combining, parts.end(), [](const Part& a, const Part& b) {
      return a.combining_class < b.combining_class;
    });
    std::size_t seen = 0;
    for (const Part& part : parts) {
      seen += part.first;
      const bool already_put = part.combining_class == 0 && first < pos;
      if (part.mark || already_put) continue;
      put_lower(part.code_point, unicode::record(part.code_point), origins[seen - 1], sink);
    }
    return i;
  }

  template <class Char>
  bool starts_run_at(Char character) const {
    return starts_run(unicode::record(to_code_point(character)));
  }

  NormalizerOptions options_;
  unsigned active_;
};

}  // namespace fastbert
