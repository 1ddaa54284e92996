"""Where the time of one `Encoder.encode` went."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastbert._native import _core
from fastbert.encoder import Encoder

if TYPE_CHECKING:
    from fastbert.postprocessing import Step

__all__ = ["Profile", "StepProfile", "profiled"]


@dataclass(frozen=True, slots=True)
class StepProfile:
    """One row of a `Profile`.

    Attributes:
        seconds: of the wall time of the call. Where several threads work side by side, the mean of
            theirs.
        calls: how often the step ran, once for every chunk of the batch and every layer.
        flops: multiplications and additions, 0 where they are not counted.
        weight_bytes: weights read, once for every chunk and layer; 0 where there are none.
    """

    seconds: float
    calls: int
    flops: float = 0.0
    weight_bytes: float = 0.0

    @property
    def gflops(self) -> float:
        """Achieved GFLOP/s of all threads together."""
        return _rate(self.flops, self.seconds)

    @property
    def gb_per_s(self) -> float:
        """Weights read in GB/s by all threads together."""
        return _rate(self.weight_bytes, self.seconds)

    def as_dict(self) -> dict[str, float]:
        """All of it, for JSON."""
        return {
            "seconds": self.seconds,
            "calls": self.calls,
            "flops": self.flops,
            "weight_bytes": self.weight_bytes,
            "gflops": self.gflops,
            "gb_per_s": self.gb_per_s,
        }


@dataclass(frozen=True, slots=True)
class Profile:
    """What `Encoder.encode(..., profile=True)` returns beside its result; `print` shows a table.

    Attributes:
        seconds: wall time of the call.
        steps: name -> `StepProfile`, in the order of the work; their seconds add up to the wall
            time. "schedule" is cutting the batch, starting the threads and waiting for the last
            one; "ffn_in" has the activation in it; "modules" are those behind the pooling; "other"
            is Python and whatever else no step explains.
        texts: sequences that went through the network: a repeated text is one, a window is one.
        tokens: their tokens, special ones included.
        threads: most that worked on it.
        compute_type: what the encoder computes with.
        isa: the instruction set in use.
    """

    seconds: float
    steps: dict[str, StepProfile]
    texts: int
    tokens: int
    threads: int
    compute_type: str
    isa: str

    @property
    def flops(self) -> float:
        """Multiplications and additions of all steps."""
        return sum(step.flops for step in self.steps.values())

    @property
    def weight_bytes(self) -> float:
        """Weights read by all steps."""
        return sum(step.weight_bytes for step in self.steps.values())

    @property
    def gflops(self) -> float:
        """Achieved GFLOP/s of the whole call."""
        return _rate(self.flops, self.seconds)

    @property
    def gb_per_s(self) -> float:
        """Weights read in GB/s, over the whole call."""
        return _rate(self.weight_bytes, self.seconds)

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "seconds": self.seconds,
            "texts": self.texts,
            "tokens": self.tokens,
            "threads": self.threads,
            "compute_type": self.compute_type,
            "isa": self.isa,
            "flops": self.flops,
            "weight_bytes": self.weight_bytes,
            "gflops": self.gflops,
            "gb_per_s": self.gb_per_s,
            "steps": {name: step.as_dict() for name, step in self.steps.items()},
        }

    def __str__(self) -> str:
        texts, threads = _count(self.texts, "text"), _count(self.threads, "thread")
        title = (
            f"{texts}, {_count(self.tokens, 'token')}, {threads}, {self.compute_type} on {self.isa}"
        )
        head = f"{'step':<16}{'ms':>10}{'share':>9}{'calls':>8}{'GFLOP/s':>10}{'GB/s':>8}"
        rows = [self._row(name, step) for name, step in self.steps.items() if step.seconds]
        calls = self.steps["schedule"].calls
        total = StepProfile(self.seconds, calls, self.flops, self.weight_bytes)
        return "\n".join([title, head, *rows, self._row("total", total)])

    def _row(self, name: str, step: StepProfile) -> str:
        share = step.seconds / self.seconds if self.seconds else 0.0
        gflops = f"{step.gflops:.1f}" if step.flops else ""
        gb_per_s = f"{step.gb_per_s:.1f}" if step.weight_bytes else ""
        line = (
            f"{name:<16}{step.seconds * 1e3:>10.3f}{share:>9.1%}{step.calls:>8,}"
            f"{gflops:>10}{gb_per_s:>8}"
        )
        return line.rstrip()


def profiled(encoder: Encoder, *args: Any, **options: Any) -> tuple[Any, Profile]:
    """`encoder.encode(*args, **options)`, and where its time went.

    The work is done by a stand-in for the encoder whose parts report to a recorder, so that a call
    that is not profiled has nothing to ask.
    """
    recorder = _Recorder()
    stand_in = _StandIn(encoder, recorder)
    start = time.perf_counter()
    result = stand_in.encode(*args, **options)
    seconds = time.perf_counter() - start
    return result, recorder.profile(seconds, encoder.compute_type, encoder.isa)


class _Recorder:
    """Adds up what the parts of one call report."""

    def __init__(self) -> None:
        self.native = _core.Profile()
        self.texts = 0
        self.tokens = 0
        self._seconds = {"tokenize": 0.0, "modules": 0.0}
        self._calls = {"tokenize": 0, "modules": 0}

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, whose time counts as this step."""

        def call(*args: Any, **options: Any) -> Any:  # noqa: ANN401 (whatever it returns)
            start = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                self._seconds[step] += time.perf_counter() - start
                self._calls[step] += 1

        return call

    def timed_modules(self, steps: Sequence[Step]) -> list[Step]:
        """The same steps, whose time counts as that of the modules."""
        return [self.timed("modules", step) for step in steps]

    def profile(self, seconds: float, compute_type: str, isa: str) -> Profile:
        """All that was reported, out of a call that took so many seconds."""
        native = {name: StepProfile(*entry) for name, entry in self.native.steps().items()}
        steps = {"tokenize": self._own("tokenize"), **native, "modules": self._own("modules")}
        explained = sum(step.seconds for step in steps.values())
        steps["other"] = StepProfile(max(0.0, seconds - explained), 1)
        return Profile(
            seconds, steps, self.texts, self.tokens, self.native.threads, compute_type, isa
        )

    def _own(self, step: str) -> StepProfile:
        return StepProfile(self._seconds[step], self._calls[step])


