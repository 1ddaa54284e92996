"""Where the tokens of a text stand, and how far from each other."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_FARTHEST = 128  # distances from here on share one bucket


def positions(ids: NDArray[np.int32], padding_id: int | None) -> NDArray[np.int64]:
    """The row of the position table for every token, (T,).

    Without a padding id these are 0, 1, 2, ... With one, the other tokens count from the row
    behind it on, and padding stands at its own row.
    """
    if padding_id is None:
        return np.arange(len(ids))
    counts = ids != padding_id
    return np.where(counts, np.cumsum(counts), 0) + padding_id


def distance_buckets(tokens: int, buckets: int) -> NDArray[np.int64]:
    """The row of the table of relative biases for every query and key, (T, T).

    Half of the buckets are for keys behind the query. Of each half, half are for one distance each,
    the others for ever more of them.
    """
    half = buckets // 2
    exact = half // 2
    places = np.arange(tokens)
    distance = places - places[:, None]
    far = np.maximum(np.abs(distance), exact)
    steps = np.log(far / exact) / math.log(_FARTHEST / exact) * (half - exact)
    shared = np.minimum(exact + steps.astype(np.int64), half - 1)
    return np.where(np.abs(distance) < exact, np.abs(distance), shared) + half * (distance > 0)
