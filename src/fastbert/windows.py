"""Texts that are longer than the model: overlapping windows, and where their tokens belong."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastbert.batches import Batch

__all__ = ["Stretches", "Windows", "count_up", "slide", "split", "take"]

_ELSEWHERE = -1


class Windows(NamedTuple):
    """A ragged batch of windows, and which token of the texts each of their tokens stands for.

    Attributes:
        ids: int32 (window tokens,).
        offsets: int32 (windows + 1,).
        places: int64 (window tokens,): for each of them, its place among the tokens of the texts,
            or -1 where another window's token stands for that place.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int32]
    places: NDArray[np.int64]


class Stretches(NamedTuple):
    """Stretches of ragged texts, each of them a text for the model.

    Attributes:
        texts: int64 (stretches,): which text each is of, in order.
        offsets: int32 (stretches + 1,): where each begins and ends among the tokens of all.
        places: int64 (tokens of all stretches,): the place of each token among the texts' tokens.
    """

    texts: NDArray[np.int64]
    offsets: NDArray[np.int32]
    places: NDArray[np.int64]


def slide(
    offsets: NDArray[np.int32], room: int | NDArray[np.int64], overlap: int | None
) -> Stretches:
    """Cut ragged texts without special tokens as `return_overflowing_tokens` of transformers does.

    Args:
        offsets: int32 (texts + 1,).
        room: most tokens of a stretch, of all texts or of each.
        overlap: tokens that a stretch begins before the end of the one in front of it, less than
            `room`; None keeps only the first stretch of each text.
    """
    lengths = np.diff(offsets).astype(np.int64)
    step = room - (overlap or 0)
    counts = np.ones_like(lengths)
    if overlap is not None:
        counts += -(-np.maximum(lengths - room, 0) // step)
    texts = np.repeat(np.arange(len(lengths)), counts)
    rooms, steps = (np.broadcast_to(each, lengths.shape)[texts] for each in (room, step))
    begins = count_up(counts) * steps
    sizes = np.minimum(rooms, lengths[texts] - begins)
    places = np.repeat(offsets[texts] + begins, sizes) + count_up(sizes)
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    return Stretches(texts, bounds, places)


def take(offsets: NDArray[np.int32], texts: NDArray[np.int64]) -> Stretches:
    """Whole ragged texts, each as often as it occurs in `texts`."""
    sizes = np.diff(offsets).astype(np.int64)[texts]
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    places = np.repeat(offsets[texts], sizes) + count_up(sizes)
    return Stretches(texts, bounds.astype(np.int32), places)


def count_up(counts: NDArray[Any]) -> NDArray[np.int64]:
    """0, 1, ... up to each count, one run behind the other."""
    found: NDArray[np.int64] = np.arange(counts.sum()) - np.repeat(
        np.cumsum(counts) - counts, counts
    )
    return found


def split(batch: Batch, max_length: int, special_counts: tuple[int, int]) -> Windows:
    """Cut every text of a ragged batch into windows of at most `max_length` tokens.

    A window is the text's special tokens (`special_counts` of them in front and behind) around a
    stretch of what is between. Neighbouring stretches share about a quarter of their tokens; a
    shared token is taken from the window in which it stands further from the edge.
    """
    before, after = special_counts
    places, owned, bounds = [], [], [0]
    for begin, end in zip(batch.offsets[:-1].tolist(), batch.offsets[1:].tolist(), strict=True):
        front, back = np.arange(begin, begin + before), np.arange(end - after, end)
        stretches = _stretches(end - begin, max_length, before, after)
        for i, (first, last) in enumerate(stretches):
            is_first, is_last = i == 0, i == len(stretches) - 1
            # The window's own share: up to the middle of what it has in common with its neighbours.
            left = first if is_first else (first + stretches[i - 1][1]) // 2
            right = last if is_last else (stretches[i + 1][0] + last) // 2
            stretch = np.arange(begin + first, begin + last)
            own = (stretch >= begin + left) & (stretch < begin + right)
            places += [front, stretch, back]
            owned += [np.full(before, is_first), own, np.full(after, is_last)]
            bounds.append(bounds[-1] + before + len(stretch) + after)
    every = np.concatenate(places) if places else np.zeros(0, np.int64)
    own_tokens = np.concatenate(owned) if owned else np.zeros(0, bool)
    return Windows(
        batch.ids[every],
        np.asarray(bounds, np.int32),
        np.where(own_tokens, every, _ELSEWHERE),
    )


def _stretches(length: int, max_length: int, before: int, after: int) -> list[tuple[int, int]]:
    """Begin and end of each window's stretch within a text of `length` tokens."""
    inner, room = length - before - after, max_length - before - after
    if inner <= room:
        return [(before, before + inner)]
    step = max(1, room - room // 4)
    count = -(-(inner - room) // step) + 1
    begins = [before + round(i * (inner - room) / (count - 1)) for i in range(count)]
    return [(begin, begin + room) for begin in begins]
