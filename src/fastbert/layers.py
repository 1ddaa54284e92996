"""The modules that a sentence-transformers directory may apply to the pooled vectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastbert.checkpoints import open_checkpoint, read_float32
from fastbert.errors import ConfigError
from fastbert.json_files import JsonObject, shown
from fastbert.model import Dense, LayerNorm, Normalize

__all__ = ["MAX_SIZE", "READERS"]

MAX_SIZE = 2**31 - 1

# Last part of the torch class -> our name of the formula.
_DENSE_ACTIVATIONS = {
    "Identity": "identity",
    "Tanh": "tanh",
    "ReLU": "relu",
    "GELU": "gelu",
    "Sigmoid": "sigmoid",
    "SiLU": "silu",
}

_TORCH_LAYER_NORM_EPS = 1e-5


def _read_dense(directory: Path) -> Dense:
    file = JsonObject.read(directory / "config.json")
    _refuse_other_features(file)
    if file.boolean("use_residual"):
        raise file.error("use_residual", "false: the residual form is not supported")
    shape = tuple(
        file.integer(key, minimum=1, maximum=MAX_SIZE) for key in ("out_features", "in_features")
    )
    expected = {"linear.weight": shape, "linear.bias": shape[:1]}
    if not file.boolean("bias", True):
        del expected["linear.bias"]
    arrays = _read_arrays(directory, expected)
    return Dense(arrays["linear.weight"], arrays.get("linear.bias"), _dense_activation(file))


def _dense_activation(file: JsonObject) -> str:
    dotted = file.text("activation_function", "torch.nn.modules.activation.Tanh")
    package, _, name = dotted.rpartition(".")
    if not package.startswith("torch.nn") or name not in _DENSE_ACTIVATIONS:
        supported = ", ".join(f"torch.nn.{name}" for name in _DENSE_ACTIVATIONS)
        raise file.error("activation_function", f"one of the supported ones: {supported}")
    return _DENSE_ACTIVATIONS[name]


def _read_layer_norm(directory: Path) -> LayerNorm:
    file = JsonObject.read(directory / "config.json")
    shape = (file.integer("dimension", minimum=1, maximum=MAX_SIZE),)
    arrays = _read_arrays(directory, {"norm.weight": shape, "norm.bias": shape})
    return LayerNorm(arrays["norm.weight"], arrays["norm.bias"], _TORCH_LAYER_NORM_EPS)


def _read_normalize(directory: Path) -> Normalize:
    # The folder is often absent: git keeps no empty ones.
    if (directory / "config.json").exists():
        _refuse_other_features(JsonObject.read(directory / "config.json"))
    return Normalize()


def _refuse_other_features(file: JsonObject) -> None:
    for key in ("module_input_name", "module_output_name"):
        if file.get(key, "sentence_embedding") != "sentence_embedding":
            raise file.error(key, "'sentence_embedding': other inputs are not supported")


def _read_arrays(
    directory: Path, expected: dict[str, tuple[int, ...]]
) -> dict[str, NDArray[np.float32]]:
    """Exactly the tensors of these names and shapes."""
    checkpoint = open_checkpoint(directory)
    if set(checkpoint) != set(expected):
        path = next((file.path for file in checkpoint.values()), directory)
        raise ConfigError(
            f"{path} has the tensors {shown(sorted(checkpoint))}, "
            f"expected {', '.join(sorted(expected))}"
        )
    return {name: read_float32(checkpoint[name], name, shape) for name, shape in expected.items()}


# Kind of module -> how to read its folder.
READERS: dict[str, Callable[[Path], Dense | Normalize | LayerNorm]] = {
    "Dense": _read_dense,
    "Normalize": _read_normalize,
    "LayerNorm": _read_layer_norm,
}
