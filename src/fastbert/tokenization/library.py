"""Unigram, byte-level BPE and what else is not BERT's WordPiece, by the `tokenizers` library."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray

from fastbert.tokenization.config import TokenizerConfig, get, require_type
from fastbert.tokenization.post_processor import get_templates
from fastbert.tokenizer import Template, Tokenizer, Tokens

__all__ = ["LibraryTokenizer"]

_SURROGATES = re.compile("[\ud800-\udfff]")


class LibraryTokenizer(Tokenizer):
    """A `Tokenizer` over the library, which knows the tokens; the rest is done here.

    The library keeps the length to cut to in the tokenizer itself, where threads would take turns
    in changing it, so it never cuts nor adds special tokens.
    """

    def __init__(self, root: Mapping[str, Any], config: TokenizerConfig) -> None:
        """Load the content of a tokenizer.json.

        Raises:
            ValueError: if it is damaged, or its special tokens stand where nothing here puts them.
        """
        model = _read_model(root)
        templates = _read_templates(root.get("post_processor"))
        self._library = _load(root, model)
        self._set_templates(**templates)
        self._set_roles(config.special_names | {"unk_token": _unknown_names(model, config)})
        added = self._library.get_added_tokens_decoder()
        special = (token_id for token_id, token in added.items() if token.special)
        self.special_ids = self._role_ids().union(special)
        outside = (*added, *(template.max_id for template in templates.values()))
        self.max_id = max(_max_vocabulary_id(model), *outside)
        self.max_length = config.max_length
        self.continuation_prefix = model.get("continuing_subword_prefix") or None
        # transformers leaves byte-level text alone, whose blanks are exact.
        self._cleans_up = config.cleans_up and model["type"] != "BPE"

    def _encode(self, text: str) -> NDArray[np.int32]:
        return self.encode_batch([text]).ids

    def encode_few(self, texts: object, max_length: int, threads: int) -> None:
        """There is no short way."""

    def _encode_batch(  # noqa: PLR0917 (in place of a native method)
        self,
        texts: tuple[str, ...],
        pairs: tuple[str, ...] | None,
        add_special_tokens: bool,
        limit: int,
        return_spans: bool,
        threads: int,
    ) -> Tokens:
        first = self._sequences(texts, return_spans, threads, name="texts")
        second = None
        if pairs is not None:
            second = self._sequences(pairs, return_spans, threads, name="pairs")
        assembly = self._assembly(first, second, add_special_tokens, limit, "longest_first")
        return assembly.tokens(first, second)

    def _sequences(
        self, texts: tuple[str, ...], return_spans: bool, threads: int, *, name: str = "texts"
    ) -> Tokens:
        for i, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(f"{name}[{i}] is {type(text).__name__}, but a text is a str")
        encode = self._library.encode_batch if return_spans else self._library.encode_batch_fast
        return _collect(encode(list(map(_readable, texts)), add_special_tokens=False), return_spans)

    def _word_sequences(
        self, texts: list[tuple[str, ...]], return_spans: bool, threads: int
    ) -> tuple[Tokens, NDArray[np.int32]]:
        encodings = self._library.encode_batch(
            [list(map(_readable, text)) for text in texts],
            is_pretokenized=True,
            add_special_tokens=False,
        )
        words = [word for encoding in encodings for word in encoding.word_ids]
        return _collect(encodings, return_spans), np.array(words, np.int32)

    @property
    def vocab_size(self) -> int:
        """Number of tokens, added tokens included."""
        return self._library.get_vocab_size(with_added_tokens=True)

    def token_to_id(self, token: str) -> int | None:
        """The id of a token, or None when it is not in the vocabulary."""
        return None if _SURROGATES.search(token) else self._library.token_to_id(token)

    def id_to_token(self, token_id: int) -> str | None:
        """The token with an id, or None when no token has it."""
        return self._library.id_to_token(token_id) if 0 <= token_id < 2**31 else None

    def tokens_to_string(self, tokens: Sequence[str]) -> str:
        """Tokens joined to text, as `convert_tokens_to_string` of transformers does."""
        decoder = self._library.decoder
        return " ".join(tokens) if decoder is None else str(decoder.decode(list(tokens)))

    def word_starts(self, texts: Sequence[str], tokens: Tokens) -> NDArray[np.bool_]:
        """Whether each token is the first of a word, which the library is asked for again."""
        encodings = self._library.encode_batch(
            list(map(_readable, texts)), add_special_tokens=False
        )
        words = np.array([word for encoding in encodings for word in encoding.word_ids], np.int64)
        starts = np.ones(len(words), bool)
        starts[1:] = words[1:] != words[:-1]
        starts[tokens.offsets[:-1][np.diff(tokens.offsets) > 0]] = True
        return starts

    def _decode(self, ids: list[int]) -> str:
        return self._library.decode(ids, skip_special_tokens=False)

    def compiled(self) -> None:
        """Nothing is faster to load than the library's own file."""


