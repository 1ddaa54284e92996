"""`SparseVectors`: vectors as wide as a vocabulary, of which only what is not zero is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastbert.json_files import shown
from fastbert.vectors import as_numbers

if TYPE_CHECKING:
    from scipy.sparse import csr_array  # type: ignore[import-untyped]

__all__ = ["SparseVector", "SparseVectors"]


class SparseVector:
    """One vector (dimension,) as what is not zero in it.

    Attributes:
        indices: int32 (active,), rising: the dimensions that are not zero.
        values: float32 (active,), what is there.
        dimension: width of the whole vector.
    """

    __slots__ = ("dimension", "indices", "values")

    def __init__(
        self, indices: NDArray[np.int32], values: NDArray[np.float32], dimension: int
    ) -> None:
        self.indices = indices
        self.values = values
        self.dimension = dimension

    def __repr__(self) -> str:
        return f"SparseVector({len(self.indices)} of {self.dimension} dimensions)"

    def to_dense(self) -> NDArray[np.float32]:
        """The whole vector: float32 (dimension,)."""
        dense = np.zeros(self.dimension, np.float32)
        dense[self.indices] = self.values
        return dense

    def to_dict(self) -> dict[int, float]:
        """Dimension -> value, as vector databases take it."""
        return dict(zip(self.indices.tolist(), self.values.tolist(), strict=True))


class SparseVectors:
    """Vectors (rows, dimension) as compressed sparse rows.

    Row `i` has the `indices` and `values` from `indptr[i]` to `indptr[i + 1]`. `vectors[i]` is a
    `SparseVector`; a slice, a list or an array of rows, or a bool for each row, gives
    `SparseVectors`. Anything else, or a row that is not there, is an IndexError.

    Attributes:
        indptr: int64 (rows + 1,), from 0 to the number of values.
        indices: int32 (values,), rising within a row: the dimensions that are not zero.
        values: float32 (values,), what is there.
        shape: (rows, dimension).
    """

    __slots__ = ("indices", "indptr", "shape", "values")

    def __init__(
        self,
        indptr: NDArray[np.int64],
        indices: NDArray[np.int32],
        values: NDArray[np.float32],
        shape: tuple[int, int],
    ) -> None:
        self.indptr = indptr
        self.indices = indices
        self.values = values
        self.shape = shape

    def __repr__(self) -> str:
        return f"SparseVectors(shape={self.shape}, {len(self.values)} values)"

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[SparseVector]:
        return (self[i] for i in range(len(self)))

    @overload
    def __getitem__(self, rows: int | np.integer[Any]) -> SparseVector: ...
    @overload
    def __getitem__(self, rows: slice | Sequence[int] | NDArray[Any]) -> SparseVectors: ...
    def __getitem__(
        self, rows: int | np.integer[Any] | slice | Sequence[int] | NDArray[Any]
    ) -> SparseVector | SparseVectors:
        if isinstance(rows, int | np.integer):
            row = self._row(int(rows))
            part = slice(self.indptr[row], self.indptr[row + 1])
            return SparseVector(self.indices[part], self.values[part], self.shape[1])
        return self._rows(np.arange(len(self))[rows if isinstance(rows, slice) else _places(rows)])

    def _row(self, row: int) -> int:
        """The same row, counted from the beginning."""
        if not -len(self) <= row < len(self):
            raise IndexError(f"the index is {row}, but there are {len(self)} rows")
        return row % len(self)

    def _rows(self, rows: NDArray[np.int64]) -> SparseVectors:
        begins, lengths = self.indptr[rows], self.active_dims[rows]
        indptr = _ends(lengths)
        places = np.arange(indptr[-1]) + np.repeat(begins - indptr[:-1], lengths)
        shape = (len(rows), self.shape[1])
        return SparseVectors(indptr, self.indices[places], self.values[places], shape)

    @property
    def active_dims(self) -> NDArray[np.int64]:
        """How many dimensions of each row are not zero: int64 (rows,)."""
        counts: NDArray[np.int64] = np.diff(self.indptr)
        return counts

    @classmethod
    def from_dense(cls, vectors: ArrayLike) -> SparseVectors:
        """The same vectors (rows, dimension) without their zeros.

        Raises:
            TypeError: if `vectors` holds anything but numbers.
            ValueError: if it is not a matrix.
        """
        dense = as_numbers("vectors", vectors).astype(np.float32, copy=False)
        if dense.ndim != 2:
            raise ValueError(f"vectors has shape {dense.shape}, but must be a matrix")
        rows, indices = np.nonzero(dense)
        indptr = _ends(np.bincount(rows, minlength=len(dense)))
        return cls(indptr, indices.astype(np.int32), dense[rows, indices], dense.shape)

    @classmethod
    def concatenate(cls, parts: Iterable[SparseVectors], dimension: int) -> SparseVectors:
        """The rows of all parts, one after the other; each has `dimension` columns."""
        parts = list(parts)
        indptr = _ends(
            np.concatenate([np.zeros(0, np.int64), *(part.active_dims for part in parts)])
        )
        indices = np.concatenate([np.zeros(0, np.int32), *(part.indices for part in parts)])
        values = np.concatenate([np.zeros(0, np.float32), *(part.values for part in parts)])
        return cls(indptr, indices, values, (len(indptr) - 1, dimension))

    def to_dense(self) -> NDArray[np.float32]:
        """All vectors with their zeros: float32 (rows, dimension)."""
        dense = np.zeros(self.shape, np.float32)
        dense[np.repeat(np.arange(len(self)), self.active_dims), self.indices] = self.values
        return dense

    def to_scipy(self) -> csr_array:
        """The same as a `scipy.sparse.csr_array`, which shares the values.

        Raises:
            ImportError: if SciPy is not installed.
        """
        from scipy.sparse import csr_array

        return csr_array((self.values, self.indices, self.indptr), shape=self.shape)


def _places(rows: object) -> NDArray[Any]:
    """A list or an array of rows as an index of NumPy's: (rows,), integer or bool."""
    places = np.zeros(0, np.intp) if isinstance(rows, list) and not rows else np.asarray(rows)
    if isinstance(rows, tuple) or places.ndim != 1 or places.dtype.kind not in "biu":
        raise IndexError(f"the index is {shown(rows)}, expected a row, a slice, or a list of rows")
    return places


def _ends(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where rows of these lengths begin and end, one after the other: (rows + 1,)."""
    ends: NDArray[np.int64] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return ends
