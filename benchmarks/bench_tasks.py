"""From texts to answers, against the pipelines of transformers and sentence-transformers."""

import functools
from dataclasses import dataclass

import numpy as np
import pytest

import fastbert

from . import task_models, texts
from .rates import Work

COMPARED = 8
TOLERANCE = 1e-4  # of probabilities; ours and theirs differ by roundings of float32
ENTITIES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
NLI = ("contradiction", "neutral", "entailment")
QUERY = "where can I buy tickets for the game tonight"


def _pipeline(name):
    def make(directory, threads):
        transformers = pytest.importorskip("transformers")
        torch = pytest.importorskip("torch")
        torch.set_num_threads(threads)
        return transformers.pipeline(name, model=str(directory), device="cpu")

    return make


def _cross_encoder(directory, threads):
    library = pytest.importorskip("sentence_transformers")
    pytest.importorskip("torch").set_num_threads(threads)
    return functools.partial(library.CrossEncoder(str(directory), device="cpu").rank, QUERY)


def _ours(class_name, *first, **options):
    def make(directory, threads):
        model = getattr(fastbert, class_name)(directory, threads=threads)
        call = model.rank if class_name == "CrossEncoder" else model
        return functools.partial(call, *first, **options)

    return make


@dataclass(frozen=True)
class Task:
    """What is timed: a head, its labels, how either library is called, and with which texts."""

    head: str
    labels: tuple
    ours: object
    theirs: object
    inputs: object
    options: dict


def _masked():
    return [f"{text} [MASK]" for text in texts.corpus()[:128]]


TASKS = {
    "text-classification": Task(
        "sequence_classification",
        ("no", "yes", "maybe"),
        _ours("TextClassifier"),
        _pipeline("text-classification"),
        lambda: texts.corpus()[:128],
        {},
    ),
    "token-classification": Task(
        "token_classification",
        ENTITIES,
        _ours("TokenClassifier"),
        _pipeline("token-classification"),
        lambda: texts.corpus()[:128],
        {"aggregation_strategy": "simple"},
    ),
    "fill-mask": Task(
        "masked_lm", ("LABEL_0",), _ours("FillMask"), _pipeline("fill-mask"), _masked, {}
    ),
    "zero-shot-classification": Task(
        "sequence_classification",
        NLI,
        _ours("ZeroShotClassifier"),
        _pipeline("zero-shot-classification"),
        lambda: texts.corpus()[:48],
        {"candidate_labels": ["travel", "sports", "cooking"]},
    ),
    "rerank": Task(
        "sequence_classification",
        ("relevance",),
        _ours("CrossEncoder", QUERY),
        _cross_encoder,
        lambda: texts.corpus()[:100],
        {},
    ),
}


@pytest.fixture(scope="module")
def directory_of(model, tmp_path_factory):
    """Task -> a model directory for it."""
    from pathlib import Path

    @functools.cache
    def write(name):
        task = TASKS[name]
        return task_models.write(
            tmp_path_factory.mktemp("task") / "model", Path(model), task.head, task.labels
        )

    return write


@pytest.mark.parametrize("name", ["fastbert", "transformers"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.filterwarnings("ignore")
def bench_task(measure, directory_of, threads, *, task, name):
    job, directory = TASKS[task], directory_of(task)
    make = job.ours if name == "fastbert" else job.theirs
    call, inputs = functools.partial(make(directory, threads), **job.options), job.inputs()
    got = measure(f"task {task}", name, call, inputs, work=Work(texts=len(inputs)))
    if name == "transformers":
        ours = job.ours(directory, threads)(inputs, **job.options)
        check(ours[:COMPARED], got[:COMPARED])


def check(ours, theirs):
    """The same answers, with scores that differ by roundings."""
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        if isinstance(other, list):
            check(one, other)
            continue
        for key, value in other.items():
            if key in ("score", "scores"):
                np.testing.assert_allclose(one[key], value, atol=TOLERANCE)
            else:
                assert one[key] == value
