"""From a model directory to all that an encoder needs, by way of a cache that makes it instant.

The cache has two kinds of files. `start/*`: one for each directory, what its files say and the
compiled tokenizer; it counts as long as no file of the directory, nor of this package, has another
size, time or place on the disk. `packed/*`: packed weights, named by the hash of the weights, so
that copies of a model share them. Whatever is missing is read from the directory, and then stored.
"""

from __future__ import annotations

import marshal
import mmap
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from fastbert import cache_files
from fastbert._native import _core, _wordpiece
from fastbert.model import EncoderConfig, Normalize, SentenceModules
from fastbert.tokenization.wordpiece import WordPieceTokenizer
from fastbert.tokenizer import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Signature = tuple[tuple[Any, ...], ...]
    Weights = dict[str, NDArray[np.float32]]

__all__ = ["ModelFiles", "compute_types"]

_START, _PACKED = "start", "packed"
_MARSHAL_VERSION = 4  # what every supported Python reads
_MOST_FILES = 300  # of a model directory; what has more is something else
_MOST_DEPTH = 4
_ALIGNMENT = 64
_FOLDERS = (
    "checkpoints",
    "families",
    "tokenization",
)  # of this package, whose code decides what is read

# A file may change twice within one tick of the file system's clock and look the same. What is so
# new is not remembered: the next start will.
_SETTLED_NS = 50_000_000


def compute_types() -> tuple[str, ...]:
    """What an encoder can compute with."""
    return tuple(_core.compute_types())


class ModelFiles:
    """A model directory, read from the cache or from its files.

    `plain` leaves aside what the directory says beyond the transformer itself.

    Attributes:
        directory: as given.
        config: the sizes of the network.
        modules: what surrounds it.
        tokenizer: its tokenizer.
        maps_packed: whether the last `native_encoder` works on a file in the cache.
    """

    maps_packed = False

    def __init__(self, directory: str, *, plain: bool = False) -> None:
        """Read all but the weights.

        Raises:
            ConfigError, WeightsError: if the files are damaged or not supported.
        """
        self.directory = directory
        self._state = _State(directory, plain)
        self._start = _Start.find(self._state)
        if self._start is not None:
            self.modules = self._start.modules(directory)
            self.config = EncoderConfig(*self._start.values["config"])
            self.tokenizer = self._start.tokenizer(self.modules.transformer)
        else:
            from fastbert.config import read_config
            from fastbert.modules import plain_modules, read_modules

            self.modules = plain_modules(directory) if plain else read_modules(directory)
            self.config = read_config(self.modules.transformer)
            self.tokenizer = Tokenizer.from_pretrained(self.modules.transformer)

    def native_encoder(self, compute_type: str, threads: int) -> _core.Encoder:
        """The native encoder of these weights, packed ones from the cache if they are there.

        Raises:
            WeightsError: if the weights are damaged or do not fit the configuration.
        """
        weights = None if self._start is None else self._start.weights(self.modules.transformer)
        if self._start is not None and weights is not None:
            digest = self._start.values["digest"]
        else:
            from fastbert.weights import load_weights

            weights = load_weights(self.modules.transformer, self.config)
            digest = self._digest(weights)
        name = f"{digest}-{_core.PACKED_LAYOUT}-{_core.isa()}-{compute_type}"
        packed = None if digest is None else cache_files.fetch(_PACKED, name)
        config = self.config._asdict()
        options: dict[str, Any] = {"threads": threads, "compute_type": compute_type}
        size = _core.packed_bytes(config, compute_type=compute_type)
        self.maps_packed = packed is not None and len(packed) == size
        if self.maps_packed:
            return _core.Encoder(config, weights, packed=packed, **options)
        native = _core.Encoder(config, weights, **options)
        # The weights are read once more while they are packed, and whoever has changed a file in
        # place meanwhile must not give others its weights under the hash of the old ones.
        if digest is not None and self._state.unchanged():
            cache_files.store(_PACKED, name, native.packed)
        return native

    def _digest(self, weights: Weights) -> str | None:
        """The hash of weights just read; None where packed ones are not kept."""
        if self._start is not None:
            # Whoever has replaced a file meanwhile must not find its weights under the old hash.
            known: str = self._start.values["digest"]
            return known if self._state.unchanged() else None
        if not (self._state.usable() and cache_files.can_store(_START)):
            return None
        digest = _hash(self.config, weights)
        if self._state.unchanged():
            _Start.store(self._state, self, digest)
            return digest
        return None


