"""Write checkpoints as PyTorch and TensorFlow do, for tests of readers that need neither.

tests/test_parity_checkpoints.py compares the first with torch; the index of a TensorFlow checkpoint
has been compared, byte for byte, with that of tf.compat.v1.train.Saver of TensorFlow 2.21.
"""

import io
import struct
import zipfile

import numpy as np

from fastbert.checkpoints.pickles import Call, Name, Reference

_STORAGES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "uint16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}
_MAGIC = 0x1950A86A20F9469CFC6C
_MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4}}


# PyTorch


def pickled(value):
    """A pickle of protocol 2; a Name, a Call and a Reference are what they describe."""
    return b"\x80\2" + _pickle(value) + b"."


def _pickle(value):  # noqa: PLR0911, PLR0912 (one case for each type)
    match value:
        case Name():
            return f"c{value.module}\n{value.name}\n".encode()
        case Reference():
            return _pickle(value.description) + b"Q"
        case Call():
            made = _pickle(value.function) + _pickle(value.arguments) + b"R"
            return made + (b"(" + _pickle_items(value.items) + b"u" if value.items else b"")
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int() if -(2**31) <= value < 2**31:
            return b"J" + struct.pack("<i", value)
        case int():
            stored = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8a" + struct.pack("<B", len(stored)) + stored
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
        case bytes():
            return b"B" + struct.pack("<I", len(value)) + value
        case tuple():
            return b"(" + b"".join(map(_pickle, value)) + b"t"
        case list():
            return b"](" + b"".join(map(_pickle, value)) + b"e"
        case dict():
            return b"}(" + _pickle_items(value) + b"u"
    raise TypeError(type(value))


def _pickle_items(items):
    return b"".join(_pickle(key) + _pickle(value) for key, value in items.items())


def storage(key, kind, size):
    return Reference(("storage", Name("torch", kind), key, "cpu", size))


def tensor(where, shape, strides=None, offset=0):
    """The call that makes a tensor of a storage."""
    if strides is None:
        strides = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
    hooks = Call(Name("collections", "OrderedDict"), ())
    arguments = (where, offset, tuple(shape), tuple(strides), False, hooks)
    return Call(Name("torch._utils", "_rebuild_tensor_v2"), arguments)


def parameter(value):
    hooks = Call(Name("collections", "OrderedDict"), ())
    return Call(Name("torch._utils", "_rebuild_parameter"), (value, True, hooks))


def ordered(items):
    made = Call(Name("collections", "OrderedDict"), ())
    made.items |= items
    return made


def state_dict(tensors, *, legacy=False):
    """The description of arrays, one storage each, and the storages; uint16 stands for bfloat16."""
    view = (None,) if legacy else ()
    described, storages = {}, {}
    for key, (name, array) in enumerate(tensors.items()):
        kind = _STORAGES[array.dtype.name]
        where = Reference((*storage(str(key), kind, array.size).description, *view))
        described[name] = tensor(where, array.shape)
        storages[str(key)] = np.ascontiguousarray(array).tobytes()
    return ordered(described), storages


