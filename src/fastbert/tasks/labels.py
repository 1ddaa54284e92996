"""The labels of a task model, and what kind of problem it solves, from its config.json."""

from __future__ import annotations

from pathlib import Path

from fastbert.config import config_path
from fastbert.json_files import JsonObject

__all__ = ["PROBLEM_TYPES", "read_config_file", "read_labels", "read_problem_type"]

PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")

_DEFAULT_COUNT = 2  # transformers' own for a file that names no labels
_MOST_LABELS = 1_000_000


def read_labels(file: JsonObject) -> list[str]:
    """The name of each label, by id: `id2label`, or LABEL_0, LABEL_1, ... as many as `num_labels`.

    Raises:
        ConfigError: if the ids are not 0, 1, 2, ... or a name is not a string.
    """
    named = file.get("id2label")
    if named is None:
        count = file.integer("num_labels", _DEFAULT_COUNT, minimum=1, maximum=_MOST_LABELS)
        return [f"LABEL_{i}" for i in range(count)]
    if not isinstance(named, dict) or not named:
        raise file.error("id2label", "an object: id -> name")
    labels = [named.get(str(i)) for i in range(len(named))]
    if not all(isinstance(label, str) for label in labels):
        raise file.error("id2label", f"names for the ids 0 to {len(named) - 1}")
    return [str(label) for label in labels]


def read_problem_type(file: JsonObject) -> str | None:
    """One of `PROBLEM_TYPES`, or None when config.json does not say."""
    problem = file.get("problem_type")
    if problem is None:
        return None
    if problem not in PROBLEM_TYPES:
        raise file.error("problem_type", f"one of {', '.join(PROBLEM_TYPES)}")
    return str(problem)


def read_config_file(directory: str) -> JsonObject:
    """config.json of a model directory, for what is not about the encoder."""
    return JsonObject.read(config_path(Path(directory)))
