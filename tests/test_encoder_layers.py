"""Layers, poolings, masks, pairs and tokens of `encode`, by the formulas of bert-as-service."""

import re

import numpy as np
import pytest
from tiny import write_model

import fastbert
from fastbert import reference
from fastbert.config import read_config
from fastbert.errors import WeightsError
from fastbert.weights import load_weights

TEXTS = ["hello world", "忘记密码", "", "the cat runs fast", "hello world", "how do i reset my dog"]
PAIRS = [("hello", "world cat"), ("the cat", "忘记"), ("", "dog"), ("how", "")]
LAYERS = 5
TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_model(
        tmp_path_factory.mktemp("model"), num_hidden_layers=LAYERS, dense_size=12, normalize=True
    )


@pytest.fixture(scope="module")
def encoder(directory):
    return fastbert.load(directory)


@pytest.fixture(scope="module")
def states_of(directory, encoder):
    """Hidden states (layers + 1, tokens, hidden), attentions and mask of each text."""
    config = read_config(directory)
    weights = load_weights(directory, config)

    def compute(texts, *, pairs=None, mask_cls_sep=False):
        tokens = encoder.tokenizer.encode_batch(texts, pairs)
        types = np.zeros_like(tokens.ids) if tokens.type_ids is None else tokens.type_ids
        for begin, end in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True):
            ids = tokens.ids[begin:end]
            special = np.isin(ids, [encoder.tokenizer.cls_id, encoder.tokenizer.sep_id])
            mask = (~special).astype(np.uint8) if mask_cls_sep else np.ones(len(ids), np.uint8)
            states, attentions = reference.hidden_states(
                ids, types[begin:end], mask if mask_cls_sep else None, config, weights
            )
            yield np.stack(states), np.stack(attentions), mask

    return compute


def reduce_mean(x, m):
    return (x * m[:, None]).sum(0) / (m.sum() + 1e-10)


def reduce_max(x, m):
    return (x - (1.0 - m[:, None]) * 1e30).max(0) if m.any() else np.zeros(x.shape[1])


def reduce_mean_max(x, m):
    return np.concatenate([reduce_mean(x, m), reduce_max(x, m)])


def first_token(x, _m):
    return x[0]


def last_token(x, _m):
    return x[-1]


# Name in bert-as-service -> formula, name here.
STRATEGIES = {
    "REDUCE_MEAN": (reduce_mean, "mean"),
    "REDUCE_MAX": (reduce_max, "max"),
    "REDUCE_MEAN_MAX": (reduce_mean_max, ("mean", "max")),
    "CLS_TOKEN": (first_token, "cls"),
    "SEP_TOKEN": (last_token, "lasttoken"),
}


@pytest.mark.parametrize("mask_cls_sep", [False, True])
@pytest.mark.parametrize("layers", [(-2,), (-1,), (-1, -3), (1, 2, 5), (0,)], ids=str)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strategies_of_bert_as_service(encoder, states_of, strategy, layers, mask_cls_sep):
    formula, pooling = STRATEGIES[strategy]
    got = encoder.encode(TEXTS, layers=layers, pooling=pooling, mask_cls_sep=mask_cls_sep)
    numbers = [layer % (LAYERS + 1) for layer in layers]
    expected = [
        formula(np.concatenate(states[numbers], axis=-1), mask)
        for states, _, mask in states_of(TEXTS, mask_cls_sep=mask_cls_sep)
    ]
    np.testing.assert_allclose(got, np.stack(expected), atol=TOLERANCE)


@pytest.mark.parametrize("layers", [(-2,), (-1, -4)], ids=str)
def test_token_vectors_of_layers_stand_side_by_side(encoder, states_of, layers):
    matrices = encoder.encode(TEXTS, layers=layers, output_value="token_embeddings")
    numbers = [layer % (LAYERS + 1) for layer in layers]
    for matrix, (states, _, _) in zip(matrices, states_of(TEXTS), strict=True):
        np.testing.assert_allclose(matrix, np.concatenate(states[numbers], axis=-1), atol=TOLERANCE)


def test_pairs_have_token_types(encoder, states_of):
    first, second = map(list, zip(*PAIRS, strict=True))
    expected = [reduce_mean(states[-2], m) for states, _, m in states_of(first, pairs=second)]
    got = encoder.encode(PAIRS, layers=-2)
    np.testing.assert_allclose(got, np.stack(expected), atol=TOLERANCE)
    facts = encoder.encode(PAIRS, output_value=None)
    assert facts[0]["tokens"] == ["[CLS]", "hello", "[SEP]", "world", "cat", "[SEP]"]
    assert facts[0]["token_type_ids"].tolist() == [0, 0, 0, 1, 1, 1]
    assert facts[0]["spans"].tolist() == [[0, 0], [0, 5], [0, 0], [0, 5], [6, 9], [0, 0]]


def test_tokens_are_looked_up_as_they_are(encoder):
    texts = [["hello", "world"], ["Hello", "[MASK]"], [], ["hello", "world"]]
    facts = encoder.encode(texts, is_tokenized=True, output_value=None)
    assert [f["tokens"] for f in facts] == [
        ["[CLS]", "hello", "world", "[SEP]"],
        ["[CLS]", "[UNK]", "[MASK]", "[SEP]"],
        ["[CLS]", "[SEP]"],
        ["[CLS]", "hello", "world", "[SEP]"],
    ]
    np.testing.assert_array_equal(
        encoder.encode(["hello", "world"], is_tokenized=True), encoder.encode("hello world")
    )
    np.testing.assert_array_equal(
        encoder.encode([(["hello"], ["cat", "dog"])], is_tokenized=True),
        encoder.encode([("hello", "cat dog")]),
    )


