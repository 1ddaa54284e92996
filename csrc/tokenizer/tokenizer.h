// Batches of texts to ragged token arrays, with special tokens and truncation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tokenizer/pipeline.h"
#include "tokenizer/token_buffer.h"

namespace fastbert {

// The storage of a Python str.
struct Text {
  const void* data;
  std::size_t size;  // characters
  int kind;          // bytes per character: 1 (Latin-1), 2 (UCS-2) or 4 (UCS-4)
};

struct SpecialToken {
  std::int32_t id;
  std::int32_t type_id;
};

// The special tokens around one text, or around and between the two texts of a pair.
struct Template {
  std::vector<SpecialToken> prefix;
  std::vector<SpecialToken> middle;
  std::vector<SpecialToken> suffix;
  std::int32_t first_type_id = 0;
  std::int32_t second_type_id = 0;

  std::size_t size() const { return prefix.size() + middle.size() + suffix.size(); }
};

struct EncodeOptions {
  bool add_special_tokens = true;
  bool truncate = false;
  std::size_t max_length = 0;  // with special tokens; at least as many as the template adds
  bool with_spans = false;
  int threads = 0;  // 0: cpu::default_threads()
};

// The tokens of a batch. Texts were cut into slices, one buffer each, so that threads do not meet.
class TokenBatch {
 public:
  std::size_t texts() const { return texts_; }
  std::size_t tokens() const;

  // Tokens of the longest text, before truncation.
  std::int32_t longest() const;

  // Arrays as in fastbert.Tokens: ids (tokens), and, unless they are null, offsets (texts + 1),
  // lengths (texts), type_ids (tokens) and spans (tokens, 2).
  void write(std::int32_t* ids, std::int32_t* offsets, std::int32_t* lengths,
             std::int32_t* type_ids, std::int32_t* spans) const;

 private:
  friend class Tokenizer;
  friend class SliceEncoder;

  struct Slice {
    explicit Slice(bool with_spans) : tokens(with_spans) {}

    TokenBuffer tokens;
    std::vector<std::int32_t> type_ids;  // filled for pairs only
    std::vector<std::int32_t> counts;    // tokens per text
    std::vector<std::int32_t> lengths;   // the same before truncation
  };

  std::size_t texts_ = 0;
  std::vector<Slice> slices_;
};

class Tokenizer {
 public:
  Tokenizer(const Pipeline& pipeline, const Template& single, const Template& pair)
      : pipeline_(pipeline), single_(single), pair_(pair) {}

  const Pipeline& pipeline() const { return pipeline_; }
  const Template& template_for(bool pairs) const { return pairs ? pair_ : single_; }

  // `pairs` is empty or has the size of `texts`. Throws std::bad_alloc, and std::invalid_argument
  // when the tokens cannot be counted in 32 bits.
  TokenBatch encode(std::span<const Text> texts, std::span<const Text> pairs,
                    const EncodeOptions& options) const;

 private:
  Pipeline pipeline_;
  Template single_;
  Template pair_;
};

}  // namespace fastbert
