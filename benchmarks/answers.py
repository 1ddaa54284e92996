"""What an answer is held to, before its time counts."""

import numpy as np

from .rates import COMPUTE_TYPES, ISAS, computed_with

# Largest difference of fastbert's vectors in float32 to the reference's, both at length 1.
_DIFFERENCE = 1e-5
# Least mean cosine to the reference in float32, and least of all, of ours.
_COSINES = {
    "float32": (0.99999, 0.99999),
    "bfloat16": (0.9999, 0.9999),
    "int8": (0.999, 0.995),
}
# The peers round more: OpenVINO's bfloat16 rounds activations too. Nobody else rotates before int8,
# and OpenVINO fixes the ranges in advance.
_PEERS_COSINES = {
    "float32": (0.99999, 0.99999),
    "bfloat16": (0.9999, 0.9995),
    "int8": (0.98, 0.90),
}


def check_vectors(name, got, expected):
    """Compare an engine's vectors, (..., hidden) of any length, with the reference's."""
    assert got.shape == expected.shape
    got, expected = _unit(got), _unit(expected)
    cosines = (got * expected).sum(axis=-1)
    least_mean, least = _least_cosines(name)
    found = f"{name} is at cosine {cosines.mean():.6f}, at worst {cosines.min():.6f}"
    assert cosines.mean() >= least_mean, found
    assert cosines.min() >= least, found
    if name in ISAS:
        np.testing.assert_allclose(got, expected, rtol=0, atol=_DIFFERENCE)


def _least_cosines(name):
    _, compute_type = computed_with(name)
    ours = name == "numpy" or name in ISAS or name in COMPUTE_TYPES
    return (_COSINES if ours else _PEERS_COSINES)[compute_type]


def _unit(vectors):
    vectors = vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
