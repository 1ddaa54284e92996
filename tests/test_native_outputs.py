"""What the encoder delivers beyond its last layer, and maxima of products."""

import itertools

import numpy as np
import pytest
from tiny import write_model

from fastbert import reference
from fastbert._native import _core
from fastbert.config import read_config
from fastbert.modules import POOLING_MODES
from fastbert.weights import load_weights

ISAS = _core.cpu_info()["available_isas"]
COMPUTE_TYPES = _core.compute_types()
LAYERS, HIDDEN, HEADS = 3, 40, 5
# One text; few, some of them empty; rows that a team splits; enough that members take chunks.
BATCHES = [[7], [9, 0, 2, 13, 0], [64, 63, 50], [33, 1, 60, 17] * 6]
ORDERS = [[3], [0], [2, 0], [1, 3, 0, 2]]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = write_model(
        tmp_path_factory.mktemp("outputs"),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=72,
    )
    config = read_config(directory)
    return config, load_weights(directory, config)


def native(model, isa="", compute_type="float32"):
    config, weights = model
    return _core.Encoder(config._asdict(), weights, isa=isa, compute_type=compute_type)


def batch(config, lengths, seed=0):
    """Ids, offsets, and a mask: of the second text nothing is left, of the third everything."""
    rng = np.random.default_rng(seed)
    lengths = list(lengths)
    offsets = np.cumsum([0, *lengths]).astype(np.int32)
    ids = rng.integers(0, config.vocab_size, offsets[-1]).astype(np.int32)
    mask = rng.integers(0, 2, offsets[-1]).astype(np.uint8)
    for text, value in ((1, 0), (2, 1)):
        if text < len(lengths):
            mask[offsets[text] : offsets[text + 1]] = value
    return ids, offsets, mask


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("lengths", BATCHES, ids=len)
@pytest.mark.parametrize("layers", ORDERS, ids=str)
def test_layers_and_masks_agree_with_reference(model, isa, lengths, layers):
    config, weights = model
    ids, offsets, mask = batch(config, filter(None, lengths))  # it has no attention of no tokens
    encoder = native(model, isa)
    for given, poolings in itertools.product((None, mask), ([], list(POOLING_MODES))):
        options = {"mask": given, "layers": layers, "poolings": poolings}
        got = encoder.forward(ids, offsets, **options)
        expected = reference.forward(ids, offsets, config, weights, **options)
        np.testing.assert_allclose(got, expected, atol=5e-5)  # as test_native_encoder


@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("lengths", BATCHES, ids=len)
def test_bits_of_outputs_do_not_depend_on_company_or_threads(model, compute_type, threads, lengths):
    config, _ = model
    ids, offsets, mask = batch(config, lengths)
    encoder = native(model, compute_type=compute_type)
    options = {"layers": [2, 0, 3], "poolings": ["mean", "max", "cls"], "attentions": True}
    profile = _core.Profile()
    y, attentions = encoder.forward(
        ids, offsets, mask=mask, threads=threads, profile=profile, **options
    )
    alone = []
    for i, (begin, end) in enumerate(itertools.pairwise(offsets)):
        # A text of which everything counts has the bits that it has without a mask.
        given = None if i == 2 else mask[begin:end].copy()
        bounds = np.array([0, end - begin], np.int32)
        one, its = encoder.forward(ids[begin:end].copy(), bounds, mask=given, threads=1, **options)
        np.testing.assert_array_equal(y[i], one[0])
        alone.append(its)
    np.testing.assert_array_equal(attentions, np.concatenate(alone))


@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("lengths", BATCHES, ids=len)
def test_a_layer_is_the_same_whatever_else_is_wanted(model, compute_type, threads, lengths):
    config, _ = model
    ids, offsets, _ = batch(config, lengths)
    encoder = native(model, compute_type=compute_type)
    options = {"poolings": ["cls"], "threads": threads}
    every = encoder.forward(ids, offsets, layers=[0, 1, 2, 3], **options)
    for layer in range(LAYERS + 1):  # the first tokens alone, behind the last attention
        one = encoder.forward(ids, offsets, layers=[layer], **options)
        np.testing.assert_array_equal(one, every[:, layer * HIDDEN : (layer + 1) * HIDDEN])
    last, _ = encoder.forward(ids, offsets, attentions=True, **options)
    np.testing.assert_array_equal(last, every[:, LAYERS * HIDDEN :])


@pytest.mark.parametrize("depth", range(LAYERS + 1))
def test_layers_behind_the_deepest_are_not_computed(model, depth):
    config, _ = model
    ids, offsets, _ = batch(config, BATCHES[1])
    profile = _core.Profile()
    native(model).forward(ids, offsets, layers=[depth], threads=1, profile=profile)
    steps = profile.steps()
    for name in ("query_key_value", "attention", "ffn_in", "ffn_out"):
        assert steps[name][1] == depth * steps["embed"][1]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("poolings", [[], ["cls"]])
