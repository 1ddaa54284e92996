"""Answers of every family against transformers' pipelines; needs `pip install ".[parity]"`."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="parity tests need torch and transformers")
transformers = pytest.importorskip("transformers", reason="parity tests need transformers")

import families  # noqa: E402 (needs both)

import fastbert  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

TOLERANCE = 2e-5
LABELS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
TEXTS = [text for text in families.texts(14, seed=7, longest=90) if text]
PAIRS = list(zip(TEXTS, TEXTS[::-1], strict=True))


def pipeline(task, directory, **options):
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    return transformers.pipeline(
        task, model=str(directory), tokenizer=tokenizer, device="cpu", **options
    )


def check(got, expected):
    """The same answers in the same order: texts and numbers identical, scores near."""
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        if isinstance(theirs, list):
            check(ours, theirs)
            continue
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            if key == "score":
                np.testing.assert_allclose(ours[key], value, atol=TOLERANCE)
            else:
                assert ours[key] == value, key


@pytest.mark.parametrize("family", families.FAMILIES)
def test_texts_and_pairs_have_the_same_labels(family, tmp_path):
    families.write(tmp_path, family, "sequence_classification", labels=LABELS)
    ours = fastbert.TextClassifier(tmp_path)
    theirs = pipeline("text-classification", tmp_path)
    check(ours(TEXTS), theirs(TEXTS))
    check(ours(TEXTS, top_k=3), theirs(TEXTS, top_k=3))
    pairs = [{"text": first, "text_pair": second} for first, second in PAIRS]
    check(ours(pairs), theirs(pairs))


@pytest.mark.parametrize("strategy", ["none", "simple", "first", "average", "max"])
@pytest.mark.parametrize("family", families.FAMILIES)
def test_texts_have_the_same_entities(family, strategy, tmp_path):
    families.write(tmp_path, family, "token_classification", labels=LABELS)
    ours = fastbert.TokenClassifier(tmp_path)
    theirs = pipeline("token-classification", tmp_path)
    options = {"aggregation_strategy": strategy, "ignore_labels": []}
    check(ours(TEXTS, **options), theirs(TEXTS, **options))


@pytest.mark.parametrize("family", families.FAMILIES)
def test_masked_words_are_the_same(family, tmp_path):
    families.write(tmp_path, family, "masked_lm")
    theirs = pipeline("fill-mask", tmp_path)
    mask = theirs.tokenizer.mask_token
    texts = [f"{first} {mask} {second}" for first, second in PAIRS]
    check(fastbert.FillMask(tmp_path)(texts), theirs(texts))


@pytest.mark.parametrize("family", families.FAMILIES)
def test_labels_without_training_are_the_same(family, tmp_path):
    labels = ("contradiction", "neutral", "entailment")
    families.write(tmp_path, family, "sequence_classification", labels=labels)
    options = {"candidate_labels": ["bank", "天气", "the dog"]}
    expected = pipeline("zero-shot-classification", tmp_path)(TEXTS, **options)
    got = fastbert.ZeroShotClassifier(tmp_path)(TEXTS, **options)
    for ours, theirs in zip(got, expected, strict=True):
        assert ours["labels"] == theirs["labels"]
        np.testing.assert_allclose(ours["scores"], theirs["scores"], atol=TOLERANCE)
