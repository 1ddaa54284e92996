"""The functions of the package: a model by its name, and vectors in one call."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any, Literal, overload

from fastbert._native import _core
from fastbert.arguments import check_choice
from fastbert.default_model import DEFAULT_MODEL
from fastbert.encoder import COMPUTE_TYPES, Encoder
from fastbert.hub import find

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from fastbert.encoder import OutputArray, OutputList
    from fastbert.profiling import Profile

__all__ = ["DEFAULT_MODEL", "cpu_info", "encode", "load", "load_once"]


def load(
    model: str | PathLike[str] = DEFAULT_MODEL,
    *,
    compute_type: str = "float32",
    threads: int | None = None,
    max_seq_length: int | None = None,
    truncate_dim: int | None = None,
    prompts: Mapping[str, str] | None = None,
    default_prompt_name: str | None = None,
    similarity_fn_name: str | None = None,
    revision: str | None = None,
    cache_folder: str | PathLike[str] | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> Encoder:
    """Load a model.

    >>> encoder = fastbert.load()
    >>> encoder.encode("hello world").shape
    (384,)

    Args:
        model: a directory, or a name on the Hugging Face hub.
        compute_type: "float32"; "bfloat16", with weights of half the size; or "int8", a quarter of
            the size and two to three times as fast, at a mean cosine of 0.9996 to float32.
        threads: threads of every call; None takes all that this process may use.
        max_seq_length: longest input in tokens; None takes the model's own limit.
        truncate_dim: keep only this many leading dimensions of every vector.
        prompts: name -> text put before an input, added to those of the model.
        default_prompt_name: the prompt of a plain `Encoder.encode`.
        similarity_fn_name: what `Encoder.similarity` computes: cosine, dot, euclidean or manhattan;
            None takes what the model says, or else cosine.
        revision: branch, tag or commit on the hub.
        cache_folder: where downloaded models lie, in place of the Hugging Face cache.
        local_files_only: never use the network.
        token: the hub's access token, or True for the stored one.

    Raises:
        ModelNotFoundError: if no source has the model.
        ConfigError, WeightsError: if its files are damaged or not supported.
        ValueError: if an argument is out of its range.
    """
    directory = find(
        model,
        revision=revision,
        cache_folder=cache_folder,
        local_files_only=local_files_only,
        token=token,
    )
    return Encoder(
        directory,
        compute_type=compute_type,
        threads=threads,
        max_seq_length=max_seq_length,
        truncate_dim=truncate_dim,
        prompts=prompts,
        default_prompt_name=default_prompt_name,
        similarity_fn_name=similarity_fn_name,
    )


def load_once(model: str | PathLike[str], compute_type: str, max_seq_length: int | None) -> Encoder:
    """`load`, with the last few encoders kept for all who ask for the same."""
    check_choice("compute_type", compute_type, COMPUTE_TYPES)
    name = os.fspath(model)
    if os.path.isdir(name):  # which may be another one after a change of directory
        name = os.path.abspath(name)
    return _kept(name, compute_type, max_seq_length)


@functools.lru_cache(maxsize=4)
def _kept(model: str, compute_type: str, max_seq_length: int | None) -> Encoder:
    return load(model, compute_type=compute_type, max_seq_length=max_seq_length)


@overload
def encode(
    texts: str | Sequence[str],
    *,
    model: str | PathLike[str] = ...,
    compute_type: str = ...,
    profile: Literal[True],
    **options: Any,
) -> tuple[OutputArray | OutputList, Profile]: ...
@overload
def encode(
    texts: str, *, model: str | PathLike[str] = ..., compute_type: str = ..., **options: Any
) -> OutputArray: ...
@overload
def encode(
    texts: Sequence[str],
    *,
    model: str | PathLike[str] = ...,
    compute_type: str = ...,
    **options: Any,
) -> OutputArray | OutputList: ...
def encode(
    texts: str | Sequence[str],
    *,
    model: str | PathLike[str] = DEFAULT_MODEL,
    compute_type: str = "float32",
    **options: Any,
) -> Any:
    """Turn texts into vectors, with a model that is loaded once and kept.

    >>> fastbert.encode("how do I reset my password").shape
    (384,)

    Args:
        texts: one text, or a list of them.
        model: a directory, or a name on the Hugging Face hub.
        compute_type: what the encoder computes with, see `load`.
        options: those of `Encoder.encode`.

    Returns:
        float32 (dim,) for one text, (texts, dim) for a list; other options give other forms, and
        `profile=True` a tuple, see `Encoder.encode`.
    """
    return load_once(model, compute_type, None).encode(texts, **options)


def cpu_info() -> dict[str, Any]:
    """What fastbert found on this machine.

    Returns:
        model_name (str), isa (the instruction set in use), available_isas and compiled_isas (lists,
        best first), threads (that a call uses unless told otherwise), l1d_bytes, l2_bytes, l3_bytes
        (0 where the system does not tell).
    """
    return _core.cpu_info()
