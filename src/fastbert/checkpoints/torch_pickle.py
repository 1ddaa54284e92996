"""Tensors of the files that torch.save writes, without PyTorch and without running the pickle.

Since PyTorch 1.6 such a file is a zip archive: top/data.pkl describes the tensors, and the bytes of
each storage lie uncompressed in top/data/<key>. The older form is five pickles in a row (a magic
number, a version, facts about the machine, the description, the keys of the storages), and then
the storages, each behind the number of its elements.
"""

from __future__ import annotations

import math
import mmap
import zlib
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeGuard, cast

from fastbert.checkpoints.pickles import Call, Name, Pickle, Reference, parse_pickle
from fastbert.checkpoints.tensor_file import (
    DTYPES,
    TensorFile,
    TensorInfo,
    are_sizes,
    checked_shape,
    map_file,
)
from fastbert.errors import WeightsError
from fastbert.json_files import shown

__all__ = ["open_torch"]

_MAX_PICKLE = 4 << 20  # that of a large BERT has 0.1 MB, and takes memory some 100 times its size
_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001

# Class of a storage -> type of its elements. An UntypedStorage counts bytes.
_STORAGES = {
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "DoubleStorage": "F64",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
    "UntypedStorage": "U8",
}
# Types without a class of storage.
_UNTYPED_DTYPES = {
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
}
_TENSOR = Name("torch._utils", "_rebuild_tensor_v2")
_TENSOR_OF_TYPE = Name("torch._utils", "_rebuild_tensor_v3")
_PARAMETERS = (
    Name("torch._utils", "_rebuild_parameter"),
    Name("torch._utils", "_rebuild_parameter_with_state"),
)
_DICTIONARY = Name("collections", "OrderedDict")

# What a state dictionary may hold beside tensors: nothing of it can be part of a model.
_HARMLESS = (str, bytes, int, float, bool, type(None))


class _Storage(NamedTuple):
    key: str
    dtype: str
    size: int  # in elements


class _Tensor(NamedTuple):
    storage: _Storage
    dtype: str
    offset: int  # in elements
    shape: tuple[int, ...]
    strides: tuple[int, ...]


_Locate = Callable[[_Storage], tuple[int, int]]  # where its bytes begin and end in the file


def open_torch(path: str | PathLike[str]) -> TensorFile:
    """Map a file of torch.save that holds a state dictionary, or one under "state_dict".

    Raises:
        WeightsError: if the file cannot be read, is damaged, or holds anything but tensors and
            plain values; the message names file, tensor, value and expectation.
    """
    path = Path(path)
    data = map_file(path, least=4, kind="a file of torch.save")
    try:
        value, locate = (_open_zip if data[:4] == b"PK\3\4" else _open_legacy)(data)
        infos = {name: _place(name, t, locate) for name, t in _tensors(value).items()}
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from None
    return TensorFile(path, data, infos)


def _place(name: str, tensor: _Tensor, locate: _Locate) -> TensorInfo:
    begin, end = locate(tensor.storage)
    expected = tensor.storage.size * DTYPES[tensor.storage.dtype][0]
    if end - begin != expected:
        raise ValueError(
            f"the storage of tensor {shown(name)} has {end - begin} bytes, expected {expected}"
        )
    size = DTYPES[tensor.dtype][0]
    count = math.prod(tensor.shape)
    steps = zip(tensor.shape, tensor.strides, strict=True)
    last = tensor.offset + sum((length - 1) * step for length, step in steps)
    # A step of 0 would make a tensor of any size from one element.
    if count and ((last + 1) * size > expected or count * size > expected):
        raise ValueError(
            f"tensor {shown(name)} has shape {tensor.shape}, strides {tensor.strides} and offset "
            f"{tensor.offset}, expected a part of the {expected} bytes of its storage"
        )
    strides = None if _is_contiguous(tensor.shape, tensor.strides) else tensor.strides
    return TensorInfo(tensor.dtype, tensor.shape, begin + tensor.offset * size, strides)


