import pickle
import warnings

import numpy as np
import pytest
from tiny import Table, head_tensors, write_model

import fastbert
from fastbert import reference
from fastbert.config import read_config
from fastbert.errors import ConfigError, WeightsError
from fastbert.tasks.probabilities import sigmoid, softmax
from fastbert.tasks.text_classifier import TextClassifier
from fastbert.weights import load_weights

LABELS = ["bad", "fair", "good"]
TEXTS = ["how do i reset my password", "", "忘记密码怎么办", "the cat runs fast, very good! " * 3]
# Two layers of sums of some sixty products of order 1, in another order.
TOLERANCE = 2e-5


def write(directory, **options):
    options = {"labels": LABELS} | options
    return write_model(directory, head="sequence_classification", **options)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def classifier(model):
    return TextClassifier(model)


def head_scores(directory, classifier, texts, pairs=None, compute_type="float32"):
    """What plain NumPy makes of the tokens."""
    config = read_config(directory)
    tokens = classifier.tokenizer.encode_batch(texts, pairs, max_length=classifier.max_length)
    types = np.zeros_like(tokens.ids) if tokens.type_ids is None else tokens.type_ids
    first = reference.forward(
        tokens.ids,
        tokens.offsets,
        config,
        load_weights(directory, config),
        type_ids=types,
        poolings=("cls",),
        compute_type=compute_type,
    )
    sizes = {"hidden_size": config.hidden_size}
    head = head_tensors("sequence_classification", sizes, len(classifier.labels))
    pooled = reference.linear(
        first, head["bert.pooler.dense.weight"], head["bert.pooler.dense.bias"]
    )
    return reference.linear(np.tanh(pooled), head["classifier.weight"], head["classifier.bias"])


def test_scores_are_the_definition(model, classifier):
    expected = reference.softmax(head_scores(model, classifier, TEXTS))
    scores = classifier.scores(TEXTS)
    assert (scores.dtype, scores.shape) == (np.float32, (len(TEXTS), len(LABELS)))
    np.testing.assert_allclose(scores, expected, atol=TOLERANCE)
    np.testing.assert_array_equal(classifier.scores(TEXTS[0]), scores[0])


def test_scores_of_pairs_are_the_definition(model, classifier):
    pairs = [("my password", "the cat runs"), ("", "密码"), ("a " * 70, "dog " * 50)]
    with pytest.warns(UserWarning, match="pair 2 has 123 tokens, but max_length is 64: the rest"):
        scores = classifier.scores(pairs, function_to_apply="none")
    expected = head_scores(model, classifier, *(list(side) for side in zip(*pairs, strict=True)))
    np.testing.assert_allclose(scores, expected, atol=TOLERANCE)
    with warnings.catch_warnings():  # said once
        warnings.simplefilter("error")
        classifier(pairs)


def test_company_changes_no_bit(classifier):
    inputs = [*TEXTS, *((text, "my cat") for text in TEXTS)]
    together = classifier.scores(inputs * 20, threads=2)
    for batch_size in (1, 3):
        np.testing.assert_array_equal(
            classifier.scores(inputs * 20, batch_size=batch_size), together
        )
    for text, row in zip(inputs, together, strict=False):
        np.testing.assert_array_equal(classifier.scores(text, threads=1), row)


def test_results_have_the_shapes_of_the_pipeline(classifier):
    text, other = TEXTS[0], TEXTS[2]
    (best,) = classifier(text)
    assert set(best) == {"label", "score"}
    assert type(best["score"]) is float
    ranked = classifier(text, top_k=None)
    assert ranked[0] == best
    assert sorted(answer["label"] for answer in ranked) == LABELS
    assert [answer["score"] for answer in ranked] == sorted(
        (answer["score"] for answer in ranked), reverse=True
    )
    assert classifier(text, top_k=1) == [best]
    assert classifier(text, top_k=2) == ranked[:2]
    assert classifier(text, top_k=9) == ranked
    assert classifier([text, other]) == [best, *classifier(other)]
    assert classifier([text, other], top_k=2) == [ranked[:2], classifier(other, top_k=2)]
    assert classifier([text], top_k=1) == [[best]]
    assert classifier((text, other)) == classifier({"text": text, "text_pair": other})
    assert classifier([(text, other)]) == [classifier((text, other))]
    assert classifier({"text": text}) == classifier((text, "")) == best
    assert classifier([]) == classifier([], top_k=2) == []
    assert classifier.scores([]).shape == (0, len(LABELS))


@pytest.mark.parametrize(
    ("labels", "problem_type", "function"),
    [
        (["x"], None, "sigmoid"),
        (["x"], "regression", "none"),
        (["x"], "single_label_classification", "sigmoid"),
        (LABELS, None, "softmax"),
        (LABELS, "single_label_classification", "softmax"),
        (LABELS, "multi_label_classification", "sigmoid"),
        (LABELS, "regression", "none"),
    ],
)
def test_problem_type_decides_the_function(tmp_path, labels, problem_type, function):
    classifier = TextClassifier(write(tmp_path, labels=labels, problem_type=problem_type))
    assert classifier.problem_type == problem_type
    usual = classifier.scores(TEXTS)
    np.testing.assert_array_equal(usual, classifier.scores(TEXTS, function_to_apply=function))
    plain = head_scores(tmp_path, classifier, TEXTS)
    functions = {
        "softmax": reference.softmax,
        "sigmoid": reference.ACTIVATIONS["sigmoid"],
        "none": lambda x: x,
    }
    np.testing.assert_allclose(usual, functions[function](plain), atol=TOLERANCE)


