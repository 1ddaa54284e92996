"""The encoder's tensors under our names, from the safetensors files of a model directory."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastbert.config import EncoderConfig
from fastbert.errors import ConfigError, WeightsError
from fastbert.families import FAMILIES, Family
from fastbert.json_files import JsonObject, shown
from fastbert.safetensors import SafetensorsFile, open_safetensors

__all__ = [
    "Checkpoint",
    "Source",
    "find_weights",
    "load_weights",
    "open_checkpoint",
    "read_float32",
    "tensor_shapes",
]

_FILE = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")

Checkpoint = dict[str, SafetensorsFile]  # name of a tensor -> the file that holds it
Source = tuple[SafetensorsFile, str, tuple[int, ...]]


def load_weights(
    directory: str | PathLike[str], config: EncoderConfig
) -> dict[str, NDArray[np.float32]]:
    """Load every tensor of the encoder.

    Tensors stored as float32 are views of a memory map: nothing is copied, and processes that load
    the same file share its pages. Tensors stored as float16 or bfloat16 are converted.

    Returns:
        Our name -> read-only C-contiguous float32 array, of the shapes of `tensor_shapes(config)`.

    Raises:
        WeightsError: if a file is missing or damaged, or a tensor is missing, unknown, of the wrong
            shape or of a type other than F32, F16, BF16.
    """
    return {
        ours: read_float32(file, name, shape)
        for ours, (file, name, shape) in find_weights(directory, config).items()
    }


def find_weights(directory: str | PathLike[str], config: EncoderConfig) -> dict[str, Source]:
    """Where every tensor of the encoder lies: our name -> file, name in the file, shape.

    Raises:
        WeightsError: as `load_weights`, but for the types and shapes in the file.
    """
    directory = Path(directory)
    family = FAMILIES[config.model_type]
    checkpoint = open_checkpoint(directory)
    sources = _encoder_tensors(directory, checkpoint, family)
    shapes = tensor_shapes(config)
    found = {}
    for ours, theirs in family.tensor_names(config.num_hidden_layers).items():
        name = sources.pop(theirs, None)
        if name is None:
            raise WeightsError(
                f"{_place(directory, checkpoint)} has no tensor {theirs!r}, "
                f"expected one of shape {shapes[ours]}"
            )
        found[ours] = (checkpoint[name], name, shapes[ours])
    _refuse_unknown(checkpoint, sources, family)
    return found


def tensor_shapes(config: EncoderConfig) -> dict[str, tuple[int, ...]]:
    """Our name -> shape of every tensor of the encoder; linear weights are [out, in]."""
    hidden, inner = config.hidden_size, config.intermediate_size
    shapes = _embedding_shapes(config)
    layer: dict[str, tuple[int, ...]] = {
        "ffn_in.weight": (inner, hidden),
        "ffn_in.bias": (inner,),
        "ffn_out.weight": (hidden, inner),
        "ffn_out.bias": (hidden,),
    }
    for linear in ("query", "key", "value", "output"):
        layer[f"{linear}.weight"] = (hidden, hidden)
        layer[f"{linear}.bias"] = (hidden,)
    for norm in ("attention_norm", "ffn_norm"):
        layer[f"{norm}.gamma"] = (hidden,)
        layer[f"{norm}.beta"] = (hidden,)
    for i in range(config.num_layer_groups):
        shapes.update({f"layers.{i}.{name}": shape for name, shape in layer.items()})
    return shapes


def _embedding_shapes(config: EncoderConfig) -> dict[str, tuple[int, ...]]:
    """Those of the tensors that are not in a layer; optional ones only if they are there."""
    embedding, hidden = config.embedding_size, config.hidden_size
    shapes: dict[str, tuple[int, ...]] = {
        "word_embeddings": (config.vocab_size, embedding),
        "position_embeddings": (config.max_position_embeddings, embedding),
    }
    if config.type_vocab_size:
        shapes["type_embeddings"] = (config.type_vocab_size, embedding)
    shapes["embeddings_norm.gamma"] = (embedding,)
    shapes["embeddings_norm.beta"] = (embedding,)
    if embedding != hidden:
        shapes["embedding_projection.weight"] = (hidden, embedding)
        shapes["embedding_projection.bias"] = (hidden,)
    if config.relative_attention_num_buckets:
        heads = config.num_attention_heads
        shapes["relative_attention_bias"] = (config.relative_attention_num_buckets, heads)
    return shapes


def open_checkpoint(directory: Path) -> Checkpoint:
    """Open `model.safetensors` of a directory, or the shards that its index lists.

    Raises:
        WeightsError: if there are none, or one is damaged.
    """
    if (directory / _FILE).exists():
        file = open_safetensors(directory / _FILE)
        return dict.fromkeys(file, file)
    if (directory / _INDEX).exists():
        return _open_shards(directory)
    pickle = next((name for name in _PICKLES if (directory / name).exists()), None)
    if pickle is not None:
        raise WeightsError(
            f"{directory} has {pickle} but no {_FILE}, the only format that is read, because "
            "loading a pickle can run code; convert it once where transformers is installed with "
            f"AutoModel.from_pretrained({os.fspath(directory)!r}).save_pretrained(...)"
        )
    raise WeightsError(f"{directory} has no weights, expected {_FILE} or {_INDEX}")


def _open_shards(directory: Path) -> Checkpoint:
    try:
        index = JsonObject.read(directory / _INDEX)
    except ConfigError as error:
        raise WeightsError(str(error)) from None
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise WeightsError(str(index.error("weight_map", "an object: tensor -> file")))
    files: dict[str, SafetensorsFile] = {}
    checkpoint: Checkpoint = {}
    for name, shard in weight_map.items():
        if not isinstance(shard, str) or not _is_plain_name(shard):
            raise WeightsError(
                f"{index.path}: the file of tensor {shown(name)} is {shown(shard)}, "
                "expected the plain name of a file beside the index"
            )
        if shard not in files:
            files[shard] = open_safetensors(directory / shard)
        if name not in files[shard]:
            raise WeightsError(
                f"{directory / shard} has no tensor {shown(name)}, though {_INDEX} says so"
            )
        checkpoint[name] = files[shard]
    return checkpoint


def _is_plain_name(name: str) -> bool:
    return name == PurePosixPath(name).name != "" and "\0" not in name


def _encoder_tensors(directory: Path, checkpoint: Checkpoint, family: Family) -> dict[str, str]:
    """Name without prefix -> name in the file, of every tensor that is not known to be ignored.

    Task models and training wrappers put a prefix before every name of the encoder (`bert.`,
    `module.`, `0.auto_model.`). The word table shows which.
    """
    anchor = family.anchor
    prefixes = [
        name[: -len(anchor)] for name in checkpoint if name == anchor or name.endswith("." + anchor)
    ]
    if len(prefixes) != 1:
        found = f"{len(prefixes)} of them" if prefixes else f"names like {_first(checkpoint)}"
        raise WeightsError(
            f"{_place(directory, checkpoint)} should have one tensor {anchor!r}, with any prefix, "
            f"but has {found}"
        )
    tensors: dict[str, str] = {}
    for full_name in checkpoint:
        name = _modern(full_name.removeprefix(prefixes[0]))
        if family.ignores(name):
            continue
        if name in tensors:
            raise WeightsError(
                f"{checkpoint[full_name].path} has both {shown(full_name)} and "
                f"{shown(tensors[name])}, expected one of the two"
            )
        tensors[name] = full_name
    return tensors


def _modern(name: str) -> str:
    """Files converted from TensorFlow say LayerNorm.gamma and LayerNorm.beta."""
    stem, _, last = name.rpartition(".")
    if stem.endswith("LayerNorm"):
        last = {"gamma": "weight", "beta": "bias"}.get(last, last)
    return f"{stem}.{last}" if stem else name


def _refuse_unknown(checkpoint: Checkpoint, left: dict[str, str], family: Family) -> None:
    """A tensor that nobody uses means arithmetic that is not done: wrong numbers."""
    for name in left.values():
        raise WeightsError(
            f"{checkpoint[name].path} has the tensor {shown(name)}, which a {family.model_type} "
            f"encoder of this configuration does not have ({len(left)} such tensors)"
        )


def read_float32(
    file: SafetensorsFile, name: str, shape: tuple[int, ...] | None = None
) -> NDArray[np.float32]:
    """One tensor as a read-only float32 array; a view where it is stored as float32.

    Raises:
        WeightsError: if it is not F32, F16 or BF16, or not of the given shape.
    """
    info = file.info(name)
    if info.dtype not in ("F32", "F16", "BF16"):
        raise WeightsError(
            f"{file.path}: tensor {shown(name)} has dtype {info.dtype}, expected F32, F16 or BF16"
        )
    if shape is not None and info.shape != shape:
        raise WeightsError(
            f"{file.path}: tensor {shown(name)} has shape {info.shape}, expected {shape} "
            "from config.json"
        )
    array: NDArray[Any] = file[name]
    if array.dtype != np.float32:
        array = array.astype(np.float32)
        array.flags.writeable = False
    return array


def _place(directory: Path, checkpoint: Checkpoint) -> Path:
    """The file to name in an error about a tensor that is nowhere."""
    paths = {file.path for file in checkpoint.values()}
    return paths.pop() if len(paths) == 1 else directory


def _first(checkpoint: Checkpoint) -> str:
    return ", ".join(shown(name) for name in list(checkpoint)[:3]) or "none"
