"""Every kernel of every instruction set against its twin in fastbert.reference."""

import numpy as np
import pytest
from definitions import WINOGRAD_ISAS, definition

from fastbert import reference
from fastbert._native import _core
from fastbert.modules import POOLING_MODES
from fastbert.reference import compute_types, winograd

ISAS = _core.cpu_info()["available_isas"]


@pytest.fixture(params=ISAS)
def isa(request):
    """Each instruction set that this CPU can run."""
    return request.param


@pytest.fixture
def kernels(isa):
    return _core.kernels(isa)


@pytest.fixture
def rng(request):
    return np.random.default_rng(list(request.node.name.encode()))


def normal(rng, *shape, scale=1.0, loc=0.0):
    return (loc + scale * rng.standard_normal(shape)).astype(np.float32)


def exact_linear(x, weight, bias):
    return x.astype(np.float64) @ weight.T.astype(np.float64) + bias


# Rows around the tile heights, outputs around the panel widths, inputs around the vector widths.
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 6, 7, 12, 13, 25, 40])
@pytest.mark.parametrize("outputs", [1, 7, 8, 16, 31, 32, 33, 96])
@pytest.mark.parametrize("inputs", [1, 15, 17, 64, 312])
def test_linear_agrees_with_float64(isa, rows, outputs, inputs, rng):
    x, weight = normal(rng, rows, inputs), normal(rng, outputs, inputs)
    bias = normal(rng, outputs)
    got = _core.Linear(weight, bias, isa=isa).forward(x, threads=1)
    assert got.shape == (rows, outputs)
    # A sum of n products of unit size is off by about n^(1/2) roundings of its own size.
    np.testing.assert_allclose(got, exact_linear(x, weight, bias), atol=6e-7 * (inputs + 8))


@pytest.mark.parametrize("inputs", [384, 385, 770])
def test_a_row_of_a_product_does_not_depend_on_the_others(isa, inputs, rng):
    x, weight, bias = normal(rng, 61, inputs), normal(rng, 96, inputs), normal(rng, 96)
    linear = _core.Linear(weight, bias, isa=isa)
    together = linear.forward(x, threads=1)
    for rows in (1, 2, 5, 13, 60):
        np.testing.assert_array_equal(linear.forward(x[:rows].copy()), together[:rows])
    np.testing.assert_array_equal(linear.forward(x[::-1].copy(), threads=3), together[::-1])


@pytest.mark.parametrize("compute_type", _core.compute_types())
@pytest.mark.parametrize("outputs", [1, 4001, 4096])
def test_threads_share_the_panels_of_few_rows(isa, compute_type, outputs, rng):
    x, weight, bias = normal(rng, 200, 192), normal(rng, outputs, 192), normal(rng, outputs)
    linear = _core.Linear(weight, bias, isa=isa, compute_type=compute_type)
    together = linear.forward(x, activation="gelu", threads=2)
    for rows in (1, 5, 60):
        for threads in (1, 2, 3):
            alone = linear.forward(x[:rows].copy(), activation="gelu", threads=threads)
            np.testing.assert_array_equal(alone, together[:rows])


@pytest.mark.parametrize("name", sorted(reference.ACTIVATIONS))
def test_activation_agrees_with_reference(kernels, name):
    x = np.concatenate([np.linspace(-30, 30, 60001), np.linspace(-1e-3, 1e-3, 999), [0, -0.0]])
    x = x.astype(np.float32)
    got = kernels.activate(name, x)
    expected = reference.ACTIVATIONS[name](x.astype(np.float64))
    # Two or three roundings of x, and near zero the polynomials' own error.
    assert (np.abs(got - expected) <= 2e-7 + 2e-7 * np.abs(x)).all()


@pytest.mark.parametrize("name", sorted(reference.ACTIVATIONS))
@pytest.mark.parametrize("count", [0, 1, 3, 15, 16, 17, 33])
def test_activation_of_any_length_keeps_to_its_range(kernels, name, count, rng):
    x = normal(rng, count)
    whole = kernels.activate(name, np.concatenate([x, normal(rng, 64)]))[:count]
    np.testing.assert_array_equal(kernels.activate(name, x), whole)


