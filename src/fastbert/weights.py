"""The encoder's tensors under our names, from the checkpoint of a model directory."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastbert.checkpoints import Checkpoint, TensorFile, open_checkpoint, read_float32
from fastbert.config import EncoderConfig
from fastbert.errors import WeightsError
from fastbert.families import FAMILIES, Family
from fastbert.json_files import shown

__all__ = ["Source", "checkpoint_names", "find_weights", "load_weights", "tensor_shapes"]

Source = tuple[TensorFile, str, tuple[int, ...]]


def load_weights(
    directory: str | PathLike[str], config: EncoderConfig
) -> dict[str, NDArray[np.float32]]:
    """Load every tensor of the encoder.

    Tensors stored as float32 are views of a memory map: nothing is copied, and processes that load
    the same file share its pages. float16, bfloat16 and what lies in another order are converted.

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
    names = checkpoint_names(directory, checkpoint, family)
    sources = {name: theirs for name, theirs in names.items() if not family.ignores(name)}
    shapes = tensor_shapes(config)
    found = {}
    for ours, shape in shapes.items():
        theirs = family.tensor_name(ours)
        name = sources.pop(theirs, None)
        if name is None:
            raise WeightsError(
                f"{_place(directory, checkpoint)} has no tensor {theirs!r}, "
                f"expected one of shape {shape}"
            )
        found[ours] = (checkpoint[name], name, shape)
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


def checkpoint_names(directory: Path, checkpoint: Checkpoint, family: Family) -> dict[str, str]:
    """Every tensor of a checkpoint: name without the encoder's prefix -> name in the file.

    Task models and training wrappers put a prefix before every name of the encoder (`bert.`,
    `module.`, `0.auto_model.`). The word table shows which.

    Raises:
        WeightsError: if there is no word table, or two tensors have the same name.
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
        if name in tensors and not family.ignores(name):
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


def _place(directory: Path, checkpoint: Checkpoint) -> Path:
    """The file to name in an error about a tensor that is nowhere."""
    paths = {file.path for file in checkpoint.values()}
    return paths.pop() if len(paths) == 1 else directory


def _first(checkpoint: Checkpoint) -> str:
    return ", ".join(shown(name) for name in list(checkpoint)[:3]) or "none"
