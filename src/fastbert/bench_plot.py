"""The picture of `fastbert bench`: time per text against length, and what limits it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastbert.bench import Cell, Result

__all__ = ["check_plot", "write_plot"]

# Told apart by people who do not see red and green as well.
_COLORS = ("#2a6fbb", "#d1631b", "#2a9d74", "#8a4fa3")
_MARKERS = ("o", "s", "^", "D", "v")
_INK, _FAINT = "#333333", "#dddddd"


def check_plot(path: str) -> None:
    """Say now whether `write_plot` can write this file.

    Raises:
        ImportError: if matplotlib is not installed.
        ValueError: if it does not know the file's suffix.
    """
    formats = _figure().canvas.get_supported_filetypes()
    if Path(path).suffix[1:].lower() not in formats:
        raise ValueError(f"cannot plot to {path}, expected a suffix out of {', '.join(formats)}")


def write_plot(path: str, results: Sequence[Result], *, title: str) -> None:
    """Draw milliseconds per text against tokens per text, one line per compute type and batch size.

    Dashed lines are what the machine allows: the arithmetic at its peak, and, for one text alone,
    reading every weight once.
    """
    figure = _figure()
    axes = figure.add_subplot()
    for color, result in zip(_COLORS * len(results), results, strict=False):
        _draw_result(axes, result, color, several=len(results) > 1)
        _draw_limits(axes, result, color)
    _style(axes, results, title)
    figure.savefig(path)


def _figure() -> Any:  # noqa: ANN401 (matplotlib is no dependency, so neither are its types)
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("--plot needs matplotlib: pip install 'fastbert[plot]'") from None
    return Figure(figsize=(8.8, 5), dpi=150, layout="constrained")


def _batches(result: Result) -> dict[int, list[Cell]]:
    """The cells by batch size, shortest texts first."""
    batches: dict[int, list[Cell]] = {}
    for cell in sorted(result.cells, key=lambda cell: cell.length):
        batches.setdefault(cell.batch_size, []).append(cell)
    return batches


def _draw_result(axes: Any, result: Result, color: str, *, several: bool) -> None:  # noqa: ANN401
    batches = _batches(result)
    for i, (batch_size, cells) in enumerate(batches.items()):
        name = f"{result.compute_type}, " if several else ""
        texts = "one text" if batch_size == 1 else f"{batch_size} texts"
        axes.plot(
            [cell.length for cell in cells],
            [cell.best / batch_size * 1e3 for cell in cells],
            color=color,
            alpha=1 - 0.7 * i / len(batches),
            marker=_MARKERS[i % len(_MARKERS)],
            markersize=5,
            linewidth=1.8,
            label=f"{name}{texts} a call",
        )


def _draw_limits(axes: Any, result: Result, color: str) -> None:  # noqa: ANN401
    limits, batches = result.limits, _batches(result)
    cells = next(iter(batches.values()))
    lengths = [cell.length for cell in cells]
    lines = []
    if 1 in batches:  # more texts share the reading
        text = (
            f"{result.compute_type}, {_size(limits.weight_bytes)} of weights\n"
            f"read once at {limits.stream_gb_per_s:,.0f} GB/s"
        )
        lines.append(([limits.stream_seconds * 1e3] * len(cells), text))
    peak = [cell.flops / cell.batch_size / limits.peak_gflops / 1e6 for cell in cells]
    lines.append((peak, f"{result.compute_type}, arithmetic\nat {limits.peak_gflops:,.0f} GFLOP/s"))
    for milliseconds, text in lines:
        axes.plot(lengths, milliseconds, color=color, linestyle=(0, (4, 3)), linewidth=1.2)
        _write(axes, (lengths[-1], milliseconds[-1]), text, color)


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count >= 1e7 else f"{count / 1e6:,.1f} MB"


def _write(axes: Any, place: tuple[float, float], text: str, color: str) -> None:  # noqa: ANN401
    axes.annotate(
        text,
        place,
        xytext=(8, 0),
        textcoords="offset points",
        color=color,
        fontsize=8,
        va="center",
        annotation_clip=False,
    )


def _style(axes: Any, results: Sequence[Result], title: str) -> None:  # noqa: ANN401
    lengths = sorted({cell.length for result in results for cell in result.cells})
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(lengths, [str(length) for length in lengths])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("tokens of a text")
    axes.set_ylabel("milliseconds per text")
    threads = results[0].limits.threads
    axes.set_title(f"{title}, threads: {threads}", loc="left", fontsize=11, color=_INK)
    axes.grid(color=_FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=_INK, length=0)
    axes.legend(frameon=False, fontsize=9, loc="upper left")
