"""Where fastbert's own cache is, and how a file gets there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "UNFINISHED",
    "cache_folder",
    "expanded",
    "own_cache",
    "remove",
    "user_cache",
    "write_file",
]

UNFINISHED = ".tmp-"  # in the name of a file that is being written
_OFF = ("off", "0")


def user_cache() -> str:
    """Where programs of this user keep what can be fetched again."""
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache")


def expanded(path: str) -> str:
    """A path with ~ and ~user replaced; Path.expanduser would raise for an unknown user."""
    return os.path.expanduser(path)


def own_cache() -> str:
    """Our own cache: $FASTBERT_CACHE, $XDG_CACHE_HOME/fastbert or ~/.cache/fastbert."""
    own = os.environ.get("FASTBERT_CACHE")
    if own and own.lower() not in _OFF:
        return expanded(own)
    return os.path.join(user_cache(), "fastbert")


def cache_folder(name: str) -> str | None:
    """A folder for what only saves time; None if the user wants nothing kept."""
    if os.environ.get("FASTBERT_CACHE", "").lower() in _OFF:
        return None
    return os.path.join(own_cache(), name)


def write_file(path: str, parts: Iterable[Any]) -> None:
    """Put a file in place, complete or not at all, whoever else does the same at this moment.

    Args:
        path: of the file; its folder is made if need be.
        parts: what to write, in order: bytes or contiguous arrays.

    Raises:
        OSError: if that is not possible; nothing is left behind.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}{UNFINISHED}{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o644), "wb") as file:
            for part in parts:
                file.write(part)
            # The user's umask may be lax; a file that others can write is not trusted.
            os.fchmod(file.fileno(), os.fstat(file.fileno()).st_mode & 0o755)
        os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def remove(path: str) -> None:
    """Delete a file that may be gone already, or not ours to delete."""
    try:
        os.unlink(path)
    except OSError:
        return
