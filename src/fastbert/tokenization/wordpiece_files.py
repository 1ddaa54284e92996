"""Read the files of a WordPiece tokenizer: tokenizer.json or vocab.txt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fastbert._native import _wordpiece
from fastbert.errors import ConfigError
from fastbert.json_files import shown
from fastbert.tokenization.casing import lowercase_of_vocabulary
from fastbert.tokenization.config import (
    TokenizerConfig,
    added_entries,
    get,
    get_optional_bool,
    naming,
    require_type,
)
from fastbert.tokenization.post_processor import (
    bert_templates,
    get_templates,
    roberta_switches,
    roberta_templates,
)
from fastbert.tokenizer import Template

__all__ = ["AddedToken", "WordPieceDefinition", "read_tokenizer_json", "read_vocab_txt"]

_CLASSES = tuple(
    name + suffix
    for name in ("Bert", "DistilBert", "Electra", "MobileBert", "MPNet")
    for suffix in ("Tokenizer", "TokenizerFast")
)
_BERT_NAMES = {
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "unk_token": "[UNK]",
    "pad_token": "[PAD]",
    "mask_token": "[MASK]",
}
_MPNET_NAMES = {
    "cls_token": "<s>",
    "sep_token": "</s>",
    "unk_token": "[UNK]",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}


class AddedToken(NamedTuple):
    """A token that is recognised when it is written in a text."""

    content: str
    id: int
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False
    special: bool = False


@dataclass(frozen=True, slots=True)
class WordPieceDefinition:
    """All that the files of a tokenizer say.

    Attributes:
        max_vocabulary_id: The largest id in the vocabulary without added tokens; -1 if it is
            empty.
        decoder: What begins a token that continues a word, for decoding, and whether that draws
            punctuation to the word in front of it.
    """

    config: TokenizerConfig
    vocabulary: _wordpiece.Vocabulary
    max_vocabulary_id: int
    unknown_token: str
    continuation_prefix: str
    max_word_chars: int
    clean_text: bool
    handle_chinese_chars: bool
    strip_accents: bool
    lowercase: bool
    added_tokens: list[AddedToken]
    trim_added_spans: bool
    keep_single_first_space: bool
    single: Template
    pair: Template
    decoder: tuple[str, bool]


def read_tokenizer_json(root: Mapping[str, Any], config: TokenizerConfig) -> WordPieceDefinition:
    """The definition in the content of a tokenizer.json.

    Raises:
        UnsupportedError: if it is not WordPiece as BERT uses it.
        ValueError: if it is damaged.
    """
    return WordPieceDefinition(config=config, **_read_tokenizer_json(root))


def read_vocab_txt(path: Path, config: TokenizerConfig) -> WordPieceDefinition:
    """The definition that transformers would make of a vocab.txt.

    Raises:
        ConfigError: if it is damaged, or the configuration names another kind of tokenizer.
    """
    text = _read_bytes(path)
    fields = config.fields
    if not config.path.is_file():
        fields = {"do_lower_case": lowercase_of_vocabulary(path, text)}
    with naming(config.path):
        switches = _read_config_switches(fields)
    with naming(path):
        return WordPieceDefinition(config=config, **switches, **_read_vocab_txt(text, config))


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None


def _read_config_switches(config: Mapping[str, Any]) -> dict[str, Any]:
    """The normalizer, as transformers makes it when there is only a vocab.txt."""
    kind = config.get("tokenizer_class") or "BertTokenizer"
    if kind not in _CLASSES:
        raise ValueError(
            f"tokenizer_class is {shown(kind)}; supported without tokenizer.json: "
            f"{', '.join(_CLASSES[::2])}"
        )
    lowercase = get_optional_bool(config, "do_lower_case", True)
    return {
        "clean_text": True,
        "handle_chinese_chars": get_optional_bool(config, "tokenize_chinese_chars", True),
        "strip_accents": get_optional_bool(config, "strip_accents", lowercase),
        "lowercase": lowercase,
    }


# tokenizer.json


def _read_tokenizer_json(root: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a TokenizerDefinition from a file that the `tokenizers` library wrote."""
    model = root.get("model")
    if isinstance(model, dict) and "type" not in model and "merges" not in model:
        model = {"type": "WordPiece", **model}  # files of 2020 do not name the type
    model = require_type(model, "model", "WordPiece")
    require_type(root.get("pre_tokenizer"), "pre_tokenizer", "BertPreTokenizer")
    max_word_chars = get(model, "max_input_chars_per_word", int, "model")
    if not 0 <= max_word_chars < 2**63:
        raise ValueError(f"model.max_input_chars_per_word is {shown(max_word_chars)}")
    prefix = get(model, "continuing_subword_prefix", str, "model")
    ids = get(model, "vocab", dict, "model")
    vocabulary = _wordpiece.Vocabulary.from_dict(ids)
    return {
        "vocabulary": vocabulary,
        "max_vocabulary_id": max(ids.values(), default=-1),
        "unknown_token": get(model, "unk_token", str, "model"),
        "continuation_prefix": prefix,
        "max_word_chars": max_word_chars,
        "added_tokens": _read_added_tokens(root.get("added_tokens"), vocabulary),
        **_read_normalizer(root.get("normalizer")),
        **_read_post_processor(root.get("post_processor")),
        "decoder": _read_decoder(root.get("decoder"), prefix),
    }


