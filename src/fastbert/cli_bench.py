"""The command `fastbert bench`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fastbert.cli_files import check_output
from fastbert.cli_options import add_model, add_threads
from fastbert.progress import progress

if TYPE_CHECKING:
    from fastbert.bench import Result

__all__ = ["add_bench"]

_LENGTHS = (8, 16, 32, 64, 128, 256, 512)
_BATCH_SIZES = "1,8,32"
_SECONDS = 0.3


def add_bench(parser: argparse.ArgumentParser) -> None:
    """Give the parser of the command its arguments."""
    usual = ",".join(map(str, _LENGTHS))
    parser.description = (
        "Time the whole of encode(), tokenizing included, on texts of an exact number of tokens, "
        "and compare with what this machine can do: its peak of arithmetic, and how fast it reads "
        "the weights. Rates are those of the fastest call."
    )
    add_model(parser)
    parser.add_argument(
        "--compute-type", metavar="TYPE,...", help="what to compute with (all there are)"
    )
    parser.add_argument(
        "--lengths",
        metavar="N,...",
        help=f"tokens of a text, [CLS] and [SEP] included ({usual}, as far as the model goes)",
    )
    parser.add_argument(
        "--batch-sizes", metavar="N,...", default=_BATCH_SIZES, help="texts per call (%(default)s)"
    )
    add_threads(parser)
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        default=_SECONDS,
        help="how long each row is repeated, twice at least after a call to warm up (%(default)s)",
    )
    parser.add_argument(
        "--profile",
        type=int,
        metavar="N",
        help="also show where the time of one text of N tokens goes",
    )
    parser.add_argument("--json", metavar="FILE", help="save everything that was measured")
    parser.add_argument(
        "--plot",
        metavar="FILE",
        help="draw time against length (.png, .svg, .pdf); needs pip install 'fastbert[plot]'",
    )
    parser.set_defaults(command=_bench)


def _bench(arguments: argparse.Namespace) -> None:
    _check_files(arguments)
    results: list[Result] = []
    for compute_type in _compute_types(arguments.compute_type):
        result = _measure(arguments, compute_type)
        results.append(result)
        _print(result, first=len(results) == 1)
    _save(arguments, results)


def _save(arguments: argparse.Namespace, results: list[Result]) -> None:
    import fastbert

    cpu = fastbert.cpu_info()
    if arguments.json:
        report = {
            "fastbert": fastbert.__version__,
            "model": arguments.model,
            "machine": cpu,
            "results": [result.as_dict() for result in results],
        }
        Path(arguments.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if arguments.plot:
        from fastbert.bench_plot import write_plot

        model = Path(arguments.model).name or arguments.model
        write_plot(arguments.plot, results, title=f"{model} on {cpu['model_name']}")


def _check_files(arguments: argparse.Namespace) -> None:
    """Now, not after half a minute of measuring."""
    for path in (arguments.json, arguments.plot):
        check_output(path)
    if arguments.plot:
        from fastbert.bench_plot import check_plot

        check_plot(arguments.plot)
    if not arguments.seconds > 0:
        raise ValueError(f"--seconds is {arguments.seconds}, but must be positive")


def _compute_types(chosen: str | None) -> list[str]:
    from fastbert.encoder import COMPUTE_TYPES

    wanted = chosen.split(",") if chosen else list(COMPUTE_TYPES)
    for compute_type in wanted:
        if compute_type not in COMPUTE_TYPES:
            raise ValueError(
                f"--compute-type is {compute_type!r}, but must be one of {', '.join(COMPUTE_TYPES)}"
            )
    return wanted


def _numbers(option: str, value: str) -> list[int]:
    numbers = [int(part) if part.strip().isdecimal() else 0 for part in value.split(",")]
    if min(numbers) < 1:
        raise ValueError(f"{option} is {value!r}, but must be positive integers between commas")
    return numbers


def _measure(arguments: argparse.Namespace, compute_type: str) -> Result:
    import fastbert
    from fastbert import bench

    wanted = _numbers("--lengths", arguments.lengths) if arguments.lengths else None
    batch_sizes = _numbers("--batch-sizes", arguments.batch_sizes)
    encoder = fastbert.load(arguments.model, compute_type=compute_type, threads=arguments.threads)
    # What the network can take, even if the model's files say that it should be given less.
    encoder.max_seq_length = encoder.config.max_length
    lengths = bench.choose_lengths(wanted, _LENGTHS, encoder)
    profile_lengths = [] if arguments.profile is None else [arguments.profile]
    bench.choose_lengths(profile_lengths, _LENGTHS, encoder)
    limits = bench.measure_limits(encoder, arguments.threads or fastbert.cpu_info()["threads"])
    cells = []
    with progress(
        len(batch_sizes) * len(lengths),
        description=f"measuring {compute_type}",
        unit="rows",
        enabled=sys.stderr is not None and sys.stderr.isatty(),
    ) as bar:
        for batch_size in batch_sizes:
            for length in lengths:
                cells.append(bench.measure(encoder, length, batch_size, arguments.seconds))
                bar.update(1)
    profiles = [bench.measure_profile(encoder, n, arguments.seconds) for n in profile_lengths]
    return bench.Result(compute_type, encoder.isa, limits, tuple(cells), *profiles)


def _print(result: Result, *, first: bool) -> None:
    from fastbert import bench

    print("" if first else "\n", bench.table(result), sep="")
    if result.profile:
        print(f"\n{result.profile}")
    sys.stdout.flush()
