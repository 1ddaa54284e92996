"""The modules that a sentence-transformers directory may apply to the pooled vectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastbert.errors import ConfigError
from fastbert.json_files import JsonObject, shown
from fastbert.model import Dense, LayerNorm, Normalize
from fastbert.safetensors import open_safetensors
from fastbert.weights import read_float32

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
    weights = open_safetensors(_weights_path(directory))
    expected = {"linear.weight": shape, "linear.bias": shape[:1]}
    if not file.boolean("bias", True):
        del expected["linear.bias"]
    _check_names(weights.path, set(weights), set(expected))
    arrays = {name: read_float32(weights, name, shape) for name, shape in expected.items()}
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
    weights = open_safetensors(_weights_path(directory))
    _check_names(weights.path, set(weights), {"norm.weight", "norm.bias"})
    gamma = read_float32(weights, "norm.weight", shape)
    return LayerNorm(gamma, read_float32(weights, "norm.bias", shape), _TORCH_LAYER_NORM_EPS)


def _read_normalize(directory: Path) -> Normalize:
    # The folder is often absent: git keeps no empty ones.
    if (directory / "config.json").exists():
        _refuse_other_features(JsonObject.read(directory / "config.json"))
    return Normalize()


def _refuse_other_features(file: JsonObject) -> None:
    for key in ("module_input_name", "module_output_name"):
        if file.get(key, "sentence_embedding") != "sentence_embedding":
            raise file.error(key, "'sentence_embedding': other inputs are not supported")


def _weights_path(directory: Path) -> Path:
    path = directory / "model.safetensors"
    if not path.exists() and (directory / "pytorch_model.bin").exists():
        raise ConfigError(
            f"{directory} has pytorch_model.bin but no model.safetensors, the only format that is "
            "read; save the model once with a recent sentence-transformers to convert it"
        )
    return path


def _check_names(path: Path, names: set[str], expected: set[str]) -> None:
    if names != expected:
        raise ConfigError(
            f"{path} has the tensors {shown(sorted(names))}, expected {', '.join(sorted(expected))}"
        )


# Kind of module -> how to read its folder.
READERS: dict[str, Callable[[Path], Dense | Normalize | LayerNorm]] = {
    "Dense": _read_dense,
    "Normalize": _read_normalize,
    "LayerNorm": _read_layer_norm,
}
