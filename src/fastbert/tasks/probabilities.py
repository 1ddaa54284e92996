"""From a head's scores to probabilities, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

__all__ = ["sigmoid", "softmax"]


def sigmoid(scores: Array) -> Array:
    """The logistic function of each score."""
    powers = np.exp(-np.abs(scores))  # never of a positive number: that could overflow
    probabilities: Array = np.where(scores >= 0, np.float32(1), powers) / (1 + powers)
    return probabilities


def softmax(scores: Array) -> Array:
    """Each row's exponentials, divided by their sum."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probabilities: Array = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities
