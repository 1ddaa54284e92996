import numpy as np
import pytest

from fastbert.sparse_vectors import SparseVectors
from fastbert.vectors import as_vectors

MATRIX = np.arange(6, dtype=np.float32).reshape(2, 3)


def column_of(vectors):
    """An array of arrays, as a column of a data frame is."""
    column = np.empty(len(vectors), object)
    column[:] = list(vectors)
    return column


@pytest.mark.parametrize(
    "value", [MATRIX, MATRIX.tolist(), list(MATRIX), MATRIX.astype(object), column_of(MATRIX)]
)
def test_whatever_has_rows_of_numbers_is_a_matrix(value):
    np.testing.assert_array_equal(as_vectors("a", value), MATRIX)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.bool_, np.float16, np.float64])
def test_the_type_of_numbers_is_kept(dtype):
    assert as_vectors("a", MATRIX.astype(dtype)).dtype == dtype


def test_a_vector_is_one_row_and_an_empty_list_none():
    assert as_vectors("a", MATRIX[0]).shape == (1, 3)
    assert as_vectors("a", []).shape == (0, 0)


@pytest.mark.parametrize(
    ("value", "held"),
    [
        ("text", "str, but must be vectors: encode texts first"),
        (["a", "b"], "str, but must be vectors: encode texts first"),
        (np.array(["a"], object), "str, but must be vectors: encode texts first"),
        ([b"a"], "bytes, but must be vectors"),
        (None, "NoneType, but must be vectors"),
        ([[1.0, None]], "NoneType and float, but must be vectors"),
        ({"a": 1}, "dict, but must be vectors"),
        (MATRIX.astype(complex), "complex, but must be vectors"),
        (np.array([], str), "<U1, but must be vectors"),
        (SparseVectors.from_dense(MATRIX), "SparseVector, but must be vectors"),
    ],
)
def test_what_is_no_number_is_named(value, held):
    with pytest.raises(TypeError, match=f"^a holds {held}$"):
        as_vectors("a", value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (3.0, r"has shape \(\), but must be \(rows, dim\)"),
        (MATRIX[None], r"has shape \(1, 2, 3\), but must be \(rows, dim\)"),
        ([[1, 2], [3]], "has parts of several shapes, but must be vectors of one width"),
        ([MATRIX, MATRIX[:1]], "has parts of several shapes, but must be vectors of one width"),
        (column_of([MATRIX, MATRIX[:1]]), "has parts of several shapes, but must be vectors"),
    ],
)
def test_other_shapes_are_refused(value, reason):
    with pytest.raises(ValueError, match=f"^a {reason}"):
        as_vectors("a", value)