@pytest.mark.parametrize("name", ["gelu", "gelu_tanh", "relu", "silu", "sigmoid", "tanh"])
def test_activation_hands_on_nan_and_survives_infinity(kernels, name):
    got = kernels.activate(name, np.array([np.nan, 1e30, 1.0, -1e30], np.float32))
    assert np.isnan(got[0])
    assert not np.isnan(got[1:]).any()


@pytest.mark.parametrize("columns", [1, 3, 16, 17, 312, 384, 768])
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_layer_norm_agrees_with_reference(kernels, rows, columns, rng):
    x, residual = normal(rng, rows, columns, scale=3), normal(rng, rows, columns)
    gamma, beta = normal(rng, columns, loc=1), normal(rng, columns)
    for added in (None, residual):
        got = kernels.layer_norm(x, gamma, beta, 1e-12, added)
        z = x.astype(np.float64) + (0 if added is None else added)
        expected = reference.layer_norm(z, gamma, beta, 1e-12)
        if columns > 1:  # one column is its own mean: 0 / 0 up to eps
            np.testing.assert_allclose(got, expected, atol=5e-6, rtol=5e-6)


def test_layer_norm_of_a_large_mean_does_not_cancel(kernels, rng):
    x = normal(rng, 4, 384, loc=1000)
    one, zero = np.ones(384, np.float32), np.zeros(384, np.float32)
    got = kernels.layer_norm(x, one, zero, 1e-12)
    expected = reference.layer_norm(x.astype(np.float64), one, zero, 1e-12)
    np.testing.assert_allclose(got, expected, atol=2e-4)


@pytest.mark.parametrize("tokens", [1, 2, 7, 15, 16, 17, 31, 32, 33, 64, 65, 130])
@pytest.mark.parametrize("size", [8, 26, 32, 64])
def test_attention_agrees_with_reference(kernels, tokens, size, rng):
    query, key, value = (normal(rng, tokens, size) for _ in range(3))
    # The kernel takes powers of 2; reference scales and takes powers of e.
    got = kernels.attention(query, key, value, np.log2(np.e) / np.sqrt(size))
    expected, _ = reference.attention(query.astype(np.float64), key, value)
    np.testing.assert_allclose(got, expected, atol=2e-6)


def test_attention_of_large_scores_is_still_a_mean(kernels, rng):
    query, key = normal(rng, 20, 32, scale=40), normal(rng, 20, 32, scale=40)
    value = normal(rng, 20, 32)
    got = kernels.attention(query, key, value)
    assert np.isfinite(got).all()
    assert (got <= value.max(axis=0) + 1e-5).all()
    assert (got >= value.min(axis=0) - 1e-5).all()


def softmax_scale(size):
    return np.float32(np.log2(np.e) / np.sqrt(size))


@pytest.mark.parametrize("tokens", [1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 64, 65, 130, 513, 1030])
@pytest.mark.parametrize("size", [5, 8, 26, 32, 64])
def test_attention_int8_agrees_with_its_definition(kernels, tokens, size, rng):
    query, key, value = (normal(rng, tokens, size) for _ in range(3))
    scale = softmax_scale(size)
    got = kernels.attention_int8(query, key, value, scale)
    expected, _ = compute_types.attention_int8(query, key, value)
    # The kernel's 2^x is off by up to 7.5e-5, so one probability in three is rounded to the next
    # step: 1 of a sum that is 4095 at least, times a value's distance from the mean, 4 at most.
    # Several in a row mostly cancel.
    np.testing.assert_allclose(got, expected, atol=4 / 4095)


