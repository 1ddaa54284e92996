"""Which prompt goes before a text: the one that is given, or one of a model's by its name."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from fastbert.callers import callers_level

__all__ = ["checked_prompts", "choose_prompt", "named_prompt", "with_task_prompt"]

# Task of a text -> names of its prompt, of which the first with a text counts.
_TASK_PROMPTS = {"query": ("query",), "document": ("document", "passage", "corpus")}


def checked_prompts(prompts: Mapping[str, str] | None) -> dict[str, str]:
    """A copy of the prompts that a user gave, if any: name -> text.

    Raises:
        TypeError: if `prompts` is not a mapping of str to str.
    """
    if prompts is None:
        return {}
    if not isinstance(prompts, Mapping):
        raise TypeError(
            f"prompts is a {type(prompts).__name__}, but must be a dictionary of names and texts"
        )
    for name, text in prompts.items():
        if not isinstance(name, str):
            raise TypeError(f"a prompt's name is a {type(name).__name__}, but must be a str")
        if not isinstance(text, str):
            raise TypeError(f"the prompt {name!r} is a {type(text).__name__}, but must be a str")
    return dict(prompts)


def named_prompt(prompts: Mapping[str, str], name: str, argument: str = "prompt_name") -> str:
    """The prompt of that name, which the user gave as `argument`.

    Raises:
        TypeError: if the name is not a str.
        ValueError: if there is none; it lists the names.
    """
    if not isinstance(name, str):
        raise TypeError(f"{argument} is a {type(name).__name__}, but must be a str")
    if name not in prompts:
        raise ValueError(f"{argument} is {name!r}, but this model has {sorted(prompts)}")
    return prompts[name]


def choose_prompt(
    prompts: Mapping[str, str], default: str | None, *, prompt: str | None, name: str | None
) -> str:
    """The text itself if it is given, else the prompt of that name, else of the default name.

    Raises:
        TypeError: if `prompt` or the name is not a str.
        ValueError: if there is no prompt of that name.
    """
    if prompt is not None:
        if not isinstance(prompt, str):
            raise TypeError(f"prompt is a {type(prompt).__name__}, but must be a str")
        if name is not None:
            warnings.warn("prompt is used, prompt_name is ignored", stacklevel=callers_level())
        return prompt
    if name is not None:
        return named_prompt(prompts, name)
    return "" if default is None else named_prompt(prompts, default, "default_prompt_name")


def with_task_prompt(
    options: dict[str, Any], prompts: Mapping[str, str], task: str
) -> dict[str, Any]:
    """The options of `encode`, with the prompt of a task where they name none.

    Args:
        options: as given, which may have a `prompt` or a `prompt_name`.
        prompts: those of the model.
        task: query or document.
    """
    if options.get("prompt_name") is not None or options.get("prompt") is not None:
        return options
    name = next((name for name in _TASK_PROMPTS[task] if prompts.get(name)), task)
    return {**options, "prompt_name": name}
