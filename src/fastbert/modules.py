"""A sentence-transformers directory: pooling, the modules after it, and the prompts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from fastbert.errors import ConfigError
from fastbert.json_files import JsonObject, read_json, shown
from fastbert.layers import MAX_SIZE, READERS
from fastbert.model import Dense, LayerNorm, Normalize, SentenceModules
from fastbert.similarity import SIMILARITIES

__all__ = [
    "POOLING_MODES",
    "Dense",
    "LayerNorm",
    "Normalize",
    "SentenceModules",
    "encoder_error",
    "inside",
    "list_modules",
    "plain_modules",
    "read_modules",
    "read_prompts",
    "read_sentence_config",
    "read_transformer",
]

# Flag in the Pooling module's config.json -> our name of the pooling, in the order in which several
# pooled vectors are concatenated.
_POOLING_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
POOLING_MODES = tuple(_POOLING_FLAGS.values())

# The Transformer module's own file carries the name of its family.
_TRANSFORMER_FILES = (
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
)


def read_modules(directory: str | PathLike[str]) -> SentenceModules:
    """Read the sentence-transformers files of a model directory.

    A directory without modules.json is a plain transformer: its vectors are the mean of its tokens.

    Raises:
        ConfigError: if a file is damaged, or a module or a value is not supported.
        WeightsError: if the weights of a module are missing or damaged.
    """
    directory = Path(directory)
    if (directory / "modules.json").exists():
        entries = _module_entries(directory)
    else:
        entries = [("Transformer", directory)]
    transformer = entries[0][1]
    max_seq_length, do_lower_case = read_transformer(transformer)
    prompts, default_prompt_name, similarity = read_sentence_config(directory)
    pooling = _read_pooling(entries[1][1]) if len(entries) > 1 else _Pooling()
    return SentenceModules(
        transformer=os.fspath(transformer),
        max_seq_length=max_seq_length,
        do_lower_case=do_lower_case,
        pooling=pooling.modes,
        pooling_size=pooling.size,
        include_prompt=pooling.include_prompt,
        after=tuple(READERS[kind](path) for kind, path in entries[2:] if kind != "Dropout"),
        prompts=prompts,
        default_prompt_name=default_prompt_name,
        similarity=similarity,
    )


def plain_modules(directory: str | PathLike[str]) -> SentenceModules:
    """What surrounds a transformer that is used as it is: the input of a task's head."""
    return SentenceModules(
        transformer=os.fspath(directory),
        max_seq_length=None,
        do_lower_case=False,
        pooling=_Pooling().modes,
        pooling_size=None,
        include_prompt=True,
        after=(),
        prompts={},
        default_prompt_name=None,
        similarity="cosine",
    )


def _module_entries(directory: Path) -> list[tuple[str, Path]]:
    """Kind and directory of each module: a Transformer, a Pooling, then any others."""
    path = directory / "modules.json"
    supported = ("Transformer", "Pooling", *READERS, "Dropout")
    entries = list_modules(directory, supported)
    kinds = [kind for kind, _ in entries]
    if kinds[:2] != ["Transformer", "Pooling"] or set(kinds[2:]) & {"Transformer", "Pooling"}:
        raise ConfigError(
            f"{path} lists the modules {', '.join(kinds) or 'none'}, "
            "expected a Transformer, then a Pooling, then any others"
        )
    return entries


def list_modules(directory: Path, supported: Sequence[str]) -> list[tuple[str, Path]]:
    """Kind and directory of each module in modules.json.

    Raises:
        ConfigError: if the file is damaged, or a kind is not out of `supported`.
    """
    path = directory / "modules.json"
    listed = read_json(path)
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise ConfigError(f"{path} holds {shown(listed)}, expected a list of objects")
    return [_module_entry(directory, JsonObject(path, entry), supported) for entry in listed]


