"""tokenizer_config.json, and the reading of fields that every file of a tokenizer needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from fastbert.errors import ConfigError
from fastbert.json_files import JsonObject, shown

__all__ = [
    "TokenizerConfig",
    "UnsupportedError",
    "added_entries",
    "get",
    "get_id",
    "get_optional_bool",
    "naming",
    "read_tokenizer_config",
    "require_type",
]

_HUGE_LENGTH = 10**9  # transformers writes 10**30 for "no limit"
# For each role the names in use, the most common first.
_USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "unk_token": ("[UNK]", "<unk>"),
    "pad_token": ("[PAD]", "<pad>"),
    "mask_token": ("[MASK]", "<mask>"),
}


class UnsupportedError(ValueError):
    """Sound, but not what the reader knows; another one may."""


class TokenizerConfig(NamedTuple):
    """What tokenizer_config.json says, whatever the vocabulary.

    Attributes:
        path: The file, which may be missing.
        fields: All of it.
        special_names: For each role, such as "cls_token", the names that may fill it; the first
            that is a token does.
        max_length: Tokens that the model can take, or None.
        cleans_up: Whether transformers cleans up what it decodes.
    """

    path: Path
    fields: dict[str, Any]
    special_names: dict[str, tuple[str, ...]]
    max_length: int | None
    cleans_up: bool

    def named(self, role: str) -> str | None:
        """The name that the file itself gives to a role."""
        return _read_names(self.fields).get(role)


def read_tokenizer_config(directory: Path) -> TokenizerConfig:
    """The file of a directory, or what holds without it.

    Raises:
        ConfigError: if it is damaged.
    """
    path = directory / "tokenizer_config.json"
    fields = JsonObject.read(path).fields if path.is_file() else {}
    with naming(path):
        named = _read_names(fields).items()
        return TokenizerConfig(
            path=path,
            fields=fields,
            special_names=_USUAL_NAMES | {role: (name,) for role, name in named},
            max_length=_read_max_length(fields),
            cleans_up=get_optional_bool(fields, "clean_up_tokenization_spaces", False),
        )


def _read_names(fields: Mapping[str, Any]) -> dict[str, str]:
    """The special tokens that the file names, by role."""
    found: dict[str, str] = {}
    for role in _USUAL_NAMES:
        value = fields.get(role)
        if isinstance(value, dict):
            value = value.get("content")
        if value is None:
            continue
        if not isinstance(value, str):
            raise ValueError(f"{role} is {shown(value)}, but must be a string")
        found[role] = value
    return found


def _read_max_length(fields: Mapping[str, Any]) -> int | None:
    """model_max_length, if it is a real limit."""
    value = fields.get("model_max_length")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 1:
        raise ValueError(f"model_max_length is {shown(value)}, but must be positive")
    return None if value >= _HUGE_LENGTH else int(value)


def added_entries(config: TokenizerConfig, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The special tokens and `added_tokens_decoder`, in the form of tokenizer.json."""
    decoder = config.fields.get("added_tokens_decoder") or {}
    if not isinstance(decoder, dict):
        raise ValueError(f"added_tokens_decoder is {shown(decoder)}, but must be an object")
    entries: dict[str, dict[str, Any]] = {}
    for role, name in names.items():
        details = config.fields.get(role)
        entries[name] = {"normalized": False, "special": True, "content": name}
        if isinstance(details, dict):
            entries[name] |= details
    for entry in decoder.values():
        if isinstance(entry, dict):
            entries[str(entry.get("content"))] = entry
    unset = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True}
    return [unset | entry for entry in entries.values()]


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turns a ValueError into a ConfigError, with the name of the file in front."""
    try:
        yield
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def get(section: Mapping[str, Any], key: str, kind: type, where: str) -> Any:  # noqa: ANN401
    """section[key], which must be of a type."""
    value = section.get(key)
    if type(value) is not kind:
        found = shown(value) if key in section else "missing"
        raise ValueError(f"{where}.{key} is {found}, but must be {kind.__name__}")
    return value


def get_optional_bool(section: Mapping[str, Any], key: str, default: bool) -> bool:
    """section[key], or the default when it is null or missing."""
    value = section.get(key)
    if not (value is None or isinstance(value, bool)):
        raise ValueError(f"{key} is {shown(value)}, but must be true, false or null")
    return default if value is None else value


def get_id(value: object, where: str) -> int:
    """An id or type id."""
    if type(value) is not int or not 0 <= value < 2**31:
        raise ValueError(f"{where} has the id {shown(value)}, but ids are from 0 to 2147483647")
    return value


def require_type(section: object, where: str, *supported: str) -> dict[str, Any]:
    """A section of tokenizer.json whose "type" is one of those supported.

    Raises:
        UnsupportedError: if it is another.
    """
    kind = section.get("type") if isinstance(section, dict) else section
    if not isinstance(section, dict) or kind not in supported:
        raise UnsupportedError(f"{where} is {shown(kind)}; supported: {', '.join(supported)}")
    return section
