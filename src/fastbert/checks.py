"""Arguments that many functions take, checked with the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_choice", "check_positive", "check_threads", "is_integer"]

# Far more than is of use to anyone; the system may refuse to start as many.
_MOST_THREADS = 1024


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Refuse a value that is none of the choices."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}, but must be one of {', '.join(map(str, choices))}")


def is_integer(value: object) -> bool:
    """Whether a value is an integer of Python or NumPy; True and False are none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_positive(name: str, value: int | None) -> None:
    """Refuse what is neither a positive integer nor None."""
    if value is not None and not (is_integer(value) and value > 0):
        raise ValueError(f"{name} is {value!r}, but must be a positive integer or None")


def check_threads(threads: int | None) -> None:
    """Refuse a number of threads that nobody can have."""
    check_positive("threads", threads)
    if threads is not None and threads > _MOST_THREADS:
        raise ValueError(f"threads is {threads}, but must be at most {_MOST_THREADS}")
