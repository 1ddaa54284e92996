"""The functions of one number between the two products of the feed-forward part."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_erf = np.vectorize(math.erf, otypes=[np.float64])


def gelu(x: Array) -> Array:
    """x times the probability that a standard normal number is below x."""
    return (x * 0.5 * (1 + _erf(x / math.sqrt(2)))).astype(np.float32)


def gelu_tanh(x: Array) -> Array:
    """The approximation of `gelu` that some checkpoints were trained with."""
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return (0.5 * x * (1 + np.tanh(inner))).astype(np.float32)


def relu(x: Array) -> Array:
    """x where it is positive, else 0."""
    return np.maximum(x, 0)


def sigmoid(x: Array) -> Array:
    """The logistic function of x."""
    return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(np.float32)


def silu(x: Array) -> Array:
    """x times its logistic function."""
    return x * sigmoid(x)


def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(x)


def identity(x: Array) -> Array:
    """x itself."""
    return x


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "identity": identity,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "relu": relu,
    "silu": silu,
    "sigmoid": sigmoid,
    "tanh": tanh,
}
