"""From the vectors of tokens to those of texts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def pool(x: Array, pooling: str, skip: int = 0, mask: NDArray[np.uint8] | None = None) -> Array:
    """One text's token vectors (T, H) as one vector (H,), without the first `skip` tokens.

    All poolings but cls and lasttoken leave out the tokens whose mask is 0, too.
    """
    counts = np.arange(len(x)) >= skip
    if mask is not None and pooling not in {"cls", "lasttoken"}:
        counts &= mask != 0
    weights = np.arange(1, len(x) + 1, dtype=np.float32)[counts, None]
    x = x[counts]
    if not len(x):
        return np.zeros(x.shape[1], np.float32)
    match pooling:
        case "cls":
            return x[0]
        case "lasttoken":
            return x[-1]
        case "max":
            return x.max(axis=0)
        case "mean":
            return x.mean(axis=0)
        case "mean_sqrt_len":
            return x.sum(axis=0) / np.float32(math.sqrt(len(x)))
        case "weightedmean":
            return (x * weights).sum(axis=0) / weights.sum()
    raise ValueError(f"unknown pooling {pooling!r}")
