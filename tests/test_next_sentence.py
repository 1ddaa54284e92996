import numpy as np
import pytest
from tiny import head_tensors, write_model

from fastbert import reference
from fastbert.config import read_config
from fastbert.errors import WeightsError
from fastbert.tasks.next_sentence import NextSentence
from fastbert.weights import load_weights

FIRST = ["how do i reset my password", "", "忘记密码怎么办", "the cat runs fast"]
SECOND = ["the cat", "hello world", "", "very good! " * 4]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"), head="next_sentence")


@pytest.fixture(scope="module")
def model(directory):
    return NextSentence(directory)


def test_scores_are_the_definition(directory, model):
    config = read_config(directory)
    tokens = model.tokenizer.encode_batch(FIRST, SECOND)
    first = reference.forward(
        tokens.ids,
        tokens.offsets,
        config,
        load_weights(directory, config),
        type_ids=tokens.type_ids,
        poolings=("cls",),
    )
    head = head_tensors("next_sentence", {"hidden_size": config.hidden_size}, 2)
    names = ("bert.pooler.dense", "cls.seq_relationship")
    pooler, relation = ((head[f"{name}.weight"], head[f"{name}.bias"]) for name in names)
    expected = reference.linear(np.tanh(reference.linear(first, *pooler)), *relation)
    # Two layers of sums of some sixty products of order 1, in another order.
    np.testing.assert_allclose(model.scores(FIRST, SECOND), expected, atol=2e-5)
    chances = reference.softmax(expected)[:, 0]
    np.testing.assert_allclose(model(FIRST, SECOND), chances, atol=2e-5)


def test_one_pair_gives_a_number(model):
    together = model(FIRST, SECOND, threads=2)
    assert (together.dtype, together.shape) == (np.float32, (4,))
    for first, second, chance in zip(FIRST, SECOND, together.tolist(), strict=True):
        alone = model(first, second, threads=1)
        assert type(alone) is float
        assert alone == chance
        assert model.scores(first, second).shape == (2,)
    np.testing.assert_array_equal(model(FIRST, SECOND, batch_size=1), together)
    assert model([], []).shape == (0,)
    assert model.scores([], []).shape == (0, 2)


def test_order_matters(model):
    assert model("the cat", "hello world") != model("hello world", "the cat")


def test_bad_inputs_are_refused(model):
    with pytest.raises(TypeError, match="first is a str and second a list, but both must be"):
        model("a", ["b"])
    with pytest.raises(TypeError, match=r"second\[1\] is a int, but must be a str"):
        model(["a", "b"], ["c", 1])
    with pytest.raises(ValueError, match="first has 2 texts and second 1, but they must be"):
        model(["a", "b"], ["c"])
    with pytest.raises(ValueError, match=r"^pair 0 has 78 tokens, but max_length is 64$"):
        model("cat " * 70, "dog " * 5, on_overflow="error")


def test_model_without_the_head_is_refused(tmp_path):
    write_model(tmp_path, sentence_transformers=False)
    with pytest.raises(WeightsError, match="has no next_sentence head"):
        NextSentence(tmp_path)
