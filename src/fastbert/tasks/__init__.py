"""What BERT is used for: classes that take texts and give answers, one file each.

To add one, write a file with a class derived from `TaskModel` and list it in `TASKS`, under the
name that the class has as its `_task`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from os import PathLike

    from fastbert.tasks.model import TaskModel

__all__ = ["TASKS", "Task", "load_task", "task_class"]


class Task(NamedTuple):
    """Where a task lives, and which models have its head.

    Attributes:
        home: its module below `fastbert.tasks`.
        class_name: its class there.
        suffixes: how class names in config.json's `architectures` end, of models that have its
            head. Of several tasks, a model is taken for the first when nobody names one.
    """

    home: str
    class_name: str
    suffixes: tuple[str, ...]


# Under the names of transformers' pipelines and the hub, where they have one.
TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "text-classification": Task(
            "text_classifier", "TextClassifier", ("ForSequenceClassification",)
        ),
        "zero-shot-classification": Task(
            "zero_shot_classifier", "ZeroShotClassifier", ("ForSequenceClassification",)
        ),
        "text-ranking": Task("cross_encoder", "CrossEncoder", ("ForSequenceClassification",)),
        "token-classification": Task(
            "token_classifier", "TokenClassifier", ("ForTokenClassification",)
        ),
        "question-answering": Task(
            "question_answerer", "QuestionAnswerer", ("ForQuestionAnswering",)
        ),
        "fill-mask": Task("fill_mask", "FillMask", ("ForMaskedLM", "ForPreTraining")),
        # BERT's own releases have both of its heads, and say ForMaskedLM.
        "next-sentence": Task(
            "next_sentence", "NextSentence", ("ForNextSentencePrediction", "ForMaskedLM")
        ),
        "sparse-encoding": Task("sparse_encoder", "SparseEncoder", ("ForMaskedLM",)),
    }
)

_ALIASES = {
    "sentiment-analysis": "text-classification",
    "ner": "token-classification",
    "rerank": "text-ranking",
}


def task_class(task: str) -> type[TaskModel]:
    """The class of a task.

    Raises:
        ValueError: if there is no such task; it lists the names.
    """
    import importlib

    from fastbert.arguments import check_choice

    check_choice("task", task, sorted({*TASKS, *_ALIASES}))
    entry = TASKS[_ALIASES.get(task, task)]
    module = importlib.import_module(f"fastbert.tasks.{entry.home}")
    found: type[TaskModel] = getattr(module, entry.class_name)
    return found


def load_task(
    model: str | PathLike[str],
    task: str | None = None,
    *,
    revision: str | None = None,
    cache_folder: str | PathLike[str] | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    **options: Any,
) -> TaskModel:
    """Load a model for a task, or for the one that it was made for.

    >>> classifier = fastbert.load_task("distilbert-base-uncased-finetuned-sst-2-english")
    >>> type(classifier).__name__
    'TextClassifier'

    Args:
        model: a directory, or a name on the Hugging Face hub.
        task: text-classification (or sentiment-analysis), zero-shot-classification, text-ranking
            (or rerank), token-classification (or ner), question-answering, fill-mask,
            next-sentence or sparse-encoding; None takes what the files say.
        revision: branch, tag or commit on the hub.
        cache_folder: where downloaded models lie, in place of the Hugging Face cache.
        local_files_only: never use the network.
        token: the hub's access token, or True for the stored one.
        options: what the class takes, such as `compute_type`, `threads` and `max_length`.

    Raises:
        ModelNotFoundError: if no source has the model.
        ConfigError: if `task` is None and the files do not say, as those of an encoder, or if they
            name another task.
        ValueError: if there is no such task.
        WeightsError: if the model has no head for the task.
    """
    from fastbert.hub import find
    from fastbert.tasks.detection import task_of

    chosen = None if task is None else task_class(task)
    directory = find(
        model,
        revision=revision,
        cache_folder=cache_folder,
        local_files_only=local_files_only,
        token=token,
    )
    return (chosen or task_class(task_of(directory)))(directory, **options)