@pytest.mark.parametrize("tokens", [1, 14, 130, 600])
def test_attention_int8_agrees_with_float64(kernels, tokens, rng):
    query, key, value = (normal(rng, tokens, 32) for _ in range(3))
    got = kernels.attention_int8(query, key, value, softmax_scale(32))
    error = got - reference.attention(query.astype(np.float64), key, value)[0]
    assert np.sqrt(np.mean(error**2)) < 4e-3


def test_a_row_of_attention_int8_does_not_depend_on_which_others_are_wanted(kernels, rng):
    query, key, value = (normal(rng, 70, 26) for _ in range(3))
    whole = kernels.attention_int8(query, key, value)
    for begin, end in [(0, 1), (0, 70), (1, 14), (17, 18), (33, 70), (69, 70), (5, 5)]:
        part = kernels.attention_int8(query, key, value, 1.0, begin, end)
        expected = np.zeros_like(whole)
        expected[begin:end] = whole[begin:end]
        np.testing.assert_array_equal(part, expected)


def test_attention_int8_hands_on_nan(kernels, rng):
    arrays = [normal(rng, 19, 32) for _ in range(3)]
    for broken in range(3):
        for bad in (np.nan, np.inf):
            query, key, value = (x.copy() for x in arrays)
            (query, key, value)[broken][3, 5] = bad
            got = kernels.attention_int8(query, key, value)
            expected = np.zeros_like(got, bool)
            # Of a query its row, of a key everything, of a value its column.
            expected[[np.s_[3], np.s_[:], np.s_[:, 5]][broken]] = True
            np.testing.assert_array_equal(~np.isfinite(got), expected)


@pytest.mark.parametrize("size", [1e-38, 1e-20, 40, 1e4, 1e15])
def test_attention_int8_of_any_scores_is_still_a_mean(kernels, size, rng):
    query, key = normal(rng, 20, 32, scale=size), normal(rng, 20, 32, scale=size)
    value = normal(rng, 20, 32)
    got = kernels.attention_int8(query, key, value)
    step = np.abs(value).max(axis=0) / 1023
    assert (got <= value.max(axis=0) + step).all()
    assert (got >= value.min(axis=0) - step).all()


@pytest.mark.parametrize("tokens", [1, 17])
def test_attention_int8_of_zeros_is_their_mean(kernels, tokens, rng):
    zero, value = np.zeros((tokens, 8), np.float32), normal(rng, tokens, 8)
    np.testing.assert_array_equal(kernels.attention_int8(zero, zero, zero), zero)
    got = kernels.attention_int8(zero, zero, value)
    step = np.abs(value).max() / 1023
    np.testing.assert_allclose(got, np.tile(value.mean(axis=0), (tokens, 1)), atol=step)


# The kernels of attention: their definitions, and how far they may be off. With biases scores are
# larger and so are their roundings: twice the 2e-6 of above. The 4 / 4095 of int8 are as above.
ATTENTIONS = {
    "attention": (reference.attention, 4e-6),
    "attention_int8": (compute_types.attention_int8, 4 / 4095),
}