class _StandIn(Encoder):
    """An encoder like another one, whose parts report to a recorder."""

    def __init__(self, encoder: Encoder, recorder: _Recorder) -> None:
        vars(self).update(
            vars(encoder),
            tokenizer=_Reporter(encoder.tokenizer, recorder, "tokenize"),
            _native=_NativeReporter(encoder._native, recorder),
            _steps=recorder.timed_modules(encoder._steps),
        )
        self._encoder = encoder
        self._recorder = recorder

    @property
    def _pooler(self) -> Sequence[Step]:
        return self._recorder.timed_modules(self._encoder._pooler)


class _Reporter:
    """An object whose methods' time counts as one step."""

    def __init__(self, target: object, recorder: _Recorder, step: str) -> None:
        self._target = target
        self._recorder = recorder
        self._step = step

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever the target has)
        value = getattr(self._target, name)
        return self._recorder.timed(self._step, value) if callable(value) else value


class _NativeReporter:
    """The native encoder, which times itself."""

    def __init__(self, native: _core.Encoder, recorder: _Recorder) -> None:
        self._native = native
        self._recorder = recorder
        self.isa = native.isa

    def forward(self, ids: Any, offsets: Any, **options: Any) -> Any:  # noqa: ANN401
        self._recorder.texts += len(offsets) - 1
        self._recorder.tokens += len(ids)
        return self._native.forward(ids, offsets, profile=self._recorder.native, **options)


def _rate(amount: float, seconds: float) -> float:
    return amount / seconds / 1e9 if seconds else 0.0


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
