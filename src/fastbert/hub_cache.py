"""The Hugging Face cache on disk, read without its client, which takes long to import."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from fastbert.errors import ConfigError
from fastbert.own_cache import expanded, user_cache

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["REVISION", "hub_cache", "may_lack_modules", "missing_file", "snapshot_of"]

# A branch, tag or commit that is safe as a path.
REVISION = r"(?a:(?!.*\.\.)[\w.-][\w./-]*)"

_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_VOCABULARIES = (
    ("tokenizer.json",),
    ("vocab.txt",),
    ("vocab.json", "merges.txt"),
    ("sentencepiece.bpe.model",),
    ("spiece.model",),
    ("spm.model",),
)


def hub_cache() -> str:
    """Where huggingface_hub keeps its files, by the rules of huggingface_hub."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(variable):
            return expanded(os.path.expandvars(os.environ[variable]))
    home = os.environ.get("HF_HOME")
    base = expanded(os.path.expandvars(home)) if home else os.path.join(user_cache(), "huggingface")
    return os.path.join(base, "hub")


def snapshot_of(repository: str, revision: str) -> str | None:
    """The directory of a revision in a cached repository, if it is there."""
    try:
        with open(os.path.join(repository, "refs", revision), encoding="ascii") as file:
            commit = file.read().strip()
    except (OSError, UnicodeDecodeError):
        commit = revision  # perhaps a commit already
    if not commit or not re.fullmatch(REVISION, commit):
        return None
    snapshot = os.path.join(repository, "snapshots", commit)
    return snapshot if os.path.isdir(snapshot) else None


def missing_file(directory: str) -> str | None:
    """What a directory, perhaps fetched in part by another program, lacks to be a model."""
    transformer = ""
    for i, (kind, folder) in enumerate(_modules(directory)):
        if i == 0:
            transformer = folder
        elif kind in ("Pooling", "Dense") and not _has(directory, folder, "config.json"):
            return f"{folder}/config.json"
        if kind == "Dense":
            missing = _missing_weights(directory, folder)
            if missing is not None:
                return missing
    if not _has(directory, transformer, "config.json"):
        return os.path.join(transformer, "config.json")
    return _missing_weights(directory, transformer) or _missing_vocabulary(directory, transformer)


def _missing_weights(directory: str, folder: str) -> str | None:
    """What the weights of a folder lack, in the form that is loaded: the first one found."""
    found = next((name for name in _WEIGHTS if _has(directory, folder, name)), None)
    if found is None:
        return os.path.join(folder, _WEIGHTS[0])
    if not found.endswith(".index.json"):
        return None
    shards = _shards(os.path.join(directory, folder, found))
    if not shards:
        return f"usable {os.path.join(folder, found)}"
    missing = (name for name in shards if not _has(directory, folder, name))
    return next((os.path.join(folder, name) for name in missing), None)


def _shards(index: str) -> list[str]:
    """The files that an index of weights names; none if it is damaged (see checkpoints)."""
    listed = _read_json(index)
    weight_map = listed.get("weight_map") if isinstance(listed, dict) else None
    names = list(weight_map.values()) if isinstance(weight_map, dict) else []
    return list(dict.fromkeys(names)) if all(isinstance(name, str) for name in names) else []


def _missing_vocabulary(directory: str, folder: str) -> str | None:
    if any(all(_has(directory, folder, name) for name in names) for names in _VOCABULARIES):
        return None
    return os.path.join(folder, _VOCABULARIES[0][0])


def _has(*parts: str) -> bool:
    return os.path.exists(os.path.join(*parts))


def _modules(directory: str) -> Iterator[tuple[str, str]]:
    """Kind and folder of the modules; nothing if there is no usable list (see modules.py)."""
    listed = _read_json(os.path.join(directory, "modules.json"))
    for entry in listed if isinstance(listed, list) else ():
        folder = entry.get("path") if isinstance(entry, dict) else None
        if isinstance(folder, str) and "\0" not in folder:
            yield str(entry.get("type")).rpartition(".")[2], folder


def _read_json(path: str) -> object:
    """What a JSON file holds; None if it is missing or damaged."""
    from pathlib import Path

    from fastbert.json_files import read_json

    try:
        return read_json(Path(path))
    except ConfigError:
        return None


def may_lack_modules(snapshot: str) -> bool:
    """Whether modules.json may exist on the hub though it is not here.

    transformers fetches the encoder and nothing else. Without its modules.json a model that pools
    the first token would be averaged: plausible numbers, all wrong. The hub's client leaves a mark
    when it has asked for a file that does not exist.
    """
    if _has(snapshot, "modules.json"):
        return False
    snapshots, commit = os.path.split(snapshot)
    return not _has(os.path.dirname(snapshots), ".no_exist", commit, "modules.json")
