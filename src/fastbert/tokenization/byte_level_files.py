"""vocab.json and merges.txt, the files of RoBERTa's byte-level BPE, as a tokenizer.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastbert.errors import ConfigError
from fastbert.json_files import JsonObject, shown
from fastbert.tokenization.config import TokenizerConfig, added_entries, get_optional_bool, naming

__all__ = ["read_merges"]

_MAX_BYTES = 64 << 20
_CLASSES = ("RobertaTokenizer", "LongformerTokenizer", "BartTokenizer")
_NAMES = {
    "cls_token": "<s>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}


def read_merges(path: Path, config: TokenizerConfig) -> dict[str, Any]:
    """What the tokenizer.json would hold that transformers makes of a vocab.json and merges.txt.

    Raises:
        ConfigError: if a file is damaged, or the configuration names another kind of tokenizer.
    """
    vocabulary = JsonObject.read(path, max_bytes=_MAX_BYTES).fields
    merges = _read_lines(path.with_name("merges.txt"))
    with naming(config.path):
        _check_class(config)
        add_prefix_space = get_optional_bool(config.fields, "add_prefix_space", False)
        trim_offsets = get_optional_bool(config.fields, "trim_offsets", True)
        names = {role: config.named(role) or name for role, name in _NAMES.items()}
        entries = added_entries(config, names)
    for role in ("cls_token", "sep_token"):
        if names[role] not in vocabulary:
            raise ConfigError(f"{path}: the {role} {names[role]!r} is not in the vocabulary")
    cls, sep = ([names[role], vocabulary[names[role]]] for role in ("cls_token", "sep_token"))
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": True,
        "use_regex": True,
    }
    switches = {"trim_offsets": trim_offsets, "add_prefix_space": add_prefix_space}
    return {
        "version": "1.0",
        "added_tokens": [entry | {"id": i} for i, entry in enumerate(entries)],
        "pre_tokenizer": byte_level,
        "post_processor": {"type": "RobertaProcessing", "sep": sep, "cls": cls, **switches},
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": merges},
    }


def _check_class(config: TokenizerConfig) -> None:
    kind = config.fields.get("tokenizer_class") or _CLASSES[0]
    if not isinstance(kind, str) or kind.removesuffix("Fast") not in _CLASSES:
        raise ValueError(
            f"tokenizer_class is {shown(kind)}; supported with vocab.json: {', '.join(_CLASSES)}"
        )


def _read_lines(path: Path) -> list[str]:
    """The merges, without the line that names the version of the format."""
    try:
        lines = path.read_bytes().decode().splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 at byte {error.start}") from None
    return [line for line in lines if line and not line.startswith("#version")]
