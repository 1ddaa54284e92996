"""Packed weights in a mapped file, and when a busy process leaves it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from fastbert._native import _core

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["MappedWeights"]

# Weights in a file lie on small pages, and cost a short text 0.3 of 1.9 ms; the copy that ends this
# takes some 10 ms and the memory that processes would share.
_CALLS_ON_FILE = 50


class MappedWeights:
    """Counts the calls on mapped weights; whoever makes many gets them on huge pages.

    Attributes:
        in_file: whether they are still there; calls count no more when they are not.
    """

    def __init__(self, packed: NDArray[np.uint8], *, in_file: bool) -> None:
        self.in_file = in_file
        self._packed = packed
        self._calls = itertools.count(1)  # one step for all threads, unlike += 1

    def count_call(self) -> None:
        """Count one call; the one that is enough copies the weights."""
        if next(self._calls) == _CALLS_ON_FILE:
            _core.copy_to_huge_pages(self._packed)
            self.in_file = False
