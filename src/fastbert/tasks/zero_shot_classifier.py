"""`ZeroShotClassifier`: which of any labels fit a text, by natural language inference."""

from __future__ import annotations

import functools
import warnings
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from fastbert.arguments import as_texts, one_or_more
from fastbert.callers import callers_level
from fastbert.json_files import shown
from fastbert.tasks.model import LabelledModel
from fastbert.tasks.probabilities import softmax
from fastbert.tasks.sequence_model import SequenceModel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from typing import Any

    from numpy.typing import NDArray

    from fastbert.tasks.model import OnOverflow

    Array = NDArray[np.float32]

__all__ = ["ZeroShotClassification", "ZeroShotClassifier"]


class ZeroShotClassification(TypedDict):
    """A text, the labels, the best first, and their scores in the same order."""

    sequence: str
    labels: list[str]
    scores: list[float]


class ZeroShotClassifier(SequenceModel, LabelledModel):
    """Puts texts into classes that are named only when they are asked for.

    The model has learnt whether a text entails another one; each label becomes such a text.

    >>> classifier = fastbert.ZeroShotClassifier("cross-encoder/nli-distilroberta-base")
    >>> classifier("my phone does not charge", ["hardware", "billing"])["labels"]
    ['hardware', 'billing']

    Results are those of transformers' "zero-shot-classification" pipeline.

    Attributes:
        labels: what the model itself says of two texts, by id.
        entailment_id: the id of its label for "the first entails the second".
    """

    _task = "zero-shot-classification"
    _head_name = "sequence_classification"
    entailment_id: int

    def __init__(self, model: str | PathLike[str], **options: Any) -> None:
        """Load a model; the options are those of every task model.

        Warns if no label of the model begins with "entail": then the last one counts as it.
        """
        super().__init__(model, **options)
        named = [i for i, label in enumerate(self.labels) if label.lower().startswith("entail")]
        self.entailment_id = named[0] if named else len(self.labels) - 1
        if not named:
            warnings.warn(
                f"{self.directory}: no label out of {shown(self.labels)} begins with 'entail', "
                "the last one is taken for it",
                stacklevel=callers_level(),
            )

    def __call__(
        self,
        sequences: str | Sequence[str],
        candidate_labels: str | Sequence[str],
        *,
        hypothesis_template: str = "This example is {}.",
        multi_label: bool = False,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        on_overflow: OnOverflow = "truncate",
        threads: int | None = None,
    ) -> ZeroShotClassification | list[ZeroShotClassification]:
        """Say which labels fit.

        Args:
            sequences: one text, or a sequence of them.
            candidate_labels: a list of labels, or one str with commas between them.
            hypothesis_template: a text with {} where a label goes.
            multi_label: any number of labels may fit, each with a probability of its own; else
                one does, and the probabilities of a text add up to 1.
            batch_size: most pairs of a text and a label in one native call; results do not depend
                on it.
            show_progress_bar: on stderr; None shows it when the logger "fastbert" is at INFO.
            on_overflow: what happens to a text that with a label has more than `max_length`
                tokens: "truncate" cuts the text, never the label, and warns once; "error" raises.
            threads: of this call.

        Returns:
            A `ZeroShotClassification` for one text, a list of them for a sequence.

        Raises:
            TypeError: if a text or a label is not a str.
            ValueError: if there is no label, the template has no place for it, a label leaves no
                room for a text, or an argument is out of its range.
        """
        texts = one_or_more(sequences, "sequences")
        labels = _as_labels(candidate_labels)
        hypotheses = [_fill(hypothesis_template, label) for label in labels]
        self._check_rooms(labels, hypotheses, threads)
        scores = self._sequence_scores(
            [text for text in texts for _ in labels],
            hypotheses * len(texts),
            describe=functools.partial(_describe, labels),
            truncation="only_first",
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            on_overflow=on_overflow,
            threads=threads,
        )
        chances = self._chances(
            scores.reshape(len(texts), len(labels), len(self.labels)), multi_label
        )
        results = [_ranked(*row, labels) for row in zip(texts, chances, strict=True)]
        return results[0] if isinstance(sequences, str) else results

    def _check_rooms(self, labels: list[str], hypotheses: list[str], threads: int | None) -> None:
        """Refuse a label beside which a text has no room; the texts alone are cut."""
        room = self.max_length - sum(self.tokenizer.pair_special_counts)
        lengths = self.tokenizer.encode_batch(
            hypotheses, add_special_tokens=False, threads=threads or self.threads
        ).lengths
        for label, length in zip(labels, lengths.tolist(), strict=True):
            if length >= room:
                raise ValueError(
                    f"the label {shown(label)} makes a hypothesis of {length} tokens, which leaves "
                    f"no room for a text within max_length {self.max_length}"
                )

    def _chances(self, scores: Array, multi_label: bool) -> Array:
        """(texts, candidate labels, labels of the model) to (texts, candidate labels)."""
        if not multi_label and scores.shape[1] > 1:
            return softmax(np.ascontiguousarray(scores[..., self.entailment_id]))
        # By place, as the pipeline does, and not by the name "contradiction".
        contradiction_id = -1 if self.entailment_id == 0 else 0
        both = np.stack([scores[..., contradiction_id], scores[..., self.entailment_id]], axis=-1)
        chances: Array = softmax(both)[..., 1]
        return chances


def _describe(labels: list[str], i: int) -> str:
    """The i-th pair: those of a text, one for each label, stand together."""
    text, label = divmod(i, len(labels))
    return f"sequence {text} with the label {shown(labels[label])}"


def _as_labels(labels: str | Sequence[str]) -> list[str]:
    if isinstance(labels, str):
        listed = [label.strip() for label in labels.split(",") if label.strip()]
    else:
        listed = list(as_texts(labels, "candidate_labels"))
    if not listed:
        raise ValueError(f"candidate_labels is {labels!r}, but must have one label at least")
    return listed


def _fill(template: str, label: str) -> str:
    """The hypothesis that a label fits."""
    try:
        hypothesis = template.format(label) if isinstance(template, str) else None
    except (AttributeError, IndexError, KeyError, ValueError):
        hypothesis = None
    if hypothesis is None or hypothesis == template:
        raise ValueError(f"hypothesis_template is {template!r}, but must have {{}} for a label")
    return hypothesis


def _ranked(text: str, chances: Array, labels: list[str]) -> ZeroShotClassification:
    # Of equal ones the last comes first, as in the pipeline.
    order = np.argsort(chances, kind="stable")[::-1]
    return {
        "sequence": text,
        "labels": [labels[i] for i in order.tolist()],
        "scores": chances[order].tolist(),
    }