def test_labels_without_names_are_numbered(tmp_path):
    assert TextClassifier(write(tmp_path, labels=None)).labels == ["LABEL_0", "LABEL_1"]


def test_equal_scores_keep_their_order(classifier):
    assert [a["label"] for a in classifier._ranked(np.float32([1, 2, 2]), None)] == [
        "fair",
        "good",
        "bad",
    ]


def test_probabilities_of_large_scores_are_finite():
    x = np.float32([[-1000, 0, 1000]])
    np.testing.assert_array_equal(sigmoid(x), [[0, 0.5, 1]])
    np.testing.assert_array_equal(softmax(x), [[0, 0, 1]])
    assert sigmoid(np.float32([-30]))[0] > 0
    assert sigmoid(x).dtype == softmax(x).dtype == np.float32


@pytest.mark.parametrize("compute_type", ["int8", "bfloat16"])
def test_other_compute_types_stay_near_their_definition(model, compute_type):
    classifier = TextClassifier(model, compute_type=compute_type)
    # Probabilities: a step of int8 that falls on the other side moves them by about 1e-3.
    expected = reference.softmax(head_scores(model, classifier, TEXTS, compute_type=compute_type))
    np.testing.assert_allclose(classifier.scores(TEXTS), expected, atol=5e-3)


def test_too_long_texts_are_cut_or_refused(model):
    classifier = TextClassifier(model, max_length=8)
    long = "cat " * 30
    with pytest.raises(ValueError, match=r"^text 1 has 32 tokens, but max_length is 8$"):
        classifier(["cat", long], on_overflow="error")
    with pytest.raises(ValueError, match=r"^pair 2 has 35 tokens, but max_length is 8"):
        classifier(["cat", "dog", (long, "my cat")], on_overflow="error")
    with pytest.warns(UserWarning, match="text 0 has 32 tokens") as record:
        scores = classifier.scores(long)
    assert record[0].filename == __file__
    np.testing.assert_array_equal(scores, classifier.scores("cat " * 6))


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (3, "texts is a int, but must be a str, a pair or a list"),
        (b"x", "texts is a bytes"),
        (np.array("a"), "texts is an array that is not 1-D, but must be a str, a pair or a list"),
        (Table(["text"]), "texts is an array that is not 1-D"),
        (["a", 3], r"texts\[1\] is 3, but must be a str, a tuple of two, or a dictionary"),
        ([["a", "b"]], r"texts\[0\] is \['a', 'b'\], but must be"),
        (("a", "b", "c"), "texts is .*, but must be a pair of str"),
        ({"text": "a", "pair": "b"}, "must be a str, a tuple"),
        ({"text": "a", "text_pair": 1}, "must be a str, a tuple"),
    ],
)
def test_bad_inputs_are_refused(classifier, texts, reason):
    with pytest.raises(TypeError, match=reason):
        classifier(texts)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"top_k": 0}, "top_k is 0"),
        ({"top_k": "2"}, "top_k is '2', but must be 'best', a positive integer or None"),
        ({"top_k": "all"}, "top_k is 'all'"),
        ({"function_to_apply": "max"}, "function_to_apply is 'max', but must be one of sigmoid"),
        ({"function_to_apply": ["none"]}, r"function_to_apply is \['none'\], but must be one of"),
        (
            {"function_to_apply": np.array(["none", "none"])},
            r"function_to_apply is array\(\['none', 'none'\].*, but must be one of sigmoid",
        ),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"threads": 0}, "threads is 0"),
        ({"on_overflow": "window"}, "on_overflow is 'window', but must be one of truncate, error"),
    ],
)
def test_bad_arguments_are_refused(classifier, options, reason):
    with pytest.raises(ValueError, match=reason):
        classifier("a", **options)


def test_directories_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="no sequence_classification head"):
        TextClassifier(write_model(tmp_path / "encoder"))
    with pytest.raises(ConfigError, match="problem_type is 'guess', expected one of regression"):
        TextClassifier(write(tmp_path / "problem", problem_type="guess"))
    with (write(tmp_path / "vocabulary") / "vocab.txt").open("a") as file:
        file.write("beyond\n")
    with pytest.raises(ConfigError, match=r"ids up to (\d+), but config.json says vocab_size \1$"):
        TextClassifier(tmp_path / "vocabulary")
    with pytest.raises(ValueError, match="compute_type is 'int4'"):
        TextClassifier(write(tmp_path / "type"), compute_type="int4")


def test_pickled_model_gives_the_same(model):
    classifier = TextClassifier(model, max_length=9, compute_type="int8")
    again = pickle.loads(pickle.dumps(classifier))
    assert (again.max_length, again.compute_type) == (9, "int8")
    np.testing.assert_array_equal(again.scores("a cat"), classifier.scores("a cat"))
    assert repr(again).startswith("TextClassifier(")


def test_is_public():
    assert fastbert.TextClassifier is TextClassifier
