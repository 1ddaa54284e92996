"""What happens to an input of more tokens than a model takes: an error, or a warning."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from fastbert.callers import callers_level

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["Overflow"]


class Overflow:
    """Refuses inputs that are too long, or says once that they are cut. A model has one."""

    def __init__(self) -> None:
        self._warned = False

    def check(
        self,
        lengths: NDArray[np.integer],
        most: int,
        describe: Callable[[int], str],
        *,
        limit: str = "max_length",
        refuse: bool = False,
        remedy: str = "",
        advice: str = "",
    ) -> None:
        """Look for inputs that are too long.

        Args:
            lengths: tokens of each input, uncut.
            most: how many there may be.
            describe: names the i-th input.
            limit: names `most`.
            refuse: raise an error, and do not warn.
            remedy: what would read all of the input.
            advice: what else a user who is warned could ask for.

        Raises:
            ValueError: if an input is too long and `refuse` is set.
        """
        if lengths.max(initial=0) <= most:
            return
        index = int(np.argmax(lengths > most))
        fact = f"{describe(index)} has {lengths[index]} tokens, but {limit} is {most}"
        if refuse:
            raise ValueError(f"{fact}; {remedy}" if remedy else fact)
        if not self._warned:
            self._warned = True
            advice = f"{remedy}, {advice}" if remedy else advice
            warnings.warn(
                f"{fact}: the rest of it is ignored ({advice}this is said once per model)",
                stacklevel=callers_level(),
            )
