"""`TextClassifier`: which class a text, or a pair of texts, belongs to."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np

from fastbert.arguments import as_list, check_choice, check_positive
from fastbert.json_files import shown
from fastbert.tasks.labels import read_problem_type
from fastbert.tasks.model import LabelledModel
from fastbert.tasks.probabilities import sigmoid, softmax
from fastbert.tasks.sequence_model import SequenceModel, as_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from fastbert.tasks.model import OnOverflow

    Array = NDArray[np.float32]
    Input = str | tuple[str, str] | Mapping[str, str]
    _Input = tuple[str, str | None]  # a text, and its pair

__all__ = ["Classification", "TextClassifier"]

_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": sigmoid,
    "softmax": softmax,
    "none": lambda scores: scores,
}


class Classification(TypedDict):
    """A label and how much the model thinks of it."""

    label: str
    score: float


class TextClassifier(SequenceModel, LabelledModel):
    """Puts texts, or pairs of texts, into classes.

    >>> classifier = fastbert.TextClassifier("distilbert-base-uncased-finetuned-sst-2-english")
    >>> classifier("what a lovely day")
    [{'label': 'POSITIVE', 'score': 0.99988}]

    Results are those of transformers' "text-classification" pipeline. Scores are probabilities of
    one label out of several (softmax), probabilities of each label by itself (sigmoid; one label,
    or a `problem_type` of several labels), or the plain output of a regression.

    Attributes:
        labels: name of each score, by id.
        problem_type: what config.json says: regression, single_label_classification,
            multi_label_classification, or None.
    """

    _task = "text-classification"
    _head_name = "sequence_classification"
    problem_type: str | None

    def _read_settings(self) -> None:
        super()._read_settings()
        self.problem_type = read_problem_type(self._config_file)

    def __call__(
        self,
        texts: Input | Iterable[Input],
        *,
        top_k: int | Literal["best"] | None = "best",
        function_to_apply: str | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        on_overflow: OnOverflow = "truncate",
        threads: int | None = None,
    ) -> Classification | list[Classification] | list[list[Classification]]:
        """Classify.

        Args:
            texts: a text; a pair, as a tuple or as {"text": ..., "text_pair": ...}; or a list with
                any of these. A pair whose second text is empty is a text.
            top_k: how many labels for each text, the likeliest first; None for all; "best" for one
                that does not stand in a list of its own.
            function_to_apply: "softmax", "sigmoid" or "none", from the head's scores to those of
                the result; None takes what suits the model.
            batch_size: most texts of one native call; results do not depend on it.
            show_progress_bar: on stderr; None shows it when the logger "fastbert" is at INFO.
            on_overflow: what happens to more than `max_length` tokens: "truncate" cuts them, of a
                pair the longer text first, and warns once; "error" raises.
            threads: of this call.

        Returns:
            With `top_k`, a list of `Classification` for each text: the list itself for one text, a
            list of lists for a list. Without, one `Classification` for each text: a list of them
            for a list, and also for one str; for one pair the `Classification` itself.

        Raises:
            TypeError, ValueError: if an input is none of those above, or an argument is out of its
                range.
        """
        _check_top_k(top_k)
        scores = self.scores(
            texts,
            function_to_apply=function_to_apply,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            on_overflow=on_overflow,
            threads=threads,
        )
        rows = np.atleast_2d(scores)
        single = _is_single(texts)
        if isinstance(top_k, str):
            best = [self._ranked(row, 1)[0] for row in rows]
            return best[0] if single and not isinstance(texts, str) else best
        ranked = [self._ranked(row, top_k) for row in rows]
        return ranked[0] if single else ranked

    def scores(
        self,
        texts: Input | Iterable[Input],
        *,
        function_to_apply: str | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        on_overflow: OnOverflow = "truncate",
        threads: int | None = None,
    ) -> Array:
        """The scores of all labels as one array; the arguments are those of a call.

        Returns:
            float32 (labels,) for one text or pair, (texts, labels) for a list, in the order of
            `labels`.

        Raises:
            TypeError, ValueError: as for a call.
        """
        function = self._function(function_to_apply)
        single = _is_single(texts)
        inputs = [_as_input(texts, "texts")] if single else _as_inputs(texts)
        options: dict[str, Any] = {
            "batch_size": batch_size,
            "show_progress_bar": show_progress_bar,
            "on_overflow": on_overflow,
            "threads": threads,
        }
        scores = function(self._input_scores(inputs, options))
        return scores[0] if single else scores

    def _function(self, name: str | None) -> Callable[[Array], Array]:
        if name is None:
            name = self._usual_function()
        check_choice("function_to_apply", name, tuple(_FUNCTIONS))
        return _FUNCTIONS[name]

    def _usual_function(self) -> str:
        if self.problem_type == "regression":
            return "none"
        if self.problem_type == "multi_label_classification" or len(self.labels) == 1:
            return "sigmoid"
        return "softmax"

    def _input_scores(self, inputs: list[_Input], options: dict[str, Any]) -> Array:
        """The head's scores of texts and of pairs, each kind in one run."""
        scores = np.empty((len(inputs), len(self.labels)), np.float32)
        is_pair = np.array([pair is not None for _, pair in inputs], bool)
        for kind in (False, True):
            places = np.flatnonzero(is_pair == kind)
            if len(places):
                texts = [inputs[i][0] for i in places]
                pairs = [inputs[i][1] or "" for i in places] if kind else None
                describe = functools.partial(_describe, "pair" if kind else "text", places)
                scores[places] = self._sequence_scores(texts, pairs, describe=describe, **options)
        return scores

    def _ranked(self, row: Array, count: int | None) -> list[Classification]:
        """The likeliest labels of one text; of equal ones, the first first."""
        order = np.argsort(-row, kind="stable")[:count]
        return [{"label": self.labels[i], "score": row[i].item()} for i in order.tolist()]


def _check_top_k(top_k: int | str | None) -> None:
    if not isinstance(top_k, str):
        check_positive("top_k", top_k)
    elif top_k != "best":
        raise ValueError(f"top_k is {top_k!r}, but must be 'best', a positive integer or None")


def _describe(kind: str, places: NDArray[np.intp], i: int) -> str:
    """The i-th text, or pair, by its place among all inputs."""
    return f"{kind} {places[i]}"


def _is_single(texts: object) -> bool:
    return isinstance(texts, str | tuple | Mapping)


def _as_inputs(texts: object) -> list[_Input]:
    listed = as_list(texts, "texts", "a str, a pair or a list")
    return [_as_input(text, f"texts[{i}]") for i, text in enumerate(listed)]


def _as_input(text: object, name: str) -> _Input:
    """A text and what stands beside it: None for nothing, which an empty str is to the pipeline."""
    if isinstance(text, str):
        return text, None
    if isinstance(text, tuple):
        first, second = as_pair(text, name)
        return first, second or None
    if isinstance(text, Mapping) and "text" in text and set(text) <= {"text", "text_pair"}:
        only, pair = text["text"], text.get("text_pair")
        if isinstance(only, str) and isinstance(pair, str | None):
            return only, pair or None
    raise TypeError(
        f"{name} is {shown(text)}, but must be a str, a tuple of two, or a dictionary with text "
        "and text_pair"
    )
