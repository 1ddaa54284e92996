"""Tensors of a TensorFlow 1 checkpoint of BERT, under PyTorch's names, without TensorFlow.

`<prefix>.index` is a table (sstable.py): variable -> protocol buffer with type, shape and place,
and one about the whole under the empty name. The bytes lie in `<prefix>.data-00000-of-0000N`.
"""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import NamedTuple

from fastbert.checkpoints.sstable import read_table, read_varint
from fastbert.checkpoints.tensor_file import TensorFile, TensorInfo, checked_shape, map_file
from fastbert.errors import WeightsError
from fastbert.json_files import shown

__all__ = ["find_tensorflow", "open_tensorflow"]

_USUAL = "bert_model.ckpt.index"
_MAX_BYTES = 1 << 20  # of an index; that of a large BERT with its optimizer has 0.1 MB

# Numbers of TensorFlow's types -> ours; strings, such as notes about the graph, are left out.
_STRING = 7
_DTYPES = {
    1: "F32",
    2: "F64",
    3: "I32",
    4: "U8",
    5: "I16",
    6: "I8",
    9: "I64",
    10: "BOOL",
    14: "BF16",
    17: "U16",
    19: "F16",
    22: "U32",
    23: "U64",
}

_FIXED = {1: 8, 5: 4}  # kinds of fields in a protocol buffer -> their bytes

# What an optimizer keeps for itself.
_IGNORED = re.compile(r"global_step|beta[12]_power|.*/(adam_[mv]|Adam|Adam_1)")

# From TensorFlow's names to PyTorch's, one after another; then a slash is a dot.
_RENAMED = (
    (r"^cls/squad/output_", "qa_outputs/output_"),
    (r"^output_(weights|bias)$", r"classifier/output_\1"),
    (r"/output_(weights|bias)$", r"/\1"),
    (r"/layer_(\d+)/", r"/layer/\1/"),
    (r"(_embeddings)$", r"\1/weight"),
    (r"/(kernel|weights|gamma)$", "/weight"),
    (r"/beta$", "/bias"),
)


def find_tensorflow(directory: Path) -> Path | None:
    """The index of the TensorFlow checkpoint in a directory: of the usual name, or the only one.

    Raises:
        WeightsError: if there are several, and none has the usual name.
    """
    if (directory / _USUAL).exists():
        return directory / _USUAL
    found = [
        path
        for path in sorted(directory.glob("*.index"))
        if any(directory.glob(f"{glob.escape(path.stem)}.data-*"))
    ]
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:5])
        raise WeightsError(
            f"{directory} has {len(found)} TensorFlow checkpoints ({names}), expected one, or "
            f"one of the name {_USUAL}"
        )
    return found[0] if found else None


def open_tensorflow(index: Path) -> dict[str, TensorFile]:
    """Map the data of a checkpoint: PyTorch's name of a tensor -> the file that holds it.

    Kernels are (inputs, outputs) for TensorFlow and appear as (outputs, inputs), like PyTorch's.

    Raises:
        WeightsError: if a file cannot be read, is damaged, or holds something unknown.
    """
    data = map_file(index, least=1, kind="an index of TensorFlow")
    if len(data) > _MAX_BYTES:
        raise WeightsError(f"{index} has {len(data)} bytes, expected at most {_MAX_BYTES}")
    try:
        entries = read_table(data[:])
        shards, variables = _read_variables(entries)
    except ValueError as error:
        raise WeightsError(f"{index} {error}") from None
    checkpoint: dict[str, TensorFile] = {}
    for shard in sorted({variable.shard for variable in variables.values()}):
        path = index.with_name(f"{index.stem}.data-{shard:05}-of-{shards:05}")
        here = {name: v.info for name, v in variables.items() if v.shard == shard}
        mapped = map_file(path, least=1, kind="data of TensorFlow")
        for name, info in here.items():
            if info.start + info.nbytes > len(mapped):
                raise WeightsError(
                    f"{path} has {len(mapped)} bytes, but {shown(name)} ends at byte "
                    f"{info.start + info.nbytes}: the file is cut short"
                )
        checkpoint.update(dict.fromkeys(here, TensorFile(path, mapped, here)))
    return checkpoint


def pytorch_name(variable: str) -> str:
    """What a variable is called in a checkpoint of PyTorch."""
    for pattern, replacement in _RENAMED:
        variable = re.sub(pattern, replacement, variable)
    return variable.replace("/", ".")


class _Variable(NamedTuple):
    info: TensorInfo
    shard: int


def _read_variables(entries: dict[bytes, bytes]) -> tuple[int, dict[str, _Variable]]:
    """The number of shards, and PyTorch's name of each variable that is part of the model."""
    header = _Message(entries.pop(b"", b""))
    shards = header.number(1)
    if header.number(2):
        raise ValueError("comes from a big-endian machine, which is not supported")
    variables: dict[str, _Variable] = {}
    for key, value in entries.items():
        variable = key.decode(errors="replace")
        entry = _Message(value)
        if _IGNORED.fullmatch(variable) or entry.number(1) == _STRING:
            continue
        name = pytorch_name(variable)
        if name in variables:
            raise ValueError(f"has two variables for the tensor {shown(name)}")
        try:
            variables[name] = _read_variable(variable, entry, shards)
        except ValueError as error:
            raise ValueError(f"is damaged: {shown(variable)} has {error}") from None
    return shards, variables


def _read_variable(variable: str, entry: _Message, shards: int) -> _Variable:
    """One entry; errors complete "<variable> has ...".

    Its checksum of the tensor is not looked at: Python would need a minute for those of a BERT,
    and to read all of the data would undo that a file is mapped; safetensors has none either.
    """
    dtype = _DTYPES.get(entry.number(1))
    if dtype is None:
        raise ValueError(f"type {entry.number(1)}, which cannot be read")
    if entry.messages(7):
        raise ValueError("several slices, expected one whole tensor")
    sizes = [size.number(1) for shape in entry.messages(2) for size in shape.messages(2)]
    shape = checked_shape(sizes)
    info = TensorInfo(dtype, shape, entry.number(4))
    if entry.number(5) != info.nbytes:
        raise ValueError(f"{entry.number(5)} bytes, expected {info.nbytes} of {dtype} for {shape}")
    if entry.number(3) >= shards:
        raise ValueError(f"the shard {entry.number(3)}, expected one below {shards}")
    if variable.endswith("/kernel") and len(shape) == 2:
        info = info._replace(shape=shape[::-1], strides=(1, shape[1]))
    return _Variable(info, entry.number(3))


class _Message:
    """The fields of a protocol buffer by their numbers."""

    def __init__(self, data: bytes) -> None:
        self._numbers: dict[int, int] = {}
        self._messages: dict[int, list[bytes]] = {}
        position = 0
        while position < len(data):
            tag, position = read_varint(data, position)
            field, kind = tag >> 3, tag & 7
            if kind == 0:
                self._numbers[field], position = read_varint(data, position)
            elif kind == 2:
                size, position = read_varint(data, position)
                self._messages.setdefault(field, []).append(data[position : position + size])
                position += size
            elif kind in _FIXED:
                position += _FIXED[kind]
            else:
                raise ValueError("is damaged: it has a field of an unknown kind")
        if position != len(data):
            raise ValueError("is damaged: a field is cut short")

    def number(self, field: int) -> int:
        """An integer; what is not there is 0."""
        return self._numbers.get(field, 0)

    def messages(self, field: int) -> list[_Message]:
        """The messages within this one."""
        return [_Message(data) for data in self._messages.get(field, [])]
