"""Smaller output vectors, as sentence-transformers defines them: 1 byte or 1 bit per dimension."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from fastbert.callers import callers_level

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
        ValueError: for an unknown precision, ranges of another shape, or when the ranges would have
            to come from a single vector.
        TypeError: if `embeddings` are not floats.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}, expected one of {', '.join(PRECISIONS)}")
    if not isinstance(embeddings, np.ndarray):
        if len(embeddings) and all(np.ndim(matrix) == 2 for matrix in embeddings):
            return _quantize_matrices(embeddings, precision, ranges, calibration_embeddings)
        embeddings = np.asarray(embeddings, None if len(embeddings) else np.float32)
    if embeddings.dtype.kind != "f":
        raise TypeError(f"embeddings have dtype {embeddings.dtype}, expected floats")
    if precision == "float32":
        return embeddings.astype(np.float32)
    if precision in ("binary", "ubinary"):
        return _binary(embeddings, precision)
    if embeddings.ndim == 2 and not len(embeddings):  # no row to take ranges from, and none needed
        return np.zeros(embeddings.shape, precision)
    if ranges is None:
        ranges = _ranges(embeddings, precision, calibration_embeddings)
    return _bytes(embeddings, precision, np.asarray(ranges, np.float32))


def _binary(embeddings: NDArray[Any], precision: Precision) -> NDArray[Any]:
    packed = np.packbits(embeddings > 0, axis=-1)
    # Minus 128 in eight bits is a flip of the highest bit.
    return packed if precision == "ubinary" else (packed ^ np.uint8(0x80)).view(np.int8)


def _bytes(
    embeddings: NDArray[Any], precision: Precision, ranges: NDArray[np.float32]
) -> NDArray[Any]:
    if ranges.shape != (2, embeddings.shape[-1]):
        raise ValueError(
            f"ranges have shape {ranges.shape}, expected (2, {embeddings.shape[-1]}): "
            "minimum and maximum of each dimension"
        )
    minimum, maximum = ranges
    step = (maximum - minimum) / _BUCKETS
    step = np.where(step == 0, 1, step)  # a constant dimension is all bucket 0
    buckets: NDArray[Any] = np.clip(np.floor((embeddings - minimum) / step), 0, _BUCKETS)
    return buckets.astype(np.uint8) if precision == "uint8" else (buckets - 128).astype(np.int8)


def _ranges(
    embeddings: NDArray[Any], precision: Precision, calibration_embeddings: ArrayLike | None
) -> NDArray[Any]:
    if calibration_embeddings is not None:
        source = np.asarray(calibration_embeddings)
    elif embeddings.ndim == 1 or len(embeddings) == 1:
        raise ValueError(
            f"cannot take the {precision} ranges from a single embedding, "
            "expected ranges=, calibration_embeddings= or more embeddings: encode without "
            "precision and call quantize_embeddings(vectors, precision, ranges=...)"
        )
    else:
        source = embeddings
        if len(source) < _FEW_ROWS:
            warnings.warn(
                f"the {precision} ranges come from only {len(source)} embeddings and depend on "
                "them; pass ranges= or calibration_embeddings= to make them stable",
                stacklevel=callers_level(),
            )
    return np.stack((source.min(axis=0), source.max(axis=0)))


def _quantize_matrices(
    matrices: Sequence[NDArray[Any]],
    precision: Precision,
    ranges: ArrayLike | None,
    calibration_embeddings: ArrayLike | None,
) -> list[NDArray[Any]]:
    if precision in ("int8", "uint8") and ranges is None:
        rows = np.concatenate([np.asarray(matrix) for matrix in matrices])
        if len(rows):
            ranges = _ranges(rows, precision, calibration_embeddings)
    return [quantize_embeddings(np.asarray(matrix), precision, ranges) for matrix in matrices]
