"""The weights of a model directory, in whichever form they have come.

A format is a file of this package with a function that opens a path, and a line in `_FORMATS`. No
reader needs the library that wrote the file, and none runs anything that a file holds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from fastbert.checkpoints.safetensors import open_safetensors
from fastbert.checkpoints.tensor_file import TensorFile, TensorInfo, read_float32
from fastbert.checkpoints.tensorflow import find_tensorflow, open_tensorflow
from fastbert.checkpoints.torch_pickle import open_torch
from fastbert.errors import ConfigError, WeightsError
from fastbert.json_files import JsonObject, shown

__all__ = ["Checkpoint", "TensorFile", "TensorInfo", "open_checkpoint", "read_float32"]

Checkpoint = dict[str, TensorFile]  # name of a tensor -> the file that holds it


def open_checkpoint(directory: Path) -> Checkpoint:
    """Open the weights of a directory; of several forms, the first in the order of `_FORMATS`.

    Raises:
        WeightsError: if there are none, or a file is damaged.
    """
    for name, open_format in _FORMATS.items():
        if (directory / name).exists():
            return open_format(directory / name)
    index = find_tensorflow(directory)
    if index is not None:
        return open_tensorflow(index)
    raise WeightsError(
        f"{directory} has no weights, expected {', '.join(_FORMATS)}, or bert_model.ckpt.index "
        "and its data"
    )


def _open_whole(open_file: Callable[[Path], TensorFile]) -> Callable[[Path], Checkpoint]:
    def open_format(path: Path) -> Checkpoint:
        file = open_file(path)
        return dict.fromkeys(file, file)

    return open_format


def _open_shards(open_file: Callable[[Path], TensorFile]) -> Callable[[Path], Checkpoint]:
    def open_format(path: Path) -> Checkpoint:
        files: dict[str, TensorFile] = {}
        checkpoint: Checkpoint = {}
        for name, shard in _read_index(path).items():
            if shard not in files:
                files[shard] = open_file(path.parent / shard)
            if name not in files[shard]:
                raise WeightsError(
                    f"{files[shard].path} has no tensor {shown(name)}, though {path.name} says so"
                )
            checkpoint[name] = files[shard]
        return checkpoint

    return open_format


def _read_index(path: Path) -> dict[str, str]:
    """Name of a tensor -> name of the file beside the index that holds it."""
    try:
        index = JsonObject.read(path)
    except ConfigError as error:
        raise WeightsError(str(error)) from None
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise WeightsError(str(index.error("weight_map", "an object: tensor -> file")))
    for name, shard in weight_map.items():
        if not isinstance(shard, str) or not _is_plain_name(shard):
            raise WeightsError(
                f"{path}: the file of tensor {shown(name)} is {shown(shard)}, "
                "expected the plain name of a file beside the index"
            )
    return weight_map


def _is_plain_name(name: str) -> bool:
    return name == PurePosixPath(name).name != "" and "\0" not in name


_FORMATS: dict[str, Callable[[Path], Checkpoint]] = {
    "model.safetensors": _open_whole(open_safetensors),
    "model.safetensors.index.json": _open_shards(open_safetensors),
    "pytorch_model.bin": _open_whole(open_torch),
    "pytorch_model.bin.index.json": _open_shards(open_torch),
}
