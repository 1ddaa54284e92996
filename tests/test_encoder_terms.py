"""The terms that BERT does not have: each alone and all together, against the encoder in NumPy."""

import itertools
import math

import numpy as np
import pytest
from definitions import definition

from fastbert import reference
from fastbert._native import _core
from fastbert.model import EncoderConfig
from fastbert.reference.positions import distance_buckets, positions
from fastbert.weights import tensor_shapes

ISAS = _core.cpu_info()["available_isas"]
COMPUTE_TYPES = _core.compute_types()
PADDING = 1
BERT = EncoderConfig(
    model_type="bert",
    vocab_size=50,
    hidden_size=40,
    num_hidden_layers=3,
    num_attention_heads=5,
    intermediate_size=72,
    hidden_act="gelu",
    max_position_embeddings=520,
    type_vocab_size=2,
    layer_norm_eps=1e-12,
    embedding_size=40,
    num_layer_groups=3,
    padding_id=None,
    relative_attention_num_buckets=0,
)
TERMS = {
    "narrow embeddings": {"embedding_size": 12},
    "wide embeddings": {"embedding_size": 200},  # wider than every other row
    "shared layers": {"num_layer_groups": 1},
    "two groups": {"num_layer_groups": 2},
    "padding": {"padding_id": PADDING},
    "relative bias": {"relative_attention_num_buckets": 32},
    "no types": {"type_vocab_size": 0},
    "all": {
        "embedding_size": 200,
        "num_layer_groups": 2,
        "padding_id": PADDING,
        "relative_attention_num_buckets": 32,
        "type_vocab_size": 0,
    },
}


def random_weights(config, seed=0):
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in tensor_shapes(config).items():
        scale = 1 / math.sqrt(shape[1]) if name.endswith(".weight") else 0.5
        values = scale * rng.standard_normal(shape) + name.endswith(".gamma")
        weights[name] = values.astype(np.float32)
    return weights


@pytest.fixture(scope="module", params=TERMS)
def model(request):
    config = BERT._replace(**TERMS[request.param])
    return config, random_weights(config)


def native(model, isa="", compute_type="float32", packed=None):
    config, weights = model
    return _core.Encoder(
        config._asdict(), weights, isa=isa, compute_type=compute_type, packed=packed
    )


def batch(lengths, seed=0):
    """A batch with the padding id inside its texts."""
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths]).astype(np.int32)
    ids = rng.integers(0, BERT.vocab_size, offsets[-1]).astype(np.int32)
    ids[rng.random(len(ids)) < 0.2] = PADDING
    return ids, offsets


def check_agreement(got, name, model, ids, offsets):
    config, weights = model
    expected = reference.forward(ids, offsets, config, weights, poolings=(), compute_type=name)
    difference = np.abs(got - expected)
    if name in ("float32", "bfloat16"):
        assert difference.max() < 3e-5
        return
    # Where a number lies half way between two that can be stored, a rounding of floats decides, and
    # attention hands the result on to the whole text: in one layer nearly all rows are the same, in
    # three hardly any. But both are as far from float32: 0.99 to 1.01 times, whatever the terms.
    plain = reference.forward(ids, offsets, config, weights, poolings=())
    error = np.abs(expected - plain)
    assert np.abs(got - plain).mean() < 1.1 * error.mean()
    assert difference.max() < 2 * error.max()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
def test_forward_agrees_with_reference(model, isa, compute_type):
    ids, offsets = batch([1, 9, 37, 2, 64, 13, 33, 12, 31, 5])
    got = native(model, isa, compute_type).forward(ids, offsets, threads=1)
    check_agreement(got, definition(compute_type, isa), model, ids, offsets)


@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
@pytest.mark.parametrize("length", [130, 512])
def test_long_texts_agree_with_reference(model, compute_type, length):
    ids, offsets = batch([length])
    encoder = native(model, compute_type=compute_type)
    got = encoder.forward(ids, offsets)
    check_agreement(got, definition(compute_type, encoder.isa), model, ids, offsets)


def test_types_count_where_there_is_a_table(model):
    config, weights = model
    ids, offsets = batch([7, 12])
    types = np.arange(len(ids), dtype=np.int32) % 2
    if config.type_vocab_size == 0:
        with pytest.raises(ValueError, match="type_ids are given, but type_vocab_size is 0"):
            native(model).forward(ids, offsets, type_ids=types)
        return
    got = native(model).forward(ids, offsets, type_ids=types)
    expected = reference.forward(ids, offsets, config, weights, type_ids=types, poolings=())
    np.testing.assert_allclose(got, expected, atol=3e-5)


@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
def test_bits_do_not_depend_on_company_or_threads(model, compute_type):
    rng = np.random.default_rng(1)
    # Teams that take whole chunks, share the rows of one, and share each step; and long texts.
    lengths = np.concatenate([rng.integers(1, 60, 20), [200, 300]])
    ids, offsets = batch(lengths)
    encoder = native(model, compute_type=compute_type)
    alone = [
        encoder.forward(ids[a:b].copy(), np.array([0, b - a], np.int32), threads=1)
        for a, b in itertools.pairwise(offsets)
    ]
    for threads in (1, 2, 3, 8):
        for order in (rng.permutation(22), np.arange(7), np.arange(2), [20], [21, 3]):
            parts = [ids[offsets[i] : offsets[i + 1]] for i in order]
            bounds = np.cumsum([0, *map(len, parts)]).astype(np.int32)
            together = encoder.forward(np.concatenate(parts), bounds, threads=threads)
            np.testing.assert_array_equal(together, np.concatenate([alone[i] for i in order]))


