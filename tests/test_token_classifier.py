"""Entities of texts: the rules on crafted probabilities, and the way from texts to them."""

import itertools
import pickle

import numpy as np
import pytest
from tiny import Table, write_model

import fastbert
from fastbert import reference
from fastbert.config import read_config
from fastbert.encoder import COMPUTE_TYPES
from fastbert.heads import read_head
from fastbert.tasks import entities
from fastbert.weights import load_weights
from fastbert.windows import slide

LABELS = ("O", "B-PER", "I-PER", "LOC")
TEXTS = [
    "",
    "how do I reset my password",
    "忘记密码怎么办",
    "hello 🎉 e\u0301toile [SEP] wordable, cat! [UNK]",
    "the cat and the dog runs fast " * 12,
]

SPLIT = {"is_split_into_words": True}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_model(
        tmp_path_factory.mktemp("model"), head="token_classification", labels=LABELS, seed=3
    )


@pytest.fixture(scope="module")
def ner(directory):
    return fastbert.TokenClassifier(directory)


def one_hot(*labels):
    """Probabilities of tokens: 0.7 for the given label, 0.1 for the others."""
    found = np.full((len(labels), len(LABELS)), 0.1, np.float32)
    found[np.arange(len(labels)), labels] = 0.7
    return found


def breaks(*places, count):
    found = np.zeros(count, bool)
    found[list(places)] = True
    return found


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 0, 1, 2, 2], [0, 2, 5]),
        ([1, 1, 2], [0, 1, 3]),  # B- begins anew
        ([2, 1], [0, 1, 2]),
        ([3, 3, 2], [0, 2, 3]),  # no prefix goes on like I-
        ([], [0]),
    ],
)
def test_groups_of_tags(labels, expected):
    units = entities.tokens(one_hot(*labels))
    bounds, scores = entities.group(
        units, entities.Tags(LABELS), breaks(*([0] if labels else []), count=len(labels))
    )
    assert bounds.tolist() == expected
    np.testing.assert_allclose(scores, np.full(len(expected) - 1, 0.7), rtol=1e-6)


def test_groups_end_with_their_window():
    units = entities.tokens(one_hot(3, 3, 3))
    bounds, _ = entities.group(units, entities.Tags(LABELS), breaks(0, 2, count=3))
    assert bounds.tolist() == [0, 2, 3]


def test_labels_of_words():
    probabilities = np.array(
        [[0.6, 0.4], [0.1, 0.9], [0.3, 0.7], [0.8, 0.2], [0.3, 0.7]], np.float32
    )
    starts = np.array([True, False, True, False, False])
    found = {
        strategy: entities.words(probabilities, starts, strategy)
        for strategy in ("first", "average", "max")
    }
    assert {name: units.labels.tolist() for name, units in found.items()} == {
        "first": [0, 1],
        "average": [1, 1],
        "max": [1, 0],
    }
    np.testing.assert_allclose(found["average"].scores, [0.65, 1.6 / 3], rtol=1e-6)
    assert all(units.begins.tolist() == [0, 2, 5] for units in found.values())


def test_names_of_groups_are_cut_at_the_first_dash():
    assert entities.Tags(["geo-loc", "B-geo-loc", "O"]).names == ["loc", "geo-loc", "O"]


def test_overlaps_keep_the_longer_then_the_better():
    def entity(start, end, score):
        return {"start": start, "end": end, "score": score}

    found = entities.resolve_overlaps(
        [entity(0, 3, 0.5), entity(8, 9, 0.2), entity(2, 6, 0.1), entity(8, 9, 0.3)]
    )
    assert found == [entity(2, 6, 0.1), entity(8, 9, 0.3)]


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 20, 31])
@pytest.mark.parametrize("overlap", [0, 2, 5, None])
def test_slide(count, overlap):
    expected, texts = [], []
    for text, (begin, end) in enumerate([(0, count), (count, count + 3)]):
        for start in range(begin, end + 1, 6 - (overlap or 0)):
            expected.append(list(range(start, min(start + 6, end))))
            texts.append(text)
            if start + 6 >= end or overlap is None:
                break
    found = slide(np.array([0, count, count + 3], np.int32), 6, overlap)
    bounds = found.offsets
    got = [found.places[a:b].tolist() for a, b in itertools.pairwise(bounds)]
    assert got == expected
    assert found.texts.tolist() == texts


@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
def test_token_scores_are_those_of_the_definition(directory, compute_type):
    config = read_config(directory)
    (head,) = read_head(directory, config, "token_classification")
    model = fastbert.TokenClassifier(directory, compute_type=compute_type)
    text = "how do I reset my password"
    tokens = model.tokenizer.encode_batch([text])
    states = reference.forward(
        tokens.ids,
        tokens.offsets,
        config,
        load_weights(directory, config),
        poolings=(),
        compute_type=compute_type,
    )
    expected = reference.softmax(reference.linear(states, head.weight, head.bias))[1:-1]
    found = model.token_scores(text)
    assert found.tokens == model.tokenizer.tokens(tokens.ids[1:-1])
    assert text[slice(*found.spans[-1])] == "password"
    # float32 sums in another order; the others round them to 8 bits, where one step may go astray.
    np.testing.assert_allclose(
        found.scores, expected, atol=1e-5 if compute_type == "float32" else 0.02
    )


