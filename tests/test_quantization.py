import numpy as np
import pytest

from fastbert.quantization import PRECISIONS, quantize_embeddings

RNG = np.random.default_rng(0)
MANY = RNG.standard_normal((120, 13)).astype(np.float32)


def test_float32_is_the_input():
    np.testing.assert_array_equal(quantize_embeddings(MANY, "float32"), MANY)
    assert quantize_embeddings(MANY.astype(np.float64), "float32").dtype == np.float32


def test_uint8_counts_steps_from_the_minimum():
    ranges = np.array([[0, -255], [255, 255]], np.float32)  # steps of 1 and 2
    vectors = np.array([[0, -255], [254.5, 0], [255, 255], [-7, 999], [1.99, -253.1]], np.float32)
    expected = [[0, 0], [254, 127], [255, 255], [0, 255], [1, 0]]
    assert quantize_embeddings(vectors, "uint8", ranges).tolist() == expected


def test_int8_is_uint8_minus_128():
    unsigned, signed = (quantize_embeddings(MANY, kind) for kind in ("uint8", "int8"))
    assert (unsigned.dtype, signed.dtype) == (np.uint8, np.int8)
    np.testing.assert_array_equal(unsigned.astype(int) - 128, signed)
    assert unsigned.min() == 0
    assert unsigned.max() == 255


def test_ubinary_packs_signs_highest_bit_first():
    vector = np.array([1, -1, 0, 2, -3, 0.5, 0.5, -0.0, 4], np.float32)
    assert quantize_embeddings(vector, "ubinary").tolist() == [0b10010110, 0b10000000]


def test_binary_is_ubinary_minus_128():
    unsigned, signed = (quantize_embeddings(MANY, kind) for kind in ("ubinary", "binary"))
    assert (unsigned.dtype, signed.dtype) == (np.uint8, np.int8)
    assert unsigned.shape == (120, 2)
    np.testing.assert_array_equal(unsigned.astype(int) - 128, signed)


def test_ranges_come_from_the_calibration():
    vectors = np.array([[0.5], [3]], np.float32)
    calibration = np.array([[0], [1], [0.2]], np.float32)
    assert quantize_embeddings(vectors, "uint8", None, calibration).tolist() == [[127], [255]]


def test_ranges_win_over_the_calibration():
    ranges, calibration = np.array([[0], [255]]), np.zeros((3, 1))
    assert quantize_embeddings(np.array([[7.5]]), "uint8", ranges, calibration).tolist() == [[7]]


def test_one_vector_needs_ranges():
    assert quantize_embeddings(MANY[0], "int8", np.array([MANY.min(0), MANY.max(0)])).shape == (13,)
    for vector in (MANY[0], MANY[:1]):
        with pytest.raises(ValueError, match="cannot take the int8 ranges from a single") as one:
            quantize_embeddings(vector, "int8")
        assert "quantize_embeddings(vectors, precision, ranges=...)" in str(one.value)


def test_few_vectors_warn():
    for few in (MANY[:99], [MANY[:50], MANY[50:99]]):
        with pytest.warns(UserWarning, match="uint8 ranges come from only 99 embeddings") as found:
            quantize_embeddings(few, "uint8")
        assert [warning.filename for warning in found] == [__file__]


def test_constant_dimension_is_bucket_zero():
    vectors = np.full((100, 2), 3, np.float32)
    assert not quantize_embeddings(vectors, "uint8").any()


@pytest.mark.parametrize(
    ("precision", "width"), [("int8", 13), ("uint8", 13), ("binary", 2), ("ubinary", 2)]
)
def test_no_rows_give_no_rows(precision, width):
    empty = quantize_embeddings(np.zeros((0, 13), np.float32), precision)
    assert empty.shape == (0, width)
    assert empty.dtype == (np.int8 if precision in ("int8", "binary") else np.uint8)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_matrices_share_their_ranges(precision):
    whole = quantize_embeddings(MANY, precision)
    parts = quantize_embeddings([MANY[:1], MANY[1:50], MANY[50:]], precision)
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_list_of_vectors_is_a_matrix():
    np.testing.assert_array_equal(
        quantize_embeddings(list(MANY), "ubinary"), quantize_embeddings(MANY, "ubinary")
    )


@pytest.mark.parametrize("precision", ["float16", "", "INT8"])
def test_unknown_precision_is_refused(precision):
    with pytest.raises(ValueError, match=r"precision is .*, expected one of float32, int8"):
        quantize_embeddings(MANY, precision)


def test_integers_are_refused():
    with pytest.raises(TypeError, match="embeddings have dtype int8, expected floats"):
        quantize_embeddings(np.zeros((2, 2), np.int8), "uint8")


def test_ranges_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"ranges have shape \(2, 12\), expected \(2, 13\)"):
        quantize_embeddings(MANY, "int8", np.zeros((2, 12)))
