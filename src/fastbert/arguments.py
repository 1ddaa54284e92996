"""Checks of arguments that several public functions share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["as_list", "as_texts", "check_choice", "check_positive", "check_threads", "is_integer"]

# Far more than is of use to anyone; the system may refuse to start as many.
_MOST_THREADS = 1024


def as_list(texts: object, name: str = "texts") -> Sequence[Any]:
    """The texts as a list or tuple of anything; TypeError if there cannot be texts in it."""
    if isinstance(texts, bytes | bytearray | Mapping) or not isinstance(texts, Iterable):
        raise TypeError(f"{name} is a {type(texts).__name__}, but must be a str or a list of str")
    if getattr(texts, "ndim", 1) != 1:
        raise TypeError(f"{name} is an array that is not 1-D, but must be a str or a list of str")
    return texts if isinstance(texts, list | tuple) else list(texts)


def as_texts(texts: Sequence[str], name: str = "texts") -> Sequence[str]:
    """The texts as a list or tuple of str; TypeError if they are anything else."""
    listed = as_list(texts, name)
    if not set(map(type, listed)) <= {str}:  # without a line of Python for each text
        for i, text in enumerate(listed):
            if not isinstance(text, str):
                raise TypeError(f"{name}[{i}] is a {type(text).__name__}, but must be a str")
    return listed


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}, but must be one of {', '.join(map(str, choices))}")


def is_integer(value: object) -> bool:
    """Whether `value` is an integer; True is none."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_positive(name: str, value: int | None) -> None:
    """ValueError unless `value` is a positive integer or None."""
    if value is not None and not (is_integer(value) and value > 0):
        raise ValueError(f"{name} is {value!r}, but must be a positive integer or None")


def check_threads(threads: int | None) -> None:
    """ValueError unless `threads` can be a number of threads, or None."""
    check_positive("threads", threads)
    if threads is not None and threads > _MOST_THREADS:
        raise ValueError(f"threads is {threads}, but must be at most {_MOST_THREADS}")
