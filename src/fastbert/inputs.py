"""What users give as texts: one or many; text, pairs of texts, or tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastbert.arguments import as_list, as_texts

__all__ = ["Inputs", "read_inputs", "repeat"]


class Inputs(NamedTuple):
    """The texts of one call, every different one once.

    Attributes:
        first: the texts, or the first ones of pairs: str, or tuples of tokens.
        second: the second ones of pairs, or None.
        places: for each given text, which of these is its like; None if all differ.
        single: whether one text was given, and not a sequence of them.
        tokenized: whether they are tuples of tokens.
    """

    first: Sequence[Any]
    second: Sequence[Any] | None
    places: list[int] | None
    single: bool
    tokenized: bool

    @property
    def repeated(self) -> int:
        """How many of the given texts are the like of another."""
        return 0 if self.places is None else len(self.places) - len(self.first)

    def given(self, index: int) -> int:
        """The place among the given texts of one of these."""
        return index if self.places is None else self.places.index(index)


def read_inputs(texts: Any, is_tokenized: bool = False) -> Inputs:  # noqa: ANN401 (anything is checked)
    """Read what a user gave.

    Args:
        texts: a str or a sequence of str; a sequence of pairs (tuples or lists) of str; or, with
            `is_tokenized`, a list of str or a sequence of such lists or of pairs of such lists.
        is_tokenized: the texts are lists of tokens.

    Raises:
        TypeError: if it is anything else; the message names the first that does not fit.
    """
    if is_tokenized:
        return _read_tokenized(texts)
    if isinstance(texts, str):
        return Inputs([texts], None, None, single=True, tokenized=False)
    listed = as_list(texts)
    if len(listed) and isinstance(listed[0], tuple | list):
        return _read_pairs(listed)
    return _distinct(as_texts(listed))


def repeat(outputs: Any, places: list[int]) -> Any:  # noqa: ANN401 (an array or a list)
    """The output of every given text, from those of the different ones."""
    if isinstance(outputs, np.ndarray):
        return outputs[places]
    import copy

    return [copy.deepcopy(outputs[place]) for place in places]


def _read_pairs(pairs: Sequence[Any]) -> Inputs:
    for i, pair in enumerate(pairs):
        is_pair = isinstance(pair, tuple | list) and len(pair) == 2
        if not is_pair or not all(isinstance(text, str) for text in pair):
            expected = "a str or a pair of str" if i == 0 else "a pair of str like the first"
            raise TypeError(f"texts[{i}] is {_kind(pair)}, but must be {expected}")
    return _distinct_pairs([tuple(pair) for pair in pairs], tokenized=False)


def _read_tokenized(texts: object) -> Inputs:
    if isinstance(texts, str):
        raise TypeError("texts is a str, but with is_tokenized it must be a list of tokens")
    listed = as_list(texts)
    if listed and all(isinstance(token, str) for token in listed):
        return Inputs([tuple(listed)], None, None, single=True, tokenized=True)
    paired = bool(listed) and _is_pair_of_tokens(listed[0])
    for i, text in enumerate(listed):
        if not (_is_pair_of_tokens(text) if paired else _is_tokens(text)):
            expected = "a pair of lists of tokens" if paired else "a list of tokens"
            raise TypeError(f"texts[{i}] is {_kind(text)}, but must be {expected}")
    if paired:
        pairs = [(tuple(first), tuple(second)) for first, second in listed]
        return _distinct_pairs(pairs, tokenized=True)
    return _distinct([tuple(tokens) for tokens in listed], tokenized=True)


def _is_tokens(value: object) -> bool:
    return isinstance(value, tuple | list) and all(isinstance(token, str) for token in value)


def _is_pair_of_tokens(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_tokens, value))


def _kind(value: object) -> str:
    if isinstance(value, tuple | list):
        kinds = ", ".join(type(part).__name__ for part in value[:3])
        return f"a {type(value).__name__} of {len(value)} ({kinds}{', ...' * (len(value) > 3)})"
    return f"a {type(value).__name__}"


def _distinct_pairs(pairs: Sequence[tuple[Any, Any]], *, tokenized: bool) -> Inputs:
    found = _distinct(pairs, tokenized=tokenized)
    first = [pair[0] for pair in found.first]
    return found._replace(first=first, second=[pair[1] for pair in found.first])


def _distinct(texts: Sequence[Any], *, tokenized: bool = False) -> Inputs:
    """A text's result does not depend on its company, so it need not be computed twice."""
    different = dict.fromkeys(texts)
    if len(different) == len(texts):
        return Inputs(texts, None, None, single=False, tokenized=tokenized)
    places = dict(zip(different, range(len(different)), strict=True))
    given = list(map(places.__getitem__, texts))
    return Inputs(list(different), None, given, single=False, tokenized=tokenized)