@pytest.mark.filterwarnings("ignore:.*the rest of it is ignored")
@pytest.mark.parametrize("strategy", entities.STRATEGIES)
def test_company_changes_nothing(ner, strategy):
    options = {"aggregation_strategy": strategy, "ignore_labels": ()}
    alone = [ner(text, **options) for text in TEXTS]
    assert ner(TEXTS, **options) == alone
    assert ner(TEXTS[::-1], batch_size=2, threads=1, **options) == alone[::-1]
    assert all(type(entity["score"]) is float for text in alone for entity in text)


@pytest.mark.parametrize("stride", [0, 10, 30])
def test_windows_cover_a_long_text(ner, stride):
    text = TEXTS[-1]
    found = ner(text, aggregation_strategy="simple", ignore_labels=(), stride=stride)
    assert found[-1]["end"] == len(text.rstrip())
    assert all(a["end"] <= b["start"] for a, b in itertools.pairwise(found))


def test_spans_are_those_of_the_text(ner):
    text = "hello 🎉 cat [SEP] 忘!"
    found = ner(text, ignore_labels=())
    assert [text[each["start"] : each["end"]] for each in found] == [
        *("hello", "🎉", "cat", "[SEP]", "忘", "!")
    ]
    assert [each["index"] for each in found] == [1, 2, 3, 4, 5, 6]
    assert found[1]["word"] == "🎉"  # the text itself where the vocabulary has no token


def test_words_in_place_of_texts(ner):
    words = ["hello", "wordable", "cat"]
    found = ner(words, is_split_into_words=True, delimiter="__", ignore_labels=())
    assert found[-1]["start"] == len("hello__wordable__")
    assert ner([words, ["cat"]], is_split_into_words=True, ignore_labels=())[1][0]["start"] == 0


@pytest.mark.parametrize("kind", [tuple, iter, np.array])
def test_words_in_any_kind_of_list(ner, kind):
    words = ["hello", "cat"]
    expected = ner(words, **SPLIT)
    assert ner(kind(words), **SPLIT) == expected
    assert ner([kind(words), kind(["dog"])], **SPLIT) == [expected, ner(["dog"], **SPLIT)]
    assert ner(np.array([words, words]), **SPLIT) == [expected, expected]


def test_nothing_in_nothing_out(ner):
    assert ner([]) == []
    assert ner("") == []
    assert ner([], is_split_into_words=True) == []
    assert ner([[]], is_split_into_words=True) == [[]]
    assert ner("", aggregation_strategy="average") == []


def test_long_text_is_cut_and_said_once(directory):
    model = fastbert.TokenClassifier(directory)
    remedy = "a call with stride and an aggregation_strategy reads all of it"
    cut = rf'is 64: the rest of it is ignored \({remedy}, "error" for on_overflow refuses it; this'
    with pytest.warns(UserWarning, match=f"text 1 has 86 tokens, but max_length {cut}"):
        model(["hello", TEXTS[-1]])
    model(TEXTS[-1])
    with pytest.raises(ValueError, match=f"text 0 has 86 tokens, but max_length is 64; {remedy}$"):
        model(TEXTS[-1], on_overflow="error")


@pytest.mark.parametrize(
    ("texts", "options", "error", "message"),
    [
        ("a", {"aggregation_strategy": "last"}, ValueError, "aggregation_strategy is 'last'"),
        ("a", {"stride": 2}, ValueError, "stride needs an aggregation_strategy"),
        ("a", {"stride": 62, "aggregation_strategy": "max"}, ValueError, "take 0 to 61"),
        ("a", {"on_overflow": "window"}, ValueError, "on_overflow is 'window'"),
        ("a", {"batch_size": 0}, ValueError, "batch_size is 0"),
        ("a", SPLIT, TypeError, "texts is a str, but must be a list of words where is_split"),
        (["a", ["b"]], SPLIT, TypeError, r"texts\[0\] is a str, but must be a list of words"),
        ([["a", 1]], SPLIT, TypeError, r"texts\[0\]\[1\] is a int, but must be a str"),
        (None, SPLIT, TypeError, "texts is a NoneType, but must be a list of words"),
        ({"words": ["a"]}, SPLIT, TypeError, "texts is a dict, but must be a list of words"),
        (Table(["words"]), SPLIT, TypeError, "texts is an array that is not 1-D"),
        ([1], {}, TypeError, r"texts\[0\] is a int"),
    ],
)
def test_bad_arguments(ner, texts, options, error, message):
    with pytest.raises(error, match=message):
        ner(texts, **options)


def test_pickled(ner):
    again = pickle.loads(pickle.dumps(ner))
    assert again(TEXTS[1]) == ner(TEXTS[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ignore_labels": "O"}, "ignore_labels is 'O', but must be a list of labels"),
        ({"ignore_labels": None}, "ignore_labels is None, but must be a list of labels"),
        ({"delimiter": 3}, "delimiter is 3, but must be a str"),
    ],
)
def test_arguments_of_the_wrong_kind_are_named(tmp_path, options, message):
    model = fastbert.TokenClassifier(write_model(tmp_path, head="token_classification"))
    with pytest.raises(TypeError, match=message):
        model("hello", **options)
