"""Which prompt goes before a text: the one that is given, or one of a model's by its name."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from fastbert.callers import callers_level

__all__ = ["choose_prompt", "named_prompt"]


def named_prompt(prompts: Mapping[str, str], name: str) -> str:
    """The prompt of that name.

    Raises:
        ValueError: if there is none; it lists the names.
    """
    if name not in prompts:
        raise ValueError(f"prompt_name is {name!r}, but this model has {sorted(prompts)}")
    return prompts[name]


def choose_prompt(
    prompts: Mapping[str, str], default: str | None, *, prompt: str | None, name: str | None
) -> str:
    """The text itself if it is given, else the prompt of that name, else of the default name.

    Raises:
        TypeError: if `prompt` is not a str.
        ValueError: if there is no prompt of that name.
    """
    if prompt is not None:
        if not isinstance(prompt, str):
            raise TypeError(f"prompt is a {type(prompt).__name__}, but must be a str")
        if name is not None:
            warnings.warn("prompt is used, prompt_name is ignored", stacklevel=callers_level())
        return prompt
    name = default if name is None else name
    return "" if name is None else named_prompt(prompts, name)