@pytest.mark.parametrize("lengths", BATCHES, ids=len)
def test_attentions_agree_with_reference(model, isa, poolings, lengths):
    config, weights = model
    ids, offsets, mask = batch(config, lengths)
    _, got = native(model, isa).forward(
        ids, offsets, mask=mask, poolings=poolings, attentions=True, layers=[2]
    )
    expected = []
    for begin, end in itertools.pairwise(offsets):
        part = slice(begin, end)
        if begin < end:
            _, probabilities = reference.hidden_states(
                ids[part], np.zeros_like(ids[part]), mask[part], config, weights
            )
            expected += [p.ravel() for p in probabilities[:2]]
    np.testing.assert_allclose(got, np.concatenate(expected), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"layers": [4]}, ValueError, r"layers\[0\] is 4, but must be in \[0, 3\]"),
        ({"layers": [0, -1]}, ValueError, r"layers\[1\] is -1, but must be in \[0, 3\]"),
        ({"layers": [1, 0, 1]}, ValueError, r"layers\[2\] is 1, but each layer must be there only"),
        ({"mask": np.zeros(3, np.uint8)}, ValueError, r"mask has shape \(3,\), but must have"),
        ({"mask": np.zeros(2, bool)}, TypeError, "mask is an array of bool, but must be one of ui"),
    ],
)
def test_bad_outputs_are_refused(model, change, error, message):
    arguments = {"ids": np.zeros(2, np.int32), "offsets": np.array([0, 2], np.int32)} | change
    with pytest.raises(error, match=message):
        native(model).forward(**arguments)


def test_pool_takes_a_mask(model):
    config, _ = model
    _, offsets, mask = batch(config, BATCHES[1])
    x = np.random.default_rng(1).standard_normal((offsets[-1], 7), np.float32)
    names = list(POOLING_MODES)
    got = _core.pool(x, offsets, names, 1, mask)
    for row, (begin, end) in zip(got, itertools.pairwise(offsets), strict=True):
        expected = [reference.pool(x[begin:end], name, 1, mask[begin:end]) for name in names]
        np.testing.assert_allclose(row, np.concatenate(expected), atol=2e-6)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
@pytest.mark.parametrize(
    ("outputs", "inputs", "lengths"),
    [
        (100, 40, [3, 0, 7, 1]),
        (7, 5, []),
        (1, 1, [0, 0]),
        (1000, 64, [1] * 60 + [70, 0, 3]),
        (33, 16, [500]),
    ],
)
def test_forward_max_is_the_maximum_of_forward(isa, compute_type, outputs, inputs, lengths):
    rng = np.random.default_rng(2)
    offsets = np.cumsum([0, *lengths]).astype(np.int32)
    x = rng.standard_normal((offsets[-1], inputs), np.float32)
    x[2:3] = np.nan
    weight = rng.standard_normal((outputs, inputs), np.float32)
    bias = rng.standard_normal(outputs).astype(np.float32)
    linear = _core.Linear(weight, bias, isa=isa, compute_type=compute_type)
    rows = linear.forward(x)
    expected = np.zeros((len(lengths), outputs), np.float32)
    for i, (begin, end) in enumerate(itertools.pairwise(offsets)):
        if begin < end:
            expected[i] = rows[begin:end].max(axis=0)
    for threads in (1, 2, 8):
        np.testing.assert_array_equal(linear.forward_max(x, offsets, threads=threads), expected)


def test_forward_max_checks_its_arguments():
    linear = _core.Linear(np.zeros((3, 2), np.float32), np.zeros(3, np.float32))
    with pytest.raises(ValueError, match=r"x has shape \(4, 3\), but must have \(any, 2\)"):
        linear.forward_max(np.zeros((4, 3), np.float32), np.array([0, 4], np.int32))
    with pytest.raises(ValueError, match="offsets must rise from 0 to the number of rows, 4"):
        linear.forward_max(np.zeros((4, 2), np.float32), np.array([0, 3], np.int32))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
@pytest.mark.parametrize("threads", [1, 2])
def test_forward_max_of_no_outputs_is_empty(isa, compute_type, threads):
    weight, bias = np.zeros((0, 8), np.float32), np.zeros(0, np.float32)
    linear = _core.Linear(weight, bias, isa=isa, compute_type=compute_type)
    for lengths in ([], [0], [1, 0, 70]):
        offsets = np.cumsum([0, *lengths]).astype(np.int32)
        x = np.ones((offsets[-1], 8), np.float32)
        assert linear.forward_max(x, offsets, threads=threads).shape == (len(lengths), 0)
