"""The `fastbert` command: vectors, similarities, facts about this machine, downloads."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from fastbert.cli_bench import add_bench
from fastbert.cli_files import (
    check_output,
    csv_lines,
    json_lines,
    open_output,
    read_texts,
    row,
    write_npy,
)
from fastbert.cli_options import add_computing, add_model, add_on_overflow, add_texts
from fastbert.cli_tasks import add_tasks
from fastbert.default_model import DEFAULT_MODEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastbert import Encoder

__all__ = ["main"]

_FORMATS = ("jsonl", "csv", "npy")
# Not imported from their modules, because those import NumPy and the compiled part.
_PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")
_OVERFLOWS = ("truncate", "error", "window")

# Put before words behind `--`, so that argparse takes none for an option or for another `--`, which
# Python 3.11 would drop. No argument of a program has this character.
_PLAIN = "\0"

_USAGE_ERROR = 2
_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
_BROKEN_PIPE = 141  # 128 + SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = _parse(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            arguments.command(arguments)
        sys.stdout.flush()
        return 0
    except BrokenPipeError:
        # The reader (head, less) has what it wanted; the flush at exit must not fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except KeyboardInterrupt:
        return _INTERRUPTED
    # Bad texts, options, files, models, and a build without the compiled part.
    except (OSError, ValueError, TypeError, ImportError) as error:
        print(f"fastbert: error: {error}", file=sys.stderr)
        return _USAGE_ERROR


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; texts may stand between options, and all that is behind `--` is text."""
    parser, commands = _parsers()
    words = list(sys.argv[1:] if argv is None else argv)
    command = commands.get(words[0]) if words else None
    if command is None:  # --help, --version, or a mistake
        return parser.parse_args(words)
    if "--" in words:
        behind = words.index("--") + 1
        words[behind:] = [_PLAIN + word for word in words[behind:]]
    arguments, left = command.parse_known_intermixed_args(words[1:])
    if left:
        command.error(f"unrecognized arguments: {' '.join(map(_as_given, left))}")
    for name, value in vars(arguments).items():
        setattr(arguments, name, _as_given(value))
    return arguments


def _as_given(value: Any) -> Any:  # noqa: ANN401 (whatever an argument may be)
    if isinstance(value, list):
        return [_as_given(each) for each in value]
    return value.removeprefix(_PLAIN) if isinstance(value, str) else value


def _show_warning(  # noqa: PLR0917 (the signature of warnings.showwarning)
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Say only what went wrong; where in fastbert is no help on a command line."""
    print(f"fastbert: warning: {message}", file=sys.stderr)


def _parsers() -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """The parser of the whole, and that of each command."""
    parser = argparse.ArgumentParser(
        prog="fastbert", description="Run BERT on a CPU: text in, vectors out."
    )
    parser.add_argument("--version", action=_Version, help="show the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_encode(commands.add_parser("encode", help="print or save the vectors of texts"))
    _add_similarity(commands.add_parser("similarity", help="compare a text with others"))
    add_tasks(commands)
    add_bench(commands.add_parser("bench", help="measure how fast this machine is, and why"))
    info = commands.add_parser("info", help="show versions, CPU, instruction sets, threads, caches")
    info.description = "What this fastbert is and what it has found on this machine."
    info.set_defaults(command=_info)
    _add_pull(commands.add_parser("pull", help="download a model and print its directory"))
    return parser, commands.choices


class _Version(argparse.Action):
    """Like argparse's own, but the version is looked up only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"fastbert {_version()}")
        parser.exit()


def _add_model_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default=DEFAULT_MODEL, help="directory or name (%(default)s)")
    add_computing(parser)
    parser.add_argument("--batch-size", type=int, metavar="N", help="most texts in a batch")
    parser.add_argument("--prompt-name", metavar="NAME", help="a prompt of the model, put in front")
    parser.add_argument("--prompt", metavar="TEXT", help="a text put in front of every text")
    add_on_overflow(parser, *_OVERFLOWS)


