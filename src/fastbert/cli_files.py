"""What the command line reads and writes: a text per line, a vector per text."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import nullcontext
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["csv_lines", "json_lines", "open_output", "read_lines", "write_npy"]


def read_lines(file: Iterable[bytes], name: str) -> list[str]:
    """The texts of a UTF-8 file: every line, empty ones too, so that row i belongs to line i.

    Raises:
        ValueError: if a line is not UTF-8; it says which.
    """
    texts = []
    # In bytes, because str knows more ends of a line than a text file has.
    for number, line in enumerate(file, 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{name}: line {number} is not UTF-8: {error.reason}") from None
        texts.append(text.removesuffix("\n").removesuffix("\r"))
    return texts


def open_output(path: str | None) -> IO[str] | nullcontext[IO[str]]:
    """A context manager that gives the file to write text to; None is standard output."""
    if path is None:
        return nullcontext(sys.stdout)
    return open(path, "w", encoding="utf-8", newline="")


def write_npy(path: str, vectors: NDArray[Any]) -> None:
    """Save vectors in NumPy's format, under exactly this name."""
    import numpy as np

    with open(path, "wb") as file:  # np.save would append a suffix to a bare path
        np.save(file, vectors)


def _row_format(vectors: NDArray[Any]) -> str:
    # Nine digits bring every float32 back exactly, and one % per row is fast.
    return ",".join(["%.9g" if vectors.dtype.kind == "f" else "%d"] * vectors.shape[1])


def json_lines(texts: list[str], vectors: NDArray[Any]) -> Iterable[str]:
    """One JSON object per text: {"text": ..., "embedding": [...]}."""
    import json

    row_format = _row_format(vectors)
    for text, vector in zip(texts, vectors, strict=True):
        numbers = row_format % tuple(vector.tolist())
        yield f'{{"text": {json.dumps(text, ensure_ascii=False)}, "embedding": [{numbers}]}}\n'


def csv_lines(texts: list[str], vectors: NDArray[Any]) -> Iterable[str]:
    """A header, then one row per text: the text in quotes, its vector."""
    row_format = _row_format(vectors)
    yield ",".join(["text", *map(str, range(vectors.shape[1]))]) + "\n"
    for text, vector in zip(texts, vectors, strict=True):
        quoted = text.replace('"', '""')
        yield f'"{quoted}",{row_format % tuple(vector.tolist())}\n'