def between_all(distance_bias, key_bias):
    """The biases of a kernel as (queries, keys)."""
    places = np.arange(len(key_bias))
    return distance_bias[places - places[:, None] + len(key_bias) - 1] + key_bias


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("terms", ["distance", "key", "probabilities", "all"])
@pytest.mark.parametrize("tokens", [1, 2, 7, 16, 17, 33, 65, 130])
@pytest.mark.parametrize("size", [5, 26, 64])
def test_terms_of_attention_agree_with_reference(  # noqa: PLR0917
    kernels, attention, terms, tokens, size, rng
):
    query, key, value = (normal(rng, tokens, size) for _ in range(3))
    distance_bias, key_bias = normal(rng, 2 * tokens - 1, scale=3), normal(rng, tokens, scale=3)
    distance_bias *= terms in ("distance", "all")
    key_bias *= terms in ("key", "all")
    given = {
        "distance_bias": distance_bias if terms in ("distance", "all") else None,
        "key_bias": key_bias if terms in ("key", "all") else None,
    }
    probabilities = np.zeros((tokens, tokens), np.float32)
    if terms in ("probabilities", "all"):
        given["probabilities"] = probabilities
    kernel = getattr(kernels, attention)
    got = kernel(query, key, value, softmax_scale(size), **given)
    # The kernel adds biases to the products, the reference to these divided by the root.
    bias = between_all(distance_bias, key_bias) / np.float32(np.sqrt(size))
    definition_of, tolerance = ATTENTIONS[attention]
    expected, expected_probabilities = definition_of(query, key, value, bias)
    np.testing.assert_allclose(got, expected, atol=tolerance)
    if "probabilities" in given:  # floats in both kernels
        np.testing.assert_allclose(probabilities, expected_probabilities, atol=4e-6)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_part_of_the_rows_writes_their_probabilities_alone(kernels, attention, rng):
    query, key, value = (normal(rng, 70, 26) for _ in range(3))
    biases = {"distance_bias": normal(rng, 139), "key_bias": normal(rng, 70)}
    kernel = getattr(kernels, attention)
    whole_probabilities = np.zeros((70, 70), np.float32)
    whole = kernel(query, key, value, probabilities=whole_probabilities, **biases)
    for begin, end in [(0, 1), (0, 70), (1, 14), (17, 18), (33, 70), (69, 70), (5, 5)]:
        probabilities = np.full((70, 70), 7, np.float32)
        part = kernel(query, key, value, 1.0, begin, end, probabilities=probabilities, **biases)
        np.testing.assert_array_equal(part[begin:end], whole[begin:end])
        np.testing.assert_array_equal(probabilities[begin:end], whole_probabilities[begin:end])
        assert (np.delete(probabilities, np.s_[begin:end], axis=0) == 7).all()


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_giving_probabilities_changes_no_bit(kernels, attention, rng):
    query, key, value = (normal(rng, 37, 32) for _ in range(3))
    kernel = getattr(kernels, attention)
    given = kernel(query, key, value, probabilities=np.zeros((37, 37), np.float32))
    np.testing.assert_array_equal(given, kernel(query, key, value))


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_minus_infinity_leaves_a_key_out(kernels, attention, rng):
    query, key, value = (normal(rng, 37, 32) for _ in range(3))
    key_bias, probabilities = np.zeros(37, np.float32), np.zeros((37, 37), np.float32)
    key_bias[30:] = -np.inf
    definition_of, tolerance = ATTENTIONS[attention]
    scale = softmax_scale(32)
    got = getattr(kernels, attention)(
        query, key, value, scale, key_bias=key_bias, probabilities=probabilities
    )
    assert not probabilities[:, 30:].any()
    expected, _ = definition_of(query, key, value, key_bias)
    np.testing.assert_allclose(got, expected, atol=tolerance)
    key_bias[:] = -np.inf
    got = getattr(kernels, attention)(query, key, value, scale, key_bias=key_bias)
    np.testing.assert_allclose(got, np.tile(value.mean(axis=0), (37, 1)), atol=tolerance)


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_biases_hand_on_nan(kernels, attention, bad, rng):
    arrays = [normal(rng, 19, 32) for _ in range(3)]
    kernel = getattr(kernels, attention)
    key_bias, distance_bias = normal(rng, 19), normal(rng, 37)
    key_bias[3] = distance_bias[18 + 5] = bad
    probabilities = np.zeros((19, 19), np.float32)
    assert np.isnan(kernel(*arrays, key_bias=key_bias, probabilities=probabilities)).all()
    assert np.isnan(probabilities).all()
    # Of a distance those queries that have a key so far behind them.
    got = np.isnan(kernel(*arrays, distance_bias=distance_bias))
    np.testing.assert_array_equal(got, np.repeat(np.arange(19) + 5 < 19, 32).reshape(19, 32))


