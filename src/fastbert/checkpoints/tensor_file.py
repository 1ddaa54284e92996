"""Tensors of one file as read-only arrays, views of a memory map wherever they lie as NumPy wants.

Every format of checkpoints/ ends here: its reader finds out where the tensors lie, and has
checked that they lie inside of the file; what is done with the bytes is the same for all.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from fastbert.errors import WeightsError
from fastbert.json_files import shown

__all__ = [
    "DTYPES",
    "TensorFile",
    "TensorInfo",
    "are_sizes",
    "checked_shape",
    "map_file",
    "read_float32",
]

_MAX_RANK = 32  # numpy 1.x has no more dimensions
_MAX_ELEMENTS = 2**48  # keeps sizes of zero-size tensors such as (0, 2**60) within numpy's integers

# The types under the names of safetensors -> bytes, numpy type. bfloat16 is read as its bits and
# widened to float32; types without a numpy type may lie in a file but cannot be read.
DTYPES: dict[str, tuple[int, str | None]] = {
    "F64": (8, "<f8"),
    "F32": (4, "<f4"),
    "F16": (2, "<f2"),
    "BF16": (2, "<u2"),
    "I64": (8, "<i8"),
    "I32": (4, "<i4"),
    "I16": (2, "<i2"),
    "I8": (1, "i1"),
    "U64": (8, "<u8"),
    "U32": (4, "<u4"),
    "U16": (2, "<u2"),
    "U8": (1, "u1"),
    "BOOL": (1, "?"),
    "F8_E4M3": (1, None),
    "F8_E5M2": (1, None),
}


class TensorInfo(NamedTuple):
    """What a file says about one tensor.

    Attributes:
        dtype: a key of `DTYPES`.
        shape: sizes.
        start: byte of the file at which its first element lies.
        strides: elements from one to the next, for each dimension; None for C order.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    strides: tuple[int, ...] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return math.prod(self.shape) * DTYPES[self.dtype][0]

    @property
    def is_plain_float32(self) -> bool:
        """Whether the bytes in the file are those of an aligned float32 array in C order."""
        return self.dtype == "F32" and self.strides is None and self.start % 4 == 0


class TensorFile(Mapping[str, NDArray[Any]]):
    """The tensors of one file: name -> read-only array.

    Arrays are views of the memory map and keep it alive; nothing is read before it is used.
    BF16 tensors become float32 (a copy), as do misaligned ones of any type become aligned copies.
    """

    def __init__(self, path: Path, data: mmap.mmap, infos: dict[str, TensorInfo]) -> None:
        self.path = path
        self._data = data
        self._infos = infos

    def __len__(self) -> int:
        return len(self._infos)

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def __contains__(self, name: object) -> bool:
        return name in self._infos

    def info(self, name: str) -> TensorInfo:
        """Type, shape and place of a tensor; costs nothing."""
        return self._infos[name]

    def __getitem__(self, name: str) -> NDArray[Any]:
        info = self._infos[name]
        size, dtype = DTYPES[info.dtype]
        if dtype is None:
            raise WeightsError(
                f"{self.path}: tensor {shown(name)} has dtype {info.dtype}, which cannot be read"
            )
        array: NDArray[Any]
        if info.nbytes == 0:
            array = np.empty(info.shape, dtype)
        else:
            strides = None if info.strides is None else [step * size for step in info.strides]
            array = np.ndarray(info.shape, dtype, self._data, info.start, strides)
        if info.dtype == "BF16":
            array = _bfloat16_to_float32(array)
        elif not array.flags.aligned:
            array = array.copy()
        array.flags.writeable = False
        return array


def _bfloat16_to_float32(bits: NDArray[Any]) -> NDArray[Any]:
    # A bfloat16 is the upper half of the float32 of the same value.
    widened: NDArray[Any] = (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return widened


def read_float32(
    file: TensorFile, name: str, shape: tuple[int, ...] | None = None
) -> NDArray[np.float32]:
    """One tensor as a read-only float32 array in C order; a view where it is stored as such.

    Raises:
        WeightsError: if it is not F32, F16 or BF16, or not of the given shape.
    """
    info = file.info(name)
    if info.dtype not in ("F32", "F16", "BF16"):
        raise WeightsError(
            f"{file.path}: tensor {shown(name)} has dtype {info.dtype}, expected F32, F16 or BF16"
        )
    if shape is not None and info.shape != shape:
        raise WeightsError(
            f"{file.path}: tensor {shown(name)} has shape {info.shape}, expected {shape} "
            "from the configuration"
        )
    # np.asarray keeps a view that is C-contiguous float32 already, and its shape when that is ().
    array = np.asarray(file[name], np.float32, order="C")
    array.flags.writeable = False
    return array


def map_file(path: Path, *, least: int, kind: str) -> mmap.mmap:
    """Map a file of at least that many bytes to be read.

    Raises:
        WeightsError: if it cannot be read, or is too small to be of that kind.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size >= least else None
    except (OSError, ValueError) as error:  # ValueError: another process empties the file just now
        raise WeightsError(f"cannot read {path}: {error}") from None
    if data is None:
        raise WeightsError(f"{path} has {size} bytes, expected at least {least}: not {kind}")
    return data


def checked_shape(shape: object) -> tuple[int, ...]:
    """A list or tuple of sizes that NumPy can have.

    Raises:
        ValueError: in a form that completes "the tensor has ...".
    """
    if not are_sizes(shape) or len(shape) > _MAX_RANK:
        raise ValueError(f"shape {shown(shape)}, expected up to {_MAX_RANK} sizes of 0 or more")
    if math.prod(max(size, 1) for size in shape) > _MAX_ELEMENTS:
        raise ValueError(f"shape {shown(shape)}, expected at most 2**48 elements")
    return tuple(shape)


def are_sizes(value: object) -> TypeGuard[list[int] | tuple[int, ...]]:
    """Whether a value is a list or tuple of integers of 0 or more."""
    return isinstance(value, (list, tuple)) and all(type(x) is int and x >= 0 for x in value)
