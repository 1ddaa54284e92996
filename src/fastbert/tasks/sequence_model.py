"""What the tasks share that give scores to a whole text, or to a pair of texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastbert.arguments import as_lists
from fastbert.json_files import shown
from fastbert.tasks.model import TaskModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from fastbert.tasks.model import OnOverflow

    Array = NDArray[np.float32]

__all__ = ["SequenceModel", "as_pair", "split_pairs"]


class SequenceModel(TaskModel):
    """A task model whose head sees the first token of each text or pair."""

    def _sequence_scores(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        describe: Callable[[int], str],
        truncation: str = "longest_first",
        on_overflow: OnOverflow = "truncate",
        threads: int | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = False,
    ) -> Array:
        """The head's scores of each text, or of each text with its pair: (texts, outputs).

        What is too long is cut at the end; `truncation` says which text of a pair. `describe` names
        the i-th text or pair as the user knows it.
        """
        tokens = self.tokenizer.encode_batch(
            texts,
            pairs,
            max_length=self.max_length,
            truncation=truncation,
            threads=threads or self.threads,
        )
        self._check_lengths(tokens, on_overflow, describe)
        return self._scores(
            tokens,
            pooled=True,
            threads=threads,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
        )


def as_pair(pair: object, name: str) -> tuple[str, str]:
    """Two texts; TypeError if `pair` is anything else."""
    if isinstance(pair, list | tuple) and len(pair) == 2:
        first, second = pair
        if isinstance(first, str) and isinstance(second, str):
            return first, second
    raise TypeError(f"{name} is {shown(pair)}, but must be a pair of str")


def split_pairs(pairs: Sequence[Any], name: str = "pairs") -> tuple[list[str], list[str]]:
    """The first texts of pairs, and the second ones; TypeError if one is no pair of texts."""
    listed = as_lists(pairs, name, "a pair of texts or a list of pairs")
    checked = [as_pair(pair, f"{name}[{i}]") for i, pair in enumerate(listed)]
    return [first for first, _ in checked], [second for _, second in checked]
