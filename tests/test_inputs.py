import re

import numpy as np
import pytest

from fastbert.inputs import read_inputs, repeat


def test_one_text_and_many():
    one = read_inputs("hello")
    assert (one.first, one.second, one.single) == (["hello"], None, True)
    many = read_inputs(["a", "b"])
    assert (many.first, many.second, many.single, many.places) == (["a", "b"], None, False, None)
    assert read_inputs([]).first == []


@pytest.mark.parametrize(
    "texts", [("a", "b"), np.array(["a", "b"]), np.array(["a", "b"], object), iter(["a", "b"])]
)
def test_any_sequence_of_str_is_many_texts(texts):
    assert list(read_inputs(texts).first) == ["a", "b"]


def test_equal_texts_are_there_once():
    inputs = read_inputs(["b", "a", "b", "b"])
    assert (inputs.first, inputs.places, inputs.repeated) == (["b", "a"], [0, 1, 0, 0], 2)
    assert [inputs.given(i) for i in range(2)] == [0, 1]
    assert repeat(["B", "A"], inputs.places) == ["B", "A", "B", "B"]
    np.testing.assert_array_equal(repeat(np.array([2, 1]), inputs.places), [2, 1, 2, 2])


def test_repeated_outputs_are_not_shared():
    first, second = repeat([{"x": []}], [0, 0])
    first["x"].append(1)
    assert second == {"x": []}


def test_pairs():
    inputs = read_inputs([("a", "b"), ["a", "c"], ("a", "b")])
    assert inputs.first == ["a", "a"]
    assert inputs.second == ["b", "c"]
    assert inputs.places == [0, 1, 0]


def test_tokens():
    one = read_inputs(["hello", "##s"], is_tokenized=True)
    assert (one.first, one.single, one.tokenized) == ([("hello", "##s")], True, True)
    many = read_inputs([["a"], ["b", "c"], []], is_tokenized=True)
    assert (many.first, many.single) == ([("a",), ("b", "c"), ()], False)
    assert read_inputs([], is_tokenized=True).first == []
    pairs = read_inputs([(["a"], ["b", "c"])], is_tokenized=True)
    assert (pairs.first, pairs.second) == ([("a",)], [("b", "c")])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (b"bytes", "texts is a bytes, but must be a str or a list of str"),
        (3, "texts is a int, but must be a str or a list of str"),
        ({"a": 1}, "texts is a dict, but must be a str or a list of str"),
        (np.array([["a"]]), "texts is an array that is not 1-D"),
        (["a", 3], "texts[1] is a int, but must be a str"),
        (["a", ("a", "b")], "texts[1] is a tuple, but must be a str"),
        ([("a", "b"), "c"], "texts[1] is a str, but must be a pair of str like the first"),
        (
            [("a", "b", "c")],
            "texts[0] is a tuple of 3 (str, str, str), but must be a str or a pair",
        ),
        ([("a", 1)], "texts[0] is a tuple of 2 (str, int), but must be a str or a pair of str"),
    ],
)
def test_other_things_are_refused(texts, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        read_inputs(texts)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("text", "texts is a str, but with is_tokenized it must be a list of tokens"),
        ([["a"], "b"], "texts[1] is a str, but must be a list of tokens"),
        ([["a"], [1]], "texts[1] is a list of 1 (int), but must be a list of tokens"),
        ([(["a"], ["b"]), ["c"]], "texts[1] is a list of 1 (str), but must be a pair of lists"),
    ],
)
def test_other_things_are_no_tokens(texts, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        read_inputs(texts, is_tokenized=True)
