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
    np.testing.assert_array_equal(vectors[np.uint8(2)].to_dense(), DENSE[2])


@pytest.mark.parametrize(
    "rows",
    [
        slice(1, 3),
        slice(None, None, -1),
        [2, 0, -1],
        [],
        [True, False, True],
        range(2),
        np.array([1, 1]),
        np.array([], int),
        DENSE[:, 0] > 0,
    ],
)
def test_several_rows(rows):
    np.testing.assert_array_equal(SparseVectors.from_dense(DENSE)[rows].to_dense(), DENSE[rows])


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (3, "the index is 3, but there are 3 rows"),
        (np.int64(-4), "the index is -4, but there are 3 rows"),
        ([0, 3], "index 3 is out of bounds"),
        ([True, False], "boolean index did not match"),
        ((0, 1), r"the index is \(0, 1\), expected a row, a slice, or a list of rows"),
        ((slice(None), 1), r"the index is \(slice.*\), expected a row, a slice"),
        ([[0, 1]], r"the index is \[\[0, 1\]\], expected a row, a slice"),
        ([0.5], r"the index is \[0.5\], expected a row, a slice"),
        (None, "the index is None, expected a row, a slice"),
        ("a", "the index is 'a', expected a row, a slice"),
    ],
)
def test_other_indices_are_refused(rows, reason):
    with pytest.raises(IndexError, match=f"^{reason}"):
        SparseVectors.from_dense(DENSE)[rows]


def test_to_scipy():
    pytest.importorskip("scipy.sparse", reason="to_scipy needs SciPy")
    vectors = SparseVectors.from_dense(DENSE)
    matrix = vectors.to_scipy()
    assert (matrix.format, matrix.dtype) == ("csr", np.float32)
    np.testing.assert_array_equal(matrix.toarray(), DENSE)
    assert np.shares_memory(matrix.data, vectors.values)
    assert SparseVectors.from_dense(DENSE[:0]).to_scipy().shape == (0, 4)


def test_concatenate():
    vectors = SparseVectors.from_dense(DENSE)
    joined = SparseVectors.concatenate([vectors[:1], vectors[1:]], 4)
    np.testing.assert_array_equal(joined.to_dense(), DENSE)
    assert SparseVectors.concatenate([], 4).shape == (0, 4)


def test_from_dense_refuses_what_is_no_matrix():
    with pytest.raises(ValueError, match=r"shape \(4,\), but must be a matrix"):
        SparseVectors.from_dense(DENSE[0])


def test_from_dense_refuses_texts():
    with pytest.raises(TypeError, match="vectors holds str, but must be vectors: encode texts"):
        SparseVectors.from_dense(["a"])
