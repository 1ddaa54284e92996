"""Where a warning should point."""

from __future__ import annotations

import sys

__all__ = ["callers_level"]


def callers_level() -> int:
    """The stacklevel with which a warning of this package points at the line that called it."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").startswith("fastbert."):
        frame, level = frame.f_back, level + 1
    return level
