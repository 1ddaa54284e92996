"""BERT's forward pass in plain NumPy: slow, short, and the definition of correct.

Read this page first. The native code computes the same under the same names; every kernel is
tested against a function of this file, and the benchmarks show what the native code gains over it.

A *ragged batch* is one run of token ids and the offsets at which its texts begin and end, so there
is no padding and no mask: text ``i`` is ``ids[offsets[i]:offsets[i + 1]]``. Letters in the
comments: ``T`` tokens of one text, ``H`` hidden size, ``N`` heads, ``D = H / N`` head size, ``F``
inner size of the feed-forward part, ``V`` vocabulary. Weights are a dictionary under the names of
:mod:`fastbert.families`; a linear layer's weight is (outputs, inputs). This is float32; what the
other compute types round differently is in :mod:`fastbert.reference.compute_types`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fastbert.config import EncoderConfig
from fastbert.reference.activations import ACTIVATIONS
from fastbert.reference.compute_types import (
    attention_int8,
    linear_bfloat16,
    linear_bfloat16_pairs,
    linear_int8,
)
from fastbert.reference.pooling import pool
from fastbert.reference.positions import distance_buckets, positions

Array = NDArray[np.float32]
Weights = Mapping[str, Array]


def linear(x: Array, weight: Array, bias: Array) -> Array:
    """(T, inputs) times the transpose of (outputs, inputs), plus bias: (T, outputs)."""
    return x @ weight.T + bias


def layer_norm(x: Array, gamma: Array, beta: Array, eps: float) -> Array:
    """Each row of x shifted and scaled to mean 0 and variance 1, then by gamma and beta."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + np.float32(eps)) * gamma + beta


def softmax(scores: Array) -> Array:
    """Each row's exponentials, divided by their sum."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def attention(
    query: Array, key: Array, value: Array, bias: Array | float = 0.0
) -> tuple[Array, Array]:
    """One head of one text, (T, D) each: every token gathers the values of all tokens.

    The bias is added to the scores, (T, T). The second result is who gathered how much of whom,
    (T, T).
    """
    probabilities = softmax(query @ key.T / np.float32(math.sqrt(query.shape[-1])) + bias)
    return probabilities @ value, probabilities


ARITHMETIC = {  # compute type -> its linear layer and its attention
    "float32": (linear, attention),
    "bfloat16": (linear_bfloat16, attention),
    "bfloat16_pairs": (linear_bfloat16_pairs, attention),  # what "bfloat16" is on some CPUs
    "int8": (linear_int8, attention_int8),
}


def embed(
    ids: NDArray[np.int32],
    type_ids: NDArray[np.int32],
    config: EncoderConfig,
    w: Weights,
    compute_type: str,
) -> Array:
    """One text's tokens as the sum of what they are, what they belong to and where they stand."""
    x = w["word_embeddings"][ids]
    if config.type_vocab_size:
        x = x + w["type_embeddings"][type_ids]
    x = x + w["position_embeddings"][positions(ids, config.padding_id)]
    gamma, beta = w["embeddings_norm.gamma"], w["embeddings_norm.beta"]
    x = layer_norm(x, gamma, beta, config.layer_norm_eps)
    if config.embedding_size != config.hidden_size:
        linear, _ = ARITHMETIC[compute_type]
        x = linear(x, w["embedding_projection.weight"], w["embedding_projection.bias"])
    return x


def relative_bias(tokens: int, config: EncoderConfig, w: Weights) -> Array:
    """What every head adds to its scores for the distance of query and key, (N, T, T)."""
    if not config.relative_attention_num_buckets:
        return np.zeros((config.num_attention_heads, 1, 1), np.float32)
    buckets = distance_buckets(tokens, config.relative_attention_num_buckets)
    return w["relative_attention_bias"][buckets].transpose(2, 0, 1)


def layer(  # noqa: PLR0917
    x: Array,
    index: int,
    config: EncoderConfig,
    w: Weights,
    compute_type: str,
    bias: Array | float = 0.0,
) -> tuple[Array, Array]:
    """One of BERT's layers over one text, (T, H) to (T, H): attention, then feed-forward.

    The bias is that of `attention`; the second result is its probabilities, (N, T, T).
    """
    linear, attention = ARITHMETIC[compute_type]
    group = index * config.num_layer_groups // config.num_hidden_layers

    def product(x: Array, name: str) -> Array:
        return linear(x, w[f"layers.{group}.{name}.weight"], w[f"layers.{group}.{name}.bias"])

    def norm(x: Array, name: str) -> Array:
        gamma, beta = w[f"layers.{group}.{name}.gamma"], w[f"layers.{group}.{name}.beta"]
        return layer_norm(x, gamma, beta, config.layer_norm_eps)

    heads = config.num_attention_heads
    query, key, value = (
        np.split(product(x, name), heads, axis=-1) for name in ("query", "key", "value")
    )  # N times (T, D)
    biases = relative_bias(len(x), config, w) + bias
    contexts, probabilities = zip(
        *(attention(*head) for head in zip(query, key, value, biases, strict=True)), strict=True
    )
    context = np.concatenate(contexts, axis=-1)
    x = norm(product(context, "output") + x, "attention_norm")
    inner = ACTIVATIONS[config.hidden_act](product(x, "ffn_in"))  # (T, F)
    return norm(product(inner, "ffn_out") + x, "ffn_norm"), np.stack(probabilities)


def hidden_states(  # noqa: PLR0917
    ids: NDArray[np.int32],
    type_ids: NDArray[np.int32],
    mask: NDArray[np.uint8] | None,
    config: EncoderConfig,
    w: Weights,
    compute_type: str = "float32",
) -> tuple[list[Array], list[Array]]:
    """One text's embeddings and what each layer makes of them, and each one's probabilities."""
    counts = np.ones(len(ids), bool) if mask is None else mask != 0
    # No token attends to one that does not count; where none does, all scores lose the same.
    bias = np.where(counts | ~counts.any(), np.float32(0), np.float32(-np.inf))
    states, attentions = [embed(ids, type_ids, config, w, compute_type)], []
    for index in range(config.num_hidden_layers):
        x, probabilities = layer(states[-1], index, config, w, compute_type, bias)
        states.append(x)
        attentions.append(probabilities)
    return states, attentions


def normalize(x: Array) -> Array:
    """Each row of x at length 1; rows of length 0 stay as they are."""
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), np.float32(1e-12))


def forward(
    ids: NDArray[np.int32],
    offsets: NDArray[np.int32],
    config: EncoderConfig,
    weights: Weights,
    *,
    type_ids: NDArray[np.int32] | None = None,
    mask: NDArray[np.uint8] | None = None,
    layers: Sequence[int] = (),
    poolings: Sequence[str] = ("mean",),
    pool_skip: int = 0,
    compute_type: str = "float32",
) -> Array:
    """The whole encoder: (texts, poolings * layers * H), or (tokens, layers * H) without poolings.

    Layer 0 is the embeddings; without `layers`, the last one is taken.
    """
    types = np.zeros_like(ids) if type_ids is None else type_ids
    results = []
    for begin, end in itertools.pairwise(offsets):
        part = slice(begin, end)
        text_mask = None if mask is None else mask[part]
        states, _ = hidden_states(ids[part], types[part], text_mask, config, weights, compute_type)
        wanted = [states[i] for i in layers or [-1]]
        pooled = [pool(x, pooling, pool_skip, text_mask) for pooling in poolings for x in wanted]
        results.append(np.concatenate(pooled)[None] if poolings else np.hstack(wanted))
    return np.concatenate(results)
