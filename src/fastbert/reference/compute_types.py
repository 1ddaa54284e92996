"""What int8 and bfloat16 change: how linear layers and attention round, in plain NumPy.

All sums of integers are exact, so this says what the native code computes but for the roundings of
floats. Letters as in :mod:`fastbert.reference`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_MOST_BLOCKS = 8
_NOTHING = np.float32(1e-36)  # a row no larger counts as zeros, for the inverse would overflow
_MOST_VALUE = 1023  # values are whole numbers up to this, in units of their own
# 4095 times 2^x for |x| <= 1/2, to 7.5e-5: a third of what rounding to whole numbers may change.
_POWER = (225.927985, 993.492546, 2838.90374, 4094.70546)


def bfloat16(x: Array) -> Array:
    """x rounded to the nearest number that the upper half of a float32 can hold, ties to even."""
    bits = x.view(np.uint32)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32)


def linear_bfloat16(x: Array, weight: Array, bias: Array) -> Array:
    """As `reference.linear`, with rounded weights."""
    return x @ bfloat16(weight).T + bias


def linear_bfloat16_pairs(x: Array, weight: Array, bias: Array) -> Array:
    """The same where the CPU multiplies pairs of bfloat16: with rounded rows of x, too."""
    return linear_bfloat16(bfloat16(x), weight, bias)


def hadamard(x: Array, axis: int) -> Array:
    """Hadamard's matrix, 1 and -1 only, times the columns along an axis; its length is 2^n."""
    if x.shape[axis] == 1:
        return x
    a, b = np.split(x, 2, axis)
    return np.concatenate([hadamard(a + b, axis), hadamard(a - b, axis)], axis)


def rotate(x: Array) -> tuple[Array, int]:
    """Rows of x times an orthogonal matrix, and times the root of the second result.

    It spreads every number of a row over up to 32 places, so that a few large ones do not cost all
    others their precision. The product of two rotated rows is that of the rows, times the second
    result. Rows that four does not divide stay as they are.
    """
    columns = x.shape[1]
    if columns % 4:
        return x, 1
    blocks = math.gcd(columns // 4, _MOST_BLOCKS)
    x = hadamard(x.reshape(len(x), blocks, -1), 1)  # across the row
    x = hadamard(x.reshape(len(x), -1, 4), 2)  # four side by side
    return x.reshape(len(x), columns), 4 * blocks


def quantize(x: Array, most: int = 127) -> tuple[NDArray[np.int64], Array]:
    """Rows of x as integers up to `most` in magnitude, and what 1 is worth in each row, (T, 1)."""
    largest = np.abs(x).max(axis=1, keepdims=True)
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.where(largest > _NOTHING, np.float32(most) / largest, np.float32(0))
    return np.rint(x * inverse).astype(np.int64), largest / np.float32(most)


def linear_int8(x: Array, weight: Array, bias: Array) -> Array:
    """As `reference.linear`, with rows of x and of the weight rotated and quantised."""
    (x, factor), (weight, _) = rotate(x), rotate(weight)
    (x_whole, x_unit), (weight_whole, weight_unit) = quantize(x), quantize(weight)
    sums = (x_whole @ weight_whole.T).astype(np.float32)
    return sums * (weight_unit.T / np.float32(factor)) * x_unit + bias


def probabilities(x: Array) -> NDArray[np.int64]:
    """2^x for x <= 0, as whole multiples of 1 / 4095."""
    x = np.maximum(x, np.float32(-20))  # of which nothing is left
    whole = np.rint(x)
    return np.rint(np.ldexp(np.polyval(_POWER, x - whole), whole.astype(int))).astype(np.int64)


def attention_int8(
    query: Array, key: Array, value: Array, bias: Array | float = 0.0
) -> tuple[Array, Array]:
    """As `reference.attention`, in integers: of 8 bits for the scores, then of 12 and 11.

    The second result is the probabilities before they are rounded to integers.
    """
    (query_whole, query_unit), (key_whole, key_unit) = quantize(query), quantize(key)
    scale = np.float32(1 / math.log(2) / math.sqrt(query.shape[1]))  # in front of a power of 2
    products = (query_whole @ key_whole.T).astype(np.float32) * key_unit.T
    scores = products * (query_unit * scale) + bias / np.float32(math.log(2))
    exponents = scores - scores.max(axis=1, keepdims=True)
    weights, floats = probabilities(exponents), np.exp2(exponents)
    value_whole, value_unit = quantize(value.T, _MOST_VALUE)  # one unit for each of the D columns
    context = weights @ value_whole.T / weights.sum(axis=1, keepdims=True) * value_unit.T
    return context.astype(np.float32), floats / floats.sum(axis=1, keepdims=True)
