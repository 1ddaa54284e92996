#include "tokenizer/pipeline.h"

#include "tokenizer/ascii.h"

namespace fastbert {
namespace {

std::string normalize(const Normalizer& normalizer, const std::string& text) {
  struct Sink {
    std::string utf8;
    void put(char32_t c, unsigned, std::size_t) {
      std::uint8_t bytes[kMaxUtf8Bytes];
      utf8.append(reinterpret_cast<const char*>(bytes), encode_utf8(c, bytes));
    }
    void put_alone(char32_t c, unsigned flags, std::size_t origin) {
      put(U' ', 0, origin);
      put(c, flags, origin);
      put(U' ', 0, origin);
    }
    static bool may_stop() { return false; }
  } sink;
  std::u32string characters;
  for (std::size_t pos = 0; pos < text.size();) characters += decode_utf8(text, pos);
  if (!characters.empty()) normalizer.run(characters.data(), 0, 0, characters.size(), sink);
  return sink.utf8;
}

std::vector<AddedToken> select(const std::vector<AddedToken>& tokens, const Normalizer& normalizer,
                               bool normalized) {
  std::vector<AddedToken> selected;
  for (AddedToken token : tokens) {
    if (token.normalized != normalized) continue;
    if (normalized) token.content = normalize(normalizer, token.content);
    selected.push_back(std::move(token));
  }
  return selected;
}

}  // namespace

Pipeline::Pipeline(const WordPiece& model, const NormalizerOptions& normalizer,
                   const std::vector<AddedToken>& added_tokens, const AddedSpanOptions& added_spans)
    : normalizer_(normalizer),
      model_(model),
      raw_tokens_(select(added_tokens, normalizer_, false)),
      normalized_tokens_(select(added_tokens, normalizer_, true)),
      added_spans_(added_spans),
      case_bits_(normalizer.lowercase ? 0x20 * ascii::kOnes : 0) {
  classify_ascii();
}

void Pipeline::classify_ascii() {
  stops_.fill(Stop::kOther);
  punctuation_ids_.fill(model_.unknown_id());
  for (std::uint8_t c = 0; c < punctuation_ids_.size(); ++c) {
    const unsigned flags = unicode::record(c).flags;
    const unsigned changes = flags & normalizer_.active();
    if (changes == unicode::kBlank || (!changes && flags & unicode::kSpace)) {
      stops_[c] = Stop::kSpace;
    } else if (!changes && flags & unicode::kPunctuation) {
      stops_[c] = Stop::kPunctuation;
      std::int32_t id;
      if (model_.split(&c, 1, &id, nullptr)) punctuation_ids_[c] = id;
    }
  }
}

}  // namespace fastbert
