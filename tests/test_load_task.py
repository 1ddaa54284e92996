import json
import re
from pathlib import Path

import numpy as np
import pytest
from tiny import write_json, write_model, write_module_list

import fastbert
from fastbert.errors import ConfigError, ModelNotFoundError
from fastbert.json_files import JsonObject
from fastbert.tasks import TASKS, load_task, task_class
from fastbert.tasks.cross_encoder import CrossEncoder
from fastbert.tasks.detection import check_task, task_of
from fastbert.tasks.next_sentence import NextSentence
from fastbert.tasks.text_classifier import TextClassifier
from fastbert.tasks.zero_shot_classifier import ZeroShotClassifier

CLASSES = {
    "text-classification": TextClassifier,
    "sentiment-analysis": TextClassifier,
    "zero-shot-classification": ZeroShotClassifier,
    "text-ranking": CrossEncoder,
    "rerank": CrossEncoder,
    "next-sentence": NextSentence,
}


def change_config(directory, **fields):
    path = directory / "config.json"
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | fields)


@pytest.mark.parametrize("task", CLASSES)
def test_tasks_have_names(task):
    assert task_class(task) is CLASSES[task]


@pytest.mark.parametrize("task", sorted(TASKS))
def test_entries_are_true(task):
    found = task_class(task)
    assert found.__name__ == TASKS[task].class_name
    assert found._task == task
    assert getattr(fastbert, found.__name__) is found


@pytest.mark.parametrize("task", ["guess", ["fill-mask"], np.array(["fill-mask", "ner"])])
def test_unknown_task_lists_the_names(task):
    with pytest.raises(ValueError, match=r"task is .*, but must be one of fill-mask, ner, "):
        load_task("any/model", task)


HEADS = {
    "sequence_classification": "text-classification",
    "token_classification": "token-classification",
    "masked_lm": "fill-mask",
    "question_answering": "question-answering",
    "next_sentence": "next-sentence",
}


@pytest.mark.parametrize("head", HEADS)
def test_architecture_names_the_task(tmp_path, head):
    write_model(tmp_path, head=head)
    assert task_of(str(tmp_path)) == HEADS[head]


@pytest.mark.parametrize(
    "fields",
    [
        {"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"},
        {"sentence_transformers": {"version": "5.3.0"}},
    ],
)
def test_marked_cross_encoder_is_one(tmp_path, fields):
    write_model(tmp_path, head="sequence_classification", labels=["x"])
    change_config(tmp_path, **fields)
    assert type(load_task(tmp_path)) is CrossEncoder
    assert type(load_task(tmp_path, "text-classification")) is TextClassifier


def test_sentence_transformers_names_the_task(tmp_path):
    write_model(tmp_path, head="sequence_classification", labels=["x"])
    path = tmp_path / "config_sentence_transformers.json"
    write_json(path, {"model_type": "CrossEncoder"})
    assert task_of(str(tmp_path)) == "text-ranking"
    write_json(path, {"model_type": "SparseEncoder"})
    assert task_of(str(tmp_path)) == "sparse-encoding"
    path.unlink()
    write_module_list(tmp_path, [("MLMTransformer", ""), ("SpladePooling", "1_SpladePooling")])
    assert task_of(str(tmp_path)) == "sparse-encoding"


def test_options_reach_the_class(tmp_path):
    write_model(tmp_path, head="sequence_classification", labels=["a", "entailment"])
    options = {"compute_type": "int8", "max_length": 20, "threads": 1, "local_files_only": True}
    model = fastbert.load_task(tmp_path, "zero-shot-classification", **options)
    assert (model.compute_type, model.max_length, model.threads) == ("int8", 20, 1)
    assert np.isfinite(model("a cat", "a, b")["scores"]).all()


@pytest.mark.parametrize("sentence_transformers", [True, False])
def test_encoder_is_refused(tmp_path, sentence_transformers):
    write_model(tmp_path, sentence_transformers=sentence_transformers)
    with pytest.raises(ConfigError, match=r"an encoder for fastbert\.load, without a head"):
        load_task(tmp_path)


@pytest.mark.parametrize(
    ("architectures", "reason"),
    [
        (None, "config.json names the architectures none"),
        ([], "config.json names the architectures none"),
        ("BertForMaskedLM", "architectures is 'BertForMaskedLM', expected a list of names"),
        ([1], "architectures is [1], expected a list of names"),
    ],
)
def test_config_without_architectures_is_refused(tmp_path, architectures, reason):
    write_model(tmp_path, head="masked_lm")
    change_config(tmp_path, architectures=architectures)
    with pytest.raises(ConfigError, match=re.escape(reason)):
        load_task(tmp_path)


# Heads that tasks may have beside those that `HEADS` names.
OTHER_HEADS = {
    "text-ranking": {"sequence_classification"},
    "zero-shot-classification": {"sequence_classification"},
    "sparse-encoding": {"masked_lm"},
    "next-sentence": {"masked_lm"},
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("head", HEADS)
def test_model_of_another_task_is_refused(tmp_path, task, head):
    write_model(tmp_path, head=head)
    file = JsonObject.read(tmp_path / "config.json")
    if HEADS[head] == task or head in OTHER_HEADS.get(task, ()):
        check_task(file, task)
        return
    right, wrong = TASKS[HEADS[head]].class_name, TASKS[task].class_name
    reason = rf"names the architectures Bert\w+: a model for fastbert\.{right}, not for {wrong}$"
    with pytest.raises(ConfigError, match=reason):
        load_task(tmp_path, task)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "architectures",
    [
        None,
        [],
        ["BertModel"],
        ["BertForPreTraining"],
        ["BertForSomething"],
        ["BertForMaskedLM", "BertForPreTraining"],
    ],
)
def test_models_without_a_task_are_not_refused(task, architectures):
    check_task(JsonObject(Path("config.json"), {"architectures": architectures}), task)


def test_cross_encoder_is_named(tmp_path):
    write_model(tmp_path, head="sequence_classification", labels=["x"])
    change_config(tmp_path, sentence_transformers={"version": "5.3.0"})
    with pytest.raises(ConfigError, match=r"for fastbert\.CrossEncoder, not for TokenClassifier"):
        fastbert.TokenClassifier(tmp_path)


def test_missing_model_is_refused():
    with pytest.raises(ModelNotFoundError):
        load_task("no/such-model", local_files_only=True)
