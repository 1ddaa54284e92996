"""From a directory to its tokenizer: which file describes it, and which implementation reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastbert.errors import ConfigError
from fastbert.json_files import JsonObject
from fastbert.tokenization.config import (
    TokenizerConfig,
    UnsupportedError,
    naming,
    read_tokenizer_config,
)

if TYPE_CHECKING:
    from fastbert.tokenizer import Tokenizer

__all__ = ["read_tokenizer"]

_MAX_BYTES = 256 << 20  # tokenizer.json; those of many languages have some 20 MB


def read_tokenizer(directory: Path) -> Tokenizer:
    """The tokenizer of a directory.

    Raises:
        ConfigError: if no file describes one, or a file is damaged or describes another kind.
        ImportError: if it needs the `tokenizers` library, which is missing.
    """
    tokenizer = _read(directory, read_tokenizer_config(directory))
    # Without links, since loading.py keeps it for whoever comes to the same files by another one.
    tokenizer.directory = os.path.realpath(directory)
    return tokenizer


def _read(directory: Path, config: TokenizerConfig) -> Tokenizer:
    path = directory / "tokenizer.json"
    if path.is_file():
        return _from_tokenizer_json(path, config)
    path = directory / "vocab.txt"
    if path.is_file():
        return _from_vocab_txt(path, config)
    path = directory / "vocab.json"
    if path.is_file() and (directory / "merges.txt").is_file():
        return _from_merges(path, config)
    raise ConfigError(
        f"{directory} has neither tokenizer.json nor vocab.txt nor vocab.json with merges.txt"
    )


def _from_tokenizer_json(path: Path, config: TokenizerConfig) -> Tokenizer:
    from fastbert.tokenization.wordpiece import WordPieceTokenizer
    from fastbert.tokenization.wordpiece_files import read_tokenizer_json

    # A check for duplicate keys would take longer than the rest of the reading.
    root = JsonObject.read(path, max_bytes=_MAX_BYTES, unique_keys=False).fields
    with naming(path):
        try:
            return WordPieceTokenizer(read_tokenizer_json(root, config))
        except UnsupportedError as reason:
            return _from_library(root, config, f"{path}: {reason}")


def _from_vocab_txt(path: Path, config: TokenizerConfig) -> Tokenizer:
    from fastbert.tokenization.wordpiece import WordPieceTokenizer
    from fastbert.tokenization.wordpiece_files import read_vocab_txt

    definition = read_vocab_txt(path, config)
    with naming(path):
        return WordPieceTokenizer(definition)


def _from_merges(path: Path, config: TokenizerConfig) -> Tokenizer:
    from fastbert.tokenization.byte_level_files import read_merges

    root = read_merges(path, config)
    with naming(path):
        return _from_library(root, config, f"{path} is a vocabulary of byte-level BPE")


def _from_library(root: Mapping[str, Any], config: TokenizerConfig, reason: str) -> Tokenizer:
    """The tokenizer of a tokenizer.json, or of the same content made of other files."""
    try:
        from fastbert.tokenization.library import LibraryTokenizer
    except ImportError:
        raise ImportError(
            f'{reason}; other tokenizers need pip install "fastbert[tokenizers]"'
        ) from None
    return LibraryTokenizer(root, config)