def _read_normalizer(section: object) -> dict[str, bool]:
    """The switches of a BertNormalizer; null is a normalizer that does nothing."""
    keys = ("clean_text", "handle_chinese_chars", "lowercase")
    if section is None:
        return dict.fromkeys((*keys, "strip_accents"), False)
    section = require_type(section, "normalizer", "BertNormalizer")
    switches = {key: get(section, key, bool, "normalizer") for key in keys}
    strip_accents = get_optional_bool(section, "strip_accents", switches["lowercase"])
    return {**switches, "strip_accents": strip_accents}


def _read_added_tokens(section: object, vocabulary: _wordpiece.Vocabulary) -> list[AddedToken]:
    """The added tokens, with the ids that the `tokenizers` library gives them.

    It does not heed the ids in the file: a token has its id of the vocabulary, others follow on.
    """
    if section is None:
        return []
    if not isinstance(section, list):
        raise ValueError(f"added_tokens is {shown(section)}, but must be a list")
    tokens: dict[str, AddedToken] = {}
    next_id = len(vocabulary)
    for i, entry in enumerate(section):
        where = f"added_tokens[{i}]"
        if not isinstance(entry, dict):
            raise ValueError(f"{where} is {shown(entry)}, but must be an object")
        content = get(entry, "content", str, where)
        if not content:
            continue
        token_id = vocabulary.token_to_id(content)
        if token_id is None and content in tokens:
            token_id = tokens[content].id
        if token_id is None:
            token_id, next_id = next_id, next_id + 1
        keys = ("single_word", "lstrip", "rstrip", "normalized")
        flags = {key: get(entry, key, bool, where) for key in keys}
        special = get_optional_bool(entry, "special", False)
        tokens[content] = AddedToken(content, token_id, **flags, special=special)
    return list(tokens.values())


def _read_post_processor(section: object) -> dict[str, Any]:
    """The templates, and what becomes of the spaces that added tokens took along."""
    trim = keep_first = False
    if isinstance(section, dict) and section.get("type") == "RobertaProcessing":
        trim, keep_first = roberta_switches(section)
    return {
        **get_templates(section),
        "trim_added_spans": trim,
        "keep_single_first_space": keep_first,
    }


def _read_decoder(section: object, prefix: str) -> tuple[str, bool]:
    """Without a decoder, the one that transformers would give to this model."""
    if section is None:
        return prefix, True
    section = require_type(section, "decoder", "WordPiece")
    return get(section, "prefix", str, "decoder"), get(section, "cleanup", bool, "decoder")


# vocab.txt


def _read_vocab_txt(text: bytes, config: TokenizerConfig) -> dict[str, Any]:
    """The fields that transformers would give a tokenizer made of a vocab.txt."""
    vocabulary = _wordpiece.Vocabulary.from_lines(text)
    is_mpnet = str(config.fields.get("tokenizer_class")).startswith("MPNet")
    usual = _MPNET_NAMES if is_mpnet else _BERT_NAMES
    names = {role: config.named(role) or name for role, name in usual.items()}
    ids = {role: vocabulary.token_to_id(name) for role, name in names.items()}
    cls_id, sep_id = ids["cls_token"], ids["sep_token"]
    if cls_id is None or sep_id is None:
        role = "cls_token" if cls_id is None else "sep_token"
        raise ValueError(f"the {role} {names[role]!r} is not in the vocabulary")
    templates = (roberta_templates if is_mpnet else bert_templates)(cls_id, sep_id)
    known = {role: name for role, name in names.items() if ids[role] is not None}
    lines = text.count(b"\n") + (not text.endswith(b"\n"))
    return {
        "vocabulary": vocabulary,
        "max_vocabulary_id": lines - 1,  # of a token that is there twice, the last line counts
        "unknown_token": names["unk_token"],
        "continuation_prefix": "##",
        "max_word_chars": 100,
        "added_tokens": _read_added_tokens(added_entries(config, known), vocabulary),
        "trim_added_spans": is_mpnet,
        "keep_single_first_space": False,
        "decoder": ("##", True),
        **templates,
    }
