"""From token sequences to what a model reads: cut to a length, with special tokens around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbert.tokenizer import Template, Tokens

__all__ = ["TRUNCATIONS", "Assembly"]

_Counts = NDArray[np.int64]


class Assembly:
    """Where the tokens of texts, or of pairs of texts, go between the special tokens of a template.

    Attributes:
        offsets: int32 (texts + 1,), where the assembled texts begin and end.
        lengths: int32 (texts,), their lengths if nothing had been cut.
    """

    def __init__(
        self,
        template: Template,
        first: Tokens,
        second: Tokens | None,
        *,
        limit: int = -1,
        truncation: str = "longest_first",
    ) -> None:
        """Lay out texts of at most `limit` tokens; a negative limit does not cut.

        Raises:
            ValueError: if there is no such truncation, or it cannot reach the limit, or `second`
                is not as long as `first`.
        """
        _check_truncation(truncation, second is not None)
        parts = [first] if second is None else [first, second]
        counts = [np.diff(part.offsets).astype(np.int64) for part in parts]
        if second is not None and len(counts[0]) != len(counts[1]):
            raise ValueError(f"{len(counts[0])} texts have {len(counts[1])} pairs")
        kept = counts
        if limit >= 0:
            room = limit - template.size
            if second is None:
                kept = [np.minimum(counts[0], room)]
            else:
                kept = TRUNCATIONS[truncation](counts[0], counts[1], room)
        self._template = template
        self._paired = second is not None
        self.lengths = (np.sum(counts, axis=0) + template.size).astype(np.int32)
        self.offsets = _offsets(np.sum(kept, axis=0) + template.size)
        starts = self.offsets[:-1] + len(template.prefix)
        self._behind_first = starts + kept[0]
        self._places = [_runs(starts, kept[0])]
        if second is not None:
            self._places.append(_runs(self._behind_first + len(template.middle), kept[1]))
        self._sources = [
            _runs(part.offsets[:-1], count) for part, count in zip(parts, kept, strict=True)
        ]

    def tokens(self, first: Tokens, second: Tokens | None) -> Tokens:
        """The assembled texts; with spans if all parts have them."""
        ids = self.place(first.ids, None if second is None else second.ids, 0)
        spans = None
        if first.spans is not None and (second is None or second.spans is not None):
            spans = self.place(first.spans, None if second is None else second.spans, 0)
        type_ids = np.empty(len(ids), np.int32) if self._paired else None
        for positions, token_id, type_id in self._special_tokens():
            ids[positions] = token_id
            if type_ids is not None:
                type_ids[positions] = type_id
        if type_ids is not None:
            type_ids[self._places[0]] = self._template.first_type_id
            type_ids[self._places[1]] = self._template.second_type_id
        return Tokens(ids, self.offsets, type_ids, spans, self.lengths)

    def place(
        self, first: NDArray[np.int32], second: NDArray[np.int32] | None, fill: int
    ) -> NDArray[np.int32]:
        """What the parts say of each of their tokens, in its place; `fill` at special tokens."""
        result = np.full((self.offsets[-1], *first.shape[1:]), fill, np.int32)
        parts = [first] if second is None else [first, second]
        for values, sources, places in zip(parts, self._sources, self._places, strict=True):
            result[places] = values[sources]
        return result

    def _special_tokens(self) -> list[tuple[NDArray[Any], int, int]]:
        """The positions, id and type id of each special token of the template."""
        template = self._template
        runs = (
            (self.offsets[:-1], template.prefix),
            (self._behind_first, template.middle),
            (self.offsets[1:] - len(template.suffix), template.suffix),
        )
        return [(start + i, *token) for start, run in runs for i, token in enumerate(run)]


def _offsets(counts: _Counts) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def _runs(starts: NDArray[Any], counts: _Counts) -> NDArray[np.int64]:
    """start, start + 1, ... of each run, one run behind the other."""
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(counts.sum())


# How many tokens of each text of a pair stay, as the `tokenizers` library decides it.


def _check_truncation(truncation: str, paired: bool) -> None:
    if truncation not in TRUNCATIONS:
        choices = ", ".join(map(repr, TRUNCATIONS))
        raise ValueError(f"truncation is {truncation!r}, but must be one of {choices}")
    if truncation == "only_second" and not paired:
        raise ValueError("truncation is 'only_second', but there are no pairs")


def _longest_first(first: _Counts, second: _Counts, room: int) -> list[_Counts]:
    short = np.minimum(first, second)
    long_kept = np.where(short > room, short, np.maximum(short, room - short))
    halved = short + long_kept > room
    short_kept = np.where(halved, room // 2, short)
    long_kept = np.where(halved, room // 2 + room % 2, long_kept)
    swapped = first > second
    fits = first + second <= room
    return [
        np.where(fits, first, np.where(swapped, long_kept, short_kept)),
        np.where(fits, second, np.where(swapped, short_kept, long_kept)),
    ]


def _only_first(first: _Counts, second: _Counts, room: int) -> list[_Counts]:
    return [_cut_one("texts", first, second, room), second if room else second * 0]


def _only_second(first: _Counts, second: _Counts, room: int) -> list[_Counts]:
    return [first if room else first * 0, _cut_one("pairs", second, first, room)]


def _cut_one(name: str, cut: _Counts, whole: _Counts, room: int) -> _Counts:
    """What stays of `cut`, at least one token of each text, if all of `whole` stays."""
    if room == 0:  # the library then empties both
        return cut * 0
    impossible = np.flatnonzero((cut + whole > room) & (whole >= room))
    if len(impossible):
        i = int(impossible[0])
        other = "pairs" if name == "texts" else "texts"
        raise ValueError(
            f"max_length has room for {room} tokens beside the special ones, but {other}[{i}] "
            f"alone has {int(whole[i])}, so cutting only {name}[{i}] cannot do"
        )
    return np.minimum(cut, room - whole)


TRUNCATIONS: dict[str, Callable[[_Counts, _Counts, int], list[_Counts]]] = {
    "longest_first": _longest_first,
    "only_first": _only_first,
    "only_second": _only_second,
}
