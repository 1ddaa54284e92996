"""`FillMask` against plain NumPy; tests/test_parity_fill_mask.py compares with transformers."""

import pickle
import warnings

import numpy as np
import pytest
from definitions_masked_lm import masked_lm_scores
from tiny import SPECIALS, VOCABULARY, write_model

import fastbert
from fastbert.errors import ConfigError, WeightsError
from fastbert.tasks.fill_mask import FillMask

TEXTS = [
    "how do i [MASK] my password",
    "[MASK]",
    "忘记[MASK]码怎么办",
    "the cat runs fast, very good! " * 3 + "[MASK]",
]
# Two layers of sums of some sixty products of order 1, in another order.
TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"), head="masked_lm")


@pytest.fixture(scope="module")
def fill(model):
    return FillMask(model)


def chances(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def definition(directory, fill, text, compute_type="float32"):
    """Probabilities (masks, vocabulary) of one text."""
    tokens = fill.tokenizer.encode_batch([text])
    scores = masked_lm_scores(directory, tokens, compute_type)
    return chances(scores[tokens.ids == fill.tokenizer.mask_id])


@pytest.mark.parametrize("compute_type", ["float32", "bfloat16", "int8"])
def test_scores_are_the_definition(model, compute_type):
    fill = FillMask(model, compute_type=compute_type)
    # Where a rounded intermediate falls on the other side of a step: see test_native_encoder.py.
    tolerance = TOLERANCE if compute_type == "float32" else 5e-3
    for text, fillings in zip(TEXTS, fill(TEXTS, top_k=len(VOCABULARY)), strict=True):
        (expected,) = definition(model, fill, text, compute_type)
        got = np.zeros(len(VOCABULARY))
        got[[filling["token"] for filling in fillings]] = [f["score"] for f in fillings]
        np.testing.assert_allclose(got, expected, atol=tolerance)
        scores = [filling["score"] for filling in fillings]
        assert scores == sorted(scores, reverse=True)


def test_filling(fill):
    best, *others = fill("how do i [MASK] my password")
    assert len(others) == 4
    assert list(best) == ["score", "token", "token_str", "sequence"]
    assert best["token_str"] == fill.tokenizer.decode([best["token"]])
    ids = fill.tokenizer.encode("how do i [MASK] my password")
    ids[ids == fill.tokenizer.mask_id] = best["token"]
    assert best["sequence"] == fill.tokenizer.decode(ids, skip_special_tokens=True)
    assert len(fill("how [MASK]", top_k=2)) == 2


def test_several_masks_are_lists_of_their_own(fill):
    first, second = fill("how [MASK] i [MASK] it", targets="reset")
    assert first[0]["sequence"] == "[CLS] how reset i [MASK] it [SEP]"
    assert second[0]["sequence"] == "[CLS] how [MASK] i reset it [SEP]"


def test_shapes_of_results(fill):
    alone = fill(TEXTS[0])
    assert fill([TEXTS[0]]) == [alone]
    assert fill((TEXTS[0],)) == [alone]
    assert fill([]) == []


def test_results_do_not_depend_on_company(fill):
    together = fill(TEXTS, threads=1)
    assert [fill(text, threads=2) for text in TEXTS] == together
    assert fill(TEXTS[::-1], batch_size=1) == together[::-1]


def test_targets_keep_their_scores_among_all_tokens(model, fill):
    (expected,) = definition(model, fill, TEXTS[0])
    ids = [fill.tokenizer.token_to_id(word) for word in ("cat", "dog")]
    fillings = fill(TEXTS[0], targets=["dog", "cat", "cat"])
    assert {filling["token"] for filling in fillings} == set(ids)
    for filling in fillings:
        assert abs(filling["score"] - expected[filling["token"]]) <= TOLERANCE
    assert fill(TEXTS[0], targets="cat")[0]["token_str"] == "cat"


def test_unknown_targets_become_their_first_piece(fill):
    with pytest.warns(UserWarning, match="the target 'passwords' .*'password' is used"):
        (filling,) = fill(TEXTS[0], targets=["passwords"])
    assert filling["token_str"] == "password"
    with pytest.warns(UserWarning, match="the target '' .* it is ignored"):
        (filling,) = fill(TEXTS[0], targets=["", "cat"])
    assert filling["token_str"] == "cat"
    with (
        pytest.warns(UserWarning, match="it is ignored"),
        pytest.raises(ValueError, match=r"targets is \[''\], but must have one token"),
    ):
        fill(TEXTS[0], targets=[""])


def test_only_masked_rows_meet_the_head(model, monkeypatch):
    fill = FillMask(model)
    rows = []

    def counting(step):
        def counted(x, threads):
            rows.append(len(x))
            return step(x, threads)

        return counted

    monkeypatch.setattr(fill, "_head", [counting(step) for step in fill._head])
    fill([*TEXTS, "how [MASK] i [MASK]"])
    assert rows == [len(TEXTS) + 2] * 3


def test_texts_without_a_mask(fill):
    with pytest.raises(ValueError, match=r"text 1 has no \[MASK\]: 'hello'"):
        fill(["[MASK]", "hello"])


def test_masks_that_are_cut_away(model):
    fill = FillMask(model, max_length=8)
    late = "the cat is very good " * 3 + "[MASK]"
    with (
        pytest.warns(UserWarning, match="text 1 has 18 tokens, but max_length is 8"),
        pytest.raises(ValueError, match="text 1 has 18 tokens and a mask among those beyond"),
    ):
        fill(["[MASK]", late])
    early = "[MASK] " + late.replace("[MASK]", "")
    with warnings.catch_warnings():  # said once
        warnings.simplefilter("error")
        assert len(fill(early)) == 5
    with pytest.raises(ValueError, match="text 0 has 18 tokens, but max_length is 8"):
        fill(early, on_overflow="error")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"top_k": 0}, ValueError, "top_k is 0"),
        ({"threads": 0}, ValueError, "threads is 0"),
        ({"batch_size": -1}, ValueError, "batch_size is -1"),
        ({"on_overflow": "window"}, ValueError, "on_overflow is 'window'"),
        ({"targets": [1]}, TypeError, r"targets\[0\] is a int"),
    ],
)
def test_bad_arguments(fill, options, error, message):
    with pytest.raises(error, match=message):
        fill(TEXTS[0], **options)


def test_bad_texts(fill):
    with pytest.raises(TypeError, match=r"texts\[1\] is a NoneType"):
        fill(["[MASK]", None])


def test_a_tokenizer_without_mask(tmp_path):
    write_model(tmp_path, head="masked_lm")
    config = {"tokenizer_class": "BertTokenizer", "mask_token": "<other>"}
    (tmp_path / "tokenizer_config.json").write_text(str(config).replace("'", '"'))
    words = [token for token in VOCABULARY if token not in SPECIALS[4:]] + ["more"]
    (tmp_path / "vocab.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    with pytest.raises(ConfigError, match="the tokenizer has no mask token"):
        FillMask(tmp_path)


def test_a_model_without_head(tiny_model):
    with pytest.raises(WeightsError, match="no masked_lm head"):
        FillMask(tiny_model)


def test_pickle(fill):
    assert pickle.loads(pickle.dumps(fill))(TEXTS) == fill(TEXTS)


def test_public(fill):
    assert fastbert.FillMask is FillMask
    assert fill.mask_token == "[MASK]"
