"""Prompts of the task models; tests/test_encoder.py has those of encoders."""

import pytest
from tiny import write_model

from fastbert.prompts import choose_prompt, with_task_prompt
from fastbert.tasks.cross_encoder import CrossEncoder
from fastbert.tasks.sparse_encoder import SparseEncoder

PROMPTS = {"query": "ask: ", "document": "", "passage": "read: "}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"prompts": {"q": 5}}, TypeError, "the prompt 'q' is a int, but must be a str"),
        ({"prompts": {5: "q"}}, TypeError, "a prompt's name is a int, but must be a str"),
        ({"prompts": ["a"]}, TypeError, "prompts is a list, but must be a dictionary"),
        ({"prompts": ""}, TypeError, "prompts is a str, but must be a dictionary"),
        ({"default_prompt_name": "zz"}, ValueError, "^default_prompt_name is 'zz', but this model"),
        ({"default_prompt_name": ["x"]}, TypeError, "^default_prompt_name is a list, but must be"),
    ],
)
@pytest.mark.parametrize("kind", [CrossEncoder, SparseEncoder])
def test_bad_prompts_are_refused(tmp_path, kind, options, error, message):
    write_model(tmp_path, head="masked_lm" if kind is SparseEncoder else "sequence_classification")
    with pytest.raises(error, match=message):
        kind(tmp_path, **options)


@pytest.mark.parametrize(
    ("default", "options", "expected"),
    [
        (None, {}, ""),
        ("passage", {}, "read: "),
        ("passage", {"name": "query"}, "ask: "),
        ("passage", {"prompt": "my "}, "my "),
        ("passage", {"prompt": ""}, ""),
    ],
)
def test_the_prompt_that_is_given_wins(default, options, expected):
    assert choose_prompt(PROMPTS, default, **({"prompt": None, "name": None} | options)) == expected


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("web", ValueError, r"^prompt_name is 'web', but this model has \['document', 'passage', "),
        (["x"], TypeError, "^prompt_name is a list, but must be a str"),
    ],
)
def test_bad_names_are_refused(name, error, message):
    with pytest.raises(error, match=message):
        choose_prompt(PROMPTS, None, prompt=None, name=name)


@pytest.mark.parametrize(
    ("task", "prompts", "name"),
    [
        ("query", {}, "query"),
        ("query", PROMPTS, "query"),
        ("document", {}, "document"),
        ("document", PROMPTS, "passage"),
        ("document", {"corpus": "x"}, "corpus"),
        ("document", {**PROMPTS, "document": "x"}, "document"),
    ],
)
def test_tasks_have_prompts(task, prompts, name):
    options = {"batch_size": 2, "prompt": None}
    assert with_task_prompt(options, prompts, task) == {**options, "prompt_name": name}
    for given in ({"prompt": ""}, {"prompt_name": "x"}):
        assert with_task_prompt(given, prompts, task) == given
