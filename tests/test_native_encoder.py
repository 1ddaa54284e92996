"""The native forward pass against the one in NumPy, and the promises that hold for every batch."""

import itertools

import numpy as np
import pytest
from definitions import definition
from tiny import write_model

from fastbert import reference
from fastbert._native import _core
from fastbert.config import read_config
from fastbert.modules import POOLING_MODES
from fastbert.weights import load_weights

ISAS = _core.cpu_info()["available_isas"]
COMPUTE_TYPES = _core.compute_types()
LENGTHS = [1, 9, 37, 2, 64, 13, 33, 12, 31, 5]

# hidden, layers, heads, inner: MiniLM's head size, BERT-tiny, TinyBERT-312, sizes that fit nothing.
SHAPES = [(64, 2, 2, 128), (128, 2, 2, 512), (312, 2, 12, 1200), (40, 1, 5, 72), (12, 1, 3, 7)]


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def model(request, tmp_path_factory):
    hidden, layers, heads, inner = request.param
    directory = write_model(
        tmp_path_factory.mktemp("shape"),
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
    )
    config = read_config(directory)
    return config, load_weights(directory, config)


def native(model, isa="", compute_type="float32", packed=None):
    config, weights = model
    return _core.Encoder(
        config._asdict(), weights, isa=isa, compute_type=compute_type, packed=packed
    )


def batch(config, lengths, seed=0):
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths]).astype(np.int32)
    ids = rng.integers(0, config.vocab_size, offsets[-1]).astype(np.int32)
    types = rng.integers(0, config.type_vocab_size, offsets[-1]).astype(np.int32)
    return ids, offsets, types


@pytest.mark.parametrize("isa", ISAS)
def test_forward_agrees_with_reference(model, isa):
    config, weights = model
    ids, offsets, types = batch(config, LENGTHS)
    encoder = native(model, isa)
    assert encoder.isa == isa
    for type_ids in (None, types):
        got = encoder.forward(ids, offsets, type_ids=type_ids)
        expected = reference.forward(ids, offsets, config, weights, type_ids=type_ids, poolings=())
        np.testing.assert_allclose(got, expected, atol=2e-5)


@pytest.mark.parametrize("activation", ["gelu_tanh", "relu", "silu"])
def test_other_activations_agree_with_reference(model, activation):
    config, weights = model
    config = config._replace(hidden_act=activation)
    ids, offsets, _ = batch(config, LENGTHS)
    got = native((config, weights)).forward(ids, offsets)
    expected = reference.forward(ids, offsets, config, weights, poolings=())
    np.testing.assert_allclose(got, expected, atol=2e-5)


def test_pooled_vectors_agree_with_reference(model):
    config, weights = model
    ids, offsets, _ = batch(config, LENGTHS)
    poolings = list(POOLING_MODES)
    got = native(model).forward(ids, offsets, poolings=poolings, pool_skip=1)
    expected = reference.forward(ids, offsets, config, weights, poolings=poolings, pool_skip=1)
    np.testing.assert_allclose(got, expected, atol=5e-5)


@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("lengths", [[5], [64], LENGTHS, [60, 0, 50, 0, 1], [64, 63], [64] * 6])
def test_first_tokens_alone_are_the_same(model, compute_type, threads, lengths):
    config, _ = model
    ids, offsets, _ = batch(config, lengths)
    encoder = native(model, compute_type=compute_type)
    both = encoder.forward(ids, offsets, poolings=["cls", "mean"], threads=threads)
    alone = encoder.forward(ids, offsets, poolings=["cls"], threads=threads)
    np.testing.assert_array_equal(alone, both[:, : config.hidden_size])


