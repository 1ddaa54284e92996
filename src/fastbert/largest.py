"""The largest of many scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["largest"]


def largest(scores: NDArray[np.floating[Any]], count: int) -> NDArray[np.intp]:
    """Places of the `count` largest scores, the largest first; of equal scores, the first first.

    Scores (n,) to places (min(n, count),), for a count from 1 on.
    """
    if count < len(scores):
        # Sorting a whole vocabulary takes as long as computing it.
        least = np.partition(scores, -count)[-count]
        above = np.flatnonzero(scores > least)
        equal = np.flatnonzero(scores == least)[: count - len(above)]
        places = np.concatenate([above, equal])
    else:
        places = np.arange(len(scores))
    return places[np.argsort(-scores[places], kind="stable")]
