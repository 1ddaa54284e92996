import re

import numpy as np
import pytest

from fastbert.similarity import (
    SIMILARITIES,
    cos_sim,
    dot_score,
    euclidean_sim,
    manhattan_sim,
    pairwise_cos_sim,
    pairwise_dot_score,
    pairwise_euclidean_sim,
    pairwise_manhattan_sim,
    pairwise_similarity_function,
    similarity_function,
)

NAMES = ("cosine", "dot", "euclidean", "manhattan")
RNG = np.random.default_rng(0)
A = RNG.standard_normal((5, 7)).astype(np.float32)
B = RNG.standard_normal((4, 7)).astype(np.float32)

DEFINITIONS = {
    "cosine": lambda x, y: x @ y / np.sqrt((x @ x) * (y @ y)),
    "dot": lambda x, y: x @ y,
    "euclidean": lambda x, y: -np.sqrt(((x - y) ** 2).sum()),
    "manhattan": lambda x, y: -np.abs(x - y).sum(),
}


def test_names_are_those_of_the_functions():
    assert NAMES == SIMILARITIES


@pytest.mark.parametrize("name", NAMES)
def test_all_pairs_follow_the_definition(name):
    result = similarity_function(name)(A, B)
    expected = [[DEFINITIONS[name](x, y) for y in B] for x in A]
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_pairwise_is_the_diagonal_of_all_pairs(name):
    result = pairwise_similarity_function(name)(A[:4], B)
    expected = np.diagonal(similarity_function(name)(A[:4], B))
    assert result.shape == (4,)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_vectors_lists_and_integers_are_accepted(name):
    function, pairwise = similarity_function(name), pairwise_similarity_function(name)
    assert function(A[0], B).shape == (1, 4)
    assert function(A, B[0]).shape == (5, 1)
    assert function(A[0].tolist(), B[0].tolist()).shape == (1, 1)
    assert pairwise(A[0], B[0]).shape == (1,)
    assert pairwise(A[0], B).shape == (4,)
    # int8 vectors must not overflow int8.
    whole = np.full((1, 7), 100, np.int8)
    np.testing.assert_array_equal(function(whole, -whole), function(whole.tolist(), -whole))


@pytest.mark.parametrize("name", NAMES)
def test_float64_is_kept(name):
    assert similarity_function(name)(A.astype(np.float64), B).dtype == np.float64
    assert similarity_function(name)(A.astype(np.float16), B).dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
def test_no_rows_give_no_rows(name):
    none = np.zeros((0, 7), np.float32)
    assert similarity_function(name)(none, B).shape == (0, 4)
    assert similarity_function(name)(A, none).shape == (5, 0)
    assert pairwise_similarity_function(name)(none, none).shape == (0,)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_list_is_no_rows(name):
    function, pairwise = similarity_function(name), pairwise_similarity_function(name)
    assert (function([], B).shape, function(B, []).shape) == ((0, 4), (4, 0))
    assert (function([], []).shape, pairwise([], []).shape) == ((0, 0), (0,))
    assert function([], B).dtype == np.float32
    with pytest.raises(ValueError, match="have 0 and 4 rows, expected as many"):
        pairwise([], B)


def test_zero_vector_has_cosine_zero():
    assert not cos_sim(np.zeros(7), B).any()
    assert not pairwise_cos_sim(np.zeros(7), B).any()


def test_distance_of_near_neighbours_is_accurate():
    far = np.full((1, 384), 10, np.float32)
    near = far.copy()
    near[0, 0] += 0.001
    expected = -(near[0, 0].astype(np.float64) - 10)
    assert euclidean_sim(far, near)[0, 0] == pytest.approx(expected, rel=1e-3)
    assert pairwise_euclidean_sim(far, near)[0] == pytest.approx(expected, rel=1e-6)
    assert manhattan_sim(far, near)[0, 0] == pairwise_manhattan_sim(far, near)[0]


def test_names_give_the_functions():
    assert similarity_function("dot") is dot_score
    assert pairwise_similarity_function("dot") is pairwise_dot_score
    for function in (similarity_function, pairwise_similarity_function):
        for name in ("jaccard", ["cosine"], None):
            reason = re.escape(f"similarity is {name!r}, expected one of cosine, dot")
            with pytest.raises(ValueError, match=reason):
                function(name)


@pytest.mark.parametrize(
    ("b", "reason"),
    [
        (B[:, :6], r"have shapes \(5, 7\) and \(4, 6\), expected vectors or matrices of one width"),
        (B[None], r"b has shape \(1, 4, 7\), but must be \(rows, dim\)"),
        (3.0, r"b has shape \(\), but must be \(rows, dim\)"),
    ],
)
def test_other_shapes_are_refused(b, reason):
    with pytest.raises(ValueError, match=reason):
        cos_sim(A, b)


@pytest.mark.parametrize("function", [cos_sim, pairwise_cos_sim])
def test_texts_are_refused(function):
    with pytest.raises(TypeError, match="a holds str, but must be vectors: encode texts first"):
        function(["a"], ["b"])


def test_pairwise_needs_as_many_rows():
    with pytest.raises(ValueError, match="have 5 and 4 rows, expected as many"):
        pairwise_dot_score(A, B)