@pytest.mark.parametrize("isa", ISAS)
def test_bfloat16_agrees_with_reference(model, isa):
    config, weights = model
    ids, offsets, _ = batch(config, LENGTHS)
    got = native(model, isa, "bfloat16").forward(ids, offsets)
    name = definition("bfloat16", isa)
    expected = reference.forward(ids, offsets, config, weights, poolings=(), compute_type=name)
    if name == "bfloat16":  # rounds only what is the same everywhere: the weights
        np.testing.assert_allclose(got, expected, atol=2e-5)
        return
    # As in int8: where a number of a row lies half way between two of bfloat16, a rounding of
    # floats decides, and a row of 1200 has one more often than not.
    error = np.abs(reference.forward(ids, offsets, config, weights, poolings=()) - expected)
    assert np.abs(got - expected).max() < error.max()
    assert np.abs(got - expected).mean() < error.mean() / 2


@pytest.mark.parametrize("isa", ISAS)
def test_int8_agrees_with_reference(model, isa):
    config, weights = model
    ids, offsets, _ = batch(config, LENGTHS)
    got = native(model, isa, "int8").forward(ids, offsets)
    expected = reference.forward(ids, offsets, config, weights, poolings=(), compute_type="int8")
    difference = np.abs(got - expected)
    # Most rows are the same to roundings of floats. Where a number lies half way between two
    # integers, such a rounding decides, and what follows from it is what int8 does to any number:
    # seldom in one layer, more often in two.
    same = (difference.max(axis=1) < 2e-5).mean()
    assert same > (0.95 if config.num_hidden_layers == 1 else 0.4)
    error = np.abs(reference.forward(ids, offsets, config, weights, poolings=()) - expected)
    assert difference.max() < 2 * error.max()
    assert difference.mean() < error.mean() / 2


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
def test_packed_weights_can_be_borrowed(model, isa, compute_type):
    config, _ = model
    ids, offsets, _ = batch(config, LENGTHS)
    encoder = native(model, isa, compute_type)
    packed = encoder.packed
    assert not packed.flags.writeable
    size = _core.packed_bytes(config._asdict(), isa=isa, compute_type=compute_type)
    assert packed.shape == (size,)
    borrower = native(model, isa, compute_type, packed)
    expected = encoder.forward(ids, offsets)
    del encoder
    np.testing.assert_array_equal(borrower.forward(ids, offsets), expected)


def test_packed_weights_of_another_size_are_refused(model):
    packed = native(model).packed
    with pytest.raises(ValueError, match="packed has shape"):
        native(model, packed=packed[:-64])
    with pytest.raises(ValueError, match="64 bytes"):
        native(model, packed=np.concatenate([packed, packed])[1:][: len(packed)])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
def test_bits_do_not_depend_on_company_or_threads(model, isa, compute_type):
    config, _ = model
    rng = np.random.default_rng(1)
    # Enough tokens that a team both shares chunks and works on one together.
    lengths = rng.integers(1, 60, 40)
    ids, offsets, _ = batch(config, lengths)
    encoder = native(model, isa, compute_type)
    alone = np.concatenate(
        [
            encoder.forward(
                ids[a:b].copy(), np.array([0, b - a], np.int32), poolings=["mean"], threads=1
            )
            for a, b in itertools.pairwise(offsets)
        ]
    )
    for threads in (1, 2, 3, 8):
        for order in (np.arange(40), rng.permutation(40), np.arange(7), np.arange(38, 40)):
            parts = [ids[offsets[i] : offsets[i + 1]] for i in order]
            bounds = np.cumsum([0, *map(len, parts)]).astype(np.int32)
            together = encoder.forward(
                np.concatenate(parts), bounds, poolings=["mean"], threads=threads
            )
            np.testing.assert_array_equal(together, alone[order])


def test_empty_batches_and_empty_texts(model):
    config, _ = model
    encoder = native(model)
    nothing = np.zeros(0, np.int32)
    empty = encoder.forward(nothing, np.zeros(1, np.int32), poolings=["mean"])
    assert empty.shape == (0, config.hidden_size)
    ids = np.array([3, 4], np.int32)
    mixed = encoder.forward(ids, np.array([0, 0, 2, 2], np.int32), poolings=["mean", "cls"])
    alone = encoder.forward(ids, np.array([0, 2], np.int32), poolings=["mean", "cls"])
    np.testing.assert_array_equal(mixed[1], alone[0])
    assert not mixed[[0, 2]].any()