@pytest.mark.parametrize("size", [0, 1e-38, 1e-20, 1e15])
def test_biases_of_attention_int8_hold_whatever_the_products(kernels, size, rng):
    query, key = normal(rng, 20, 32, scale=size), normal(rng, 20, 32, scale=size)
    value, bias = normal(rng, 20, 32), np.zeros(20, np.float32)
    bias[7] = 100
    got = kernels.attention_int8(query, key, value, key_bias=bias)
    if size < 1:
        step = np.abs(value).max() / 1023
        np.testing.assert_allclose(got, np.tile(value[7], (20, 1)), atol=step)
    assert np.isfinite(got).all()


def test_misshapen_terms_of_attention_are_refused(kernels, rng):
    arrays = [normal(rng, 3, 8) for _ in range(3)]
    with pytest.raises(ValueError, match=r"distance_bias has shape \(3,\), but must have \(5,\)"):
        kernels.attention(*arrays, distance_bias=normal(rng, 3))
    with pytest.raises(ValueError, match=r"key_bias has shape \(4,\), but must have \(3,\)"):
        kernels.attention(*arrays, key_bias=normal(rng, 4))
    with pytest.raises(ValueError, match=r"probabilities has shape \(3,\), but must have \(3, 3\)"):
        kernels.attention_int8(*arrays, probabilities=normal(rng, 3))


def panels_of(rows, columns):
    """Rows of numbers, (outputs, n), as (panels, n, columns), zero behind the last output."""
    missing = -len(rows) % columns
    padded = np.concatenate([rows, np.zeros((missing, rows.shape[1]), np.float32)])
    return padded.reshape(-1, columns, rows.shape[1]).transpose(0, 2, 1)


def winograd_rows(weight):
    """What stands in a panel for each output: its scale, then each block behind its start."""
    packed = winograd.pack(weight)
    rows = [packed.scales[:, None]]
    for b, block in enumerate(winograd.blocks(packed.scaled)):
        rows += [packed.starts[:, b, None], block]
    return np.concatenate(rows, axis=1)


@pytest.mark.parametrize("outputs", [1, 8, 30, 32, 70])
@pytest.mark.parametrize("inner", [1, 2, 9, 16, 40, 192, 193, 385])
def test_pack_transposes_into_panels(kernels, outputs, inner, rng):
    weight = normal(rng, outputs, inner, scale=0.02)
    got = kernels.pack(weight)
    if kernels.isa not in WINOGRAD_ISAS:
        np.testing.assert_array_equal(got, panels_of(weight, kernels.panel_columns))
        return
    expected = panels_of(winograd_rows(weight), kernels.panel_columns)
    # Starts are sums of up to 64 products of size 1/4, in another order.
    starts = np.arange(1, got.shape[1], winograd.BLOCK + 1)
    np.testing.assert_allclose(got[:, starts], expected[:, starts], atol=2e-6)
    np.testing.assert_array_equal(
        np.delete(got, starts, axis=1), np.delete(expected, starts, axis=1)
    )


# The sums of the squares of most of these leave the range of floats.
@pytest.mark.parametrize("size", [0, 1e-37, 1e-30, 1e-20, 1e20, 3e37])
def test_products_of_weights_of_any_size_agree_with_float64(isa, size, rng):
    x, weight = normal(rng, 7, 200, scale=0.1), (size * normal(rng, 40, 200)).astype(np.float32)
    bias = np.zeros(40, np.float32)
    got = _core.Linear(weight, bias, isa=isa).forward(x)
    np.testing.assert_allclose(got, exact_linear(x, weight, bias), atol=1e-5 * size)


# The powers of 2 that would bring these to size 1/2 are no normal numbers: the largest stay larger
# than x by 40 times, and lose as much.
@pytest.mark.parametrize("size", [1e-39, 3e38])
def test_products_of_the_least_and_the_largest_weights_agree_with_float64(isa, size, rng):
    x = normal(rng, 7, 200, scale=0.03)  # none of the sums overflows
    weight = (size * rng.uniform(-1, 1, (40, 200))).astype(np.float32)
    bias = np.zeros(40, np.float32)
    got = _core.Linear(weight, bias, isa=isa).forward(x)
    few = 20 * np.finfo(np.float32).smallest_subnormal
    np.testing.assert_allclose(got, exact_linear(x, weight, bias), atol=max(3e-5 * size, few))


