"""The same entities as transformers' token-classification pipeline."""

import random

import numpy as np
import pytest
from tiny import write_json, write_model
from tiny_tokenizers import unigram_json

import fastbert

transformers = pytest.importorskip("transformers", reason="parity tests need transformers")
pytest.importorskip("torch", reason="parity tests need torch")

pytestmark = pytest.mark.filterwarnings("ignore")

LABELS = {
    "plain": ["O", "PER", "LOC", "geo-loc"],
    "bio": ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
    "mixed": ["B-PER", "PER", "I-PER", "LOC", "O", "B-geo-loc", "X-LOC"],
}
STRATEGIES = ("none", "simple", "first", "average", "max")
WORDS = (
    "the of and to in is it my how do reset password hello world cat dog runs fast very good "
    "passwordable dogs Resetting, worldly! naïve o'clock don't is. "
    "忘记密码 怎么办 你好世界 hello世界 "
    "🎉 e\u0301\u0301 [SEP] [UNK] [MASK] ça 12 3.14 xyz \u200b \ufffd"
).split()


def mixed_texts(count, most, seed):
    source = random.Random(seed)
    lengths = [source.randint(1, most) for _ in range(count)]
    return [
        "".join(source.choice(WORDS) + source.choice([" ", " ", "  ", ""]) for _ in range(n))
        for n in lengths
    ]


TEXTS = [
    "",
    "hello",
    " the cat ",
    "忘记密码怎么办",
    *mixed_texts(20, 12, 0),
    *mixed_texts(3, 120, 1),
]


@pytest.fixture(scope="module", params=LABELS)
def models(request, tmp_path_factory):
    directory = write_model(
        tmp_path_factory.mktemp("model"),
        head="token_classification",
        labels=LABELS[request.param],
        seed=3,
    )
    return fastbert.TokenClassifier(directory), transformers.pipeline(
        "token-classification", model=str(directory), device="cpu"
    )


def check(got, expected):
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        scores = [entity.pop("score") for entity in ours]
        their_scores = [entity.pop("score") for entity in theirs]
        assert ours == theirs
        # Probabilities from two orders of summation in float32.
        np.testing.assert_allclose(scores, their_scores, atol=2e-5)


@pytest.mark.parametrize("ignored", [("O",), (), ("PER", "LOC", "I-LOC")])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_entities_of_texts(models, strategy, ignored):
    ours, theirs = models
    options = {"aggregation_strategy": strategy, "ignore_labels": list(ignored)}
    expected = theirs(TEXTS, **options)
    check(ours(TEXTS, **options), expected)
    assert sum(map(len, expected)) > (10 if ignored else 100)


@pytest.mark.parametrize("stride", [0, 20, 45])
@pytest.mark.parametrize("strategy", STRATEGIES[1:])
def test_entities_of_windows(models, strategy, stride):
    ours, theirs = models
    options = {"aggregation_strategy": strategy, "stride": stride}
    check(ours(TEXTS, **options), theirs(TEXTS, **options))


@pytest.mark.parametrize("delimiter", [" ", "", " / "])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_entities_of_words(models, strategy, delimiter):
    ours, theirs = models
    options = {
        "aggregation_strategy": strategy,
        "is_split_into_words": True,
        "delimiter": delimiter,
    }
    texts = [text.split() for text in TEXTS if text.strip()]
    check(ours(texts, **options), theirs(texts, **options))


def test_tokens_become_text(models):
    ours, theirs = models
    source = random.Random(4)
    tokenizer = theirs.tokenizer
    vocabulary = [*tokenizer.get_vocab(), "do", "not", "n't", "'", "a b", "##"]
    for _ in range(200):
        tokens = source.choices(vocabulary, k=source.randint(0, 9))
        expected = tokenizer.convert_tokens_to_string(tokens)
        assert ours.tokenizer.tokens_to_string(tokens) == expected


def test_words_begin_where_they_do(models):
    ours, theirs = models
    tokens = ours.tokenizer.encode_batch(TEXTS, add_special_tokens=False)
    encodings = theirs.tokenizer(TEXTS, add_special_tokens=False).encodings
    expected = [
        i == 0 or encoding.word_ids[i] != encoding.word_ids[i - 1]
        for encoding in encodings
        for i in range(len(encoding.ids))
    ]
    assert ours.tokenizer.word_starts(TEXTS, tokens).tolist() == expected


@pytest.fixture(scope="module")
def unigram_models(tmp_path_factory):
    """A BERT with a vocabulary that does not mark tokens which continue a word."""
    definition = unigram_json()
    directory = write_model(
        tmp_path_factory.mktemp("unigram"),
        head="token_classification",
        labels=LABELS["bio"],
        vocabulary=[token for token, _ in definition["model"]["vocab"]],
        seed=3,
    )
    (directory / "vocab.txt").unlink()
    write_json(directory / "tokenizer.json", definition)
    names = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_json(
        directory / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": 64,
            "model_input_names": ["input_ids", "attention_mask"],
            **names,
        },
    )
    return fastbert.TokenClassifier(directory), transformers.pipeline(
        "token-classification", model=str(directory), device="cpu"
    )


UNIGRAM_TEXTS = [
    "the cat thecat!",
    "a café. the the",
    "don't cats 中文 cat",
    "",
    "the cat q x! " * 30,
]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_entities_without_marks_of_words(unigram_models, strategy):
    ours, theirs = unigram_models
    options = {"aggregation_strategy": strategy, "ignore_labels": []}
    check(ours(UNIGRAM_TEXTS, **options), theirs(UNIGRAM_TEXTS, **options))
    if strategy != "none":
        options["stride"] = 9
        check(ours(UNIGRAM_TEXTS, **options), theirs(UNIGRAM_TEXTS, **options))
    words = [text.split() for text in UNIGRAM_TEXTS if text]
    options = {"aggregation_strategy": strategy, "is_split_into_words": True}
    check(ours(words, **options), theirs(words, **options))


def test_unigram_words_begin_where_they_do(unigram_models):
    ours, theirs = unigram_models
    tokens = ours.tokenizer.encode_batch(UNIGRAM_TEXTS, add_special_tokens=False)
    encodings = theirs.tokenizer(UNIGRAM_TEXTS, add_special_tokens=False).encodings
    expected = [
        i == 0 or encoding.word_ids[i] != encoding.word_ids[i - 1]
        for encoding in encodings
        for i in range(len(encoding.ids))
    ]
    assert ours.tokenizer.word_starts(UNIGRAM_TEXTS, tokens).tolist() == expected
