"""Linear layers of float32 where the CPU adds beside its multiply-adds, in plain NumPy.

S. Winograd, "A New Algorithm for Inner Product", 1968: x0 w0 + x1 w1 is (x0 + w1)(x1 + w0) less
x0 x1 and w0 w1, which depend on a row of x or of the weight alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

TRIPLE = 3  # two products by way of one multiplication, and one product
BLOCK = 64 * TRIPLE  # products that are summed up by themselves


class Weight(NamedTuple):
    """A weight (outputs, inputs) as the products read it.

    Attributes:
        scaled: each row times the power of two that brings its size between 1/4 and 1/2.
        scales: what 1 in a sum of products of a row is worth, (outputs); 0 of a row of zeros.
        starts: what the sums of each block begin with, (outputs, blocks).
    """

    scaled: Array
    scales: Array
    starts: Array


def blocks(x: Array) -> list[Array]:
    """Columns in blocks. No columns are one empty block."""
    return np.split(x, range(BLOCK, x.shape[1], BLOCK), axis=1)


def pairs(block: Array) -> tuple[Array, Array]:
    """The first and the second of every three columns; what is left of a last three is no pair."""
    whole = block[:, : block.shape[1] // TRIPLE * TRIPLE]
    return whole[:, 0::TRIPLE], whole[:, 1::TRIPLE]


def starts(x: Array) -> Array:
    """What the sums of each row begin with, block by block."""
    products = [first.astype(np.float64) * second for first, second in map(pairs, blocks(x))]
    return np.stack([-p.sum(axis=1) for p in products], axis=1).astype(np.float32)


def pack(weight: Array) -> Weight:
    """Scale a weight, and sum up what depends on it alone."""
    squares = (weight.astype(np.float64) ** 2).sum(axis=1)
    exponents = np.frexp(np.sqrt(squares / max(weight.shape[1], 1)))[1] + 1
    scales = np.ldexp(np.float32(1), np.clip(exponents, -126, 126))
    scaled = weight / scales[:, None]
    return Weight(scaled, np.where(squares > 0, scales, np.float32(0)), starts(scaled))


def linear(x: Array, weight: Array, bias: Array) -> Array:
    """As `reference.linear`."""
    packed = pack(weight)
    sums = np.zeros((len(x), len(weight)), np.float32)
    x_starts, x_blocks, w_blocks = starts(x), blocks(x), blocks(packed.scaled)
    for b, (xb, wb) in enumerate(zip(x_blocks, w_blocks, strict=True)):
        (x0, x1), (w0, w1) = pairs(xb), pairs(wb)
        paired = (x0[:, None] + w1) * (x1[:, None] + w0)
        single = np.ones(xb.shape[1], bool)
        single[: paired.shape[2] * TRIPLE] = np.arange(paired.shape[2] * TRIPLE) % TRIPLE == 2
        start = x_starts[:, b, None] + packed.starts[:, b]
        sums += start + paired.sum(axis=2) + xb[:, single] @ wb[:, single].T
    return sums * packed.scales + bias
