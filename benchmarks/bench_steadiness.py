"""How steady short calls are: their slowest hundredth, their memory, and many callers at once.

Each measures by itself and takes minutes; `--benchmark-disable` runs a few calls of each.
"""

import functools
import gc
import itertools
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tiny import write_model

import fastbert

from . import texts
from .rates import Row

CALLERS = 8
MEGABYTE = 1 << 20


@pytest.fixture
def report(benchmark, pytestconfig):
    """Adds a line of its own figures to the closing report; see `rates.report`."""
    from .conftest import ROWS

    def add(group, name, seconds, **rates):
        benchmark.extra_info.update(rates)
        pytestconfig.stash[ROWS].append(Row(group, name, seconds, rates))

    return add


@pytest.fixture
def once(benchmark):
    """Calls a function of a number of calls once, with far fewer when timing is disabled."""

    def run(function, calls):
        benchmark.group = "steadiness"
        calls = calls if benchmark.enabled else max(1, calls // 1000)
        return benchmark.pedantic(function, args=(calls,), rounds=1)

    return run


class Stream:
    """Reads as many bytes as the linear layers have, on as many threads, and nothing else."""

    def __init__(self, config, threads):
        hidden, inner = config.hidden_size, config.intermediate_size
        weights = config.num_hidden_layers * 2 * hidden * (2 * hidden + inner)
        self._parts = np.array_split(np.ones(weights, np.float32), threads)
        self._pool = ThreadPoolExecutor(max(1, threads - 1))

    def read(self):
        """Once through."""
        others = [self._pool.submit(np.max, part) for part in self._parts[1:]]
        np.max(self._parts[0])
        for other in others:
            other.result()


def seconds_of(function, *args):
    """How long one call takes."""
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def bench_slowest_hundredth(once, report, model, threads):
    encoder = fastbert.load(model, threads=threads)
    stream = Stream(encoder.config, threads)

    def run(calls):
        encode = functools.partial(encoder.encode, texts.SHORT)
        pairs = [(seconds_of(encode), seconds_of(stream.read)) for _ in range(calls)]
        return np.percentile(pairs, [50, 99], axis=0)

    p50, p99 = once(run, 10_000)
    for name, half, most in zip(["encode, 9 tokens", "stream"], p50, p99, strict=True):
        report("slowest hundredth", name, half, p99_ms=most * 1e3, p99_by_p50=most / half)


def resident_bytes():
    """Memory of this process that is in use right now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def call_many_times(encoder, calls):
    """Bytes that so many calls with texts of one to nine words add, and seconds of one call."""
    words = texts.passage(11).split()
    several = [" ".join(words[:count]) for count in range(1, len(words) + 1)]
    for text in several * 100:
        encoder.encode(text)
    before, start = resident_bytes(), time.perf_counter()
    for text in itertools.islice(itertools.cycle(several), calls):
        encoder.encode(text)
    seconds = (time.perf_counter() - start) / calls
    return resident_bytes() - before, seconds


@pytest.mark.parametrize(("name", "calls"), [("tiny", 1_000_000), ("default", 50_000)])
def bench_memory(once, report, request, tmp_path, *, threads, name, calls):
    directory = write_model(tmp_path) if name == "tiny" else request.getfixturevalue("model")
    encoder = fastbert.load(directory, threads=threads)
    growth, seconds = once(lambda calls: call_many_times(encoder, calls), calls)
    report(f"memory after {calls:,} calls", name, seconds, grown_mb=growth / MEGABYTE)


def share_out(encoder, inputs, size):
    """Seconds until `CALLERS` threads have encoded all, each its share, `size` texts a call."""
    ready = threading.Barrier(CALLERS + 1)

    def work(part):
        ready.wait()
        for first in range(0, len(part), size):
            encoder.encode(part[first : first + size])

    shares = [inputs[i::CALLERS] for i in range(CALLERS)]
    callers = [threading.Thread(target=work, args=(share,)) for share in shares]
    for caller in callers:
        caller.start()
    ready.wait()
    start = time.perf_counter()
    for caller in callers:
        caller.join()
    return time.perf_counter() - start


def bench_many_callers(once, report, model, threads):
    encoder = fastbert.load(model, threads=threads)
    inputs = [f"{text} {i}" for i, text in enumerate(texts.corpus())]  # all different
    ways = {"one big batch": lambda: seconds_of(encoder.encode, inputs)}
    for size in (1, 4, 16):
        ways[f"{CALLERS} threads, {size} texts a call"] = lambda size=size: share_out(
            encoder, inputs, size
        )

    def run(rounds):
        return [[way() for way in ways.values()] for _ in range(max(2, rounds))]

    fastest = np.min(once(run, 7), axis=0)
    for name, seconds in zip(ways, fastest, strict=True):
        rates = {"texts_per_s": len(inputs) / seconds, "by_big_batch": fastest[0] / seconds}
        report("many callers", name, seconds, **rates)