def torch_zip(description, storages, *, top="archive", byteorder=b"little", compression=0):
    """The bytes of a file of PyTorch 1.6 or later; storages begin at multiples of 64 bytes."""
    records = {"data.pkl": pickled(description)}
    if byteorder is not None:
        records["byteorder"] = byteorder
    records |= {f"data/{key}": content for key, content in storages.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (records | {"version": b"3\n"}).items():
            entry = zipfile.ZipInfo(f"{top}/{name}")
            entry.compress_type = compression
            padding = -(file.tell() + 34 + len(entry.filename)) % 64
            entry.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
            archive.writestr(entry, content)
    return file.getvalue()


def torch_legacy(description, storages, sizes, *, machine=_MACHINE):
    """The bytes of a file of PyTorch before 1.6; `sizes` are those of the elements."""
    head = [_MAGIC, 1001, machine, description, list(storages)]
    content = b"".join(map(pickled, head))
    for key, stored in storages.items():
        content += struct.pack("<q", len(stored) // sizes[key]) + stored
    return content


def torch_bytes(tensors, *, legacy=False):
    """The bytes of a file of torch.save with a state dictionary."""
    description, storages = state_dict(tensors, legacy=legacy)
    if not legacy:
        return torch_zip(description, storages)
    sizes = {str(i): array.itemsize for i, array in enumerate(tensors.values())}
    return torch_legacy(description, storages, sizes)


# TensorFlow

_TENSORFLOW_TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "bool": 10, "float16": 19}
_RESTART = 16  # entries of a block between keys that share nothing
_MAGIC_OF_TABLES = 0xDB4775248B80FB57


def write_tensorflow(directory, variables, *, shards=1, prefix="bert_model.ckpt", **options):
    """Write `<prefix>.index` and `<prefix>.data-*`; variable i goes to shard i % shards."""
    data = [b""] * shards
    entries = {}
    for i, (name, array) in enumerate(sorted(variables.items())):
        stored = np.ascontiguousarray(array).tobytes()
        shard = i % shards
        entries[name.encode()] = bundle_entry(
            _TENSORFLOW_TYPES[array.dtype.name], array.shape, shard, len(data[shard]), stored
        )
        data[shard] += stored
    (directory / f"{prefix}.index").write_bytes(table(entries, shards, **options))
    for shard, content in enumerate(data):
        (directory / f"{prefix}.data-{shard:05}-of-{shards:05}").write_bytes(content)


def bundle_entry(dtype, shape, shard, offset, stored, *, size=None):
    """The protocol buffer about one variable."""
    sizes = b"".join(_message(2, _number(1, length)) for length in shape)
    return b"".join(
        (
            _number(1, dtype),
            _message(2, sizes),
            _number(3, shard),
            _number(4, offset),
            _number(5, len(stored) if size is None else size),
            b"\x35" + struct.pack("<I", masked_crc32c(stored)),
        )
    )


def table(entries, shards=1, *, endianness=0, block_size=1 << 18):
    """The bytes of an index; a new block begins when one has `block_size` bytes."""
    header = _number(1, shards) + _number(2, endianness) + _message(3, _number(1, 1))
    blocks, keys, current = [], [], {}
    for key, value in ({b"": header} | entries).items():
        current[key] = value
        if sum(map(len, (*current, *current.values()))) >= block_size:
            blocks.append(current)
            current = {}
    blocks += [current] if current else []
    content, handles = b"", {}
    for block in blocks:
        stored = _block(block)
        keys.append(list(block)[-1])
        handles[keys[-1]] = varint(len(content)) + varint(len(stored) - 5)
        content += stored
    # TensorFlow writes a shorter key that lies behind the last one.
    last = keys[-1]
    handles = dict(list(handles.items())[:-1]) | {_successor(last): handles[last]}
    meta, index = _block({}), _block(handles, restart=1)
    footer = varint(len(content)) + varint(len(meta) - 5)
    footer += varint(len(content) + len(meta)) + varint(len(index) - 5)
    footer = footer.ljust(40, b"\0") + struct.pack("<Q", _MAGIC_OF_TABLES)
    return content + meta + index + footer


def _successor(key):
    return bytes([key[0] + 1]) if key else key


def _block(entries, restart=_RESTART):
    content, restarts, previous = b"", [0], b""
    for i, (key, value) in enumerate(entries.items()):
        shared = 0
        if i % restart:
            while shared < min(len(key), len(previous)) and key[shared] == previous[shared]:
                shared += 1
        elif i:
            restarts.append(len(content))
        content += varint(shared) + varint(len(key) - shared) + varint(len(value))
        content += key[shared:] + value
        previous = key
    content += struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts)) + b"\0"
    return content + struct.pack("<I", masked_crc32c(content))


def varint(value):
    stored = b""
    while value > 127:
        stored += bytes([value & 127 | 128])
        value >>= 7
    return stored + bytes([value])


def _number(field, value):
    return varint(field << 3) + varint(value) if value else b""


def _message(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def masked_crc32c(data):
    """Bit by bit, unlike that of the reader."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