# Numbers of inputs around the triples and the blocks.
@pytest.mark.parametrize("inputs", [1, 2, 3, 5, 191, 192, 193, 194, 384, 770])
def test_winograd_products_agree_with_their_definition(inputs, rng):
    x, weight = normal(rng, 14, inputs), normal(rng, 33, inputs, scale=0.05)
    bias = normal(rng, 33)
    expected = winograd.linear(x, weight, bias)
    np.testing.assert_allclose(expected, exact_linear(x, weight, bias), atol=3e-6)
    for isa in WINOGRAD_ISAS.intersection(ISAS):
        got = _core.Linear(weight, bias, isa=isa).forward(x)
        np.testing.assert_allclose(got, expected, atol=3e-6)


@pytest.mark.parametrize("weight_size", [0.0158, 0.022, 0.031])  # powers of 2 and between them
@pytest.mark.parametrize("size", [0.1, 0.2, 0.7, 3, 10])
@pytest.mark.parametrize("inputs", [384, 768, 3072])
def test_products_lose_no_more_than_documented(isa, weight_size, size, inputs, rng):
    x, weight = normal(rng, 40, inputs, scale=size), normal(rng, 96, inputs, scale=weight_size)
    exact = exact_linear(x, weight, 0)
    got = _core.Linear(weight, np.zeros(96, np.float32), isa=isa).forward(x)
    error = np.sqrt(np.mean((got - exact) ** 2) / np.mean(exact**2))
    if (
        isa in WINOGRAD_ISAS
    ):  # that of a block, times a factor that grows with the difference of sizes
        ratio = size / np.sqrt(np.mean(winograd.pack(weight).scaled ** 2))
        assert error < 3.5e-7 * (ratio + 1 / ratio) / 2
    else:
        assert error < 2.5e-8 * np.sqrt(inputs)


def test_products_of_very_many_inputs_agree_with_float64(isa, rng):
    # Of so many, the starts of all rows do not fit at once: they are taken in parts.
    x, weight = normal(rng, 90, 17300), normal(rng, 5, 17300)
    linear = _core.Linear(weight, np.zeros(5, np.float32), isa=isa)
    together = linear.forward(x, threads=1)
    np.testing.assert_allclose(together, exact_linear(x, weight, 0), atol=6e-3)
    np.testing.assert_array_equal(linear.forward(x[80:85].copy()), together[80:85])


def test_more_inputs_than_products_can_have_are_refused(isa):
    weight, bias = np.zeros((1, 1_000_001), np.float32), np.zeros(1, np.float32)
    with pytest.raises(ValueError, match="1000001 inputs, but can have at most 1000000"):
        _core.Linear(weight, bias, isa=isa)


def test_products_of_no_inputs_are_the_bias(isa, rng):
    bias = normal(rng, 5)
    got = _core.Linear(np.zeros((5, 0), np.float32), bias, isa=isa).forward(
        np.zeros((3, 0), np.float32)
    )
    np.testing.assert_array_equal(got, np.tile(bias, (3, 1)))
    np.testing.assert_array_equal(
        winograd.linear(np.zeros((3, 0), np.float32), np.zeros((5, 0), np.float32), bias), got
    )


