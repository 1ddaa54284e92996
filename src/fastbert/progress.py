"""A progress line on a terminal, in a few lines instead of a dependency."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

__all__ = ["Progress", "logs_info", "progress"]

_REDRAW_SECONDS = 0.1  # a terminal over a network should not be what bounds the work
_BAR_WIDTH = 20


class Progress:
    """Counts finished items and, when enabled, redraws one line of a stream."""

    def __init__(
        self, total: int, description: str, unit: str, enabled: bool, stream: TextIO
    ) -> None:
        self.total = total
        self.done = 0
        self._description = description
        self._unit = unit
        self._enabled = enabled
        self._stream = stream
        self._start = time.monotonic()
        self._drawn = float("-inf")

    def update(self, count: int) -> None:
        """Say that `count` more items are finished."""
        self.done += count
        if self._enabled and time.monotonic() - self._drawn >= _REDRAW_SECONDS:
            self._draw()

    def __enter__(self) -> Progress:
        if self._enabled:
            self._draw()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._enabled:
            self._draw()
            self._write("\n")

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        self._write("\r" + self._line() + "\x1b[K")  # then erase what a longer line has left

    def _line(self) -> str:
        seconds = max(time.monotonic() - self._start, 1e-9)
        share = self.done / self.total if self.total else 1.0
        filled = min(_BAR_WIDTH, int(share * _BAR_WIDTH))
        bar = "#" * filled + "-" * (_BAR_WIDTH - filled)
        return (
            f"{self._description} [{bar}] {self.done:,}/{self.total:,} {self._unit}, "
            f"{self.done / seconds:,.0f} {self._unit}/s"
        )

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the terminal went away; the work goes on
            self._enabled = False


def progress(
    total: int, *, description: str = "", unit: str = "texts", enabled: bool = True
) -> Progress:
    """A context manager that shows progress on stderr.

    >>> with progress(3, description="encoding", enabled=False) as bar:
    ...     for _ in range(3):
    ...         bar.update(1)
    >>> bar.done
    3

    Args:
        total: number of items of the whole work.
        description: first words of the line.
        unit: what is counted, in the plural.
        enabled: False draws nothing at all.
    """
    # stderr is None in a program without a console.
    stream = sys.stderr
    return Progress(total, description, unit, enabled and stream is not None, stream)


def logs_info() -> bool:
    """Whether the logger "fastbert" is at INFO; nobody has set it if logging was never imported."""
    logging = sys.modules.get("logging")
    return logging is not None and logging.getLogger("fastbert").isEnabledFor(logging.INFO)
