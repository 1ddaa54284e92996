"""Times a call, and says what the time means."""

import functools
from dataclasses import dataclass

from fastbert._native import _core

ISAS = _core.cpu_info()["available_isas"]
COMPUTE_TYPES = _core.compute_types()


def computed_with(name):
    """Instruction set and compute type of a row, out of its name: "avx2", "int8", "avx2 int8".

    What the name does not say is the best instruction set, and float32.
    """
    words = name.split()
    isa = words[0] if words[0] in ISAS else ISAS[0]
    compute_type = words[-1] if words[-1] in COMPUTE_TYPES else "float32"
    return isa, compute_type


@dataclass(frozen=True)
class Work:
    """What one call does; 0 is left out of the report.

    Attributes:
        flops: multiplications and additions, those of int8 on integers.
        bytes: bytes that must be read and written.
        texts: texts that go in.
        tokens: tokens that these have.
        threads: how many may take part, for the share of the peak.
    """

    flops: int = 0
    bytes: int = 0
    texts: int = 0
    tokens: int = 0
    threads: int = 1

    def rates(self, seconds, peak):
        """Everything that can be said of this work done in `seconds`, where a thread has a peak."""
        rates = {
            "gflops": self.flops / seconds / 1e9,
            "share_of_peak": self.flops / seconds / 1e9 / (peak * self.threads),
            "gb_per_s": self.bytes / seconds / 1e9,
            "texts_per_s": self.texts / seconds,
            "tokens_per_s": self.tokens / seconds,
        }
        return {name: rate for name, rate in rates.items() if rate}


@dataclass(frozen=True)
class Row:
    """One benchmark of the closing report."""

    group: str
    name: str
    seconds: float
    rates: dict


class Measure:
    """Runs one benchmark, and adds its rates to its JSON record and to `rows`."""

    def __init__(self, benchmark, rows):
        self._benchmark = benchmark
        self._rows = rows

    def __call__(self, group, name, function, *args, work):
        """Time `function(*args)` and return its result.

        Args:
            group: names the table; its rows are rivals.
            name: names the row, and picks the peak to compare with; see `computed_with`.
            function: what is timed.
            args: what it is called with.
            work: what one call does.
        """
        self._benchmark.group = group
        result = self._benchmark(function, *args)
        if self._benchmark.stats:  # none under --benchmark-disable
            seconds = self._benchmark.stats["min"]
            rates = work.rates(seconds, peak(*computed_with(name)))
            self._benchmark.extra_info.update(rates)
            self._rows.append(Row(group, name, seconds, rates))
        return result


@functools.cache
def peak(isa, compute_type):
    """10^9 operations per second of one thread that multiplies and adds in registers only."""
    return _core.peak_gops(isa, compute_type)


def report(rows):
    """The lines of the closing report, the fastest of each group first."""
    groups = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    for group, members in groups.items():
        yield ""
        yield group
        for row in sorted(members, key=lambda row: row.seconds):
            shown = "  ".join(_FORMS[name].format(rate) for name, rate in row.rates.items())
            yield f"  {row.name:28}{row.seconds * 1e3:12.4f} ms  {shown}"


_FORMS = {
    "gflops": "{:8.1f} GFLOP/s",
    "share_of_peak": "{:4.0%} of peak",
    "gb_per_s": "{:8.3f} GB/s",
    "texts_per_s": "{:11,.0f} texts/s",
    "tokens_per_s": "{:13,.0f} tokens/s",
    "p99_ms": "p99 {:9.3f} ms",
    "p99_by_p50": "p99/p50 {:5.2f}",
    "grown_mb": "grown by {:6.2f} MiB",
    "by_big_batch": "{:5.2f} of one big batch",
}