def _is_contiguous(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    expected = 1
    for length, step in zip(reversed(shape), reversed(strides), strict=True):
        if length > 1 and step != expected:
            return False
        expected *= length
    return True


# What the description says


def _tensors(value: object) -> dict[str, _Tensor]:
    """The tensors of a state dictionary; training scripts put one beside other things."""
    entries = _dictionary(value)
    if entries is not None and "state_dict" in entries:
        value = entries["state_dict"]
        entries = _dictionary(value)
    if entries is None:
        raise ValueError(f"the file holds {_described(value)}, expected a dictionary of tensors")
    found = {}
    for name, entry in entries.items():
        if type(entry) in _HARMLESS:
            continue
        if type(name) is not str:
            raise ValueError(f"the file has the key {shown(name)}, expected the name of a tensor")
        try:
            found[name] = _tensor(entry)
        except ValueError as error:
            raise ValueError(f"{shown(name)} {error}") from None
    return found


def _dictionary(value: object) -> Mapping[Any, object] | None:
    if isinstance(value, Call) and value.function == _DICTIONARY and value.arguments == ():
        return value.items
    return value if isinstance(value, dict) else None


def _described(value: object) -> str:
    return "a dictionary" if isinstance(value, dict) else shown(value)


def _tensor(value: object) -> _Tensor:
    """A tensor out of the call that would make it; errors complete "<name> ..."."""
    if isinstance(value, Call) and isinstance(value.arguments, tuple):
        function, arguments = value.function, value.arguments
        if function in _PARAMETERS and arguments:
            # Its first argument is the tensor itself, of which there is never a parameter again.
            value = arguments[0]
            if isinstance(value, Call) and isinstance(value.arguments, tuple):
                function, arguments = value.function, value.arguments
        if function == _TENSOR and len(arguments) >= 4:
            storage = _storage(arguments[0])
            return _checked_tensor(storage, storage.dtype, *arguments[1:4])
        if function == _TENSOR_OF_TYPE and len(arguments) >= 7:
            return _checked_tensor(_storage(arguments[0]), _dtype(arguments[6]), *arguments[1:4])
    raise ValueError(f"is {_described(value)}, expected a tensor or a plain value")


def _checked_tensor(
    storage: _Storage, dtype: str, offset: object, shape: object, strides: object
) -> _Tensor:
    try:
        shape = checked_shape(shape)
    except ValueError as error:
        raise ValueError(f"has {error}") from None
    if type(offset) is not int or offset < 0:
        raise ValueError(f"has the offset {shown(offset)}, expected an integer of 0 or more")
    if not are_sizes(strides) or len(strides) != len(shape):
        raise ValueError(f"has the strides {shown(strides)}, expected one for each of {shape}")
    return _Tensor(storage, dtype, offset, shape, tuple(strides))


def _storage(value: object) -> _Storage:
    description = value.description if isinstance(value, Reference) else None
    if not isinstance(description, tuple) or not 5 <= len(description) <= 6:
        raise ValueError(f"has the storage {_described(value)}, expected a reference to one")
    tag, kind, key, _, size, *view = description
    if tag != "storage" or type(key) is not str or view not in ([], [None]):
        raise ValueError(f"has the storage {shown(description)}, expected a whole one with a key")
    if type(size) is not int or size < 0:
        raise ValueError(f"has a storage of {shown(size)} elements, expected 0 or more")
    if not _is_name(kind, "torch", "torch.storage") or kind.name not in _STORAGES:
        raise ValueError(f"has a storage of type {shown(kind)}, which cannot be read")
    return _Storage(key, _STORAGES[kind.name], size)


def _dtype(value: object) -> str:
    if not _is_name(value, "torch") or value.name not in _UNTYPED_DTYPES:
        raise ValueError(f"has dtype {shown(value)}, which cannot be read")
    return _UNTYPED_DTYPES[value.name]


def _is_name(value: object, *modules: str) -> TypeGuard[Name]:
    return isinstance(value, Name) and value.module in modules


# The two forms of the file: the description, and where each storage lies


def _open_zip(data: mmap.mmap) -> tuple[object, _Locate]:
    records = _read_directory(data)
    found = [name for name in records if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(found) != 1:
        raise ValueError(f"the archive has {len(found)} uncompressed data.pkl, expected one")
    top = found[0].removesuffix("data.pkl")
    order = records.get(f"{top}byteorder")  # since PyTorch 2.0
    if order is not None and data[slice(*order[:2])] != b"little":
        raise ValueError("the file comes from a big-endian machine, which is not supported")
    begin, end, crc = records[found[0]]
    if end - begin > _MAX_PICKLE:
        raise ValueError(f"{found[0]} has {end - begin} bytes, expected at most {_MAX_PICKLE}")
    # The storages have such sums, too, but nobody wants to read all of them here, for torch.load
    # does not either, nor has safetensors any. A flip here could exchange one tensor for another.
    pickle = data[begin:end]
    if zlib.crc32(pickle) != crc:
        raise ValueError(f"{found[0]} is damaged: its CRC-32 is another one")

    def locate(storage: _Storage) -> tuple[int, int]:
        name = f"{top}data/{storage.key}"
        if name not in records:
            raise ValueError(
                f"the archive has no uncompressed {shown(name)}, the bytes of a tensor"
            )
        return records[name][:2]

    return _parse(pickle, 0).value, locate


def _read_directory(data: mmap.mmap) -> dict[str, tuple[int, int, int]]:
    """Name in a zip archive -> begin, end and CRC-32 of each file that is not compressed."""
    import zipfile

    try:
        with zipfile.ZipFile(cast("IO[bytes]", data)) as archive:  # it seeks and reads
            entries = archive.infolist()
    # RuntimeError is what zipfile says of forms that it does not know.
    except (zipfile.BadZipFile, OSError, RuntimeError, ValueError, OverflowError) as error:
        raise ValueError(f"the file is a damaged zip archive: {error}") from None
    records: dict[str, tuple[int, int, int]] = {}
    for entry in entries:
        name, header = entry.filename, entry.header_offset
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            continue  # the source code of a TorchScript model; PyTorch writes all else as it is
        # Here the bytes lie behind a header with a copy of the name and with other extra fields.
        sizes = data[header + 26 : header + 30] if header >= 0 else b""
        begin = header + 30 + sum(sizes[i] + 256 * sizes[i + 1] for i in range(0, len(sizes), 2))
        end = begin + entry.file_size
        if len(sizes) < 4 or data[header : header + 4] != b"PK\3\4" or end > len(data):
            raise ValueError(f"{shown(name)} of the archive lies outside of the file")
        if name in records:
            raise ValueError(f"the archive has {shown(name)} twice")
        records[name] = begin, end, entry.CRC
    return records


def _open_legacy(data: mmap.mmap) -> tuple[object, _Locate]:
    front = data[:_MAX_PICKLE]
    position = 0
    pickles = []
    for expected in (_MAGIC, _VERSION, None, None, None):
        pickles.append(_parse(front, position))
        if expected not in (None, pickles[-1].value):
            raise ValueError("the file is not of torch.save, expected its magic number and version")
        position = pickles[-1].end
    machine, keys = pickles[2].value, pickles[4].value
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise ValueError("the file comes from a big-endian machine, which is not supported")
    places = _follow_storages(data, position, keys, pickles[3].references)

    def locate(storage: _Storage) -> tuple[int, int]:
        if storage.key not in places:
            raise ValueError(f"the storage {shown(storage.key)} is not in the file's list of them")
        return places[storage.key]

    return pickles[3].value, locate


def _follow_storages(
    data: mmap.mmap, position: int, keys: object, references: list[Reference]
) -> dict[str, tuple[int, int]]:
    """Key -> begin and end of each storage: only the references tell the size of its elements."""
    storages: dict[str, _Storage] = {}
    for reference in references:
        description = reference.description
        if not isinstance(description, tuple) or description[:1] != ("storage",):
            continue  # a module, which is refused where it is used
        try:
            storage = _storage(reference)
        except ValueError as error:
            raise ValueError(f"a tensor {error}") from None
        if storages.setdefault(storage.key, storage) != storage:
            raise ValueError(f"the storage {shown(storage.key)} has two types or sizes")
    if not isinstance(keys, list) or not all(type(key) is str and key in storages for key in keys):
        raise ValueError(f"the keys {shown(keys)} of the storages are not those of the tensors")
    places = {}
    for key in keys:
        begin = position + 8
        count = int.from_bytes(data[position:begin], "little")
        position = begin + storages[key].size * DTYPES[storages[key].dtype][0]
        if count != storages[key].size or position > len(data):
            raise ValueError(
                f"the storage {shown(key)} has {count} elements in {len(data) - begin} bytes, "
                f"expected {storages[key].size} of {storages[key].dtype}"
            )
        places[key] = begin, position
    return places


def _parse(data: bytes, position: int) -> Pickle:
    try:
        return parse_pickle(data, position)
    except ValueError as error:
        raise ValueError(f"the pickle {error}") from None
