// Everything that turns a text into tokens and does not change from text to text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/wordpiece.h"

namespace fastbert {

class Pipeline {
 public:
  Pipeline(const WordPiece& model, const NormalizerOptions& normalizer,
           const std::vector<AddedToken>& added_tokens, const AddedSpanOptions& added_spans);

  const Normalizer& normalizer() const { return normalizer_; }
  const WordPiece& model() const { return model_; }

  // Sought in the text as it is, and in the normalised text.
  const AddedTokenMatcher& raw_tokens() const { return raw_tokens_; }
  const AddedTokenMatcher& normalized_tokens() const { return normalized_tokens_; }

  const AddedSpanOptions& added_spans() const { return added_spans_; }

  // What a byte that is no ASCII letter or digit does to the word in front of it.
  enum class Stop : std::uint8_t {
    kSpace,        // ends it
    kPunctuation,  // ends it and is a word itself
    kOther,        // only the normalizer can tell
  };
  Stop stop(std::uint8_t byte) const { return stops_[byte]; }
  std::int32_t punctuation_id(std::uint8_t byte) const { return punctuation_ids_[byte]; }

  // For ascii::alphanumeric_run.
  std::uint64_t case_bits() const { return case_bits_; }

  // The fast path skips the check of the length of a word.
  bool has_fast_path() const { return model_.max_word_chars() >= WordKey::kMaxBytes; }

 private:
  void classify_ascii();

  Normalizer normalizer_;
  WordPiece model_;
  AddedTokenMatcher raw_tokens_;
  AddedTokenMatcher normalized_tokens_;
  AddedSpanOptions added_spans_;
  std::uint64_t case_bits_;
  std::array<Stop, 256> stops_;
  std::array<std::int32_t, 128> punctuation_ids_;
};

}  // namespace fastbert
