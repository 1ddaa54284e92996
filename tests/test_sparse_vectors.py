"""Sparse vectors against the dense ones that they were made of."""

import numpy as np
import pytest

from fastbert.sparse_vectors import SparseVectors

DENSE = np.array([[0, 1.5, 0, 2], [0, 0, 0, 0], [3, 0, 0, -1]], np.float32)


def test_round_trip():
    vectors = SparseVectors.from_dense(DENSE)
    assert vectors.shape == (3, 4)
    assert vectors.active_dims.tolist() == [2, 0, 2]
    np.testing.assert_array_equal(vectors.to_dense(), DENSE)


def test_rows():
    vectors = SparseVectors.from_dense(DENSE)
    assert vectors[0].to_dict() == {1: 1.5, 3: 2.0}
    np.testing.assert_array_equal(vectors[-1].to_dense(), DENSE[2])
    assert [row.to_dict() for row in vectors] == [vectors[i].to_dict() for i in range(3)]
    with pytest.raises(IndexError):
        vectors[3]


@pytest.mark.parametrize(
    "rows", [slice(1, 3), slice(None, None, -1), [2, 0, 2], [], DENSE[:, 0] > 0]
)
def test_several_rows(rows):
    rows = np.array(rows, int) if isinstance(rows, list) else rows
    np.testing.assert_array_equal(SparseVectors.from_dense(DENSE)[rows].to_dense(), DENSE[rows])


def test_concatenate():
    vectors = SparseVectors.from_dense(DENSE)
    joined = SparseVectors.concatenate([vectors[:1], vectors[1:]], 4)
    np.testing.assert_array_equal(joined.to_dense(), DENSE)
    assert SparseVectors.concatenate([], 4).shape == (0, 4)


def test_from_dense_refuses_what_is_no_matrix():
    with pytest.raises(ValueError, match=r"shape \(4,\), but must be a matrix"):
        SparseVectors.from_dense(DENSE[0])
