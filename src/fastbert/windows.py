"""Texts longer than the model: overlapping windows, and token vectors put together again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Windows", "split"]

Integers = NDArray[np.int32]


class Windows(NamedTuple):
    """A ragged batch of windows, and which of their token vectors make up each text.

    Attributes:
        ids: int32 (window tokens,).
        offsets: int32 (windows + 1,).
        rows: int64 (text tokens,): for every token of the texts, its row among the window tokens.
    """

    ids: Integers
    offsets: Integers
    rows: NDArray[np.int64]


def split(ids: Integers, offsets: Integers, max_length: int) -> Windows:
    """Cut every text of a ragged batch into windows of at most `max_length` tokens.

    A window is the text's first and last token, [CLS] and [SEP], around a stretch of the tokens
    between them. Neighbouring stretches share about a quarter of their tokens; a shared token's
    vector is taken from the window in which it stands further from the edge.
    """
    pieces, bounds, rows, start = [], [0], [], 0
    for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        stretches = _stretches(end - begin, max_length)
        for i, (first, last) in enumerate(stretches):
            stretch = ids[begin + first : begin + last]
            whole = len(stretches) == 1
            window = stretch if whole else np.concatenate((ids[[begin]], stretch, ids[[end - 1]]))
            lead = 0 if whole else 1
            # The window's own share: up to the middle of what it has in common with its neighbours.
            left = first if i == 0 else (first + stretches[i - 1][1]) // 2
            right = last if i == len(stretches) - 1 else (stretches[i + 1][0] + last) // 2
            own = np.arange(start + lead + left - first, start + lead + right - first)
            if not whole and i == 0:
                own = np.concatenate(([start], own))
            if not whole and i == len(stretches) - 1:
                own = np.concatenate((own, [start + len(window) - 1]))
            pieces.append(window)
            rows.append(own)
            start += len(window)
            bounds.append(start)
    return Windows(
        np.concatenate(pieces) if pieces else ids,
        np.asarray(bounds, np.int32),
        np.concatenate(rows).astype(np.int64) if rows else np.zeros(0, np.int64),
    )


def _stretches(length: int, max_length: int) -> list[tuple[int, int]]:
    """Begin and end of each window's stretch, special tokens apart; the whole text if it fits."""
    if length <= max_length:
        return [(0, length)]
    inner, room = length - 2, max_length - 2
    if room < 1:
        raise ValueError(f"max_seq_length is {max_length}, but windows need at least 3 tokens")
    step = max(1, room - room // 4)
    count = -(-(inner - room) // step) + 1
    begins = [1 + round(i * (inner - room) / (count - 1)) for i in range(count)]
    return [(begin, begin + room) for begin in begins]
