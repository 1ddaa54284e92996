"""How alike vectors are: cosine, dot product, and the negated Euclidean and Manhattan distances.

Every function takes one vector (dim,) or a matrix (rows, dim) on either side; an empty list is no
vector. The plain form compares all with all and gives (rows of a, rows of b); `pairwise_` compares
row with row and gives (rows,). Float64 input is kept, anything else is computed in and returned as
float32. What is no number is a TypeError, another shape a ValueError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbert.vectors import as_vectors

__all__ = [
    "SIMILARITIES",
    "cos_sim",
    "dot_score",
    "euclidean_sim",
    "manhattan_sim",
    "pairwise_cos_sim",
    "pairwise_dot_score",
    "pairwise_euclidean_sim",
    "pairwise_manhattan_sim",
    "pairwise_similarity_function",
    "similarity_function",
    "unit",
]

Floats = NDArray[Any]
Similarity = Callable[[ArrayLike, ArrayLike], Floats]


def unit(a: ArrayLike) -> Floats:
    """Every row of `a` scaled to length 1: (rows, dim); a zero vector stays as it is."""
    rows, _ = _operands(a, a)
    norms = np.sqrt(_sum(np.square(rows)))[:, None]
    scaled: Floats = rows / np.maximum(norms, 1e-12)
    return scaled


def cos_sim(a: ArrayLike, b: ArrayLike) -> Floats:
    """Cosine of every row of `a` with every row of `b`; a zero vector has cosine 0 to all."""
    a, b = _operands(a, b)
    cosines: Floats = unit(a) @ unit(b).T
    return cosines


def dot_score(a: ArrayLike, b: ArrayLike) -> Floats:
    """Dot product of every row of `a` with every row of `b`."""
    a, b = _operands(a, b)
    products: Floats = a @ b.T
    return products


def euclidean_sim(a: ArrayLike, b: ArrayLike) -> Floats:
    """Minus the Euclidean distance of every row of `a` to every row of `b`."""
    a, b = _operands(a, b)
    # |x - y|^2 = |x|^2 - 2xy + |y|^2 is one matrix product, but cancels for near neighbours: in
    # float64 what is left of the error is below what float32 vectors can tell apart.
    x, y = a.astype(np.float64), b.astype(np.float64)
    squares = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1) - 2 * (x @ y.T)
    distances: Floats = -np.sqrt(np.maximum(squares, 0))
    return distances.astype(a.dtype)


def manhattan_sim(a: ArrayLike, b: ArrayLike) -> Floats:
    """Minus the Manhattan distance of every row of `a` to every row of `b`."""
    a, b = _operands(a, b)
    # One row of a at a time: all at once would need rows of a * rows of b * dim numbers.
    distances = np.empty((len(a), len(b)), a.dtype)
    for i, row in enumerate(a):
        distances[i] = -np.abs(b - row).sum(axis=1)
    return distances


def pairwise_cos_sim(a: ArrayLike, b: ArrayLike) -> Floats:
    """Cosine of each row of `a` with the same row of `b`."""
    a, b = _row_operands(a, b)
    return _sum(unit(a) * unit(b))


def pairwise_dot_score(a: ArrayLike, b: ArrayLike) -> Floats:
    """Dot product of each row of `a` with the same row of `b`."""
    a, b = _row_operands(a, b)
    return _sum(a * b)


def pairwise_euclidean_sim(a: ArrayLike, b: ArrayLike) -> Floats:
    """Minus the Euclidean distance of each row of `a` to the same row of `b`."""
    a, b = _row_operands(a, b)
    distances: Floats = -np.sqrt(_sum(np.square(a - b)))
    return distances


def pairwise_manhattan_sim(a: ArrayLike, b: ArrayLike) -> Floats:
    """Minus the Manhattan distance of each row of `a` to the same row of `b`."""
    a, b = _row_operands(a, b)
    return -_sum(np.abs(a - b))


def similarity_function(name: str) -> Similarity:
    """The function that compares all with all, by its name in a model directory.

    Raises:
        ValueError: if `name` is not cosine, dot, euclidean or manhattan.
    """
    return _named(name, _ALL_PAIRS)


def pairwise_similarity_function(name: str) -> Similarity:
    """The function that compares row with row, by its name in a model directory.

    Raises:
        ValueError: if `name` is not cosine, dot, euclidean or manhattan.
    """
    return _named(name, _PAIRWISE)


_ALL_PAIRS: dict[str, Similarity] = {
    "cosine": cos_sim,
    "dot": dot_score,
    "euclidean": euclidean_sim,
    "manhattan": manhattan_sim,
}

SIMILARITIES = tuple(_ALL_PAIRS)

_PAIRWISE: dict[str, Similarity] = {
    "cosine": pairwise_cos_sim,
    "dot": pairwise_dot_score,
    "euclidean": pairwise_euclidean_sim,
    "manhattan": pairwise_manhattan_sim,
}


def _named(name: str, functions: dict[str, Similarity]) -> Similarity:
    if not isinstance(name, str) or name not in functions:
        raise ValueError(f"the similarity is {name!r}, expected one of {', '.join(functions)}")
    return functions[name]


def _operands(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """Both sides as matrices of one float type and one width."""
    x, y = as_vectors("a", a), as_vectors("b", b)
    # An empty list has no width and no type of its own.
    if x.shape == (0, 0):
        x = y[:0]
    if y.shape == (0, 0):
        y = x[:0]
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"the embeddings have shapes {np.shape(a)} and {np.shape(b)}, "
            "expected vectors or matrices of one width"
        )
    dtype = np.float64 if np.float64 in (x.dtype, y.dtype) else np.float32
    return x.astype(dtype, copy=False), y.astype(dtype, copy=False)


def _row_operands(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    """The same for a comparison row by row; a single row meets every row of the other side."""
    x, y = _operands(a, b)
    if len(x) != len(y) and 1 not in (len(x), len(y)):
        raise ValueError(f"the embeddings have {len(x)} and {len(y)} rows, expected as many")
    return x, y


def _sum(rows: Floats) -> Floats:
    sums: Floats = rows.sum(axis=1)
    return sums