def _add_encode(parser: argparse.ArgumentParser) -> None:
    parser.description = "Vectors of the texts given, else of each line of a file or of stdin."
    add_texts(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write (stdout)")
    parser.add_argument(
        "--format", choices=_FORMATS, help="of the output (by the file's suffix; jsonl on stdout)"
    )
    _add_model_options(parser)
    parser.add_argument("--normalize", action="store_true", help="scale vectors to length 1")
    parser.add_argument("--truncate-dim", type=int, metavar="N", help="keep the first N dimensions")
    parser.add_argument(
        "--precision",
        choices=_PRECISIONS,
        default="float32",
        help="of the numbers in the output (%(default)s)",
    )
    parser.set_defaults(command=_encode)


def _add_similarity(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "One line for each B: its similarity to A, a tab, the text, with single blanks for white "
        "space."
    )
    parser.add_argument("a", metavar="A", help="the text to compare with")
    parser.add_argument(
        "b", metavar="B", nargs="+", help="the other texts; all that is behind -- is text"
    )
    _add_model_options(parser)
    parser.set_defaults(
        command=_similarity, normalize=False, truncate_dim=None, precision="float32"
    )


def _add_pull(parser: argparse.ArgumentParser) -> None:
    parser.description = "Download a model, unless it is here already, and print its directory."
    add_model(parser)
    parser.add_argument("--revision", metavar="NAME", help="branch, tag or commit (main)")
    parser.set_defaults(command=_pull)


def _encode(arguments: argparse.Namespace) -> None:
    output_format = _output_format(arguments)
    check_output(arguments.output)
    texts = read_texts(arguments)
    _, vectors = _load_and_encode(arguments, texts)
    if output_format == "npy":
        write_npy(arguments.output, vectors)
    else:
        lines = json_lines if output_format == "jsonl" else csv_lines
        with open_output(arguments.output) as file:
            file.writelines(lines(texts, vectors))


def _load_and_encode(
    arguments: argparse.Namespace, texts: list[str]
) -> tuple[Encoder, NDArray[Any]]:
    import numpy as np

    import fastbert

    encoder = fastbert.load(
        arguments.model, compute_type=arguments.compute_type, threads=arguments.threads
    )
    vectors = encoder.encode(
        texts,
        prompt_name=arguments.prompt_name,
        prompt=arguments.prompt,
        batch_size=arguments.batch_size,
        show_progress_bar=sys.stderr is not None and sys.stderr.isatty(),
        precision=arguments.precision,
        normalize_embeddings=arguments.normalize,
        truncate_dim=arguments.truncate_dim,
        on_overflow=arguments.on_overflow,
    )
    return encoder, np.asarray(vectors)  # a list only for token embeddings, which are not asked for


def _output_format(arguments: argparse.Namespace) -> str:
    suffix = Path(arguments.output).suffix[1:].lower() if arguments.output else "jsonl"
    chosen: str = arguments.format or suffix
    if chosen not in _FORMATS:
        raise ValueError(
            f"the format of {arguments.output} is unknown, expected --format or a suffix out of "
            f"{', '.join(_FORMATS)}"
        )
    if chosen == "npy" and not arguments.output:
        raise ValueError("--format npy needs -o FILE: it is no text for a terminal or a pipe")
    return chosen


def _similarity(arguments: argparse.Namespace) -> None:
    encoder, vectors = _load_and_encode(arguments, [arguments.a, *arguments.b])
    scores = encoder.similarity(vectors[:1], vectors[1:])[0]
    with open_output(None) as file:
        for score, text in zip(scores.tolist(), arguments.b, strict=True):
            file.write(f"{row(score, text)}\n")


def _info(_: argparse.Namespace) -> None:
    import platform

    import numpy as np

    import fastbert
    from fastbert.encoder import COMPUTE_TYPES

    cpu = fastbert.cpu_info()
    facts = {
        "fastbert": _version(),
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "CPU": cpu["model_name"],
        "instruction set": cpu["isa"],
        "available": ", ".join(cpu["available_isas"]),
        "compiled": ", ".join(cpu["compiled_isas"]),
        "compute types": ", ".join(COMPUTE_TYPES),
        "threads": cpu["threads"],
        "L1d, L2, L3": ", ".join(_size(cpu[key]) for key in ("l1d_bytes", "l2_bytes", "l3_bytes")),
        "model cache": _cache(),
    }
    for name, value in facts.items():
        print(f"{name + ':':<17}{value}")


def _cache() -> str:
    from fastbert.own_cache import cache_folder, own_cache

    if cache_folder("") is not None:
        return own_cache()
    return f"{own_cache()} (packed weights are not kept: FASTBERT_CACHE is off)"


def _size(count: int | None) -> str:
    if not count:
        return "unknown"
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"


def _pull(arguments: argparse.Namespace) -> None:
    from fastbert.hub import resolve

    print(resolve(arguments.model, revision=arguments.revision))


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("fastbert")
    except PackageNotFoundError:  # run from a source tree
        return "unknown"


if __name__ == "__main__":
    sys.exit(main())
