"""Tensors of a .safetensors file as read-only views of a memory map, without a copy.

The file is treated as hostile: its bytes give correct arrays or a `WeightsError`, nothing else.
Layout: 8 bytes n, little endian; n bytes of JSON, name -> {dtype, shape, data_offsets}; the data.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from fastbert.errors import WeightsError
from fastbert.json_files import parse_json, shown

__all__ = ["SafetensorsFile", "TensorInfo", "open_safetensors"]

_MAX_HEADER = 100_000_000  # the bound of the format's own library
_MAX_RANK = 32  # numpy 1.x has no more dimensions
_MAX_ELEMENTS = 2**48  # keeps sizes of zero-size tensors such as (0, 2**60) within numpy's integers

# Name in the header -> bytes, numpy type. bfloat16 is read as its bits and widened to float32;
# types without a numpy type may lie in a file but cannot be read.
_DTYPES: dict[str, tuple[int, str | None]] = {
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


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One entry of the header: `dtype` as the file spells it, `start` and `stop` in the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


class SafetensorsFile(Mapping[str, NDArray[Any]]):
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
        dtype = _DTYPES[info.dtype][1]
        if dtype is None:
            raise WeightsError(
                f"{self.path}: tensor {shown(name)} has dtype {info.dtype}, which cannot be read"
            )
        count = math.prod(info.shape)
        array: NDArray[Any]
        if count == 0:
            array = np.empty(info.shape, dtype)
        else:
            array = np.frombuffer(self._data, dtype, count, info.start).reshape(info.shape)
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


def open_safetensors(path: str | PathLike[str]) -> SafetensorsFile:
    """Map a .safetensors file and validate its whole header.

    Raises:
        WeightsError: if the file cannot be read or is damaged; the message names file, tensor,
            value and expectation.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size >= 8 else None
    except (OSError, ValueError) as error:  # ValueError: another process empties the file just now
        raise WeightsError(f"cannot read {path}: {error}") from None
    if data is None:
        raise WeightsError(f"{path} has {size} bytes, expected at least 8: not safetensors")
    return SafetensorsFile(path, data, _read_header(path, data))


def _read_header(path: Path, data: mmap.mmap) -> dict[str, TensorInfo]:
    length = int.from_bytes(data[:8], "little")
    limit = min(len(data) - 8, _MAX_HEADER)
    if length > limit:
        raise WeightsError(
            f"{path}: the header claims {length} bytes, expected at most {limit}: "
            "the file is cut short or not safetensors"
        )
    try:
        header = parse_json(data[8 : 8 + length])
    except ValueError as error:
        raise WeightsError(f"{path}: the header {error}") from None
    if not isinstance(header, dict):
        raise WeightsError(f"{path}: the header is {shown(header)}, expected a JSON object")
    header.pop("__metadata__", None)
    infos = {
        name: _tensor_info(path, name, entry, 8 + length, len(data))
        for name, entry in header.items()
    }
    _check_coverage(path, infos, 8 + length, len(data))
    return infos


def _tensor_info(path: Path, name: str, entry: object, begin: int, end: int) -> TensorInfo:
    def error(what: str) -> WeightsError:
        return WeightsError(f"{path}: tensor {shown(name)} has {what}")

    if not isinstance(entry, dict):
        raise error(f"the header entry {shown(entry)}, expected a JSON object")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise error(f"dtype {shown(dtype)}, expected one of {', '.join(_DTYPES)}")
    if not _are_sizes(shape) or len(shape) > _MAX_RANK:
        raise error(f"shape {shown(shape)}, expected up to {_MAX_RANK} sizes of 0 or more")
    if math.prod(max(dim, 1) for dim in shape) > _MAX_ELEMENTS:
        raise error(f"shape {shown(shape)}, expected at most 2**48 elements")
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise error(f"data_offsets {shown(offsets)}, expected two integers of 0 or more")
    start, stop = offsets
    if not start <= stop <= end - begin:
        raise error(f"data_offsets {shown(offsets)}, expected a range within {end - begin} bytes")
    expected = math.prod(shape) * _DTYPES[dtype][0]
    if stop - start != expected:
        raise error(f"{stop - start} bytes, expected {expected} of {dtype} for shape {shape}")
    return TensorInfo(dtype, tuple(shape), begin + start, begin + stop)


def _are_sizes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _check_coverage(path: Path, infos: dict[str, TensorInfo], begin: int, end: int) -> None:
    """Tensors must tile the data: the format forbids overlaps, gaps and a tail."""
    position = begin
    for name, info in sorted(infos.items(), key=lambda item: (item[1].start, item[1].stop)):
        if info.start != position:
            raise WeightsError(
                f"{path}: tensor {shown(name)} starts at byte {info.start}, expected {position}, "
                "the end of the tensor before it"
            )
        position = info.stop
    if position != end:
        raise WeightsError(f"{path} has {end} bytes, expected {position} from its header")
