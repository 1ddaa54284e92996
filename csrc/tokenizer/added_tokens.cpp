#include "tokenizer/added_tokens.h"

#include <span>
#include <stdexcept>
#include <utility>

namespace fastbert {
namespace {

std::vector<AddedToken> sorted(std::vector<AddedToken> tokens) {
  std::sort(tokens.begin(), tokens.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].content.empty())
      throw std::invalid_argument("the added token with id " + std::to_string(tokens[i].id) +
                                  " is empty once it is normalised");
    if (i > 0 && tokens[i].content == tokens[i - 1].content)
      throw std::invalid_argument("the added tokens with ids " + std::to_string(tokens[i - 1].id) +
                                  " and " + std::to_string(tokens[i].id) + " both read '" +
                                  tokens[i].content + "'");
  }
  return tokens;
}

Trie make_trie(const std::vector<AddedToken>& tokens) {
  std::vector<TrieKey> keys;
  for (std::size_t i = 0; i < tokens.size(); ++i)
    keys.push_back({tokens[i].content, static_cast<std::int32_t>(i)});
  const std::span<const TrieKey> set = keys;
  return Trie({&set, 1});
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens)
    : tokens_(sorted(std::move(tokens))), trie_(make_trie(tokens_)) {
  for (const AddedToken& token : tokens_)
    starts_[std::min<std::size_t>(static_cast<std::uint8_t>(token.content[0]), kNotAscii)] = true;
  if (std::count(std::begin(starts_), std::end(starts_), true) == 1 && !starts_[kNotAscii])
    only_start_ = static_cast<std::uint8_t>(tokens_.front().content[0]);
}

}  // namespace fastbert
