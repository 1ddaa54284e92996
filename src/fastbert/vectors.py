"""What users may give as vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_numbers", "as_vectors"]


def as_numbers(name: str, value: object) -> NDArray[Any]:
    """`value` as an array of real numbers, of whatever type it has.

    Raises:
        TypeError: if it holds anything else.
        ValueError: if its parts have several shapes.
    """
    try:
        array = np.asarray(value)
        if array.dtype == object:  # such as a column of vectors in a data frame
            array = np.asarray(array.tolist())
    except ValueError:
        raise ValueError(
            f"{name} has parts of several shapes, but must be vectors of one width"
        ) from None
    if not np.can_cast(array.dtype, np.float64, "same_kind"):
        held = " and ".join(sorted({type(x).__name__ for x in array.ravel().tolist()}))
        hint = ": encode texts first" if held == "str" else ""
        raise TypeError(f"{name} holds {held or array.dtype}, but must be vectors{hint}")
    return array


def as_vectors(name: str, value: object) -> NDArray[Any]:
    """`value` as a matrix (rows, dim): one vector (dim,) is a row, an empty list has none.

    Raises:
        TypeError: if it holds anything but numbers.
        ValueError: if it is no matrix.
    """
    rows = as_numbers(name, value)
    if rows.ndim == 1:
        rows = rows[None] if len(rows) else rows.reshape(0, 0)
    if rows.ndim != 2:
        raise ValueError(f"{name} has shape {rows.shape}, but must be (rows, dim)")
    return rows
