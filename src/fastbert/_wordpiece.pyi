"""Types of the Cython border; see fastbert.tokenizer for the meaning."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# prefix, middle and suffix as (id, type id); type id of the first and of the second text
_Template = tuple[list[tuple[int, int]], list[tuple[int, int]], list[tuple[int, int]], int, int]

class Vocabulary:
    @staticmethod
    def from_dict(tokens: dict[str, int]) -> Vocabulary: ...
    @staticmethod
    def from_lines(text: bytes) -> Vocabulary: ...
    @staticmethod
    def from_records(records: NDArray[np.uint8]) -> Vocabulary: ...
    def records(self) -> bytes: ...
    def __len__(self) -> int: ...
    def token_to_id(self, token: str) -> int | None: ...
    def id_to_token(self, token_id: int) -> str | None: ...

class WordPieceTokenizer:
    def __init__(
        self,
        vocabulary: Vocabulary | None,
        *,
        tables: NDArray[np.uint8] | None = None,  # in place of the vocabulary; borrowed
        clean_text: bool,
        handle_chinese_chars: bool,
        strip_accents: bool,
        lowercase: bool,
        unknown_token: str,
        continuation_prefix: str,
        max_word_chars: int,
        added_tokens: list[Any],  # tuples of the fields of AddedToken in added_tokens.h
        trim_added_spans: bool,
        keep_single_first_space: bool,
        single: _Template,
        pair: _Template,
    ) -> None: ...
    def tables(self) -> bytes: ...
    def encode_batch(
        self,
        texts: tuple[str, ...],
        pairs: tuple[str, ...] | None,
        add_special_tokens: bool,
        max_length: int,
        return_spans: bool,
        threads: int,
    ) -> tuple[
        NDArray[np.int32],
        NDArray[np.int32],
        NDArray[np.int32] | None,
        NDArray[np.int32] | None,
        NDArray[np.int32],
    ]: ...
    def encode(self, text: str) -> NDArray[np.int32]: ...
    def encode_few(
        self, texts: object, max_length: int, threads: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], int] | None: ...
