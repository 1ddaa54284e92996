"""The Hugging Face cache on disk, read without its client, which takes long to import."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from fastbert.errors import ConfigError
from fastbert.json_files import read_json

__all__ = [
    "REVISION",
    "expanded",
    "hub_cache",
    "may_lack_modules",
    "missing_file",
    "snapshot_of",
    "user_cache",
]

# A branch, tag or commit that is safe as a path.
REVISION = r"(?a:(?!.*\.\.)[\w.-][\w./-]*)"

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
)


def user_cache() -> Path:
    """Where programs of this user keep what can be fetched again."""
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache")


def expanded(path: str) -> Path:
    """A path with ~ and ~user replaced; Path.expanduser would raise for an unknown user."""
    return Path(os.path.expanduser(path))


def hub_cache() -> Path:
    """Where huggingface_hub keeps its files, by the rules of huggingface_hub."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(variable):
            return expanded(os.path.expandvars(os.environ[variable]))
    home = os.environ.get("HF_HOME")
    base = expanded(os.path.expandvars(home)) if home else user_cache() / "huggingface"
    return base / "hub"


def snapshot_of(repository: Path, revision: str) -> Path | None:
    """The directory of a revision in a cached repository, if it is there."""
    try:
        commit = (repository / "refs" / revision).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        commit = revision  # perhaps a commit already
    if not commit or not re.fullmatch(REVISION, commit):
        return None
    snapshot = repository / "snapshots" / commit
    return snapshot if snapshot.is_dir() else None


def missing_file(directory: Path) -> str | None:
    """What a directory, perhaps fetched in part by another program, lacks to be a model."""
    transformer = directory
    for i, (kind, folder) in enumerate(_modules(directory)):
        if i == 0:
            transformer = directory / folder
        elif kind in ("Pooling", "Dense") and not (directory / folder / "config.json").exists():
            return f"{folder}/config.json"
        if kind == "Dense" and not (directory / folder / "model.safetensors").exists():
            return f"{folder}/model.safetensors"
    for choice in (("config.json",), _WEIGHTS, _VOCABULARIES):
        if not any((transformer / name).exists() for name in choice):
            return choice[0]
    return None


def _modules(directory: Path) -> Iterator[tuple[str, str]]:
    """Kind and folder of the modules; nothing if there is no usable list (see modules.py)."""
    try:
        listed = read_json(directory / "modules.json")
    except ConfigError:
        return
    for entry in listed if isinstance(listed, list) else ():
        folder = entry.get("path") if isinstance(entry, dict) else None
        if isinstance(folder, str) and "\0" not in folder:
            yield str(entry.get("type")).rpartition(".")[2], folder


def may_lack_modules(snapshot: Path) -> bool:
    """Whether modules.json may exist on the hub though it is not here.

    transformers fetches the encoder and nothing else. Without its modules.json a model that pools
    the first token would be averaged: plausible numbers, all wrong. The hub's client leaves a mark
    when it has asked for a file that does not exist.
    """
    mark = snapshot.parent.parent / ".no_exist" / snapshot.name / "modules.json"
    return not (snapshot / "modules.json").exists() and not mark.exists()