def _readable(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, which has no UTF-8."""
    return _SURROGATES.sub("\ufffd", text)


def _collect(encodings: Sequence[tokenizers.Encoding], return_spans: bool) -> Tokens:
    ids = [encoding.ids for encoding in encodings]
    lengths = np.array(list(map(len, ids)), np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    spans = None
    if return_spans:
        found = [span for encoding in encodings for span in encoding.offsets]
        spans = np.array(found, np.int32).reshape(-1, 2)
    flat = np.array([token_id for text in ids for token_id in text], np.int32)
    return Tokens(flat, offsets, None, spans, lengths)


def _read_model(root: Mapping[str, Any]) -> dict[str, Any]:
    model = root.get("model")
    if isinstance(model, dict) and "type" not in model:  # files of 2020 do not name the type
        kind = "Unigram" if isinstance(model.get("vocab"), list) else "WordPiece"
        model = {"type": "BPE" if "merges" in model else kind, **model}
    return require_type(model, "model", "Unigram", "BPE", "WordPiece", "WordLevel")


def _load(root: Mapping[str, Any], model: dict[str, Any]) -> tokenizers.Tokenizer:
    # Stored lengths would override those of the caller, and dropout is for training.
    changes: dict[str, Any] = {"truncation": None, "padding": None}
    changes["model"] = model | {"dropout": None} if "dropout" in model else model
    try:
        return tokenizers.Tokenizer.from_str(json.dumps({**root, **changes}))
    except Exception as error:  # the library raises no other
        raise ValueError(f"the tokenizers library cannot read it: {error}") from None


def _read_templates(section: object) -> dict[str, Template]:
    """Those of the one part of a post-processor that has some; byte level only trims spans."""
    parts = [section]
    if isinstance(section, dict) and section.get("type") == "Sequence":
        parts = get(section, "processors", list, "post_processor")
    parts = [p for p in parts if not (isinstance(p, dict) and p.get("type") == "ByteLevel")]
    if len(parts) > 1:
        raise ValueError(f"post_processor has {len(parts)} parts that add tokens; supported: one")
    return get_templates(parts[0] if parts else None)


def _unknown_names(model: Mapping[str, Any], config: TokenizerConfig) -> list[str]:
    """What the unknown token may be called: as configured, as in the model, or as usual."""
    named, unk_id, vocabulary = config.named("unk_token"), model.get("unk_id"), model.get("vocab")
    if isinstance(unk_id, int) and isinstance(vocabulary, list):
        own = vocabulary[unk_id][0]  # which the library has checked
    else:
        own = model.get("unk_token")
    return [name for name in (named, own, *config.special_names["unk_token"]) if name is not None]


def _max_vocabulary_id(model: Mapping[str, Any]) -> int:
    vocabulary = model["vocab"]
    if isinstance(vocabulary, list):
        return len(vocabulary) - 1
    return max(vocabulary.values(), default=-1)
