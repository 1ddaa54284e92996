"""How fast an encoder is on this machine, and how much of what the machine can do that is.

`fastbert bench` prints what is measured here. What is timed is all of `Encoder.encode`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastbert._native import _core
from fastbert.profiling import Profile

if TYPE_CHECKING:
    from fastbert.encoder import Encoder
    from fastbert.tokenizer import Tokenizer

__all__ = [
    "Cell",
    "Limits",
    "Result",
    "choose_lengths",
    "exact_texts",
    "measure",
    "measure_limits",
    "measure_profile",
    "peak_gflops",
    "table",
]

_LEAST_RUNS = 2  # one may be interrupted by something else
_WORDS_TRIED = 4000  # enough to be drawn from; a vocabulary may be a hundred times as large
_LEAST_STREAM = 1 << 16  # bytes that `_core.stream_gb_per_s` wants
_BYTES_STREAMED = 1 << 32  # in all passes, a tenth of a second or so


@dataclass(frozen=True, slots=True)
class Limits:
    """What the machine could do for one encoder: the roofline.

    Attributes:
        threads: threads of every call.
        peak_gflops: of all threads, in registers alone.
        weight_bytes: of all linear layers, as they lie packed in memory.
        stream_gb_per_s: how fast all threads together read that many bytes again and again.
    """

    threads: int
    peak_gflops: float
    weight_bytes: int
    stream_gb_per_s: float

    @property
    def stream_seconds(self) -> float:
        """How long it takes to read every weight once."""
        return self.weight_bytes / self.stream_gb_per_s / 1e9

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "threads": self.threads,
            "peak_gflops": self.peak_gflops,
            "weight_bytes": self.weight_bytes,
            "stream_gb_per_s": self.stream_gb_per_s,
        }


@dataclass(frozen=True, slots=True)
class Cell:
    """`batch_size` texts of `length` tokens each, encoded in one call again and again.

    Attributes:
        batch_size: texts of the call.
        length: tokens of each text, special ones included.
        times: seconds of every call.
        flops: multiplications and additions of a call, as `Profile` counts them.
        weight_bytes: weights that a call reads, once for every chunk.
    """

    batch_size: int
    length: int
    times: tuple[float, ...]
    flops: float
    weight_bytes: float

    @property
    def best(self) -> float:
        """Seconds of the fastest call."""
        return min(self.times)

    @property
    def median(self) -> float:
        """Seconds of the call in the middle."""
        return statistics.median(self.times)

    def rates(self, limits: Limits) -> dict[str, float | None]:
        """What the fastest call means, alone and against the limits of the machine."""
        gflops, gb_per_s = self.flops / self.best / 1e9, self.weight_bytes / self.best / 1e9
        return {
            "texts_per_s": self.batch_size / self.best,
            "tokens_per_s": self.batch_size * self.length / self.best,
            "gflops": gflops,
            "share_of_peak": gflops / limits.peak_gflops,
            "gb_per_s": gb_per_s,
            "share_of_stream": gb_per_s / limits.stream_gb_per_s,
        }

    def as_dict(self, limits: Limits) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "batch_size": self.batch_size,
            "length": self.length,
            "runs": len(self.times),
            "best_seconds": self.best,
            "median_seconds": self.median,
            "flops": self.flops,
            "weight_bytes": self.weight_bytes,
            **self.rates(limits),
        }


@dataclass(frozen=True, slots=True)
class Result:
    """All that was measured of one compute type."""

    compute_type: str
    isa: str
    limits: Limits
    cells: tuple[Cell, ...]
    profile: Profile | None = None

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "compute_type": self.compute_type,
            "isa": self.isa,
            "limits": self.limits.as_dict(),
            "cells": [cell.as_dict(self.limits) for cell in self.cells],
            "profile": self.profile.as_dict() if self.profile else None,
        }


def exact_texts(tokenizer: Tokenizer, length: int, count: int) -> list[str]:
    """`count` texts, all different, of exactly `length` tokens each: whole words at random.

    Raises:
        ValueError: if the vocabulary does not have so many texts of this length.
    """
    inner = length - sum(tokenizer.special_counts)
    words = _whole_words(tokenizer)
    rng = np.random.default_rng(0)
    texts: dict[str, None] = {}
    # A vocabulary of a few words may need some more tries to give texts that differ.
    for _ in range(10 * count if inner > 0 and words else 0):
        texts[" ".join(words[i] for i in rng.integers(len(words), size=inner))] = None
        if len(texts) == count:
            return list(texts)
    raise ValueError(
        f"this model's vocabulary does not give {count} different texts of {length} tokens"
    )


def _whole_words(tokenizer: Tokenizer) -> list[str]:
    """Words that are one token each, next to whatever else."""
    words = []
    for token_id in range(tokenizer.max_id, -1, -1):
        token = tokenizer.id_to_token(token_id)
        if token is not None and token.isalpha():
            words.append(token)
        if len(words) == _WORDS_TRIED:
            break
    lengths = np.diff(tokenizer.encode_batch(words, add_special_tokens=False).offsets)
    return [word for word, length in zip(words, lengths.tolist(), strict=True) if length == 1]


def measure(encoder: Encoder, length: int, batch_size: int, seconds: float) -> Cell:
    """Encode the same texts for so many seconds, twice at least, after a call to warm up."""
    texts = exact_texts(encoder.tokenizer, length, batch_size)
    _, profile = encoder.encode(texts, profile=True)
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < _LEAST_RUNS or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        encoder.encode(texts)
        times.append(time.perf_counter() - start)
    return Cell(batch_size, length, tuple(times), profile.flops, profile.weight_bytes)


def measure_profile(encoder: Encoder, length: int, seconds: float) -> Profile:
    """Where the time of one text goes: the fastest of the calls within so many seconds."""
    text = exact_texts(encoder.tokenizer, length, 1)[0]
    _, best = encoder.encode(text, profile=True)
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        _, profile = encoder.encode(text, profile=True)
        best = min(best, profile, key=lambda profile: profile.seconds)
    return best


def measure_limits(encoder: Encoder, threads: int) -> Limits:
    """What the machine can do for this encoder with so many threads."""
    shortest = 1 + sum(encoder.tokenizer.special_counts)
    _, profile = encoder.encode(exact_texts(encoder.tokenizer, shortest, 1), profile=True)
    size = int(profile.weight_bytes)  # one chunk has read each weight once
    tries = min(200, max(10, _BYTES_STREAMED // max(size, 1)))
    return Limits(
        threads=threads,
        peak_gflops=peak_gflops(encoder.compute_type, encoder.isa, threads),
        weight_bytes=size,
        stream_gb_per_s=_core.stream_gb_per_s(threads, max(_LEAST_STREAM, size), tries),
    )


def peak_gflops(compute_type: str, isa: str, threads: int) -> float:
    """Most operations that so many threads can do, 10^9 per second; those of int8 on integers."""
    return threads * _core.peak_gops(isa, compute_type)


def table(result: Result) -> str:
    """The cells of one compute type, under a line with the limits."""
    head = (
        f"{'batch':>5}{'tokens':>8}{'best ms':>11}{'median ms':>11}{'texts/s':>10}{'tokens/s':>11}"
        f"{'GFLOP/s':>10}{'of peak':>9}{'GB/s':>8}{'of stream':>11}{'runs':>7}"
    )
    return "\n".join([_title(result), head, *(_row(cell, result) for cell in result.cells)])


def _title(result: Result) -> str:
    limits = result.limits
    peak = f"peak {limits.peak_gflops:,.0f} GFLOP/s, "
    return (
        f"{result.compute_type} on {result.isa}, threads: {limits.threads}; {peak}"
        f"weights {limits.weight_bytes / 1e6:,.1f} MB, which stream at "
        f"{limits.stream_gb_per_s:,.1f} GB/s"
    )


def _row(cell: Cell, result: Result) -> str:
    rates = cell.rates(result.limits)
    return (
        f"{cell.batch_size:>5}{cell.length:>8}{cell.best * 1e3:>11.3f}{cell.median * 1e3:>11.3f}"
        f"{rates['texts_per_s']:>10,.0f}{rates['tokens_per_s']:>11,.0f}{rates['gflops']:>10,.1f}"
        f"{_percent(rates['share_of_peak']):>9}{rates['gb_per_s']:>8.1f}"
        f"{_percent(rates['share_of_stream']):>11}{len(cell.times):>7,}"
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def choose_lengths(
    wanted: Sequence[int] | None, usual: Sequence[int], encoder: Encoder
) -> list[int]:
    """The lengths asked for, or those of the usual ones that this model can take.

    Raises:
        ValueError: if the model cannot take a length that was asked for.
    """
    least, most = 1 + sum(encoder.tokenizer.special_counts), encoder.config.max_length
    for length in wanted or ():
        if not least <= length <= most:
            raise ValueError(f"a length is {length}, but this model takes {least} to {most} tokens")
    return list(wanted or [length for length in usual if least <= length <= most] or [most])
