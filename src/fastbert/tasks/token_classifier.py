"""`TokenClassifier`: named entities and other labels of tokens, as transformers' pipeline."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastbert.arguments import as_lists, as_texts, check_choice, is_integer, one_or_more
from fastbert.callers import callers_level
from fastbert.tasks import entities
from fastbert.tasks.model import LabelledModel
from fastbert.tasks.probabilities import softmax
from fastbert.windows import count_up, slide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fastbert.tasks.entities import Units
    from fastbert.tasks.model import OnOverflow
    from fastbert.tokenizer import Tokens

    Array = NDArray[np.float32]
    Entity = dict[str, Any]

__all__ = ["TokenClassifier", "TokenScores"]

_BLANK = ord(" ")

_WORDS = "a list of words where is_split_into_words is set"


class TokenScores(NamedTuple):
    """What the model thinks of each token of one text, special tokens left out.

    Attributes:
        tokens: as the vocabulary writes them.
        spans: int32 (tokens, 2): the characters [start, end) that each stands for.
        scores: float32 (tokens, labels): probabilities.
    """

    tokens: list[str]
    spans: NDArray[np.int32]
    scores: Array


class TokenClassifier(LabelledModel):
    """Labels the tokens of texts: named entities, parts of speech.

    >>> ner = fastbert.TokenClassifier("path/to/bert-base-NER")
    >>> ner("Wolfgang lives in Berlin", aggregation_strategy="simple")[1]["word"]
    'Berlin'
    """

    _task = "token-classification"
    _head_name = "token_classification"
    _remedy = "a call with stride and an aggregation_strategy reads all of it"

    def __call__(
        self,
        texts: str | Sequence[str] | Sequence[Sequence[str]],
        *,
        aggregation_strategy: str = "none",
        ignore_labels: Collection[str] = ("O",),
        stride: int | None = None,
        is_split_into_words: bool = False,
        delimiter: str = " ",
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        threads: int | None = None,
        on_overflow: OnOverflow = "truncate",
    ) -> list[Entity] | list[list[Entity]]:
        """Find the entities of texts.

        Args:
            texts: one text or a sequence of them; with `is_split_into_words`, one list of words or
                a sequence of such lists.
            aggregation_strategy: "none" gives every token with its label. The others join
                neighbours of one tag, where a label B-... begins a new entity: "simple" joins
                tokens; "first", "average" and "max" join words, whose label is that of the first
                token, of the mean of all tokens, or of the token with the highest score.
            ignore_labels: labels and entities that are left out.
            stride: read a long text in windows of `max_length` tokens which share this many, and
                resolve overlapping entities: the longer one, or else the one with the higher
                score. None reads one window.
            is_split_into_words: the texts are split already.
            delimiter: between such words in the text that `start` and `end` refer to.
            batch_size: most windows of one native call; no result depends on it.
            show_progress_bar: on stderr; None shows it when the logger "fastbert" is at INFO.
            threads: of this call.
            on_overflow: what happens without `stride` to a text of more than `max_length` tokens:
                "truncate" cuts it and warns once, "error" raises.

        Returns:
            The entities of each text in order: `entity` and `index`, its place among the tokens, or
            else `entity_group`; `score`, a probability; `word`, its tokens decoded;
            `start` and `end`, its characters in the text.

        Raises:
            TypeError: if a text is not a str, or not a list of str.
            ValueError: if an argument is out of its range, or a text is too long and `on_overflow`
                is "error".
        """
        check_choice("aggregation_strategy", aggregation_strategy, entities.STRATEGIES)
        self._check_stride(stride, aggregation_strategy)
        if isinstance(ignore_labels, str) or not isinstance(ignore_labels, Collection):
            raise TypeError(f"ignore_labels is {ignore_labels!r}, but must be a list of labels")
        if not isinstance(delimiter, str):
            raise TypeError(f"delimiter is {delimiter!r}, but must be a str")
        single, listed = _listed(texts, is_split_into_words)
        read = self._read(
            listed,
            delimiter if is_split_into_words else None,
            stride=stride,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            threads=threads,
            on_overflow=on_overflow,
        )
        found = self._entities(read, aggregation_strategy, set(ignore_labels))
        return found[0] if single else found

    def token_scores(
        self,
        texts: str | Sequence[str],
        *,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        threads: int | None = None,
        on_overflow: OnOverflow = "truncate",
    ) -> TokenScores | list[TokenScores]:
        """The probability of every label for every token; the arguments are those of a call.

        Returns:
            `TokenScores` for one text, a list of them for a sequence.

        Raises:
            TypeError: if a text is not a str.
            ValueError: if an argument is out of its range, or a text is too long and `on_overflow`
                is "error".
        """
        single, listed = _listed(texts, split=False)
        read = self._read(
            listed,
            None,
            stride=None,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
            threads=threads,
            on_overflow=on_overflow,
        )
        bounds = read.offsets.tolist()
        parts = [slice(*bound) for bound in itertools.pairwise(bounds)]
        found = [
            TokenScores(
                self.tokenizer.tokens(read.ids[part]), read.spans[part], read.probabilities[part]
            )
            for part in parts
        ]
        return found[0] if single else found

    def _check_stride(self, stride: int | None, strategy: str) -> None:
        if stride is None:
            return
        if strategy == "none":
            raise ValueError(
                "stride needs an aggregation_strategy that joins tokens, but it is 'none'"
            )
        room = self.max_length - sum(self.tokenizer.special_counts)
        if not is_integer(stride) or not 0 <= stride < room:
            raise ValueError(
                f"stride is {stride!r}, but windows of this model take 0 to {room - 1}"
            )

    def _read(
        self,
        texts: Sequence[Any],
        delimiter: str | None,
        *,
        stride: int | None,
        batch_size: int | None,
        show_progress_bar: bool | None,
        threads: int | None,
        on_overflow: OnOverflow,
    ) -> _Read:
        """Run the model over all windows of all texts."""
        before, after = self.tokenizer.special_counts
        if delimiter is None:
            whole = self.tokenizer.encode_batch(
                texts,
                add_special_tokens=False,
                return_spans=True,
                threads=threads or self.threads,
            )
        else:
            whole = self._encode_words(texts, delimiter, threads)
            texts = [delimiter.join(words) for words in texts]
        if stride is None:
            lengths = whole.lengths + (before + after)
            self._check_lengths(whole._replace(lengths=lengths), on_overflow, "text {}".format)
        windows = slide(whole.offsets, self.max_length - before - after, stride)
        assert whole.spans is not None
        ids, spans = whole.ids[windows.places], whole.spans[windows.places]
        sizes = np.diff(windows.offsets)
        cut = whole._replace(ids=ids, offsets=windows.offsets, spans=None)
        logits = self._scores(
            self.tokenizer.join(cut),
            pooled=False,
            threads=threads,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
        )
        number = np.repeat(np.arange(len(sizes)), sizes)
        rows = np.arange(len(ids)) + number * (before + after) + before
        probabilities = softmax(logits[rows])
        token_texts = windows.texts[number]
        return _Read(texts, windows.texts, windows.offsets, ids, spans, token_texts, probabilities)

    def _encode_words(
        self, texts: Sequence[Sequence[str]], delimiter: str, threads: int | None
    ) -> Tokens:
        """Tokens of split texts, with spans within the words joined by the delimiter."""
        tokens, numbers = self.tokenizer.encode_words(
            texts, add_special_tokens=False, return_spans=True, threads=threads or self.threads
        )
        assert tokens.spans is not None
        counts = np.array([len(text) for text in texts], np.int64)
        steps = np.array([len(word) for text in texts for word in text], np.int64) + len(delimiter)
        ahead = np.cumsum(steps) - steps
        firsts = np.cumsum(counts) - counts
        word = np.repeat(firsts, np.diff(tokens.offsets)) + numbers
        starts = ahead[word] - ahead[word - numbers]
        return tokens._replace(spans=(tokens.spans + starts[:, None]).astype(np.int32))

    def _entities(self, read: _Read, strategy: str, ignored: set[str]) -> list[list[Entity]]:
        found: list[list[Entity]] = [[] for _ in read.texts]
        if strategy == "none":
            for text, entity in self._token_entities(read, ignored):
                found[text].append(entity)
            return found
        for text, entity in self._groups(read, strategy, ignored):
            found[text].append(entity)
        windows = np.bincount(read.window_texts, minlength=len(found))
        return [
            entities.resolve_overlaps(each) if count > 1 else each
            for each, count in zip(found, windows.tolist(), strict=True)
        ]

    def _token_entities(self, read: _Read, ignored: set[str]) -> list[tuple[int, Entity]]:
        units = entities.tokens(read.probabilities)
        kept = np.array([label not in ignored for label in self.labels])[units.labels]
        places = np.flatnonzero(kept)
        index = count_up(np.diff(read.offsets)) + self.tokenizer.special_counts[0]
        words = self._token_words(read, places)
        return [
            (
                int(read.token_texts[place]),
                {
                    "entity": self.labels[units.labels[place]],
                    "score": float(units.scores[place]),
                    "index": int(index[place]),
                    "word": word,
                    "start": int(read.spans[place, 0]),
                    "end": int(read.spans[place, 1]),
                },
            )
            for place, word in zip(places.tolist(), words, strict=True)
        ]

    def _groups(self, read: _Read, strategy: str, ignored: set[str]) -> list[tuple[int, Entity]]:
        breaks = np.zeros(len(read.ids), bool)
        breaks[read.offsets[:-1][np.diff(read.offsets) > 0]] = True
        if strategy == "simple":
            units = entities.tokens(read.probabilities)
        else:
            starts = breaks | ~self._continues_word(read)
            units = entities.words(read.probabilities, starts, strategy)
        bounds, scores = entities.group(units, self._tags, breaks)
        found = []
        for i, (first, last) in enumerate(itertools.pairwise(bounds)):
            name = self._tags.names[units.labels[first]]
            if name in ignored:
                continue
            begin, end = int(units.begins[first]), int(units.begins[last])
            words = self._unit_words(read, units, first, last, strategy)
            entity = {
                "entity_group": name,
                "score": float(scores[i]),
                "word": self.tokenizer.tokens_to_string(words),
                "start": int(read.spans[begin, 0]),
                "end": int(read.spans[end - 1, 1]),
            }
            found.append((int(read.token_texts[begin]), entity))
        return found

    def _unit_words(
        self, read: _Read, units: Units, first: int, last: int, strategy: str
    ) -> list[str]:
        """The text of each token of a group, or of each of its words."""
        bounds = units.begins[first : last + 1].tolist()
        words = self._token_words(read, range(bounds[0], bounds[-1]))
        if strategy == "simple":
            return words
        return [
            self.tokenizer.tokens_to_string(words[begin - bounds[0] : end - bounds[0]])
            for begin, end in itertools.pairwise(bounds)
        ]

    def _token_words(self, read: _Read, places: Sequence[int] | NDArray[np.intp]) -> list[str]:
        """Tokens as the vocabulary writes them; where it has none, what stands in the text."""
        found = self.tokenizer.tokens(read.ids[places])
        for i in np.flatnonzero(self._is_unknown(read.ids[places])).tolist():
            start, end = read.spans[places[i]].tolist()
            found[i] = read.texts[read.token_texts[places[i]]][start:end]
        return found

    def _continues_word(self, read: _Read) -> NDArray[np.bool_]:
        """Whether each token goes on with the word of the token in front of it."""
        if self.tokenizer.continuation_prefix is None:
            self._warn_about_words()
            continues = _follows_directly(read)
        else:
            continues = self._token_sizes[read.ids] != read.spans[:, 1] - read.spans[:, 0]
        found: NDArray[np.bool_] = continues & ~self._is_unknown(read.ids)
        return found

    def _is_unknown(self, ids: NDArray[np.int32]) -> NDArray[np.bool_]:
        unknown = self.tokenizer.unk_id
        return np.zeros(ids.shape, bool) if unknown is None else ids == unknown

    def _warn_about_words(self) -> None:
        warnings.warn(
            "the tokenizer does not mark tokens that continue a word: a token without a blank in "
            "front of it is taken for one",
            stacklevel=callers_level(),
        )

    @functools.cached_property
    def _token_sizes(self) -> NDArray[np.int64]:
        """Characters of each token, by id."""
        ids = range(self.tokenizer.max_id + 1)
        return np.array([len(self.tokenizer.id_to_token(i) or "") for i in ids])

    @functools.cached_property
    def _tags(self) -> entities.Tags:
        return entities.Tags(self.labels)


class _Read(NamedTuple):
    """All windows of all texts, ragged, and what the model says of their tokens."""

    texts: Sequence[str]
    window_texts: NDArray[np.int64]
    offsets: NDArray[np.int32]  # of the windows
    ids: NDArray[np.int32]
    spans: NDArray[np.int32]
    token_texts: NDArray[np.int64]  # which text each token is of
    probabilities: Array  # (tokens, labels)


def _listed(texts: Any, split: bool) -> tuple[bool, Sequence[Any]]:  # noqa: ANN401 (two kinds of input)
    """Whether there is one text, and the texts as a list."""
    if not split:
        return isinstance(texts, str), one_or_more(texts)
    listed = as_lists(texts, "texts", _WORDS)
    if listed and all(isinstance(word, str) for word in listed):
        return True, [listed]
    return False, [as_texts(words, f"texts[{i}]", _WORDS) for i, words in enumerate(listed)]


def _follows_directly(read: _Read) -> NDArray[np.bool_]:
    """Whether no blank is in front of a token or at its beginning."""
    # One character more for each text: a token may begin where its text ends.
    padded = "".join(text + "\0" for text in read.texts).encode("utf-32-le", "surrogatepass")
    blank = np.frombuffer(padded, "<u4") == _BLANK
    sizes = np.array([len(text) + 1 for text in read.texts])
    starts = read.spans[:, 0]
    places = (np.cumsum(sizes) - sizes)[read.token_texts] + starts
    found: NDArray[np.bool_] = (starts > 0) & ~blank[places] & ~blank[places - 1]
    return found
