"""The head of a task model: what turns the encoder's vectors into scores."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastbert.checkpoints import Checkpoint, open_checkpoint, read_float32
from fastbert.config import ACTIVATIONS, config_path
from fastbert.errors import WeightsError
from fastbert.families import FAMILIES, HeadLinear
from fastbert.json_files import JsonObject
from fastbert.model import Dense, EncoderConfig, LayerNorm
from fastbert.weights import checkpoint_names

__all__ = ["Head", "read_head"]

Head = tuple[Dense | LayerNorm, ...]


def read_head(
    directory: str | PathLike[str], config: EncoderConfig, name: str, *, outputs: int | None = None
) -> Head:
    """Read one head of a model directory.

    Args:
        directory: the model directory.
        config: the sizes of its encoder.
        name: a key of `Family.heads`: pooler, sequence_classification, token_classification,
            masked_lm, question_answering or next_sentence.
        outputs: how many scores the head must give; None takes what it gives.

    Returns:
        Modules that take vectors of `config.hidden_size` and are applied one after the other.

    Raises:
        WeightsError: if the family has no such head, or the checkpoint lacks a tensor of it, or has
            one of a wrong shape.
    """
    family = FAMILIES[config.model_type]
    if name not in family.heads:
        raise WeightsError(
            f"{directory}: a {family.model_type} model has no {name} head, "
            f"expected one of {', '.join(family.heads)}"
        )
    reader = _Reader(Path(directory), config, name)
    width = config.hidden_size
    modules: list[Dense | LayerNorm] = []
    for step in family.heads[name]:
        module = (
            reader.linear(step, width)
            if isinstance(step, HeadLinear)
            else reader.norm(step.name, width)
        )
        modules.append(module)
        width = len(module.weight) if isinstance(module, Dense) else width
    if outputs is not None and width != outputs:
        raise WeightsError(f"{directory}: the {name} head gives {width} scores, expected {outputs}")
    return tuple(modules)


class _Reader:
    """The tensors of one head."""

    def __init__(self, directory: Path, config: EncoderConfig, head: str) -> None:
        self._directory = directory
        self._config = config
        self._head = head
        self._family = FAMILIES[config.model_type]
        self._checkpoint: Checkpoint = open_checkpoint(directory)
        self._names = checkpoint_names(directory, self._checkpoint, self._family)

    def linear(self, step: HeadLinear, inputs: int) -> Dense:
        """One linear layer of the head."""
        name, biases = step.weight, step.biases
        if step.tied and self._ties_word_embeddings():
            name = self._family.anchor
        elif step.tied:
            biases = biases[::-1]  # then the decoder's own bias counts, as in transformers
        weight = self._tensor(name)
        if weight.ndim != 2 or weight.shape[1] != inputs:
            raise self._shape_error(name, weight, f"(outputs, {inputs})")
        bias = self._tensor(*biases)
        if bias.shape != weight.shape[:1]:
            raise self._shape_error(biases[0], bias, f"({len(weight)},)")
        return Dense(weight, bias, self._activation(step.activation))

    def norm(self, name: str, width: int) -> LayerNorm:
        """One layer norm of the head."""
        gamma, beta = self._tensor(f"{name}.weight"), self._tensor(f"{name}.bias")
        for array in (gamma, beta):
            if array.shape != (width,):
                raise self._shape_error(name, array, f"({width},)")
        return LayerNorm(gamma, beta, self._config.layer_norm_eps)

    def _activation(self, name: str) -> str:
        return self._config.hidden_act if name == "hidden_act" else ACTIVATIONS.get(name, name)

    def _ties_word_embeddings(self) -> bool:
        path = config_path(self._directory)
        return not path.exists() or JsonObject.read(path).boolean("tie_word_embeddings", True)

    def _tensor(self, *names: str) -> NDArray[np.float32]:
        """The first of these tensors that is there."""
        for name in names:
            full_name = self._names.get(name)
            if full_name is not None:
                return read_float32(self._checkpoint[full_name], full_name)
        raise WeightsError(
            f"{self._directory} has no {self._head} head: its weights lack the tensor {names[0]!r}"
        )

    def _shape_error(self, name: str, array: NDArray[np.float32], expected: str) -> WeightsError:
        return WeightsError(
            f"{self._directory}: tensor {name!r} of the {self._head} head has shape {array.shape}, "
            f"expected {expected}"
        )
