"""What an answer is held to, before its time counts."""

import numpy as np

from .rates import ISAS

# Largest difference of fastbert's vectors to the reference's, both at length 1.
_DIFFERENCE = 1e-5
# Least cosine of anybody's.
_COSINE = 0.99999


def check_vectors(name, got, expected):
    """Compare an engine's vectors, (..., hidden) of any length, with the reference's."""
    assert got.shape == expected.shape
    got, expected = _unit(got), _unit(expected)
    cosines = (got * expected).sum(axis=-1)
    assert cosines.min() >= _COSINE, f"{name} is at cosine {cosines.min():.6f} to the reference"
    if name in ISAS:
        np.testing.assert_allclose(got, expected, rtol=0, atol=_DIFFERENCE)


def _unit(vectors):
    vectors = vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
