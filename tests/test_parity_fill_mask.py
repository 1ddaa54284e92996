"""The same results as transformers' "fill-mask" pipeline; needs `pip install ".[parity]"`."""

import numpy as np
import pytest
from tiny import write_model

import fastbert

torch = pytest.importorskip("torch", reason="parity tests need torch and transformers")
transformers = pytest.importorskip("transformers", reason="parity tests need transformers")

pytestmark = pytest.mark.filterwarnings("ignore")

TEXTS = [
    "Paris is the [MASK] of France.",
    "[MASK]",
    "how do I [MASK] my password?",
    "the [MASK] sat on the [MASK], didn't it",
    "我们[MASK]天忘记密码",
    "a naïve [MASK] café, " + "very good " * 200,
]
PRETRAINED = pytest.param("pretrained", marks=pytest.mark.network)
TOLERANCE = 2e-5  # what two orders of adding up leave of float32


@pytest.fixture(scope="module", params=["tied", "untied", PRETRAINED])
def directory(request, tmp_path_factory):
    if request.param == "pretrained":
        return request.getfixturevalue("pretrained_model")
    return write_model(
        tmp_path_factory.mktemp(request.param),
        head="masked_lm",
        tied=request.param == "tied",
        max_position_embeddings=512,
        hidden_act="gelu",
    )


@pytest.fixture(scope="module")
def both(directory):
    pipeline = transformers.pipeline("fill-mask", model=str(directory), device="cpu")
    return fastbert.FillMask(directory), pipeline


def check(got, expected):
    if isinstance(expected, list):
        assert len(got) == len(expected)
        for ours, theirs in zip(got, expected, strict=True):
            check(ours, theirs)
        return
    assert list(got) == list(expected)
    assert abs(got["score"] - expected["score"]) <= TOLERANCE
    assert {**got, "score": 0} == {**expected, "score": 0}


@pytest.mark.parametrize("top_k", [1, 5, 40])
def test_best_tokens(both, top_k):
    fill, pipeline = both
    check(fill(TEXTS, top_k=top_k), [pipeline(text, top_k=top_k) for text in TEXTS])


def test_five_by_default(both):
    fill, pipeline = both
    check(fill(TEXTS[0]), pipeline(TEXTS[0]))


def test_targets(both):
    fill, pipeline = both
    targets = ["cat", "dog", "reset", "passwordless", "cat"]
    check(fill(TEXTS, targets=targets), [pipeline(text, targets=targets) for text in TEXTS])
    check(fill(TEXTS[0], targets="cat"), pipeline(TEXTS[0], targets="cat"))


def test_probabilities_add_up(both):
    fill, _ = both
    fillings = fill(TEXTS[0], top_k=fill.config.vocab_size)
    assert np.isclose(sum(filling["score"] for filling in fillings), 1, atol=1e-4)
