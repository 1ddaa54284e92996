"""Ragged batches on their way through `Encoder.encode`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

_T = TypeVar("_T", bound=np.generic)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["TOKENS_AT_ONCE", "Batch", "cut"]

# Tokens of one native call. They do not change a result; they bound the memory in use and the time
# until Ctrl-C or the progress bar gets its turn, and are enough to keep many threads busy.
TOKENS_AT_ONCE = 8192


class Batch:
    """The texts of one native call: ids int32 (tokens,), offsets int32 (texts + 1,).

    `first_token` is where its ids begin in the ragged batch that it was cut from.
    """

    __slots__ = ("first_token", "ids", "offsets")

    def __init__(
        self, ids: NDArray[np.int32], offsets: NDArray[np.int32], first_token: int = 0
    ) -> None:
        self.ids = ids
        self.offsets = offsets
        self.first_token = first_token

    @property
    def count(self) -> int:
        """Number of texts."""
        return len(self.offsets) - 1

    @property
    def longest(self) -> int:
        """Tokens of the longest text."""
        return int(np.diff(self.offsets).max(initial=0))

    def rows_of(self, tokens: NDArray[_T]) -> NDArray[_T]:
        """This batch's rows of an array with a row for every token that it was cut from."""
        return tokens[self.first_token : self.first_token + len(self.ids)]


def cut(
    ids: NDArray[np.int32],
    offsets: NDArray[np.int32],
    batch_size: int | None,
    tokens_at_once: int = TOKENS_AT_ONCE,
) -> Iterator[Batch]:
    """Batches of at most `batch_size` texts and `tokens_at_once` tokens, one text at least."""
    texts = len(offsets) - 1
    most = batch_size or texts
    if len(ids) <= tokens_at_once and texts <= most:
        yield Batch(ids, offsets)
        return
    first = 0
    while first < texts:
        begin = offsets[first]
        last = int(np.searchsorted(offsets, begin + tokens_at_once, side="right")) - 1
        last = min(max(last, first + 1), first + most, texts)
        yield Batch(ids[begin : offsets[last]], offsets[first : last + 1] - begin, int(begin))
        first = last
