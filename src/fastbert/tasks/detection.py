"""Which task a model directory was made for, by what its files say."""

from __future__ import annotations

from pathlib import Path

from fastbert.errors import ConfigError
from fastbert.json_files import JsonObject, read_json
from fastbert.tasks import TASKS

__all__ = ["check_task", "task_of"]

# What config_sentence_transformers.json calls the models of sentence-transformers' classes.
_MODEL_TYPES = {"CrossEncoder": "text-ranking", "SparseEncoder": "sparse-encoding"}

# Keys of config.json by which releases of sentence-transformers mark a cross-encoder.
_CROSS_ENCODER_KEYS = ("sentence_transformers", "sbert_ce_default_activation_function")

# Pre-trained with all heads at once, and a start for any task.
_GENERAL = "ForPreTraining"


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
    file = JsonObject.read(folder / "config.json")
    task = _task_of_config(file)
    if task is None:
        named = ", ".join(_architectures(file)) or "none"
        raise _encoder_error(file.path, f"the architectures {named}")
    return task


def check_task(file: JsonObject, task: str) -> None:
    """Refuse a model for another task, whose tensors may have the names and shapes of this one's.

    Args:
        file: its config.json.
        task: a key of `TASKS`.

    Raises:
        ConfigError: if its `architectures` name another task and not this one, or are no names.
    """
    names = _architectures(file)
    known = (*TASKS[task].suffixes, _GENERAL)
    other = _task_of_config(file)
    if other is not None and not any(name.endswith(known) for name in names):
        raise ConfigError(
            f"{file.path} names the architectures {', '.join(names)}: a model for "
            f"fastbert.{TASKS[other].class_name}, not for {TASKS[task].class_name}"
        )


def _task_of_modules(path: Path) -> str:
    listed = read_json(path)
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and str(entry.get("type")).endswith(".SpladePooling"):
            return "sparse-encoding"
    raise _encoder_error(path, "a pooling")


def _architectures(file: JsonObject) -> list[str]:
    listed = file.get("architectures", [])
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise file.error("architectures", "a list of names")
    return [str(name) for name in listed]


def _task_of_config(file: JsonObject) -> str | None:
    for architecture in _architectures(file):
        for task, entry in TASKS.items():
            if architecture.endswith(entry.suffixes):
                is_ranker = any(file.get(key) is not None for key in _CROSS_ENCODER_KEYS)
                marked = task == "text-classification" and is_ranker
                return "text-ranking" if marked else task
    return None


def _encoder_error(path: Path, fact: str) -> ConfigError:
    from fastbert.modules import encoder_error

    names = ", ".join(TASKS)
    return ConfigError(
        f"{encoder_error(path, fact)}; a task that is known all the same can be named: {names}"
    )
