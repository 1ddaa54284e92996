"""How alike sparse vectors are, from what is not zero in them alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastbert.similarity import pairwise_similarity_function, similarity_function
from fastbert.sparse_vectors import SparseVector, SparseVectors

__all__ = ["as_rows", "intersection", "pairwise_similarity", "similarity"]

_Vectors = SparseVector | SparseVectors


def as_rows(vectors: object) -> SparseVectors:
    """One vector or several as rows.

    Raises:
        TypeError: if they are not sparse.
    """
    if isinstance(vectors, SparseVectors):
        return vectors
    if not isinstance(vectors, SparseVector):
        kind = type(vectors).__name__
        raise TypeError(f"embeddings is a {kind}, but must be a SparseVector or SparseVectors")
    indptr = np.array([0, len(vectors.indices)], np.int64)
    return SparseVectors(indptr, vectors.indices, vectors.values, (1, vectors.dimension))


def similarity(name: str, a: _Vectors, b: _Vectors) -> NDArray[np.float32]:
    """Every vector of `a` with every vector of `b`: (rows of a, rows of b).

    Raises:
        TypeError: if one is not sparse.
        ValueError: if the widths differ, or `name` is none of `fastbert.similarity.SIMILARITIES`.
    """
    a, b = _operands(a, b)
    if name != "dot":
        similarities: NDArray[np.float32] = similarity_function(name)(a.to_dense(), b.to_dense())
        return similarities
    rows = _rows(b)
    products = np.empty((len(a), len(b)), np.float32)
    for i, vector in enumerate(a):
        terms = vector.to_dense()[b.indices] * b.values
        products[i] = np.bincount(rows, terms, len(b))
    return products


def pairwise_similarity(name: str, a: _Vectors, b: _Vectors) -> NDArray[np.float32]:
    """Each vector of `a` with the same row of `b`: (rows,).

    Raises:
        TypeError: if one is not sparse.
        ValueError: if widths or numbers of rows differ, or `name` is none of
            `fastbert.similarity.SIMILARITIES`.
    """
    a, b = _operands(a, b)
    if len(a) != len(b):
        raise ValueError(f"the embeddings have {len(a)} and {len(b)} rows, expected as many")
    if name != "dot":
        function = pairwise_similarity_function(name)
        similarities: NDArray[np.float32] = function(a.to_dense(), b.to_dense())
        return similarities
    # A place in the whole matrix names row and dimension at once.
    width = a.shape[1]
    common, in_a, in_b = np.intersect1d(
        _rows(a) * width + a.indices,
        _rows(b) * width + b.indices,
        assume_unique=True,
        return_indices=True,
    )
    sums = np.bincount(common // max(width, 1), a.values[in_a] * b.values[in_b], len(a))
    return sums.astype(np.float32)


def intersection(a: SparseVector, b: SparseVector | SparseVectors) -> SparseVector | SparseVectors:
    """The products of `a` with `b`, or with every row of it, where they are positive.

    Raises:
        TypeError: if one is not sparse, or `a` is more than one vector.
        ValueError: if the widths differ.
    """
    if not isinstance(a, SparseVector):
        raise TypeError(f"the first embedding is a {type(a).__name__}, but must be a SparseVector")
    _, rows = _operands(a, b)
    products = a.to_dense()[rows.indices] * rows.values
    kept = products > 0
    counts = np.bincount(_rows(rows)[kept], minlength=len(rows))
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    common = SparseVectors(indptr, rows.indices[kept], products[kept], rows.shape)
    return common[0] if isinstance(b, SparseVector) else common


def _rows(vectors: SparseVectors) -> NDArray[np.int64]:
    """The row of each value."""
    return np.repeat(np.arange(len(vectors)), vectors.active_dims)


def _operands(a: _Vectors, b: _Vectors) -> tuple[SparseVectors, SparseVectors]:
    x, y = as_rows(a), as_rows(b)
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"the embeddings have {x.shape[1]} and {y.shape[1]} dimensions, expected as many"
        )
    return x, y