class _State:
    """A directory at one moment: which files it has, and what the system says about each."""

    def __init__(self, directory: str, plain: bool) -> None:
        self.directory = os.path.realpath(directory)
        self.files = _signature(self.directory)
        self.code = _code_signature()
        package = os.path.dirname(os.path.abspath(__file__))
        # Two installations that share a file would only take turns in writing it.
        kind = "plain" if plain else "sentence"
        self.key = "\n".join((self.directory, kind, package, str(sys.implementation.cache_tag)))

    @property
    def name(self) -> str:
        key = np.frombuffer(os.fsencode(self.key), np.uint8)
        return f"{_core.checksum(key, 1):016x}"

    def usable(self) -> bool:
        """Whether the system tells enough, and all files are old enough to tell changes."""
        if self.files is None or self.code is None:
            return False
        newest = max((file[-1] for file in self.files), default=0)
        return newest < time.time_ns() - _SETTLED_NS

    def unchanged(self) -> bool:
        return self.files == _signature(self.directory)


def _signature(directory: str) -> Signature | None:
    """Path, inode, size and times of every file below a directory; None if there are too many."""
    found: list[tuple[Any, ...]] = []
    folders = [("", 0)]
    try:
        while folders:
            folder, depth = folders.pop()
            with os.scandir(os.path.join(directory, folder)) as entries:
                for entry in entries:
                    path = os.path.join(folder, entry.name)
                    if entry.is_dir():
                        folders.append((path, depth + 1))
                    else:
                        found.append((path, *_stamp(entry.path)))
            if len(found) + len(folders) > _MOST_FILES or depth > _MOST_DEPTH:
                return None
    except OSError:
        return None
    return tuple(sorted(found))


def _code_signature() -> Signature | None:
    """The same of this package: another release may read the same files in another way."""
    try:
        package = os.path.dirname(os.path.abspath(__file__))
        paths = []
        for folder in ("", *_FOLDERS):
            with os.scandir(os.path.join(package, folder)) as entries:
                paths += [entry.path for entry in entries if entry.name.endswith(".py")]
        paths += [_core.__file__, _wordpiece.__file__]
        return tuple(sorted((path, *_stamp(path)) for path in paths))
    except OSError:
        return None


