"""What every kind of tokenizer offers, token for token as the `tokenizers` library has it."""

import json
import random

import numpy as np
import pytest
from test_tokenizer import tokenizer_json
from tiny_tokenizers import byte_level_files, unigram_json

from fastbert.tokenizer import Tokenizer

library = pytest.importorskip("tokenizers", reason="the oracle of these tests")

TEXTS = ["", "the cat!", "don't  a café 中文, bad", "<mask> the [MASK]", "a cab ##d ﬁ \u3000 x . ."]
WORDS = [
    [],
    ["the"],
    ["the cat", "", "bad", "中文!"],
    ["<mask>", "[MASK]", "a b c d"],
    ["cafés"] * 4,
]
PAIRS = WORDS[::-1]


class Case:
    """One tokenizer in both hands."""

    def __init__(self, directory, kind):
        if kind == "byte level":
            vocabulary, merges = byte_level_files()
            (directory / "vocab.json").write_text(json.dumps(vocabulary))
            (directory / "merges.txt").write_text(merges, encoding="utf-8")
            self.actual = Tokenizer.from_pretrained(directory)
            self.expected = library.Tokenizer.from_str(self.actual._library.to_str())
            return
        decoder = {"type": "WordPiece", "prefix": "##", "cleanup": True}
        content = unigram_json() if kind == "unigram" else tokenizer_json(decoder=decoder)
        path = directory / "tokenizer.json"
        path.write_text(json.dumps(content))
        self.actual = Tokenizer.from_pretrained(directory)
        self.expected = library.Tokenizer.from_file(str(path))


@pytest.fixture(scope="module", params=["wordpiece", "unigram", "byte level"])
def case(request, tmp_path_factory):
    return Case(tmp_path_factory.mktemp("case"), request.param)


def assert_same(tokens, expected, *, spans=True, pairs=True):
    assert tokens.offsets.tolist() == np.cumsum([0] + [len(e.ids) for e in expected]).tolist()
    assert tokens.ids.tolist() == [i for e in expected for i in e.ids]
    if spans:
        assert list(map(tuple, tokens.spans.tolist())) == [s for e in expected for s in e.offsets]
    if pairs:
        assert tokens.type_ids.tolist() == [t for e in expected for t in e.type_ids]
    else:
        assert tokens.type_ids is None


@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize("max_length", [None, 4, 5, 7, 12])
def test_texts_and_pairs_are_tokenized_like_the_library(case, special, max_length):
    options = {"add_special_tokens": special}
    if max_length is None:
        case.expected.no_truncation()
    else:
        case.expected.enable_truncation(max_length)
    first, second = [t for t in TEXTS for _ in TEXTS], TEXTS * len(TEXTS)
    single = case.actual.encode_batch(TEXTS, max_length=max_length, return_spans=True, **options)
    assert_same(single, case.expected.encode_batch(TEXTS, **options), pairs=False)
    paired = case.actual.encode_batch(
        first, second, max_length=max_length, return_spans=True, **options
    )
    pairs = list(zip(first, second, strict=True))
    assert_same(paired, case.expected.encode_batch(pairs, **options))


@pytest.mark.parametrize("truncation", ["longest_first", "only_first", "only_second"])
@pytest.mark.parametrize("max_length", [3, 4, 5, 7, 9, 12])
def test_pairs_are_cut_like_the_library(case, truncation, max_length):
    if max_length < sum(len(run) for run in case.actual._templates[1][:3]):
        return
    case.expected.enable_truncation(max_length, strategy=truncation)
    for pair in ((a, b) for a in TEXTS for b in TEXTS):
        options = {"max_length": max_length, "truncation": truncation, "return_spans": True}
        try:
            expected = case.expected.encode_batch([pair])
        except Exception:  # the library raises no other
            with pytest.raises(ValueError, match=r"\[0\] alone has"):
                case.actual.encode_batch(*([text] for text in pair), **options)
        else:
            tokens = case.actual.encode_batch(*([text] for text in pair), **options)
            assert_same(tokens, expected)


@pytest.mark.parametrize("max_length", [None, 4, 6, 9])
def test_words_are_tokenized_like_the_library(case, max_length):
    if max_length is None:
        case.expected.no_truncation()
    else:
        case.expected.enable_truncation(max_length)
    for pairs in (None, PAIRS):
        items = WORDS if pairs is None else list(zip(WORDS, pairs, strict=True))
        expected = case.expected.encode_batch(items, is_pretokenized=True)
        options = {"max_length": max_length, "return_spans": True}
        tokens, words = case.actual.encode_words(WORDS, pairs, **options)
        assert_same(tokens, expected, pairs=pairs is not None)
        assert words.dtype == np.int32
        assert words.tolist() == [-1 if w is None else w for e in expected for w in e.word_ids]


def test_tokens_are_looked_up(case):
    names = [case.actual.id_to_token(i) for i in (2, 5, 6)]
    tokens = case.actual.encode_tokens([names, ["no such token"], []], add_special_tokens=False)
    assert tokens.ids.tolist() == [2, 5, 6, case.actual.unk_id]
    assert tokens.offsets.tolist() == [0, 3, 4, 4]
    cut = case.actual.encode_tokens([names * 9], [names], max_length=9)
    assert len(cut.ids) == len(cut.type_ids) == 9
    assert cut.lengths.tolist() == [30 + case.actual._templates[1].size]


def test_join_puts_back_what_encode_batch_puts(case):
    options = {"return_spans": True}
    first, second = (
        case.actual.encode_batch(t, add_special_tokens=False, **options)
        for t in (TEXTS, TEXTS[::-1])
    )
    for joined, expected in (
        (case.actual.join(first), case.actual.encode_batch(TEXTS, **options)),
        (case.actual.join(first, second), case.actual.encode_batch(TEXTS, TEXTS[::-1], **options)),
    ):
        for name, one, other in zip(joined._fields, joined, expected, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)


def test_ids_are_decoded_like_the_library(case):
    rng = random.Random(0)
    for _ in range(500):
        ids = [rng.randint(0, case.actual.max_id) for _ in range(rng.randint(0, 12))]
        for skip in (True, False):
            expected = case.expected.decode(ids, skip_special_tokens=skip)
            assert case.actual.decode(ids, skip_special_tokens=skip) == expected


def test_lone_surrogates_read_as_replacement_characters(case):
    text = "the\ud800 cat \udfff"
    replaced = text.replace("\ud800", "\ufffd").replace("\udfff", "\ufffd")
    np.testing.assert_array_equal(case.actual.encode(text), case.actual.encode(replaced))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("a", "texts is str, but must be a sequence of sequences of str"),
        ([["a"], "b"], r"texts\[1\] is str, but must be a sequence of str"),
        ([["a"], ["b", 3]], r"texts\[1\]\[1\] is int, but a (word|token) is a str"),
    ],
)
def test_wrong_words_and_tokens_are_named(case, texts, message):
    with pytest.raises(TypeError, match=message):
        case.actual.encode_words(texts)
    with pytest.raises(TypeError, match=message):
        case.actual.encode_tokens(texts)
