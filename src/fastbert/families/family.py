"""What a model family calls its configuration fields, its tensors and its heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Family", "Head", "HeadLinear", "HeadNorm", "head_linear", "linear", "norm"]


class HeadLinear(NamedTuple):
    """A linear layer of a head.

    Attributes:
        weight: the checkpoint's name of it.
        biases: possible names of its bias; the first that is there counts.
        activation: what follows it: a name of `fastbert.config.ACTIVATIONS`, "identity", or
            "hidden_act" for the encoder's own.
        tied: its weight is the word table, unless config.json says `tie_word_embeddings` false.
    """

    weight: str
    biases: tuple[str, ...]
    activation: str = "identity"
    tied: bool = False


class HeadNorm(NamedTuple):
    """A layer norm of a head, with the encoder's epsilon: the name before `.weight`, `.bias`."""

    name: str


Head = tuple[HeadLinear | HeadNorm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The names that checkpoints of one family use.

    Attributes:
        model_type: what config.json calls the family.
        architecture: how the class names in config.json's `architectures` begin.
        config_keys: our configuration field -> key in config.json, where that is another name.
        config_defaults: our configuration field -> value when config.json does not say.
        config_fixed: our configuration field -> value whatever config.json says.
        config_required: key in config.json -> the only value whose arithmetic is implemented.
        embeddings: our tensor -> checkpoint tensor, of all that is not in a layer.
        layer: our tensor of one layer -> checkpoint tensor below `layer_prefix`.
        layer_prefix: where layer `{i}` lies.
        heads: our name of a head -> its steps; see `fastbert.heads`.
        ignored: checkpoint tensors that are none of the encoder's: buffers and heads. A name that
            ends in a dot stands for everything below it.
    """

    model_type: str
    architecture: str
    config_keys: Mapping[str, str] = field(default_factory=dict)
    config_defaults: Mapping[str, str | int | float] = field(default_factory=dict)
    config_fixed: Mapping[str, int | float | None] = field(default_factory=dict)
    config_required: Mapping[str, int] = field(default_factory=dict)
    embeddings: Mapping[str, str]
    layer: Mapping[str, str]
    layer_prefix: str
    heads: Mapping[str, Head]
    ignored: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """The tensor whose full name in a checkpoint shows the prefix of all the others."""
        return self.embeddings["word_embeddings"]

    def tensor_name(self, ours: str) -> str:
        """The checkpoint's name, without prefix, of a tensor of the encoder."""
        if not ours.startswith("layers."):
            return self.embeddings[ours]
        _, index, name = ours.split(".", 2)
        return self.layer_prefix.format(i=index) + self.layer[name]

    def ignores(self, name: str) -> bool:
        """Whether a checkpoint tensor is known not to belong to the encoder."""
        return any(
            name.startswith(entry) if entry.endswith(".") else name == entry
            for entry in self.ignored
        )


def linear(ours: str, theirs: str) -> dict[str, str]:
    """The two entries of a linear layer in `Family.embeddings` or `Family.layer`."""
    return {f"{ours}.weight": f"{theirs}.weight", f"{ours}.bias": f"{theirs}.bias"}


def norm(ours: str, theirs: str) -> dict[str, str]:
    """The two entries of a layer norm."""
    return {f"{ours}.gamma": f"{theirs}.weight", f"{ours}.beta": f"{theirs}.bias"}


def head_linear(name: str, activation: str = "identity") -> HeadLinear:
    """A linear layer whose tensors are `name`.weight and `name`.bias."""
    return HeadLinear(f"{name}.weight", (f"{name}.bias",), activation)
