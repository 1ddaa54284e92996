"""From probabilities of tokens to entities: the rules of transformers' token classification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Places = NDArray[np.intp]

__all__ = ["STRATEGIES", "Tags", "Units", "group", "resolve_overlaps", "tokens", "words"]

STRATEGIES = ("none", "simple", "first", "average", "max")


class Units(NamedTuple):
    """Runs of tokens with one label each, in order and without gaps.

    Attributes:
        begins: (units + 1,): unit `i` has the tokens `begins[i]` to `begins[i + 1]`.
        labels: (units,): id of the label.
        scores: float32 (units,): its probability.
    """

    begins: Places
    labels: Places
    scores: Array


class Tags:
    """What the names of labels say: B-PER begins an entity PER, I-PER and PER may continue one."""

    def __init__(self, labels: Sequence[str]) -> None:
        tags = [label[2:] if label.startswith(("B-", "I-")) else label for label in labels]
        numbers = {tag: i for i, tag in enumerate(dict.fromkeys(tags))}
        self.ids = np.array([numbers[tag] for tag in tags])
        self.begins = np.array([label.startswith("B-") for label in labels])
        self.names = [label.split("-", 1)[-1] for label in labels]


def tokens(probabilities: Array) -> Units:
    """Every token on its own, with its best label."""
    begins = np.arange(len(probabilities) + 1)
    return Units(begins, probabilities.argmax(axis=1), probabilities.max(axis=1, initial=0))


def words(probabilities: Array, starts: NDArray[np.bool_], strategy: str) -> Units:
    """Words, each with one label.

    Args:
        probabilities: (tokens, labels).
        starts: (tokens,): whether a word begins here.
        strategy: "first" takes the label of the first token, "max" that of the token with the
            highest score, "average" the best of the mean.
    """
    begins = np.append(np.flatnonzero(starts), len(starts))
    firsts, counts = begins[:-1], np.diff(begins)
    if not len(firsts):
        return tokens(probabilities)
    if strategy == "first":
        rows = probabilities[firsts]
    elif strategy == "max":
        best = probabilities.max(axis=1)
        highest = np.repeat(np.maximum.reduceat(best, firsts), counts)
        winners = np.flatnonzero(best == highest)
        rows = probabilities[winners[np.searchsorted(winners, firsts)]]
    else:
        rows = np.add.reduceat(probabilities, firsts, axis=0) / counts[:, None].astype(np.float32)
    return Units(begins, rows.argmax(axis=1), rows.max(axis=1))


def group(units: Units, tags: Tags, breaks: NDArray[np.bool_]) -> tuple[Places, Array]:
    """Join neighbouring units of one tag, unless the second begins an entity.

    Args:
        units: tokens or words.
        tags: of their labels.
        breaks: (tokens,): where no group may go on, such as the first token of a text.

    Returns:
        Where among the units each group begins, and the number of units behind them; and the mean
        score of each group.
    """
    found = tags.ids[units.labels]
    new = breaks[units.begins[:-1]] | tags.begins[units.labels]
    new[1:] |= found[1:] != found[:-1]
    begins = np.append(np.flatnonzero(new), len(new))
    if len(begins) == 1:
        return begins, np.zeros(0, np.float32)
    sums = np.add.reduceat(units.scores.astype(np.float64), begins[:-1])
    return begins, (sums / np.diff(begins)).astype(np.float32)


def resolve_overlaps(entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of entities from overlapping windows, the longer, or else the one with the higher score."""
    kept: list[dict[str, Any]] = []
    for entity in sorted(entities, key=lambda each: int(each["start"])):
        if kept and entity["start"] < kept[-1]["end"]:
            if _rank(entity) > _rank(kept[-1]):
                kept[-1] = entity
        else:
            kept.append(entity)
    return kept


def _rank(entity: dict[str, Any]) -> tuple[int, float]:
    return entity["end"] - entity["start"], entity["score"]