def test_hidden_states_and_attentions(encoder, states_of):
    facts = encoder.encode(
        TEXTS, output_value=None, output_hidden_states=True, output_attentions=True, layers=-2
    )
    for fact, (states, attentions, _) in zip(facts, states_of(TEXTS), strict=True):
        np.testing.assert_allclose(fact["hidden_states"], states, atol=TOLERANCE)
        np.testing.assert_array_equal(fact["token_embeddings"], fact["hidden_states"][-2])
        np.testing.assert_allclose(fact["attentions"], attentions, atol=1e-6)
        np.testing.assert_allclose(fact["attentions"].sum(-1), 1, atol=1e-5)
    alone = encoder.encode(TEXTS[1], output_value=None, output_attentions=True)
    np.testing.assert_array_equal(alone["attentions"], facts[1]["attentions"])


def test_layers_of_long_texts_come_from_windows(directory):
    encoder = fastbert.load(directory, max_seq_length=8)
    text = "the cat runs fast and my dog is very good " * 3
    short = encoder.encode("the cat runs", layers=(-1, -2), on_overflow="window")
    np.testing.assert_array_equal(short, encoder.encode("the cat runs", layers=(-1, -2)))
    both = encoder.encode(text, layers=(-1, -2), on_overflow="window", mask_cls_sep=True)
    last = encoder.encode(text, layers=-1, on_overflow="window", mask_cls_sep=True)
    np.testing.assert_array_equal(both[: len(last)], last)


def test_own_modules_follow_only_the_own_pooling(encoder):
    assert encoder.encode(TEXTS).shape == (6, 12)  # by way of Dense
    assert encoder.encode(TEXTS, pooling="mean").shape == (6, 32)
    assert encoder.encode(TEXTS, pooling=["mean", "cls"], layers=[-1, -2]).shape == (6, 128)
    assert encoder.encode([], pooling=["mean", "cls"], layers=[-1, -2]).shape == (0, 128)
    unit = encoder.encode(TEXTS, layers=-2, truncate_dim=7, normalize_embeddings=True)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)


def test_layers_that_nobody_reads_are_not_computed(encoder):
    _, profile = encoder.encode(TEXTS, layers=2, profile=True)
    assert profile.steps["ffn_in"].calls == 2


def test_company_does_not_matter_to_layers_and_masks(encoder):
    options = {"layers": (-2, 1), "pooling": ("max", "mean"), "mask_cls_sep": True}
    alone = np.stack([encoder.encode(text, **options) for text in TEXTS])
    for threads in (1, 2, 5):
        got = encoder.encode(TEXTS * 20, threads=threads, **options)
        np.testing.assert_array_equal(got, np.tile(alone, (20, 1)))


def test_a_model_without_pooler_says_so(encoder):
    with pytest.raises(WeightsError, match=r"has no pooler head: its weights lack .*pooler\.dense"):
        encoder.encode("hello", pooling="pooler")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 6}, "layers has 6, but this model has 0 (the embeddings) to 5, or -6 to -1"),
        ({"layers": (-1, -7)}, "layers has -7, but this model has 0"),
        ({"layers": True}, "layers has True, but"),
        ({"layers": (5, -1)}, "layers is (5, -1), but must be one layer or different ones"),
        ({"layers": 1.5}, "layers has 1.5, but"),
        ({"layers": np.array([1, 1])}, "but must be one layer or different ones"),
        ({"layers": ()}, "layers is (), but must be one layer or different ones"),
        ({"pooling": "REDUCE_MEAN"}, "pooling is 'REDUCE_MEAN', but must be one of cls, max, mean"),
        ({"pooling": "x"}, "weightedmean, lasttoken, pooler"),
        ({"pooling": 3}, "pooling is 3, but must be one of cls, max, mean"),
        ({"pooling": ("pooler", "mean")}, "but 'pooler' can only stand alone"),
        ({"pooling": ("mean", "mean")}, "but must be one pooling or different ones"),
        ({"pooling": "pooler", "layers": -2}, "pooling 'pooler' is of the last layer"),
        ({"output_attentions": True}, "need output_value=None"),
        ({"on_overflow": "window", "output_attentions": True, "output_value": None}, "not for out"),
    ],
)
def test_bad_options_are_one_sentence(encoder, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        encoder.encode("hello", **options)


def test_arrays_choose_layers_and_poolings(encoder):
    options = {"layers": [-1, 2], "pooling": ["max", "cls"]}
    arrays = {name: np.array(value) for name, value in options.items()}
    np.testing.assert_array_equal(encoder.encode("a", **arrays), encoder.encode("a", **options))


def test_bad_combinations_are_one_sentence(encoder):
    with pytest.raises(ValueError, match="is for single texts, not for pairs"):
        encoder.encode(PAIRS, on_overflow="window")
    with pytest.raises(ValueError, match="the prompt 'q: ' cannot be put before texts that are"):
        encoder.encode([["hello"]], is_tokenized=True, prompt="q: ")
