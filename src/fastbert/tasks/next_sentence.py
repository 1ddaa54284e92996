"""`NextSentence`: whether one text follows another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fastbert.arguments import one_or_more
from fastbert.tasks.probabilities import softmax
from fastbert.tasks.sequence_model import SequenceModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fastbert.tasks.model import OnOverflow

    Array = NDArray[np.float32]

__all__ = ["NextSentence"]

_FOLLOWS = 0  # index of the score for "B follows A"; 1 is that for "B is from somewhere else"


class NextSentence(SequenceModel):
    """BERT's own second task: does a text follow another one in the same document?

    >>> model = fastbert.NextSentence("google-bert/bert-base-uncased")
    >>> model("She opened the door.", "The room behind it was dark.")
    0.99998

    The scores are those of transformers' BertForNextSentencePrediction.
    """

    _task = "next-sentence"
    _head_name = "next_sentence"

    def _outputs(self) -> int:
        return 2

    def __call__(
        self,
        first: str | Sequence[str],
        second: str | Sequence[str],
        *,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        on_overflow: OnOverflow = "truncate",
        threads: int | None = None,
    ) -> float | Array:
        """The probability that `second` follows `first`.

        Args:
            first: a text, or a sequence of them.
            second: what may follow: a text, or as many of them.
            batch_size: most pairs of one native call; results do not depend on it.
            show_progress_bar: on stderr; None shows it when the logger "fastbert" is at INFO.
            on_overflow: what happens to a pair of more than `max_length` tokens: "truncate" cuts
                the longer text first, and warns once; "error" raises.
            threads: of this call.

        Returns:
            A float for two texts, float32 (pairs,) for two sequences.

        Raises:
            TypeError: if `first` and `second` are not both texts or both sequences of texts.
            ValueError: if they are not equally many, or an argument is out of its range.
        """
        scores = self.scores(
            first,
            second,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            on_overflow=on_overflow,
            threads=threads,
        )
        chances: Array = softmax(scores)[..., _FOLLOWS]
        return float(chances) if chances.ndim == 0 else chances

    def scores(
        self,
        first: str | Sequence[str],
        second: str | Sequence[str],
        *,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        on_overflow: OnOverflow = "truncate",
        threads: int | None = None,
    ) -> Array:
        """The head's scores, before the softmax; the arguments are those of a call.

        Returns:
            float32 (2,) for two texts, (pairs, 2) for two sequences: first that `second` follows,
            then that it does not.

        Raises:
            TypeError, ValueError: as for a call.
        """
        single = isinstance(first, str)
        if single != isinstance(second, str):
            raise TypeError(
                f"first is a {type(first).__name__} and second a {type(second).__name__}, but both "
                "must be a str or both a sequence of str"
            )
        firsts, seconds = one_or_more(first, "first"), one_or_more(second, "second")
        if len(firsts) != len(seconds):
            raise ValueError(
                f"first has {len(firsts)} texts and second {len(seconds)}, but they must be "
                "equally many"
            )
        scores = self._sequence_scores(
            firsts,
            seconds,
            describe="pair {}".format,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            on_overflow=on_overflow,
            threads=threads,
        )
        return scores[0] if single else scores
