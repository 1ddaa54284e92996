"""Arrays of bytes in fastbert's cache: whole, unchanged and our own, or not there.

Nothing here raises for what may be wrong with a cache: a file that cannot be written is not
written, and one that is damaged, foreign or somebody else's is not found.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

import numpy as np

from fastbert._native import _core
from fastbert.own_cache import UNFINISHED, cache_folder, remove, write_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["can_store", "fetch", "store"]

_MAGIC = b"fastbert"
_HEADER = 4096  # a page, so that what follows is aligned: magic, size, checksum, name
_MOST_BYTES = 2 << 30  # of one folder; files that were written first go first
_ABANDONED_SECONDS = 3600  # after which a file that was never finished is removed
_SMALL = 4 << 20  # a second thread does not pay


def fetch(folder: str, name: str) -> NDArray[np.uint8] | None:
    """Map a file that `store` has written.

    Returns:
        Its content, read-only and aligned to a page, shared with every process that maps the same
        file; None unless all of it is there, unchanged and written by this user or by root.
    """
    place = cache_folder(folder)
    if place is None:
        return None
    try:
        descriptor = os.open(os.path.join(place, name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            state = os.fstat(descriptor)
            if not _is_ours(state) or state.st_size <= _HEADER:
                return None
            data = mmap.mmap(descriptor, state.st_size, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
    except (OSError, ValueError):  # ValueError: another process cuts the file at this moment
        return None
    content = np.frombuffer(data, np.uint8, offset=_HEADER)
    return content if data[:_HEADER] == _header(name, content) else None


def _is_ours(state: os.stat_result) -> bool:
    """Whether nobody but this user or root can have written a file."""
    return state.st_uid in (os.geteuid(), 0) and not state.st_mode & 0o022


def _header(name: str, content: NDArray[np.uint8]) -> bytes:
    """What stands before a content; all of it is compared, so that a renamed file is none."""
    checksum = _core.checksum(content, 1 if len(content) < _SMALL else 0)
    numbers = len(content).to_bytes(8, "little") + checksum.to_bytes(8, "little")
    return (_MAGIC + numbers + name.encode()).ljust(_HEADER, b"\0")


def can_store(folder: str) -> bool:
    """Whether `store` has a chance; preparing a content may take longer than its use saves."""
    place = cache_folder(folder)
    if place is None:
        return False
    try:
        os.makedirs(place, exist_ok=True)
    except OSError:
        return False
    return os.access(place, os.W_OK | os.X_OK)


def store(folder: str, name: str, content: NDArray[np.uint8]) -> None:
    """Write a file for `fetch`, in one step, and remove the oldest ones if there are too many."""
    place = cache_folder(folder)
    if place is None:
        return
    try:
        write_file(os.path.join(place, name), (_header(name, content), content))
        _prune(place)
    except OSError:
        return


def _prune(place: str) -> None:
    """Remove what was written first where the folder has grown too large, and what was given up."""
    import time

    with os.scandir(place) as entries:
        files = [(entry.stat(), entry.path) for entry in entries if entry.is_file()]
    files.sort(key=lambda file: file[0].st_mtime, reverse=True)
    total = 0
    for i, (state, path) in enumerate(files):
        total += state.st_size
        abandoned = UNFINISHED in path and state.st_mtime < time.time() - _ABANDONED_SECONDS
        if abandoned or (i > 0 and total > _MOST_BYTES):
            remove(path)
