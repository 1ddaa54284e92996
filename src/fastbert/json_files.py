"""Read the JSON files of a model directory, which may be damaged or hostile."""

from __future__ import annotations

import json
import math
import reprlib
from collections import Counter
from pathlib import Path
from typing import Any

from fastbert.errors import ConfigError

__all__ = ["JsonObject", "parse_json", "read_json", "shown"]

_MAX_BYTES = 16 << 20  # the largest configuration file seen in practice has a few kilobytes


def parse_json(text: bytes, *, unique_keys: bool = True) -> object:
    """Parse UTF-8 JSON.

    Args:
        text: the JSON.
        unique_keys: refuse an object that has a key twice; for large files, False is faster and
            lets the last one count.

    Raises:
        ValueError: in a form that completes "the file ...": why `text` is not such JSON.
    """
    try:
        hook = _unique_keys if unique_keys else None
        value: object = json.loads(text.decode("utf-8-sig"), object_pairs_hook=hook)
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from None
    except RecursionError:
        raise ValueError("is not JSON of a sane depth") from None
    except ValueError as error:  # a duplicate key, or an integer of thousands of digits
        raise ValueError(f"is not usable JSON: {error}") from None
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise ValueError(f"the key {shown(counts.most_common(1)[0][0])} appears twice")
    return fields


# A file may hold a few lists that hold each other so often that their text would fill the memory.
_brief = reprlib.Repr()
_brief.maxlevel = 4
_brief.maxlist = _brief.maxtuple = _brief.maxdict = _brief.maxset = _brief.maxfrozenset = 10
_brief.maxstring = _brief.maxother = 400


def shown(value: object, limit: int = 80) -> str:
    """The `repr` of a value from a file, short enough for an error message."""
    try:
        text = _brief.repr(value)
    except ValueError:  # an int beyond sys.get_int_max_str_digits()
        return "a number of thousands of digits"
    return text if len(text) <= limit else text[: limit - 3] + "..."


def read_json(path: Path, *, max_bytes: int = _MAX_BYTES, unique_keys: bool = True) -> object:
    """Read one JSON file of at most `max_bytes`; for `unique_keys` see `parse_json`.

    Raises:
        ConfigError: if the file is missing, unreadable, too large or not JSON.
    """
    try:
        with path.open("rb") as file:
            # Not max_bytes at once: read() sets that much memory aside first.
            text = file.read(_MAX_BYTES + 1)
            if _MAX_BYTES < len(text) <= max_bytes:
                text += file.read(max_bytes + 1 - len(text))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
    if len(text) > max_bytes:
        raise ConfigError(f"{path} has more than {max_bytes >> 20} MiB: not a configuration file")
    try:
        return parse_json(text, unique_keys=unique_keys)
    except ValueError as error:
        raise ConfigError(f"{path} {error}") from None


class JsonObject:
    """The object in one JSON file, with typed access; every error names the file and the key."""

    def __init__(self, path: Path, fields: dict[str, Any]) -> None:
        self.path = path
        self.fields = fields

    @classmethod
    def read(
        cls, path: Path, *, max_bytes: int = _MAX_BYTES, unique_keys: bool = True
    ) -> JsonObject:
        """Read a file that must hold an object; see `read_json`.

        Raises:
            ConfigError: if it cannot be read or holds anything else.
        """
        fields = read_json(path, max_bytes=max_bytes, unique_keys=unique_keys)
        if not isinstance(fields, dict):
            raise ConfigError(f"{path} holds {_kind(fields)}, expected a JSON object")
        return cls(path, fields)

    def __contains__(self, key: str) -> bool:
        return key in self.fields

    def get(self, key: str, default: object = None) -> object:
        """The raw value; a JSON null counts as absent, as it does for transformers."""
        value = self.fields.get(key)
        return default if value is None else value

    def error(self, key: str, expected: str) -> ConfigError:
        """The exception which says that the value of `key` should have been `expected`."""
        if key not in self.fields:
            return ConfigError(f"{self.path} has no {key}, expected {expected}")
        return ConfigError(f"{self.path}: {key} is {shown(self.fields[key])}, expected {expected}")

    def integer(self, key: str, default: int | None = None, *, minimum: int, maximum: int) -> int:
        """An integer within the bounds."""
        value = self.get(key, default)
        # bool is an int to Python, but true layers are no number of layers.
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
            raise self.error(key, f"an integer from {minimum} to {maximum}")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number."""
        value = self.get(key, default)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise self.error(key, "a number")
        try:
            value = float(value)
        except OverflowError:
            raise self.error(key, "a number") from None
        if not math.isfinite(value):
            raise self.error(key, "a finite number")
        return value

    def boolean(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self.get(key, default)
        if not isinstance(value, bool):
            raise self.error(key, "true or false")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A string."""
        value = self.get(key, default)
        if not isinstance(value, str):
            raise self.error(key, "a string")
        return value


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return "a string" if isinstance(value, str) else shown(value)
