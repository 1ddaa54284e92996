"""Everything that turns texts into vectors here, under one pair of functions.

An engine has `token_vectors`, ids int64 (texts, length) to float32 (texts, length, hidden), and
`encode`, a list of texts to float32 (texts, hidden).
"""

import functools
import importlib.util
import os
import warnings
from unittest import mock

import numpy as np
import pytest

import fastbert
from fastbert import reference
from fastbert.config import read_config
from fastbert.weights import load_weights

from . import peer_models, peers
from .rates import COMPUTE_TYPES, ISAS, computed_with

# Ours: float32 on every instruction set, then the other compute types on the best.
_FASTBERT = [*ISAS, *COMPUTE_TYPES[1:]]

# Name -> engine from model and threads, and the modules that must be there.
_PEERS = {
    "sentence-transformers": (peers.SentenceTransformers, ["sentence_transformers"]),
    "onnxruntime": (peers.OnnxRuntime, ["onnxruntime", "onnx", "torch", "transformers"]),
    "openvino": (peers.OpenVino, ["openvino", "onnx", "torch", "transformers"]),
    "ctranslate2": (peers.CTranslate2, ["ctranslate2", "torch", "transformers"]),
    "openvino bfloat16": (
        functools.partial(peers.OpenVino, precision="bf16"),
        ["openvino", "onnx", "torch", "transformers"],
    ),
    "onnxruntime int8": (
        functools.partial(peers.OnnxRuntime, form=peer_models.int8_onnx),
        ["onnxruntime", "onnx", "torch", "transformers"],
    ),
    "openvino int8": (
        functools.partial(peers.OpenVino, form=peer_models.int8_openvino),
        ["openvino", "nncf", "onnx", "torch", "transformers"],
    ),
    "ctranslate2 int8": (
        functools.partial(peers.CTranslate2, compute_type="int8"),
        ["ctranslate2", "torch", "transformers"],
    ),
}
NAMES = ["numpy", *_FASTBERT, *_PEERS]

MAX_TOKENS = 256  # of the default model


@functools.cache
def load(name, model, threads):
    """An engine by one of NAMES; skips the test when it is not installed."""
    if name == "numpy":
        return NumPy(model)
    if name in _FASTBERT:
        return FastBert(model, threads, *computed_with(name))
    engine, modules = _PEERS[name]
    skip_without(*modules)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # their affair
        return engine(model, threads)


def skip_without(*modules):
    """Skip the test unless all modules can be found."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install '.[peers]'")


def ragged(ids):
    """Ids (texts, length) as one run and its offsets."""
    texts, length = ids.shape
    return ids.ravel().astype(np.int32), np.arange(texts + 1, dtype=np.int32) * length


class NumPy:
    """fastbert.reference."""

    def __init__(self, model):
        self._config = read_config(model)
        self._weights = load_weights(model, self._config)
        self._tokenizer = fastbert.Tokenizer.from_pretrained(model)

    def token_vectors(self, ids):
        """Ids (texts, length) to token vectors (texts, length, hidden)."""
        rows = reference.forward(*ragged(ids), self._config, self._weights, poolings=())
        return rows.reshape(*ids.shape, -1)

    def encode(self, texts):
        """Texts to vectors of length 1."""
        tokens = self._tokenizer.encode_batch(texts, max_length=MAX_TOKENS)
        vectors = reference.forward(tokens.ids, tokens.offsets, self._config, self._weights)
        return reference.normalize(vectors)


class FastBert:
    """fastbert, held to one instruction set and compute type."""

    def __init__(self, model, threads, isa, compute_type):
        with mock.patch.dict(os.environ, FASTBERT_ISA=isa):
            self._encoder = fastbert.load(model, compute_type=compute_type, threads=threads)
        self._threads = threads
        self.encode = self._encoder.encode

    def token_vectors(self, ids):
        """Ids (texts, length) to token vectors (texts, length, hidden)."""
        run, offsets = ragged(ids)
        native = self._encoder._native
        rows = native.forward(run, offsets, poolings=[], threads=self._threads)
        return rows.reshape(*ids.shape, -1)