def _module_entry(directory: Path, entry: JsonObject, supported: Sequence[str]) -> tuple[str, Path]:
    # Old and new releases agree only on the last part of the class name.
    kind = entry.text("type").rpartition(".")[2]
    if kind == "Pooling" and kind not in supported:
        raise encoder_error(entry.path, "a pooling")
    if kind not in supported:
        raise entry.error("type", f"one of the supported modules: {', '.join(supported)}")
    folder = inside(directory, entry.text("path", ""))
    if folder is None:
        raise entry.error("path", "a folder inside the model directory")
    return kind, folder


def encoder_error(path: Path, fact: str) -> ConfigError:
    """The exception which says that a file, by what it names, is that of an encoder."""
    return ConfigError(
        f"{path} names {fact}: an encoder for fastbert.load, without a head for a task"
    )


def inside(directory: Path, folder: str) -> Path | None:
    """A folder of a model directory; None if it would lie outside."""
    path = PurePosixPath(folder)
    if path.is_absolute() or ".." in path.parts or "\0" in folder:
        return None
    return directory / path


def read_transformer(directory: Path) -> tuple[int | None, bool]:
    """max_seq_length and do_lower_case of a Transformer module."""
    for name in _TRANSFORMER_FILES:
        if (directory / name).exists():
            file = JsonObject.read(directory / name)
            length = None
            if file.get("max_seq_length") is not None:
                length = file.integer("max_seq_length", minimum=1, maximum=MAX_SIZE)
            return length, file.boolean("do_lower_case")
    return None, False


class _Pooling(NamedTuple):
    modes: tuple[str, ...] = ("mean",)
    size: int | None = None
    include_prompt: bool = True


def _read_pooling(directory: Path) -> _Pooling:
    file = JsonObject.read(directory / "config.json")
    size = None
    for key in ("word_embedding_dimension", "embedding_dimension"):
        if file.get(key) is not None:
            size = file.integer(key, minimum=1, maximum=MAX_SIZE)
    return _Pooling(_pooling_modes(file), size, file.boolean("include_prompt", True))


def _pooling_modes(file: JsonObject) -> tuple[str, ...]:
    named = file.get("pooling_mode")
    if named is None:
        modes = [mode for flag, mode in _POOLING_FLAGS.items() if file.boolean(flag)]
        return tuple(modes) or ("mean",)
    if isinstance(named, str):
        named = [named]
    if not isinstance(named, list) or not named or not all(isinstance(m, str) for m in named):
        raise file.error("pooling_mode", "a name or a list of names")
    modes = [mode.removesuffix("_tokens") for mode in named]
    if not set(modes) <= set(POOLING_MODES):
        raise file.error("pooling_mode", f"names out of {', '.join(POOLING_MODES)}")
    return tuple(modes)


def read_sentence_config(
    directory: Path, similarity: str = "cosine"
) -> tuple[dict[str, str], str | None, str]:
    """Prompts, the name of the usual one or None, and a similarity if the directory has none."""
    path = directory / "config_sentence_transformers.json"
    if not path.exists():
        return {}, None, similarity
    file = JsonObject.read(path)
    prompts, default = read_prompts(file)
    similarity = file.text("similarity_fn_name", similarity)
    if similarity not in SIMILARITIES:
        raise file.error("similarity_fn_name", f"one of {', '.join(SIMILARITIES)}")
    return prompts, default, similarity


def read_prompts(file: JsonObject) -> tuple[dict[str, str], str | None]:
    """Prompts and the name of the default one, from config_sentence_transformers.json."""
    prompts = file.get("prompts", {})
    if not isinstance(prompts, dict):
        raise file.error("prompts", "an object: name -> text")
    for name, text in prompts.items():
        if text is not None and not isinstance(text, str):
            raise ConfigError(
                f"{file.path}: the prompt {shown(name)} is {shown(text)}, expected a string"
            )
    default = file.get("default_prompt_name")
    if default is not None and (not isinstance(default, str) or default not in prompts):
        raise file.error("default_prompt_name", f"one of the prompts {list(prompts)}")
    return {name: text or "" for name, text in prompts.items()}, default
