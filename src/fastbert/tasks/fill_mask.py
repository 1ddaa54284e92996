"""`FillMask`: which tokens would stand best where a text has a mask."""

from __future__ import annotations

import itertools
import warnings
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from fastbert.arguments import check_positive, one_or_more
from fastbert.callers import callers_level
from fastbert.errors import ConfigError
from fastbert.json_files import shown
from fastbert.largest import largest
from fastbert.tasks.model import TaskModel
from fastbert.tasks.probabilities import softmax

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from fastbert.tasks.model import OnOverflow
    from fastbert.tokenizer import Tokens

    Array = NDArray[np.float32]

__all__ = ["FillMask", "Filling"]

_TOP_K = 5

# Rows of scores over a vocabulary that exist at the same time: 30 MB of BERT's.
_ROWS_AT_ONCE = 256


class Filling(TypedDict):
    """A token in the place of a mask.

    Attributes:
        score: its probability among all tokens.
        token: its id.
        token_str: its text.
        sequence: the whole text with this token in place of the mask.
    """

    score: float
    token: int
    token_str: str
    sequence: str


class FillMask(TaskModel):
    """A masked-language model: the tokens that would stand best where a text has a mask.

    >>> fill = fastbert.FillMask("google-bert/bert-base-uncased")
    >>> fill("Paris is the [MASK] of France.")[0]["token_str"]
    'capital'

    Results are those of transformers' "fill-mask" pipeline. Only what stands at a mask meets the
    head and its vocabulary matrix.
    """

    _task = "fill-mask"
    _head_name = "masked_lm"

    def _read_settings(self) -> None:
        if self.tokenizer.mask_id is None:
            raise ConfigError(f"{self.directory}: the tokenizer has no mask token")
        self._mask_id = self.tokenizer.mask_id

    def _outputs(self) -> int:
        return self.config.vocab_size

    @property
    def mask_token(self) -> str:
        """What stands for a word to be guessed, such as [MASK]."""
        return self.tokenizer.tokens([self._mask_id])[0]

    def __call__(
        self,
        texts: str | Sequence[str],
        *,
        top_k: int | None = None,
        targets: str | Sequence[str] | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        on_overflow: OnOverflow = "truncate",
        threads: int | None = None,
    ) -> list[Any]:
        """Guess what is masked.

        Args:
            texts: one text, or a sequence of them, each with a `mask_token` or more.
            top_k: how many tokens for each mask, at most; None for 5.
            targets: only these tokens; their scores remain those among all tokens. One that the
                vocabulary does not have counts as its first piece, with a warning.
            batch_size: most texts of one native call; results do not depend on it.
            show_progress_bar: on stderr; None shows it when the logger "fastbert" is at INFO.
            on_overflow: what happens to a text of more than `max_length` tokens: "truncate" cuts
                it, and warns once; "error" raises.
            threads: of this call.

        Returns:
            For one text with one mask a list of `Filling`, the best first; with several masks a
            list of such lists, each mask by itself. For a sequence of texts a list of these.

        Raises:
            TypeError: if a text or a target is not a str.
            ValueError: if a text has no mask or one beyond `max_length`, no target is left, or an
                argument is out of its range.
        """
        check_positive("top_k", top_k)
        single = isinstance(texts, str)
        listed = one_or_more(texts)
        target_ids = None if targets is None else self._target_ids(targets)
        tokens = self._tokens(listed, on_overflow, threads)
        masks = np.flatnonzero(tokens.ids == self._mask_id)
        counts = np.diff(np.searchsorted(masks, tokens.offsets))
        self._check_masks(listed, tokens, counts)
        best = [
            self._best(scores, top_k or _TOP_K, target_ids)
            for scores in self._masked_scores(tokens, masks, threads, batch_size, show_progress_bar)
        ]
        results = self._fillings(tokens, masks, counts, best)
        return results[0] if single else results

    def _target_ids(self, targets: str | Sequence[str]) -> NDArray[np.intp]:
        """The ids of the targets, each once and rising."""
        found = set()
        for target in one_or_more(targets, "targets"):
            token_id = self.tokenizer.token_to_id(target)
            if token_id is None:
                token_id = self._first_piece(target)
            if token_id is not None:
                found.add(token_id)
        if not found:
            raise ValueError(f"targets is {shown(targets)}, but must have one token at least")
        return np.array(sorted(found))

    def _first_piece(self, target: str) -> int | None:
        """What stands for a target that the vocabulary does not have: a warning says so."""
        pieces = self.tokenizer.encode_batch([target], add_special_tokens=False).ids
        fact = f"the target {shown(target)} is not in the vocabulary"
        if len(pieces) == 0:
            warnings.warn(f"{fact}, nor any piece of it: it is ignored", stacklevel=callers_level())
            return None
        token = self.tokenizer.id_to_token(int(pieces[0]))
        warnings.warn(f"{fact}: {token!r} is used in its place", stacklevel=callers_level())
        return int(pieces[0])

    def _check_masks(self, texts: Sequence[str], tokens: Tokens, counts: NDArray[np.int64]) -> None:
        """Every text has a mask, and none of its masks was cut away."""
        for i in np.flatnonzero(tokens.lengths > self.max_length).tolist():
            whole = self.tokenizer.encode(texts[i])
            if np.count_nonzero(whole == self._mask_id) > counts[i]:
                raise ValueError(
                    f"text {i} has {tokens.lengths[i]} tokens and a mask among those beyond "
                    f"max_length {self.max_length}: {shown(texts[i])}"
                )
        if not counts.all():
            i = int(np.argmin(counts))
            raise ValueError(f"text {i} has no {self.mask_token}: {shown(texts[i])}")

    def _masked_scores(
        self,
        tokens: Tokens,
        masks: NDArray[np.intp],
        threads: int | None,
        batch_size: int | None,
        show_progress_bar: bool | None,
    ) -> Iterator[Array]:
        """Of each mask, a score for every token of the vocabulary: (vocabulary,)."""
        states = self._states(tokens, (), threads, batch_size, show_progress_bar)
        for batch, x in states:
            first, end = np.searchsorted(masks, [batch.first_token, batch.first_token + len(x)])
            masked = x[masks[first:end] - batch.first_token]
            for i in range(0, len(masked), _ROWS_AT_ONCE):
                yield from self._apply_head(masked[i : i + _ROWS_AT_ONCE], threads)

    def _best(
        self, scores: Array, top_k: int, target_ids: NDArray[np.intp] | None
    ) -> list[tuple[int, float]]:
        """The likeliest tokens and their probabilities."""
        chances = softmax(scores)
        if target_ids is None:
            ids = largest(chances, top_k)
        else:
            ids = target_ids[largest(chances[target_ids], top_k)]
        return list(zip(ids.tolist(), chances[ids].tolist(), strict=True))

    def _fillings(
        self,
        tokens: Tokens,
        masks: NDArray[np.intp],
        counts: NDArray[np.int64],
        best: list[list[tuple[int, float]]],
    ) -> list[Any]:
        """The result of each text, from what fits each mask best."""
        results = []
        answers = iter(zip(masks.tolist(), best, strict=True))
        for begin, end, count in zip(tokens.offsets, tokens.offsets[1:], counts, strict=False):
            text = tokens.ids[begin:end]
            rows = [
                [self._filling(text, place - begin, *token, count == 1) for token in ranked]
                for place, ranked in itertools.islice(answers, int(count))
            ]
            results.append(rows[0] if count == 1 else rows)
        return results

    def _filling(
        self, text: NDArray[np.int32], place: int, token: int, score: float, only_mask: bool
    ) -> Filling:
        filled = text.copy()
        filled[place] = token
        # Special tokens are left out, unless other masks among them have to remain.
        kept = filled[filled != self.tokenizer.pad_id]
        return {
            "score": score,
            "token": token,
            "token_str": self.tokenizer.decode([token]),
            "sequence": self.tokenizer.decode(kept, skip_special_tokens=only_mask),
        }