def test_nan_weights_are_propagated(model):
    config, weights = model
    broken = dict(weights)
    broken["layers.0.ffn_in.bias"] = np.full_like(weights["layers.0.ffn_in.bias"], np.nan)
    ids, offsets, _ = batch(config, [3, 5])
    assert np.isnan(native((config, broken)).forward(ids, offsets)).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"ids": np.zeros(2, np.int64)}, TypeError, "ids is an array of int64, but must be one of"),
        ({"ids": [1, 2]}, TypeError, "ids is a list, but must be a NumPy array of int32"),
        ({"ids": np.zeros((1, 2), np.int32)}, ValueError, r"ids has shape \(1, 2\)"),
        ({"ids": np.array([1, -1], np.int32)}, ValueError, r"ids\[1\] is -1, but must be in \[0, "),
        ({"ids": np.array([1, 9999], np.int32)}, ValueError, r"ids\[1\] is 9999"),
        ({"ids": np.zeros(4, np.int32)[::2]}, ValueError, "ids must be contiguous"),
        ({"offsets": np.zeros(0, np.int32)}, ValueError, "offsets is empty"),
        ({"offsets": np.array([0, 1], np.int32)}, ValueError, "offsets must begin with 0 and end"),
        ({"offsets": np.array([0, 2, 1, 2], np.int32)}, ValueError, "must not decrease"),
        ({"type_ids": np.array([0, 2], np.int32)}, ValueError, r"type_ids\[1\] is 2"),
        ({"type_ids": np.zeros(3, np.int32)}, ValueError, r"type_ids has shape \(3,\)"),
        ({"poolings": ["median"]}, ValueError, "pooling is 'median', but must be one of cls, max"),
    ],
)
def test_bad_batches_are_refused(model, change, error, message):
    arguments = {"ids": np.zeros(2, np.int32), "offsets": np.array([0, 2], np.int32)} | change
    with pytest.raises(error, match=message):
        native(model).forward(**arguments)


def test_too_long_text_is_refused(model):
    config, _ = model
    ids = np.zeros(config.max_position_embeddings + 1, np.int32)
    with pytest.raises(ValueError, match="text 0 has 65 tokens, but max_length is 64"):
        native(model).forward(ids, np.array([0, len(ids)], np.int32))


def test_encoder_keeps_its_weights_alive(model):
    config, weights = model
    ids, offsets, _ = batch(config, [5, 3])
    mine = {name: array.copy() for name, array in weights.items()}
    encoder = native((config, mine))
    expected = encoder.forward(ids, offsets)
    mine.clear()
    np.testing.assert_array_equal(encoder.forward(ids, offsets), expected)


def test_more_threads_than_the_machine_has_are_no_harm(model):
    config, _ = model
    ids, offsets, _ = batch(config, [5, 3])
    encoder = native(model)
    expected = encoder.forward(ids, offsets, threads=1)
    np.testing.assert_array_equal(encoder.forward(ids, offsets, threads=64), expected)


def test_missing_and_misshapen_weights_are_named(model):
    config, weights = model
    lacking = {name: w for name, w in weights.items() if name != "layers.0.key.bias"}
    with pytest.raises(ValueError, match=r"weights lack 'layers\.0\.key\.bias'"):
        native((config, lacking))
    wrong = weights | {"layers.0.key.bias": np.zeros(3, np.float32)}
    with pytest.raises(ValueError, match=r"weight 'layers\.0\.key\.bias' has shape \(3,\), but"):
        native((config, wrong))


@pytest.mark.parametrize("size", [2**31, 2**32 + 1, 2**64 - 1])
def test_sizes_beyond_int32_are_refused(model, size):
    config, weights = model
    for key in ("vocab_size", "hidden_size", "num_hidden_layers", "max_position_embeddings"):
        changed = config._replace(**{key: size})
        with pytest.raises(ValueError, match=f"{key} is {size}, but must be at most 2147483647"):
            native((changed, weights))
