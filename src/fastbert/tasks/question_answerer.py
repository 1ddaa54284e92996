"""`QuestionAnswerer`: answers that stand in a context, as the pipeline of transformers 4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastbert.arguments import as_list, as_texts, check_positive, is_integer, one_or_more
from fastbert.json_files import shown
from fastbert.tasks.model import TaskModel
from fastbert.tasks.spans import best_spans, end_probabilities
from fastbert.windows import slide, take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fastbert.tasks.spans import Spans
    from fastbert.tokenizer import Tokens
    from fastbert.windows import Stretches

    Array = NDArray[np.float32]
    Answer = dict[str, Any]
    Example = Mapping[str, str]

__all__ = ["QuestionAnswerer"]

_MAX_SEQ_LEN = 384
_MAX_DOC_STRIDE = 128

_EXAMPLES = "a dictionary with a question and its context, or a list of such"


class QuestionAnswerer(TaskModel):
    """Finds the answer to a question in a text.

    >>> answerer = fastbert.QuestionAnswerer("path/to/bert-squad")
    >>> answerer(question="Where do I live?", context="I live in Berlin.")["answer"]
    'Berlin'
    """

    _task = "question-answering"
    _head_name = "question_answering"

    def __call__(
        self,
        question: str | Sequence[str] | Example | Sequence[Example],
        context: str | Sequence[str] | None = None,
        *,
        top_k: int = 1,
        doc_stride: int | None = None,
        max_answer_len: int = 15,
        max_seq_len: int | None = None,
        max_question_len: int = 64,
        handle_impossible_answer: bool = False,
        align_to_words: bool = True,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        threads: int | None = None,
    ) -> Answer | list[Answer] | list[Answer | list[Answer]]:
        """Answer questions.

        Args:
            question: one question or a sequence of them; or, without `context`, a dictionary with
                "question" and "context", or a sequence of such dictionaries.
            context: the text with the answer, for all questions or one for each; a sequence of
                contexts may also share one question.
            top_k: how many answers to give.
            doc_stride: tokens that neighbouring windows of a long context share; None takes half
                of `max_seq_len`, but at most 128.
            max_answer_len: most tokens of an answer.
            max_seq_len: tokens of a window, with the question and special tokens; None takes
                `max_length`, but at most 384.
            max_question_len: most tokens of a question; a longer one is cut, which is said once
                per model.
            handle_impossible_answer: let the empty answer take part, with the lowest score that
                "no answer" has in a window.
            align_to_words: extend answers to whole words.
            batch_size: most windows of one native call; no result depends on it.
            show_progress_bar: on stderr; None shows it when the logger "fastbert" is at INFO.
            threads: of this call.

        Returns:
            For one question and context the best answer, or with `top_k` above 1 a list, best
            first; else a list of that. An answer has `score`, `start`, `end` and `answer`, the
            characters [start, end) of the context. Equal answers, found twice, are one with the sum
            of their scores. There are fewer than `top_k` where a context has no more spans; one
            without tokens has the empty answer with the score 0.

        Raises:
            TypeError: if a question or context is not a str.
            ValueError: if one is empty, an argument is out of its range, or a question leaves no
                room for its context.
        """
        single, questions, contexts = _examples(question, context)
        for name, value in (
            ("top_k", top_k),
            ("max_answer_len", max_answer_len),
            ("max_question_len", max_question_len),
        ):
            if value is None:
                raise ValueError(f"{name} is None, but must be a positive integer")
            check_positive(name, value)
        read = self._read(
            questions,
            contexts,
            length=self._window_length(max_seq_len),
            overlap=doc_stride,
            max_question_len=max_question_len,
            threads=threads,
        )
        scores = self._scores(
            read.tokens,
            pooled=False,
            threads=threads,
            batch_size=batch_size,
            show_progress_bar=show_progress_bar,
        )
        options = _Options(top_k, max_answer_len, handle_impossible_answer, align_to_words)
        answers = _answers(read, scores, options)
        found = [each[0] if top_k == 1 else each for each in answers]
        return found[0] if single else found

    def _outputs(self) -> int:
        return 2

    def _window_length(self, wanted: int | None) -> int:
        if wanted is None:
            return min(self.max_length, _MAX_SEQ_LEN)
        if not is_integer(wanted) or not 1 <= wanted <= self.max_length:
            raise ValueError(
                f"max_seq_len is {wanted!r}, but this model can take 1 to {self.max_length} tokens"
            )
        return int(wanted)

    def _read(
        self,
        questions: Sequence[str],
        contexts: Sequence[str],
        *,
        length: int,
        overlap: int | None,
        max_question_len: int,
        threads: int | None,
    ) -> _Read:
        """Tokenize, and cut the contexts into windows that have room beside their questions."""
        overlap = min(length // 2, _MAX_DOC_STRIDE) if overlap is None else overlap
        if not is_integer(overlap) or overlap < 0:
            raise ValueError(f"doc_stride is {overlap!r}, but must be 0 or a positive integer")
        threads = threads or self.threads
        first = self.tokenizer.encode_batch(
            questions, add_special_tokens=False, max_length=max_question_len, threads=threads
        )
        self._overflow.check(
            first.lengths, max_question_len, "question {}".format, limit="max_question_len"
        )
        second = self.tokenizer.encode_batch(
            contexts, add_special_tokens=False, return_spans=True, threads=threads
        )
        rooms = length - sum(self.tokenizer.pair_special_counts) - np.diff(first.offsets)
        _check_rooms(rooms, np.diff(second.offsets), overlap, length)
        windows = slide(second.offsets, np.maximum(rooms, overlap + 1).astype(np.int64), overlap)
        copies = take(first.offsets, windows.texts)
        tokens = self.tokenizer.join(
            first._replace(ids=first.ids[copies.places], offsets=copies.offsets),
            second._replace(ids=second.ids[windows.places], offsets=windows.offsets, spans=None),
        )
        assert second.spans is not None
        starts = self.tokenizer.word_starts(contexts, second)[windows.places]
        after = self.tokenizer.pair_special_counts[2]
        return _Read(contexts, tokens, windows, second.spans[windows.places], starts, after)


class _Options(NamedTuple):
    """The arguments of a call that concern the search."""

    top_k: int
    max_answer_len: int
    handle_impossible_answer: bool
    align_to_words: bool

    @property
    def candidates(self) -> int:
        """Spans of a window to look at: aligning to words may make one answer of several."""
        return self.top_k * 2 + 10 if self.align_to_words else self.top_k


class _Read(NamedTuple):
    """All windows of all examples."""

    contexts: Sequence[str]
    tokens: Tokens
    windows: Stretches
    spans: NDArray[np.int32]  # of the windows' context tokens
    word_starts: NDArray[np.bool_]
    after: int  # special tokens behind the context


def _check_rooms(
    rooms: NDArray[Any], lengths: NDArray[np.int32], overlap: int, length: int
) -> None:
    """Refuse a question beside which a window has no room, or would never move on."""
    wrong = np.flatnonzero((lengths > rooms) & (rooms <= overlap))
    if len(wrong):
        index = int(wrong[0])
        raise ValueError(
            f"question {index} leaves {int(rooms[index])} of max_seq_len {length} tokens for its "
            f"context, but that must be more than doc_stride {overlap}"
        )


def _answers(read: _Read, scores: Array, options: _Options) -> list[list[Answer]]:
    """The best answers of each example, from those of all its windows."""
    found: list[dict[str, Answer]] = [{} for _ in read.contexts]
    impossible = [np.inf] * len(found)
    ends = read.tokens.offsets[1:].tolist()
    bounds = read.windows.offsets.tolist()
    for i, text in enumerate(read.windows.texts.tolist()):
        begin, end = bounds[i], bounds[i + 1]
        last = ends[i] - read.after
        rows = np.r_[read.tokens.offsets[i], last - (end - begin) : last]
        starts, stops, none = end_probabilities(scores[rows])
        impossible[text] = min(impossible[text], none)
        spans = best_spans(starts, stops, options.max_answer_len, options.candidates)
        part = slice(begin, end)
        characters = _characters(
            spans, read.spans[part], read.word_starts[part] if options.align_to_words else None
        )
        _collect(found[text], read.contexts[text], spans.scores.tolist(), characters)
    results = []
    for answers, null_score in zip(found, impossible, strict=True):
        listed = list(answers.values())
        if options.handle_impossible_answer:
            listed.append({"score": null_score, "start": 0, "end": 0, "answer": ""})
        elif not listed:
            listed.append({"score": 0.0, "start": 0, "end": 0, "answer": ""})
        listed.sort(key=lambda answer: -float(answer["score"]))
        results.append(listed[: options.top_k])
    return results


def _characters(
    spans: Spans, characters: NDArray[np.int32], word_starts: NDArray[np.bool_] | None
) -> list[list[int]]:
    """First and last character of each span; with `word_starts`, of all its words."""
    first, last = spans.first, spans.last
    if word_starts is not None and len(first):
        begins = np.flatnonzero(np.r_[True, word_starts[1:]])  # a window may cut a word
        first = begins[np.searchsorted(begins, first, side="right") - 1]
        behind = np.append(begins, len(word_starts))
        last = behind[np.searchsorted(behind, last, side="right")] - 1
    found: list[list[int]] = np.stack([characters[first, 0], characters[last, 1]], axis=1).tolist()
    return found


def _collect(
    found: dict[str, Answer], context: str, scores: list[float], characters: list[list[int]]
) -> None:
    """Add the answers of a window; equal ones are one, whatever their case."""
    for score, (start, end) in zip(scores, characters, strict=True):
        answer = context[start:end]
        known = found.setdefault(
            answer.lower(), {"score": 0.0, "start": start, "end": end, "answer": answer}
        )
        known["score"] += score


def _examples(
    question: Any,  # noqa: ANN401 (four kinds of input)
    context: Any,  # noqa: ANN401
) -> tuple[bool, Sequence[str], Sequence[str]]:
    """Whether there is one example, and all questions and contexts."""
    if context is None:
        single = isinstance(question, Mapping)
        if isinstance(question, str):
            raise ValueError("question has no context")
        examples = [question] if single else as_list(question, "question", _EXAMPLES)
        for i, example in enumerate(examples):
            if not isinstance(example, Mapping) or not {"question", "context"} <= set(example):
                raise ValueError(
                    f"example {i} is {shown(example)}, but must have a question and a context"
                )
        questions = as_texts([example["question"] for example in examples], "question")
        contexts = as_texts([example["context"] for example in examples], "context")
    else:
        single = isinstance(question, str) and isinstance(context, str)
        questions, contexts = one_or_more(question, "question"), one_or_more(context, "context")
        if isinstance(question, str):
            questions = [question] * len(contexts)
        if isinstance(context, str):
            contexts = [context] * len(questions)
    if len(questions) != len(contexts):
        raise ValueError(f"{len(questions)} questions have {len(contexts)} contexts")
    for name, texts in (("question", questions), ("context", contexts)):
        if "" in texts:
            raise ValueError(f"{name} {texts.index('')} is empty")
    return single, questions, contexts
