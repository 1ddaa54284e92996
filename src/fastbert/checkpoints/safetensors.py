"""Tensors of a .safetensors file as read-only views of a memory map, without a copy.

The file is treated as hostile: its bytes give correct arrays or a `WeightsError`, nothing else.
Layout: 8 bytes n, little endian; n bytes of JSON, name -> {dtype, shape, data_offsets}; the data.
"""

from __future__ import annotations

import mmap
from os import PathLike
from pathlib import Path

from fastbert.checkpoints.tensor_file import (
    DTYPES,
    TensorFile,
    TensorInfo,
    are_sizes,
    checked_shape,
    map_file,
)
from fastbert.errors import WeightsError
from fastbert.json_files import parse_json, shown

__all__ = ["open_safetensors"]

_MAX_HEADER = 100_000_000  # the bound of the format's own library


def open_safetensors(path: str | PathLike[str]) -> TensorFile:
    """Map a .safetensors file and validate its whole header.

    Raises:
        WeightsError: if the file cannot be read or is damaged; the message names file, tensor,
            value and expectation.
    """
    path = Path(path)
    data = map_file(path, least=8, kind="safetensors")
    return TensorFile(path, data, _read_header(path, data))


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
    dtype, offsets = entry.get("dtype"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise error(f"dtype {shown(dtype)}, expected one of {', '.join(DTYPES)}")
    try:
        info = TensorInfo(dtype, checked_shape(entry.get("shape")), begin)
    except ValueError as reason:
        raise error(str(reason)) from None
    if not are_sizes(offsets) or len(offsets) != 2:
        raise error(f"data_offsets {shown(offsets)}, expected two integers of 0 or more")
    start, stop = offsets
    if not start <= stop <= end - begin:
        raise error(f"data_offsets {shown(offsets)}, expected a range within {end - begin} bytes")
    if stop - start != info.nbytes:
        shape = list(info.shape)
        raise error(f"{stop - start} bytes, expected {info.nbytes} of {dtype} for shape {shape}")
    return info._replace(start=begin + start)


def _check_coverage(path: Path, infos: dict[str, TensorInfo], begin: int, end: int) -> None:
    """Tensors must tile the data: the format forbids overlaps, gaps and a tail."""
    position = begin
    for name, info in sorted(infos.items(), key=lambda item: (item[1].start, item[1].nbytes)):
        if info.start != position:
            raise WeightsError(
                f"{path}: tensor {shown(name)} starts at byte {info.start}, expected {position}, "
                "the end of the tensor before it"
            )
        position += info.nbytes
    if position != end:
        raise WeightsError(f"{path} has {end} bytes, expected {position} from its header")
