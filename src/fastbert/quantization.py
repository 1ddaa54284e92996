"""Smaller output vectors, as sentence-transformers defines them: 1 byte or 1 bit per dimension."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from fastbert.callers import callers_level
from fastbert.vectors import as_numbers, as_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["PRECISIONS", "Precision", "quantize_embeddings"]

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]
PRECISIONS: tuple[Precision, ...] = ("float32", "int8", "uint8", "binary", "ubinary")

_BUCKETS = 255
_FEW_ROWS = 100


@overload
def quantize_embeddings(
    embeddings: NDArray[Any],
    precision: Precision,
    ranges: ArrayLike | None = None,
    calibration_embeddings: ArrayLike | None = None,
) -> NDArray[Any]: ...


@overload
def quantize_embeddings(
    embeddings: Sequence[NDArray[Any]],
    precision: Precision,
    ranges: ArrayLike | None = None,
    calibration_embeddings: ArrayLike | None = None,
) -> NDArray[Any] | list[NDArray[Any]]: ...


def quantize_embeddings(
    embeddings: NDArray[Any] | Sequence[NDArray[Any]],
    precision: Precision,
    ranges: ArrayLike | None = None,
    calibration_embeddings: ArrayLike | None = None,
) -> NDArray[Any] | list[NDArray[Any]]:
    """Quantise float vectors.

    `uint8` cuts each dimension's range, minimum to maximum, into 255 buckets of one step and counts
    floor((x - minimum) / step), within 0..255; `int8` is the same minus 128. `ubinary` packs the
    bits x > 0, eight to a byte, the first one highest; `binary` is the same minus 128, as int8.

    Args:
        embeddings: float vectors (rows, dim) or one vector (dim,); or a list of matrices
            (tokens, dim), which share their ranges.
        precision: one of `PRECISIONS`.
        ranges: for int8 and uint8, minimum and maximum of each dimension, shape (2, dim).
        calibration_embeddings: vectors (rows, dim) to take the ranges from when `ranges` is None.
            With neither, the ranges are those of `embeddings` itself.

    Returns:
        float32, int8 or uint8 of the shape of `embeddings`, or (rows, ceil(dim / 8)) for the binary
        kinds; a list of them for a list of matrices.

    Raises:
        ValueError: for an unknown precision; for int8 and uint8 also if an array has another shape,
            holds NaN or an infinity, if a minimum is above its maximum, or if the ranges would have
            to come from a single vector.
        TypeError: if `embeddings` are not floats, or the ranges would not come from numbers.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}")
    if _are_matrices(embeddings):
        return _quantize_matrices(embeddings, precision, ranges, calibration_embeddings)
    vectors = _floats(embeddings)
    if precision == "float32":
        return vectors.astype(np.float32)
    if precision in ("binary", "ubinary"):
        return _binary(vectors, precision)
    if not vectors.size:  # no row to take ranges from, and none needed
        return np.zeros(vectors.shape, precision)
    if ranges is None:
        ranges = _ranges(vectors, precision, calibration_embeddings)
    return _bytes(vectors, precision, ranges)


def _are_matrices(embeddings: object) -> bool:
    if isinstance(embeddings, np.ndarray) or not isinstance(embeddings, Collection):
        return False
    return len(embeddings) > 0 and all(np.ndim(matrix) == 2 for matrix in embeddings)


def _floats(embeddings: object) -> NDArray[Any]:
    vectors = as_numbers("embeddings", embeddings)
    if not vectors.ndim:
        raise ValueError("embeddings has shape (), but must be (rows, dim) or (dim,)")
    if vectors.dtype.kind != "f":
        raise TypeError(f"embeddings have dtype {vectors.dtype}, expected floats")
    return vectors


def _binary(embeddings: NDArray[Any], precision: Precision) -> NDArray[Any]:
    packed = np.packbits(embeddings > 0, axis=-1)
    # Minus 128 in eight bits is a flip of the highest bit.
    return packed if precision == "ubinary" else (packed ^ np.uint8(0x80)).view(np.int8)


def _bytes(embeddings: NDArray[Any], precision: Precision, ranges: ArrayLike) -> NDArray[Any]:
    minimum, maximum = _checked_ranges(ranges, embeddings.shape[-1])
    _check_finite("embeddings", embeddings)
    step = (maximum - minimum) / _BUCKETS
    step = np.where(step == 0, 1, step)  # a constant dimension is all bucket 0
    buckets: NDArray[Any] = np.clip(np.floor((embeddings - minimum) / step), 0, _BUCKETS)
    return buckets.astype(np.uint8) if precision == "uint8" else (buckets - 128).astype(np.int8)


def _checked_ranges(ranges: ArrayLike, dimension: int) -> NDArray[np.float32]:
    limits = as_numbers("ranges", ranges).astype(np.float32)
    if limits.shape != (2, dimension):
        raise ValueError(
            f"ranges have shape {limits.shape}, expected (2, {dimension}): "
            "minimum and maximum of each dimension"
        )
    _check_finite("ranges", limits)
    swapped = np.flatnonzero(limits[0] > limits[1])
    if len(swapped):
        minimum, maximum = limits[:, swapped[0]]
        raise ValueError(
            f"ranges have minimum {minimum} and maximum {maximum} in dimension {swapped[0]}, "
            "expected the minimum first"
        )
    return limits


def _check_finite(name: str, rows: NDArray[Any]) -> None:
    """ValueError unless all of `rows` (..., dim) is finite."""
    finite = np.isfinite(rows)
    if not finite.all():
        place = tuple(np.argwhere(~finite)[0])
        raise ValueError(
            f"{name} have {rows[place]} in dimension {place[-1]}, expected finite numbers"
        )


def _ranges(
    embeddings: NDArray[Any], precision: Precision, calibration_embeddings: ArrayLike | None
) -> NDArray[Any]:
    """Minimum and maximum of each dimension: (2, dim)."""
    if calibration_embeddings is None:
        source, what = as_vectors("embeddings", embeddings), "embedding"
        otherwise = "quantize_embeddings(vectors, precision, ranges=...)"
    else:
        source = as_vectors("calibration_embeddings", calibration_embeddings)
        what, otherwise = "calibration embedding", "ranges="
    if len(source) < 2:
        raise ValueError(
            f"cannot take the {precision} ranges from {'a single' if len(source) else 'no'} "
            f"{what}, expected more {what}s, or {otherwise}"
        )
    if source.shape[1] != embeddings.shape[-1]:
        raise ValueError(
            f"{what}s have shape {source.shape}, expected (rows, {embeddings.shape[-1]})"
        )
    limits = np.stack((source.min(axis=0), source.max(axis=0)))
    _check_finite(f"{what}s", limits)  # a minimum keeps NaN
    if len(source) < _FEW_ROWS:
        warnings.warn(
            f"the {precision} ranges come from only {len(source)} {what}s and depend on them; "
            f"more {what}s, or {otherwise}, make them stable",
            stacklevel=callers_level(),
        )
    return limits


def _quantize_matrices(
    matrices: Collection[NDArray[Any]],
    precision: Precision,
    ranges: ArrayLike | None,
    calibration_embeddings: ArrayLike | None,
) -> list[NDArray[Any]]:
    if precision in ("int8", "uint8") and ranges is None:
        rows = np.concatenate([_floats(matrix) for matrix in matrices])
        if rows.size:
            ranges = _ranges(rows, precision, calibration_embeddings)
    return [quantize_embeddings(matrix, precision, ranges) for matrix in matrices]
