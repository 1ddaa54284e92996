"""How long an input may be, in tokens: room for a text at least, and a position for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fastbert.arguments import is_integer
from fastbert.attributes import Checked
from fastbert.errors import ConfigError

if TYPE_CHECKING:
    from fastbert.model import EncoderConfig
    from fastbert.tokenizer import Tokenizer

__all__ = ["LengthLimit", "stated_limit"]


class _Model(Protocol):
    config: EncoderConfig
    tokenizer: Tokenizer


class LengthLimit(Checked[int]):
    """The attribute of a model: how many tokens an input may have, special ones included."""

    def check(self, instance: _Model, value: int) -> None:
        """ValueError if the model cannot take inputs of that length."""
        least, most = _least(instance), instance.config.max_length
        if not is_integer(value) or not least <= value <= most:
            raise ValueError(
                f"{self.name} is {value!r}, but this model can take {least} to {most} tokens"
            )


def stated_limit(model: _Model, directory: str, stated: int | None) -> int:
    """The limit that a model's files state, or else as many tokens as it has positions.

    Raises:
        ConfigError: if that leaves no room for a text between the special tokens.
    """
    most = model.config.max_length
    limit = most if stated is None else min(stated, most)
    if limit < _least(model):
        raise ConfigError(
            f"{directory}: its files allow inputs of {limit} tokens, but a text takes at least "
            f"{_least(model)}, special ones included"
        )
    return limit


def _least(model: _Model) -> int:
    return 1 + sum(model.tokenizer.special_counts)
