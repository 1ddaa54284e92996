"""Answers from contexts: the search against all spans one by one, and the way to it."""

import pickle

import numpy as np
import pytest
from tiny import write_model

import fastbert
from fastbert import reference
from fastbert.config import read_config
from fastbert.encoder import COMPUTE_TYPES
from fastbert.heads import read_head
from fastbert.tasks.spans import best_spans, end_probabilities
from fastbert.weights import load_weights

QUESTION = "how do i reset"
CONTEXTS = [
    "my password",
    "忘记密码怎么办 hello",
    "the 🎉 e\u0301 [SEP] wordable, cat!",
    "the cat and the dog runs fast " * 20,
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"), head="question_answering", seed=5)


@pytest.fixture(scope="module")
def answerer(directory):
    return fastbert.QuestionAnswerer(directory)


@pytest.mark.parametrize("tokens", [0, 1, 3, 40])
@pytest.mark.parametrize("longest", [1, 4, 15])
@pytest.mark.parametrize("count", [1, 12, 10_000])
def test_best_spans_are_the_best_of_all(tokens, longest, count):
    rng = np.random.default_rng(tokens)
    starts, ends = rng.random((2, tokens), np.float32)
    every = [
        (float(starts[i] * ends[j]), -i, -j)
        for i in range(tokens)
        for j in range(i, min(i + longest, tokens))
    ]
    expected = [(-i, -j, score) for score, i, j in sorted(every, reverse=True)[:count]]
    found = best_spans(starts, ends, longest, count)
    got = zip(found.first.tolist(), found.last.tolist(), found.scores.tolist(), strict=True)
    assert list(got) == expected


def test_no_answer_takes_its_share():
    starts, ends, none = end_probabilities(np.zeros((4, 2), np.float32))
    np.testing.assert_allclose(starts, [0.25] * 3)
    np.testing.assert_allclose(ends, [0.25] * 3)
    assert none == 0.0625


@pytest.mark.parametrize("compute_type", COMPUTE_TYPES)
def test_score_is_that_of_the_definition(directory, compute_type):
    config = read_config(directory)
    (head,) = read_head(directory, config, "question_answering")
    model = fastbert.QuestionAnswerer(directory, compute_type=compute_type)
    tokens = model.tokenizer.encode_batch([QUESTION], [CONTEXTS[0]], return_spans=True)
    states = reference.forward(
        tokens.ids,
        tokens.offsets,
        config,
        load_weights(directory, config),
        type_ids=tokens.type_ids,
        poolings=(),
        compute_type=compute_type,
    )
    scores = reference.linear(states, head.weight, head.bias)
    starts, ends = reference.softmax(scores[[0, -3, -2]].T)  # [CLS] and the context's two tokens
    expected = {"my": (1, 1), "password": (2, 2), "my password": (1, 2)}
    found = model(QUESTION, CONTEXTS[0], top_k=5)
    assert {answer["answer"] for answer in found} == set(expected)
    for answer in found:
        first, last = expected[answer["answer"]]
        # float32 sums in another order; the others round them to 8 bits, where one may go astray.
        tolerance = 1e-5 if compute_type == "float32" else 0.02
        assert abs(answer["score"] - starts[first] * ends[last]) <= tolerance
        assert CONTEXTS[0][answer["start"] : answer["end"]] == answer["answer"]


@pytest.mark.parametrize("options", [{}, {"max_seq_len": 30, "doc_stride": 7, "top_k": 4}])
def test_company_changes_nothing(answerer, options):
    alone = [answerer(QUESTION, context, **options) for context in CONTEXTS]
    assert answerer(QUESTION, CONTEXTS, **options) == alone
    company = answerer(QUESTION, CONTEXTS[::-1], batch_size=2, threads=1, **options)
    assert company == alone[::-1]


def test_all_ways_to_ask(answerer):
    context = CONTEXTS[0]
    expected = answerer(question=QUESTION, context=context)
    example = {"question": QUESTION, "context": context}
    assert answerer(example) == expected
    assert answerer([example, example]) == [expected] * 2
    assert answerer([QUESTION], context) == [expected]
    assert answerer([QUESTION], [context]) == [expected]
    assert answerer(iter([QUESTION]), context) == answerer(QUESTION, iter([context])) == [expected]
    assert answerer(iter([QUESTION]), iter([context])) == answerer(iter([example])) == [expected]
    assert answerer([]) == answerer([], []) == []
    assert answerer(QUESTION, context, top_k=1) == answerer(QUESTION, context, top_k=2)[0]


def test_answers_are_whole_words(answerer):
    context = "wordable dogs " * 3
    words = {"wordable", "dogs"}
    for answer in answerer(QUESTION, context, top_k=9):
        assert set(answer["answer"].split()) <= words
    pieces = answerer(QUESTION, context, top_k=50, align_to_words=False)
    assert any(not set(answer["answer"].split()) <= words for answer in pieces)


def test_equal_answers_are_one(answerer):
    found = answerer(QUESTION, "cat Cat", top_k=9, max_answer_len=1)
    (answer,) = found
    assert answer["answer"].lower() == "cat"


def test_impossible_answer_takes_part(answerer):
    found = answerer(QUESTION, "cat", top_k=9, handle_impossible_answer=True)
    assert sorted(answer["answer"] for answer in found) == ["", "cat"]
    assert {(a["start"], a["end"]) for a in found if not a["answer"]} == {(0, 0)}


def test_context_without_tokens_has_the_empty_answer(answerer):
    assert answerer(QUESTION, "  ") == {"score": 0.0, "start": 0, "end": 0, "answer": ""}


def test_long_question_is_cut_and_said_once(directory):
    model = fastbert.QuestionAnswerer(directory)
    with pytest.warns(UserWarning, match="question 0 has 9 tokens, but max_question_len is 4"):
        found = model("how do i reset my cat and my dog", CONTEXTS[0], max_question_len=4)
    assert found == model("how do i reset my cat", CONTEXTS[0], max_question_len=4)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("", "a"), {}, ValueError, "question 0 is empty"),
        (("a", ["b", ""]), {}, ValueError, "context 1 is empty"),
        ((["a"], ["b", "c"]), {}, ValueError, "1 questions have 2 contexts"),
        (("a",), {}, ValueError, "question has no context"),
        (({"question": "a"},), {}, ValueError, "must have a question and a context"),
        ((["a", 1], "b"), {}, TypeError, r"question\[1\] is a int"),
        ((None, "a"), {}, TypeError, "question is a NoneType, but must be a str or a list of str"),
        (("a", 3), {}, TypeError, "context is a int, but must be a str or a list of str"),
        ((3,), {}, TypeError, "question is a int, but must be a dictionary with a question and"),
        (("a", "b"), {"top_k": 0}, ValueError, "top_k is 0"),
        (("a", "b"), {"max_answer_len": None}, ValueError, "max_answer_len is None"),
        (("a", "b"), {"max_seq_len": 65}, ValueError, "can take 1 to 64"),
        (("a", "b"), {"doc_stride": -1}, ValueError, "doc_stride is -1"),
        (("a", "b " * 99), {"doc_stride": 60}, ValueError, "must be more than doc_stride 60"),
    ],
)
def test_bad_arguments(answerer, arguments, options, error, message):
    with pytest.raises(error, match=message):
        answerer(*arguments, **options)


def test_pickled(answerer):
    again = pickle.loads(pickle.dumps(answerer))
    assert again(QUESTION, CONTEXTS[0]) == answerer(QUESTION, CONTEXTS[0])
