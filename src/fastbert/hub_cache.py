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
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
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
        if kind == "Dense" and not any(_has(directory, folder, name) for name in _WEIGHTS):
            return f"{folder}/model.safetensors"
    for choice in (("config.json",), _WEIGHTS, _VOCABULARIES):
        if not any(_has(directory, transformer, name) for name in choice):
            return choice[0]
    return None


def _has(*parts: str) -> bool:
    return os.path.exists(os.path.join(*parts))


def _modules(directory: str) -> Iterator[tuple[str, str]]:
    """Kind and folder of the modules; nothing if there is no usable list (see modules.py)."""
    from pathlib import Path

    from fastbert.json_files import read_json

    try:
        listed = read_json(Path(directory) / "modules.json")
    except ConfigError:
        return
    for entry in listed if isinstance(listed, list) else ():
        folder = entry.get("path") if isinstance(entry, dict) else None
        if isinstance(folder, str) and "\0" not in folder:
            yield str(entry.get("type")).rpartition(".")[2], folder


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
