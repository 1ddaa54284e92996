"""The tokenizer of BERT in native code: WordPiece, the same as the `tokenizers` library's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastbert._native import _wordpiece
from fastbert.tokenizer import Template, Tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fastbert.tokenization.wordpiece_files import WordPieceDefinition
    from fastbert.tokenizer import Tokens

__all__ = ["WordPieceTokenizer"]

_ATTRIBUTES = (
    "directory",
    "max_length",
    "cls_id",
    "sep_id",
    "unk_id",
    "pad_id",
    "mask_id",
    "max_id",
    "special_ids",
    "continuation_prefix",
    "_decoder",
    "_cleans_up",
)


class WordPieceTokenizer(Tokenizer):
    """A `Tokenizer` over csrc/tokenizer."""

    _decoder: tuple[str, bool]  # prefix and cleanup of `join_wordpieces`
    _records: NDArray[np.uint8]  # of from_compiled, for _vocabulary

    def __init__(self, definition: WordPieceDefinition) -> None:
        """Compile the tables of a vocabulary.

        Raises:
            ValueError: if the definition contradicts itself.
        """
        options: dict[str, Any] = {
            "clean_text": definition.clean_text,
            "handle_chinese_chars": definition.handle_chinese_chars,
            "strip_accents": definition.strip_accents,
            "lowercase": definition.lowercase,
            "unknown_token": definition.unknown_token,
            "continuation_prefix": definition.continuation_prefix,
            "max_word_chars": definition.max_word_chars,
            "added_tokens": [tuple(token)[:6] for token in definition.added_tokens],
            "trim_added_spans": definition.trim_added_spans,
            "keep_single_first_space": definition.keep_single_first_space,
            "single": tuple(definition.single),
            "pair": tuple(definition.pair),
        }
        self._loaded_vocabulary: _wordpiece.Vocabulary | None = definition.vocabulary
        self._set_options(options)
        self._set_wordpiece(_wordpiece.WordPieceTokenizer(definition.vocabulary, **options))
        self.max_length = definition.config.max_length
        self._set_roles(definition.config.special_names)
        self.unk_id = definition.vocabulary.token_to_id(definition.unknown_token)
        self.max_id = _max_id(definition)
        special = (token.id for token in definition.added_tokens if token.special)
        self.special_ids = self._role_ids().union(special)
        self.continuation_prefix = definition.continuation_prefix or None
        self._decoder = definition.decoder
        self._cleans_up = definition.config.cleans_up

    def _set_options(self, options: dict[str, Any]) -> None:
        """Keep what a compiled tokenizer is made of, and what follows from it."""
        self._options = options
        self._added_ids = {token[0]: token[1] for token in options["added_tokens"]}
        self._added_contents = {token[1]: token[0] for token in options["added_tokens"]}
        self._set_templates(Template(*options["single"]), Template(*options["pair"]))

    def _set_wordpiece(self, wordpiece: _wordpiece.WordPieceTokenizer) -> None:
        self._wordpiece = wordpiece
        self._encode = wordpiece.encode
        self._encode_batch = wordpiece.encode_batch
        self.encode_few = wordpiece.encode_few

    def compiled(self) -> tuple[dict[str, Any], bytes, bytes]:
        """Everything about this tokenizer, for `from_compiled`.

        Returns:
            Plain values; the vocabulary; the tables that take long to make from it.
        """
        attributes = {name: getattr(self, name) for name in _ATTRIBUTES}
        values = {"attributes": attributes, "options": self._options}
        return values, self._vocabulary.records(), self._wordpiece.tables()

    @classmethod
    def from_compiled(
        cls, values: dict[str, Any], vocabulary: NDArray[np.uint8], tables: NDArray[np.uint8]
    ) -> WordPieceTokenizer:
        """The same tokenizer again, which uses the arrays where they are."""
        self = cls.__new__(cls)
        self._loaded_vocabulary, self._records = None, vocabulary
        self._set_options(values["options"])
        options = values["options"]
        self._set_wordpiece(_wordpiece.WordPieceTokenizer(None, tables=tables, **options))
        for name in _ATTRIBUTES:
            setattr(self, name, values["attributes"][name])
        return self

    @property
    def _vocabulary(self) -> _wordpiece.Vocabulary:
        """Made when first asked for; texts are encoded without it."""
        if self._loaded_vocabulary is None:
            self._loaded_vocabulary = _wordpiece.Vocabulary.from_records(self._records)
        return self._loaded_vocabulary

    @property
    def vocab_size(self) -> int:
        """Number of tokens, added tokens included."""
        added = sum(self._vocabulary.token_to_id(token) is None for token in self._added_ids)
        return len(self._vocabulary) + added

    def token_to_id(self, token: str) -> int | None:
        """The id of a token, or None when it is not in the vocabulary."""
        found = self._added_ids.get(token)
        return self._vocabulary.token_to_id(token) if found is None else found

    def id_to_token(self, token_id: int) -> str | None:
        """The token with an id, or None when no token has it."""
        found = self._added_contents.get(token_id)
        return self._vocabulary.id_to_token(token_id) if found is None else found

    def tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Tokens joined to text, as `convert_tokens_to_string` of transformers does."""
        from fastbert.tokenization.decoding import join_wordpieces

        prefix, cleanup = self._decoder
        return join_wordpieces(tokens, prefix, cleanup=cleanup)

    def word_starts(self, texts: Sequence[str], tokens: Tokens) -> NDArray[np.bool_]:
        """Whether each token is the first of a word; the ids alone tell."""
        ids, places = np.unique(tokens.ids, return_inverse=True)
        prefix = self.continuation_prefix
        if prefix is None:
            raise ValueError("this WordPiece vocabulary does not mark tokens that continue a word")
        starts = [
            i in self._added_contents or not token.startswith(prefix)
            for i, token in zip(ids.tolist(), self.tokens(ids), strict=True)
        ]
        return np.array(starts, bool)[places]

    def _decode(self, ids: list[int]) -> str:
        tokens = (self.id_to_token(token_id) for token_id in ids)
        return self.tokens_to_string([token for token in tokens if token is not None])


def _max_id(definition: WordPieceDefinition) -> int:
    ids = [definition.max_vocabulary_id, *(token.id for token in definition.added_tokens)]
    return max(*ids, definition.single.max_id, definition.pair.max_id)
