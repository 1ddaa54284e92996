"""Which task a model directory was made for."""

from __future__ import annotations

from pathlib import Path

from fastbert.errors import ConfigError
from fastbert.json_files import JsonObject, read_json
from fastbert.tasks import TASKS

__all__ = ["task_of"]

# What config_sentence_transformers.json calls the models of sentence-transformers' classes.
_MODEL_TYPES = {"CrossEncoder": "text-ranking", "SparseEncoder": "sparse-encoding"}

# Keys of config.json by which releases of sentence-transformers mark a cross-encoder.
_CROSS_ENCODER_KEYS = ("sentence_transformers", "sbert_ce_default_activation_function")


def task_of(directory: str) -> str:
    """A key of `TASKS`.

    Raises:
        ConfigError: if the files are damaged, or are those of an encoder, or do not say.
    """
    folder = Path(directory)
    path = folder / "config_sentence_transformers.json"
    if path.exists():
        named = JsonObject.read(path).get("model_type")
        if isinstance(named, str) and named in _MODEL_TYPES:
            return _MODEL_TYPES[named]
    if (folder / "modules.json").exists():
        return _task_of_modules(folder / "modules.json")
    return _task_of_config(JsonObject.read(folder / "config.json"))


def _task_of_modules(path: Path) -> str:
    listed = read_json(path)
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and str(entry.get("type")).endswith(".SpladePooling"):
            return "sparse-encoding"
    raise _encoder_error(path, "a pooling")


def _task_of_config(file: JsonObject) -> str:
    listed = file.get("architectures", [])
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise file.error("architectures", "a list of names")
    architectures = [str(name) for name in listed]
    for architecture in architectures:
        for task, entry in TASKS.items():
            if architecture.endswith(entry.suffixes):
                is_ranker = any(file.get(key) is not None for key in _CROSS_ENCODER_KEYS)
                marked = task == "text-classification" and is_ranker
                return "text-ranking" if marked else task
    raise _encoder_error(file.path, f"the architectures {', '.join(architectures) or 'none'}")


def _encoder_error(path: Path, fact: str) -> ConfigError:
    return ConfigError(
        f"{path} names {fact}: an encoder for fastbert.load, without a head for a task; a task "
        f"that is known all the same can be named: {', '.join(TASKS)}"
    )
