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
    calibration = np.array([[0], [1], [0.2]] * 40, np.float32)
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


@pytest.mark.parametrize(
    ("calibration", "reason"),
    [
        (MANY[:1], "cannot take the int8 ranges from a single calibration embedding, expected"),
        (MANY[0], "cannot take the int8 ranges from a single calibration embedding, expected"),
        (MANY[:0], "cannot take the int8 ranges from no calibration embedding, expected"),
        ([], "cannot take the int8 ranges from no calibration embedding, expected"),
        (MANY[:, :5], r"calibration embeddings have shape \(120, 5\), expected \(rows, 13\)"),
        (MANY[None], r"calibration_embeddings has shape \(1, 120, 13\), but must be"),
        (np.vstack([MANY, MANY[0] * np.nan]), "calibration embeddings have nan in dimension 0"),
    ],
)
def test_calibration_must_give_ranges(calibration, reason):
    for embeddings in (MANY, MANY[0], [MANY[:50], MANY[50:]]):
        with pytest.raises(ValueError, match=f"^{reason}"):
            quantize_embeddings(embeddings, "int8", calibration_embeddings=calibration)


def test_few_vectors_warn():
    for few in (MANY[:99], [MANY[:50], MANY[50:99]]):
        with pytest.warns(UserWarning, match="uint8 ranges come from only 99 embeddings") as found:
            quantize_embeddings(few, "uint8")
        assert [warning.filename for warning in found] == [__file__]
    with pytest.warns(UserWarning, match="int8 ranges come from only 3 calibration embeddings"):
        quantize_embeddings(MANY, "int8", calibration_embeddings=MANY[:3])


def test_constant_dimension_is_bucket_zero():
    vectors = np.full((100, 2), 3, np.float32)
    assert not quantize_embeddings(vectors, "uint8").any()
    assert not quantize_embeddings(vectors, "uint8", np.full((2, 2), 3)).any()


@pytest.mark.parametrize(
    ("precision", "width"), [("int8", 13), ("uint8", 13), ("binary", 2), ("ubinary", 2)]
)
def test_no_rows_give_no_rows(precision, width):
    empty = quantize_embeddings(np.zeros((0, 13), np.float32), precision)
    assert empty.shape == (0, width)
    assert empty.dtype == (np.int8 if precision in ("int8", "binary") else np.uint8)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_empty_list_gives_nothing(precision):
    nothing = quantize_embeddings([], precision)
    assert not nothing.size
    assert nothing.dtype == quantize_embeddings(MANY, precision).dtype


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


@pytest.mark.parametrize(
    ("embeddings", "reason"),
    [
        (None, "embeddings holds NoneType, but must be vectors"),
        (["a", "b"], "embeddings holds str, but must be vectors: encode texts first"),
    ],
)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_is_no_vector_is_refused(embeddings, reason, precision):
    with pytest.raises(TypeError, match=f"^{reason}"):
        quantize_embeddings(embeddings, precision)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_number_is_no_vector(precision):
    with pytest.raises(ValueError, match=r"embeddings has shape \(\), but must be \(rows, dim\)"):
        quantize_embeddings(np.float32(3), precision)


def test_ranges_of_more_dimensions_are_not_guessed():
    with pytest.raises(ValueError, match=r"embeddings has shape \(1, 120, 13\), but must be"):
        quantize_embeddings(MANY[None], "int8")


@pytest.mark.parametrize(
    ("minimum", "maximum", "reason"),
    [
        ([0] * 12, [1] * 12, r"have shape \(2, 12\), expected \(2, 13\)"),
        ([0] * 13, [1] * 12 + [-2], "have minimum 0.0 and maximum -2.0 in dimension 12, expected"),
        ([np.nan] + [0] * 12, [1] * 13, "have nan in dimension 0, expected finite numbers"),
        ([0] * 13, [1, np.inf] + [1] * 11, "have inf in dimension 1, expected finite numbers"),
    ],
)
def test_other_ranges_are_refused(minimum, maximum, reason):
    for embeddings in (MANY, [MANY, MANY]):
        with pytest.raises(ValueError, match=f"^ranges {reason}"):
            quantize_embeddings(embeddings, "int8", [minimum, maximum])


@pytest.mark.parametrize("ranges", [None, [[-9] * 13, [9] * 13]])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_embeddings_must_be_finite(ranges, number):
    vectors = MANY.copy()
    vectors[7, 3] = number
    for embeddings in (vectors, [vectors[:5], vectors[5:]]):
        reason = f"^embeddings have {number} in dimension 3, expected finite numbers"
        with pytest.raises(ValueError, match=reason):
            quantize_embeddings(embeddings, "int8", ranges)