def _stamp(file: str | int) -> tuple[int, ...]:
    state = os.stat(file)
    return state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _hash(config: EncoderConfig, weights: Weights) -> str:
    """The SHA-256 of everything that packed weights depend on but the machine."""
    import hashlib

    digest = hashlib.sha256(repr(config).encode())
    for name, array in weights.items():
        digest.update(f"{name} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()[:32]


class _Start:
    """A file of `start/`: plain values, and the vocabulary and the tables of WordPiece.

    The values are in Python's own form, marshal, as those of .pyc files, and trusted as far: the
    file has our checksum, and nobody else could have written it.
    """

    def __init__(self, values: dict[str, Any], parts: list[NDArray[np.uint8]]) -> None:
        self.values = values
        self._parts = parts

    @classmethod
    def find(cls, state: _State) -> _Start | None:
        if state.files is None or state.code is None:
            return None
        content = cache_files.fetch(_START, state.name)
        if content is None:
            return None
        try:
            values, *parts = _split(content)
            found = cls(marshal.loads(values.tobytes()), parts)
        except (EOFError, ValueError, TypeError):
            return None
        now = {"key": state.key, "code": state.code, "files": state.files}
        return found if all(found.values.get(name) == now[name] for name in now) else None

    @classmethod
    def store(cls, state: _State, model: ModelFiles, digest: str) -> None:
        transformer = os.path.relpath(model.modules.transformer, model.directory)
        compiled = model.tokenizer.compiled()
        tokenizer, *tables = (None,) if compiled is None else compiled
        values = {
            "key": state.key,
            "code": state.code,
            "files": state.files,
            "digest": digest,
            "config": tuple(model.config),
            "modules": _plain_modules(model.modules, transformer),
            "tensors": _tensors(model),
            "tokenizer": tokenizer,
        }
        content = marshal.dumps(values, _MARSHAL_VERSION)
        cache_files.store(_START, state.name, _join((content, *tables)))

    def modules(self, directory: str) -> SentenceModules:
        plain = self.values["modules"]
        if plain is None:
            from fastbert.modules import read_modules

            return read_modules(directory)
        transformer = os.path.normpath(os.path.join(directory, plain["transformer"]))
        after = (Normalize(),) * plain["after"]
        return SentenceModules(**{**plain, "transformer": transformer, "after": after})

    def tokenizer(self, transformer: str) -> Tokenizer:
        values = self.values["tokenizer"]
        if values is None:
            return Tokenizer.from_pretrained(transformer)
        return WordPieceTokenizer.from_compiled(values, *self._parts)

    def weights(self, transformer: str) -> Weights | None:
        """The tensors as views of the mapped files; None if that needs a closer look at them."""
        if self.values["tensors"] is None:
            return None
        files, places = self.values["tensors"]
        try:
            data = [_map_weights(os.path.join(transformer, path), stamp) for path, stamp in files]
        except (OSError, ValueError):
            return None
        return {
            name: np.ndarray(shape, np.float32, data[file], start)
            for name, (file, start, shape) in places.items()
        }


def _plain_modules(modules: SentenceModules, transformer: str) -> dict[str, Any] | None:
    """The modules as plain values; None if some have weights of their own."""
    if not all(isinstance(module, Normalize) for module in modules.after):
        return None
    return {**modules._asdict(), "transformer": transformer, "after": len(modules.after)}


def _tensors(model: ModelFiles) -> tuple[Any, ...] | None:
    """Files, and where in them each tensor lies; None if some are not stored as they are used."""
    from fastbert.weights import find_weights

    files: dict[str, int] = {}
    places = {}
    for ours, (file, name, shape) in find_weights(model.modules.transformer, model.config).items():
        info = file.info(name)
        if not info.is_plain_float32:
            return None
        index = files.setdefault(file.path.name, len(files))
        places[ours] = (index, info.start, shape)
    folder = model.modules.transformer
    stamps = tuple((name, _stamp(os.path.join(folder, name))) for name in files)
    return stamps, places


def _map_weights(path: str, stamp: tuple[int, ...]) -> mmap.mmap:
    with open(path, "rb") as file:
        # Somebody may have replaced it since its directory was looked at.
        if _stamp(file.fileno()) != stamp:
            raise ValueError(path)
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    data.madvise(mmap.MADV_RANDOM)  # single rows of the word table, and little else
    return data


def _join(parts: tuple[bytes, ...]) -> NDArray[np.uint8]:
    """One block: how many parts, the size of each, and the parts, aligned."""
    sizes = np.array([len(parts), *map(len, parts)], np.int64).tobytes()
    padded = [part + bytes(-len(part) % _ALIGNMENT) for part in (sizes, *parts)]
    return np.frombuffer(b"".join(padded), np.uint8)


def _split(block: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The parts that `_join` has joined."""
    count = int(block[:8].view(np.int64)[0])
    sizes = block[8 : 8 + 8 * count].view(np.int64).tolist()
    begin = -(-8 * (count + 1) // _ALIGNMENT) * _ALIGNMENT
    parts = []
    for size in sizes:
        parts.append(block[begin : begin + size])
        begin += -(-size // _ALIGNMENT) * _ALIGNMENT
    return parts
