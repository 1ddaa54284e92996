"""Arguments that several commands have."""

from __future__ import annotations

import argparse

from fastbert.default_model import DEFAULT_MODEL

__all__ = [
    "COMPUTE_TYPES",
    "add_computing",
    "add_model",
    "add_on_overflow",
    "add_texts",
    "add_threads",
]

# Not imported from its module, because that imports NumPy and the compiled part.
COMPUTE_TYPES = ("float32", "bfloat16", "int8")


def add_model(parser: argparse.ArgumentParser) -> None:
    """A model that need not be named."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        default=DEFAULT_MODEL,
        # Not %(default)s, which Python 3.11 does not have while options are parsed.
        help=f"directory or name ({DEFAULT_MODEL})",
    )


def add_texts(parser: argparse.ArgumentParser, metavar: str = "TEXT") -> None:
    """What `read_texts` reads."""
    parser.add_argument(
        "texts",
        metavar=metavar,
        nargs="*",
        help="without any, the lines of --input, else of stdin; all that is behind -- is text",
    )
    parser.add_argument("-i", "--input", metavar="FILE", help="one text a line, UTF-8; - is stdin")


def add_computing(parser: argparse.ArgumentParser) -> None:
    """How a model is loaded."""
    parser.add_argument(
        "--compute-type",
        choices=COMPUTE_TYPES,
        default="float32",
        help="what to compute with: smaller is faster and less exact (%(default)s)",
    )
    add_threads(parser)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """How many threads."""
    parser.add_argument("--threads", type=int, metavar="N", help="threads (all that are allowed)")


def add_on_overflow(parser: argparse.ArgumentParser, *choices: str) -> None:
    """What happens to long texts; the first choice is the usual one."""
    parser.add_argument(
        "--on-overflow",
        choices=choices,
        default=choices[0],
        help="what to do with texts that are too long for the model (%(default)s)",
    )
