"""Checks of arguments that several public functions share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "as_list",
    "as_lists",
    "as_texts",
    "check_choice",
    "check_positive",
    "check_threads",
    "is_integer",
    "one_or_more",
]

# Far more than is of use to anyone; the system may refuse to start as many.
_MOST_THREADS = 1024

_TEXTS = "a str or a list of str"


def as_list(texts: object, name: str = "texts", expected: str = _TEXTS) -> Sequence[Any]:
    """The texts as a list or tuple of anything; TypeError if there cannot be texts in it.

    One str is none: a caller who takes it looks for it first. `expected` is what the caller takes.
    """
    if isinstance(texts, str | bytes | bytearray | Mapping) or not isinstance(texts, Iterable):
        raise TypeError(f"{name} is a {type(texts).__name__}, but must be {expected}")
    if getattr(texts, "ndim", 1) != 1:
        raise TypeError(f"{name} is an array that is not 1-D, but must be {expected}")
    return texts if isinstance(texts, list | tuple) else list(texts)


def as_lists(texts: object, name: str, expected: str) -> Sequence[Any]:
    """`as_list` of what are lists themselves, which the rows of an array are too."""
    return as_list(texts.tolist() if isinstance(texts, np.ndarray) else texts, name, expected)


def as_texts(texts: object, name: str = "texts", expected: str = _TEXTS) -> Sequence[str]:
    """The texts as a list or tuple of str; TypeError if they are anything else, as one str is."""
    listed = as_list(texts, name, expected)
    if not set(map(type, listed)) <= {str}:  # without a line of Python for each text
        for i, text in enumerate(listed):
            if not isinstance(text, str):
                raise TypeError(f"{name}[{i}] is a {type(text).__name__}, but must be a str")
    return listed


def one_or_more(texts: str | Sequence[str], name: str = "texts") -> Sequence[str]:
    """`as_texts`, where one str is a list of it."""
    return [texts] if isinstance(texts, str) else as_texts(texts, name)


def check_choice(name: str, value: object, choices: Sequence[str | None]) -> None:
    """ValueError unless `value` is one of `choices`."""
    # An array compares element by element.
    if not isinstance(value, str | None) or value not in choices:
        from fastbert.json_files import shown

        known = ", ".join(map(str, choices))
        raise ValueError(f"{name} is {shown(value)}, but must be one of {known}")


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