def wild_rows(rng, columns):
    x = normal(rng, 5, columns)
    x[1] *= 20
    x[2] = 0
    x[3, columns // 2] = 50
    return x


@pytest.mark.parametrize("columns", [1, 3, 4, 12, 40, 312, 384, 1536])
def test_quantize_agrees_with_reference(kernels, columns, rng):
    x = wild_rows(rng, columns)
    whole, units = kernels.quantize(x)
    expected, expected_units = compute_types.quantize(compute_types.rotate(x)[0])
    np.testing.assert_array_equal(whole.astype(int) - 128, expected)
    np.testing.assert_array_equal(units, expected_units[:, 0])


@pytest.mark.parametrize("columns", [1, 3, 40, 384])
def test_quantize_takes_next_to_nothing_for_zeros(kernels, columns):
    # The inverse of their scale would overflow, and instruction sets differ in what comes of that.
    magnitudes = np.array([1e-36, 1e-37, 1e-38, 1e-42, 1e-45, 0], np.float32)
    x = np.zeros((2 * len(magnitudes), columns), np.float32)
    x[:, columns // 2] = np.concatenate([magnitudes, -magnitudes])
    whole, units = kernels.quantize(x)
    assert (whole == 128).all()
    np.testing.assert_array_equal(units, np.abs(x).max(axis=1) / np.float32(127))
    with np.errstate(over="ignore"):  # of the inverse, which is not taken
        expected, expected_units = compute_types.quantize(compute_types.rotate(x)[0])
    assert not expected.any()
    np.testing.assert_array_equal(units, expected_units[:, 0])


@pytest.mark.parametrize("columns", [1, 3, 40, 384])
def test_quantize_keeps_what_is_larger(kernels, columns):
    x = np.zeros((2, columns), np.float32)
    x[:, columns // 2] = np.nextafter(np.float32(1e-36), np.float32(1)) * np.array([1, -1])
    whole, _ = kernels.quantize(x)
    assert (np.abs(whole.astype(int) - 128) == 127).any(axis=1).all()


@pytest.mark.parametrize("columns", [1, 40, 312, 1536])
@pytest.mark.parametrize("activation", sorted(reference.ACTIVATIONS))
def test_quantize_applies_the_activation_first(kernels, columns, activation, rng):
    x = wild_rows(rng, columns)
    whole, units = kernels.quantize(x, activation)
    expected, _ = compute_types.rotate(reference.ACTIVATIONS[activation](x))
    np.testing.assert_allclose(units, np.abs(expected).max(axis=1) / 127, rtol=1e-5, atol=1e-6)
    error = np.abs((whole.astype(int) - 128) * units[:, None] - expected)
    assert (error <= 0.5001 * units[:, None] + 1e-4).all()


@pytest.mark.parametrize("activation", ["identity", "gelu", "tanh"])
def test_quantize_hands_on_nan(kernels, activation, rng):
    x = normal(rng, 3, 64)
    x[1, 5] = np.nan
    _, units = kernels.quantize(x, activation=activation)
    np.testing.assert_array_equal(np.isnan(units), [False, True, False])


@pytest.mark.parametrize("columns", [4, 40, 312, 384, 1536])
def test_rotation_keeps_products(columns, rng):
    x, y = normal(rng, 3, columns), normal(rng, 4, columns)
    (rotated_x, factor), (rotated_y, _) = compute_types.rotate(x), compute_types.rotate(y)
    np.testing.assert_allclose(rotated_x @ rotated_y.T / factor, x @ y.T, atol=1e-4)


@pytest.mark.parametrize("compute_type", ["bfloat16", "int8"])
@pytest.mark.parametrize("rows", [1, 2, 6, 13, 40])
@pytest.mark.parametrize("outputs", [1, 8, 31, 33, 96])
@pytest.mark.parametrize("inputs", [1, 15, 40, 64, 312, 1536])
def test_linear_of_other_compute_types_agrees_with_reference(  # noqa: PLR0917
    isa, compute_type, rows, outputs, inputs, rng
):
    x, weight = normal(rng, rows, inputs), normal(rng, outputs, inputs)
    bias = normal(rng, outputs)
    linear = _core.Linear(weight, bias, isa=isa, compute_type=compute_type)
    expected = reference.ARITHMETIC[definition(compute_type, isa)][0](x, weight, bias)
    got = linear.forward(x, threads=1)
    np.testing.assert_allclose(got, expected, atol=6e-7 * (inputs + 8))
    np.testing.assert_array_equal(linear.forward(x[::-1].copy(), threads=3), got[::-1])


# Where in a row: places of a triple, in a second block, and at the end.
@pytest.mark.parametrize("compute_type", _core.compute_types())
@pytest.mark.parametrize(
    ("inputs", "place"), [(1, 0), (31, 0), (31, 1), (31, 2), (31, 30), (40, 39), (385, 193)]
)
def test_products_hand_on_nan(isa, compute_type, inputs, place, rng):
    x, weight, bias = normal(rng, 3, inputs), normal(rng, 5, inputs), normal(rng, 5)
    broken_x, broken_weight = x.copy(), weight.copy()
    broken_x[1, place] = broken_weight[3, place] = np.nan
    linear = _core.Linear(weight, bias, isa=isa, compute_type=compute_type)
    expected = np.zeros((3, 5), bool)
    expected[1] = True
    np.testing.assert_array_equal(np.isnan(linear.forward(broken_x)), expected)
    if compute_type == "int8":  # integers have no NaN to store
        return
    linear = _core.Linear(broken_weight, bias, isa=isa, compute_type=compute_type)
    expected = np.zeros((3, 5), bool)
    expected[:, 3] = True
    np.testing.assert_array_equal(np.isnan(linear.forward(x)), expected)


@pytest.mark.parametrize("place", [0, 1, 2, 30])
def test_products_hand_on_infinity(isa, place, rng):
    x, weight, bias = normal(rng, 3, 31), normal(rng, 5, 31), normal(rng, 5)
    x[1, place] = np.inf
    got = _core.Linear(weight, bias, isa=isa).forward(x)
    np.testing.assert_array_equal(np.isfinite(got), [[True] * 5, [False] * 5, [True] * 5])


def test_int8_products_do_not_saturate(isa):
    x, weight = np.full((1, 3), 1000, np.float32), np.ones((2, 3), np.float32)
    linear = _core.Linear(weight, np.zeros(2, np.float32), isa=isa, compute_type="int8")
    np.testing.assert_allclose(linear.forward(x), np.full((1, 2), 3000, np.float32), rtol=1e-6)


def test_bfloat16_rounds_to_nearest_even(rng):
    x = np.concatenate([normal(rng, 1000), [1 + 2**-8, 1 + 3 * 2**-8, 0, -0.0]]).astype(np.float32)
    rounded = compute_types.bfloat16(x)
    assert (np.abs(rounded - x) <= np.abs(x) * 2**-8).all()
    assert (rounded.view(np.uint32) & 0xFFFF == 0).all()
    np.testing.assert_array_equal(rounded[1000:1002], [1, 1 + 2**-6])


def test_normalize_scales_rows_to_length_one(rng):
    x = normal(rng, 5, 37)
    x[2] = 0
    expected = reference.normalize(x.astype(np.float64))
    _core.normalize(x)
    np.testing.assert_allclose(x, expected, atol=2e-7)


@pytest.mark.parametrize("pooling", POOLING_MODES)
@pytest.mark.parametrize("skip", [0, 2, 9])
def test_pool_agrees_with_reference(pooling, skip, rng):
    lengths = [1, 3, 0, 9, 4]
    offsets = np.cumsum([0, *lengths]).astype(np.int32)
    x = normal(rng, offsets[-1], 21)
    got = _core.pool(x, offsets, [pooling, "mean"], skip)
    for i, row in enumerate(got):
        text = x[offsets[i] : offsets[i + 1]]
        expected = [reference.pool(text, name, skip) for name in (pooling, "mean")]
        np.testing.assert_allclose(row, np.concatenate(expected), atol=1e-6)


def test_unknown_isa_is_an_error():
    message = r"instruction set 'mmx' cannot run here; this CPU can run .*baseline"
    with pytest.raises(ValueError, match=message):
        _core.kernels("mmx")
