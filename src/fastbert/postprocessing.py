"""The modules behind the pooling of a sentence-transformers directory, ready to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastbert._native import _core
from fastbert.model import Dense, LayerNorm, Normalize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    # (texts, width before) and a number of threads, 0 for all, to (texts, width after).
    Step = Callable[[Array, int], Array]

__all__ = ["DenseStep", "normalize", "prepare"]


def prepare(modules: Iterable[Dense | LayerNorm | Normalize], isa: str, threads: int) -> list[Step]:
    """One function per module, in order.

    They are native: NumPy's own product of a row may differ in its last bits with the number of
    rows around it, and a text's vector must not depend on its company.
    """
    return [_step(module, isa, threads) for module in modules]


def _step(module: Dense | LayerNorm | Normalize, isa: str, threads: int) -> Step:
    if isinstance(module, Dense):
        return DenseStep(module, isa, threads)
    if isinstance(module, LayerNorm):
        kernels = _core.kernels(isa)
        return lambda x, _: kernels.layer_norm(x, module.gamma, module.beta, module.eps)
    return normalize


class DenseStep:
    """A linear layer with its activation."""

    def __init__(self, module: Dense, isa: str, threads: int) -> None:
        bias = np.zeros(len(module.weight), np.float32) if module.bias is None else module.bias
        self._linear = _core.Linear(module.weight, bias, isa=isa, threads=threads)
        self._activation = module.activation

    def __call__(self, x: Array, threads: int) -> Array:
        """(rows, inputs) to (rows, outputs)."""
        return self._linear.forward(x, activation=self._activation, threads=threads)

    def maxima(self, x: Array, offsets: NDArray[np.int32], threads: int) -> Array:
        """The largest output of every text over its rows of x, before the activation.

        (rows, inputs) and offsets (texts + 1,) to (texts, outputs), which is all there ever is of
        (rows, outputs).
        """
        return self._linear.forward_max(x, offsets, threads=threads)


def normalize(x: Array, _threads: int = 0) -> Array:
    """Rows of x scaled to length 1, in place; rows of length 0 stay as they are."""
    _core.normalize(x)
    return x
