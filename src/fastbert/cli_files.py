"""What the command line reads and writes: a text per line, a vector or a score per text."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "check_output",
    "csv_lines",
    "json_lines",
    "open_output",
    "read_texts",
    "read_whole",
    "row",
    "write_npy",
]


def read_texts(arguments: argparse.Namespace) -> list[str]:
    """The texts of a command: its arguments, or the lines of `--input`, or those of stdin.

    Every line is a text, empty ones too, so that row i belongs to line i.
    """
    if arguments.texts and arguments.input is not None:
        raise ValueError("expected texts or --input, not both")
    if arguments.texts:
        return list(arguments.texts)
    lines = _decoded("-" if arguments.input is None else arguments.input)
    return [line.removesuffix("\n").removesuffix("\r") for line in lines]


def read_whole(path: str) -> str:
    """One text: all of a file, with its ends of lines as they are; - is stdin."""
    return "".join(_decoded(path))


def _decoded(path: str) -> Iterator[str]:
    """The lines of a UTF-8 file with their ends; - is stdin.

    Raises:
        ValueError: if a line is not UTF-8; it says which.
    """
    name = "stdin" if path == "-" else path
    with nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb") as file:
        # In bytes, because str knows more ends of a line than a text file has.
        for number, line in enumerate(file, 1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(f"{name}: line {number} is not UTF-8: {error.reason}") from None


def check_output(path: str | None) -> None:
    """Say before the work whether `path` can be written after it; nothing is touched.

    Raises:
        ValueError: if it cannot; it says why.
    """
    obstacle = None if path is None else _obstacle(path)
    if obstacle:
        raise ValueError(f"cannot write {path!r}: {obstacle}")


def _obstacle(path: str) -> str | None:
    if os.path.isdir(path) or not os.path.basename(path):
        return "expected the name of a file, not of a directory"
    # Asked before links are followed by name: /dev/stdout may lead to a pipe, which has none.
    if os.path.exists(path):
        return None if os.access(path, os.W_OK) else "it is not writable"
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        return "its directory does not exist"
    return None if os.access(folder, os.W_OK | os.X_OK) else "its directory is not writable"


def open_output(path: str | None) -> IO[str] | nullcontext[IO[str]]:
    r"""A context manager that gives the UTF-8 file to write text to; None is standard output.

    A lone surrogate, which UTF-8 cannot express, is written as \udcff: it comes from an argument
    that is not UTF-8, and is no reason to lose what has been computed.
    """
    if path is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
        return nullcontext(sys.stdout)
    return open(path, "w", encoding="utf-8", errors="backslashreplace", newline="")


def row(score: float, *columns: object) -> str:
    """One line for people, without its end: tabs between columns, white space in one as a blank."""
    return "\t".join([f"{score:.4f}", *(" ".join(str(column).split()) for column in columns)])


def write_npy(path: str, vectors: NDArray[Any]) -> None:
    """Save vectors in NumPy's format, under exactly this name."""
    import numpy as np

    with open(path, "wb") as file:  # np.save would append a suffix to a bare path
        np.save(file, vectors)


def _row_format(vectors: NDArray[Any]) -> str:
    # Nine digits bring every float32 back exactly, and one % per row is fast.
    return ",".join(["%.9g" if vectors.dtype.kind == "f" else "%d"] * vectors.shape[1])


def json_lines(texts: list[str], vectors: NDArray[Any]) -> Iterable[str]:
    """One JSON object per text: {"text": ..., "embedding": [...]}.

    A number that is not finite is NaN, Infinity or -Infinity, as Python's json has it.
    """
    import json

    import numpy as np

    row_format = _row_format(vectors)
    finite = bool(np.isfinite(vectors).all())
    for text, vector in zip(texts, vectors, strict=True):
        numbers = row_format % tuple(vector.tolist())
        if not finite:
            numbers = numbers.replace("nan", "NaN").replace("inf", "Infinity")
        yield f'{{"text": {json.dumps(text, ensure_ascii=False)}, "embedding": [{numbers}]}}\n'


def csv_lines(texts: list[str], vectors: NDArray[Any]) -> Iterable[str]:
    """A header, then one row per text: the text in quotes, its vector."""
    row_format = _row_format(vectors)
    yield ",".join(["text", *map(str, range(vectors.shape[1]))]) + "\n"
    for text, vector in zip(texts, vectors, strict=True):
        quoted = text.replace('"', '""')
        yield f'"{quoted}",{row_format % tuple(vector.tolist())}\n'