@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("lengths", [[5], [64, 63, 0], [130, 9]])
def test_first_tokens_alone_are_the_same(model, compute_type, threads, lengths):
    ids, offsets = batch(lengths)
    encoder = native(model, compute_type=compute_type)
    both = encoder.forward(ids, offsets, poolings=["cls", "mean"], threads=threads)
    alone = encoder.forward(ids, offsets, poolings=["cls"], threads=threads)
    np.testing.assert_array_equal(alone, both[:, : BERT.hidden_size])


@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
def test_packed_weights_can_be_borrowed(model, compute_type):
    ids, offsets = batch([9, 20])
    encoder = native(model, compute_type=compute_type)
    size = _core.packed_bytes(model[0]._asdict(), compute_type=compute_type)
    assert encoder.packed.shape == (size,)
    borrower = native(model, compute_type=compute_type, packed=encoder.packed)
    np.testing.assert_array_equal(borrower.forward(ids, offsets), encoder.forward(ids, offsets))


def test_weights_of_a_group_are_packed_once():
    sizes = {
        groups: _core.packed_bytes(BERT._replace(num_layer_groups=groups)._asdict())
        for groups in (1, 2, 3)
    }
    assert sizes[2] == 2 * sizes[1]
    assert sizes[3] == 3 * sizes[1]


def test_projection_is_counted_as_work():
    config = BERT._replace(embedding_size=12)
    ids, offsets = batch([9, 20])
    profile = _core.Profile()
    native((config, random_weights(config))).forward(ids, offsets, profile=profile)
    _, calls, flops, weight_bytes = profile.steps()["embed"]
    assert calls == 1
    assert flops == 2 * len(ids) * config.embedding_size * config.hidden_size
    without = config._replace(embedding_size=config.hidden_size)
    sizes = [_core.packed_bytes(changed._asdict()) for changed in (config, without)]
    assert weight_bytes == sizes[0] - sizes[1]


def test_longest_text_leaves_the_rows_up_to_padding_alone():
    config = BERT._replace(padding_id=PADDING, max_position_embeddings=12)
    encoder = native((config, random_weights(config)))
    ids = np.full(config.max_length + 1, 5, np.int32)
    assert len(ids) == 11
    encoder.forward(ids[:-1].copy(), np.array([0, 10], np.int32))
    with pytest.raises(ValueError, match="text 0 has 11 tokens, but max_length is 10"):
        encoder.forward(ids, np.array([0, 11], np.int32))


def test_padding_stands_at_its_own_position():
    ids = np.array([7, 1, 8, 1, 1, 9], np.int32)
    np.testing.assert_array_equal(positions(ids, 1), [2, 1, 3, 1, 1, 4])
    np.testing.assert_array_equal(positions(ids, None), np.arange(6))


def test_buckets_are_those_of_t5():
    buckets = distance_buckets(300, 32)
    # Exact up to 7, then a bucket for every half power of two up to 128; keys behind in the others.
    firsts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91]
    before = np.searchsorted(firsts, np.arange(300), side="right") - 1
    np.testing.assert_array_equal(buckets[:, 0], before)
    np.testing.assert_array_equal(buckets[0, 1:], before[1:] + 16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_layer_groups": 0}, "num_layer_groups is 0, but must be positive and at most"),
        ({"num_layer_groups": 4}, "num_layer_groups is 4, but .* num_hidden_layers, 3"),
        ({"padding_id": -1}, "padding_id is -1, but must leave positions behind it"),
        ({"padding_id": 519}, "padding_id is 519, but .* max_position_embeddings, 520"),
        ({"relative_attention_num_buckets": 3}, "buckets is 3, but must be 0 or in"),
        ({"relative_attention_num_buckets": 512}, "buckets is 512, but must be 0 or in"),
        ({"embedding_size": 0}, "embedding_size .* must be positive"),
    ],
)
def test_impossible_terms_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        native((BERT._replace(**change), random_weights(BERT)))


@pytest.mark.parametrize(
    ("change", "name", "shape"),
    [
        ({"embedding_size": 12}, "embedding_projection.weight", (40, 12)),
        ({"embedding_size": 12}, "embedding_projection.bias", (40,)),
        ({"embedding_size": 12}, "embeddings_norm.gamma", (12,)),
        ({"embedding_size": 12}, "word_embeddings", (50, 12)),
        ({"relative_attention_num_buckets": 32}, "relative_attention_bias", (32, 5)),
        ({"num_layer_groups": 2}, "layers.1.key.bias", (40,)),
    ],
)
def test_missing_and_misshapen_weights_are_named(change, name, shape):
    config = BERT._replace(**change)
    weights = random_weights(config)
    assert weights[name].shape == shape
    lacking = {ours: weight for ours, weight in weights.items() if ours != name}
    with pytest.raises(ValueError, match=f"weights lack '{name}'"):
        native((config, lacking))
    wrong = weights | {name: np.zeros((*shape, 1), np.float32)}
    with pytest.raises(ValueError, match=f"weight '{name}' has shape .*, but must have"):
        native((config, wrong))


def test_nan_in_the_terms_is_propagated():
    config = BERT._replace(relative_attention_num_buckets=32, embedding_size=12)
    ids, offsets = batch([3, 5])
    for name in ("relative_attention_bias", "embedding_projection.bias"):
        weights = random_weights(config)
        weights[name][:] = np.nan
        for compute_type in COMPUTE_TYPES:
            encoder = native((config, weights), compute_type=compute_type)
            assert np.isnan(encoder.forward(ids, offsets)).all()
