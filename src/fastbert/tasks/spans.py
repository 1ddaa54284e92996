"""The best answers of a window: every short run of tokens by the product of its two ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastbert.tasks.probabilities import softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = ["Spans", "best_spans", "end_probabilities"]


class Spans(NamedTuple):
    """Runs of tokens, best first.

    Attributes:
        first: (spans,): the first token of each.
        last: (spans,): the last token of each.
        scores: float32 (spans,).
    """

    first: NDArray[np.intp]
    last: NDArray[np.intp]
    scores: Array


def end_probabilities(scores: Array) -> tuple[Array, Array, float]:
    """Probabilities of where an answer starts and ends.

    Args:
        scores: (1 + tokens, 2): of the first token of the window, which stands for "no answer", and
            of the context's tokens.

    Returns:
        (tokens,) of starts, (tokens,) of ends, and the probability that there is no answer.
    """
    starts, ends = softmax(np.ascontiguousarray(scores.T))
    return starts[1:], ends[1:], float(starts[0] * ends[0])


def best_spans(starts: Array, ends: Array, longest: int, count: int) -> Spans:
    """The `count` best spans of at most `longest` tokens; of equal ones the first comes first."""
    tokens = len(starts)
    width = min(longest, tokens)
    if not width:
        nothing = np.zeros(0, np.intp)
        return Spans(nothing, nothing, np.zeros(0, np.float32))
    # Row i has the ends i, i + 1, ...; a span that would leave the window is below all others.
    padded = np.concatenate([ends, np.full(width - 1, -1, np.float32)])
    band = np.lib.stride_tricks.sliding_window_view(padded, width)
    products = np.where(band < 0, np.float32(-1), starts[:, None] * band).ravel()
    chosen = np.arange(len(products))
    if count < len(products):
        chosen = np.sort(np.argpartition(-products, count)[:count])
    chosen = chosen[np.argsort(-products[chosen], kind="stable")]
    chosen = chosen[products[chosen] >= 0]
    first = chosen // width
    return Spans(first, first + chosen % width, products[chosen])
