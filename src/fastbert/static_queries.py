"""`StaticQueries`: sparse vectors of queries without a network, a weight for each token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fastbert.checkpoints import open_checkpoint, read_float32
from fastbert.errors import ConfigError
from fastbert.json_files import JsonObject
from fastbert.sparse_vectors import SparseVectors
from fastbert.tokenizer import Tokenizer, Tokens, check_vocabulary

__all__ = ["StaticQueries"]


class StaticQueries:
    """The folder of a SparseStaticEmbedding module.

    Attributes:
        tokenizer: its own `Tokenizer`; queries have no special tokens.
        weights: float32 (dimension,), the weight of each token.
    """

    def __init__(self, directory: str, dimension: int) -> None:
        """Read a tokenizer and a weight for each of its `dimension` tokens.

        Raises:
            ConfigError, WeightsError: if the files are damaged or not supported.
        """
        path = Path(directory)
        if (path / "config.json").exists():
            file = JsonObject.read(path / "config.json")
            if file.get("path") is not None:
                raise file.error("path", "none: weights are read from model.safetensors only")
        self.tokenizer = Tokenizer.from_pretrained(path)
        checkpoint = open_checkpoint(path)
        if set(checkpoint) != {"weight"}:
            raise ConfigError(
                f"{path} has the tensors {sorted(checkpoint)}, expected one of the name 'weight'"
            )
        self.weights = read_float32(checkpoint["weight"], "weight", (dimension,))
        check_vocabulary(self.tokenizer, dimension, path, "the number of weights is")

    def tokens(self, texts: Sequence[str], threads: int | None) -> Tokens:
        """The tokens of each text, as many as the tokenizer's files allow."""
        return self.tokenizer.encode_batch(
            texts, add_special_tokens=False, max_length=self.tokenizer.max_length, threads=threads
        )

    def vectors(self, tokens: Tokens) -> SparseVectors:
        """The weight of every token that a text has, however often: (texts, dimension)."""
        texts, dimension = len(tokens.offsets) - 1, len(self.weights)
        rows = np.repeat(np.arange(texts), np.diff(tokens.offsets))
        places = np.unique(rows * dimension + tokens.ids)
        rows, ids = np.divmod(places[self.weights[places % dimension] != 0], dimension)
        indptr = np.searchsorted(rows, np.arange(texts + 1))
        shape = (texts, dimension)
        return SparseVectors(indptr, ids.astype(np.int32), self.weights[ids], shape)
