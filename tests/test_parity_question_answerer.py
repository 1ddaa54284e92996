"""The answers that transformers 4 gave; its pipeline is gone, so its rules stand here once more."""

import itertools

import numpy as np
import pytest
from test_parity_token_classifier import mixed_texts
from tiny import write_model

import fastbert

transformers = pytest.importorskip("transformers", reason="parity tests need transformers")
torch = pytest.importorskip("torch", reason="parity tests need torch")

QUESTIONS = ("how do i reset", "忘记密码 hello?")
CONTEXTS = [text.strip() or "x" for text in mixed_texts(12, 14, 7) + mixed_texts(4, 120, 8)]
OPTIONS = (
    {},
    {"top_k": 5},
    {"top_k": 3, "handle_impossible_answer": True},
    {"top_k": 4, "align_to_words": False, "max_answer_len": 3},
    {"top_k": 3, "max_seq_len": 30, "doc_stride": 5},
)


class Slow:
    """Each window by transformers' model and tokenizer, each span by itself."""

    def __init__(self, directory):
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
        self.model = transformers.BertForQuestionAnswering.from_pretrained(directory).eval()

    def answers(
        self,
        question,
        context,
        *,
        top_k=1,
        max_seq_len=64,
        doc_stride=32,
        max_answer_len=15,
        handle_impossible_answer=False,
        align_to_words=True,
    ):
        windows = self.tokenizer(
            question,
            context,
            truncation="only_second",
            max_length=max_seq_len,
            stride=doc_stride,
            return_overflowing_tokens=True,
        ).encodings
        found, null_scores = [], []
        for window in windows:
            starts, ends, null_score = self.probabilities(window)
            null_scores.append(null_score)
            spans = [
                (starts[i] * ends[j], i, j)
                for i, j in itertools.product(starts, ends)
                if i <= j < i + max_answer_len
            ]
            spans.sort(key=lambda span: -span[0])
            for score, i, j in spans[: top_k * 2 + 10 if align_to_words else top_k]:
                start, end = window.offsets[i][0], window.offsets[j][1]
                if align_to_words:
                    start = window.word_to_chars(window.token_to_word(i), 1)[0]
                    end = window.word_to_chars(window.token_to_word(j), 1)[1]
                add(found, {"score": score, "start": start, "end": end}, context[start:end])
        if handle_impossible_answer:
            found.append({"score": min(null_scores), "start": 0, "end": 0, "answer": ""})
        return sorted(found, key=lambda answer: -answer["score"])[:top_k]

    def probabilities(self, window):
        """Of start and end, for each context token by its place; and of no answer."""
        with torch.no_grad():
            output = self.model(
                input_ids=torch.tensor([window.ids]), token_type_ids=torch.tensor([window.type_ids])
            )
        places = [0] + [i for i, text in enumerate(window.sequence_ids) if text == 1]
        found = []
        for logits in (output.start_logits, output.end_logits):
            powers = np.exp(logits[0].numpy().astype(np.float64)[places])
            found.append(dict(zip(places, powers / powers.sum(), strict=True)))
        starts, ends = found
        return starts, ends, starts.pop(0) * ends.pop(0)


def add(found, answer, text):
    for other in found:
        if other["answer"].lower() == text.lower():
            other["score"] += answer["score"]
            return
    found.append({**answer, "answer": text})


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    directory = write_model(tmp_path_factory.mktemp("model"), head="question_answering", seed=5)
    return fastbert.QuestionAnswerer(directory), Slow(directory)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("question", QUESTIONS)
def test_answers(models, question, options):
    ours, slow = models
    for context, got in zip(CONTEXTS, ours(question, CONTEXTS, **options), strict=True):
        expected = slow.answers(question, context, **options)
        answers = [got] if isinstance(got, dict) else got
        # Probabilities from two orders of summation in float32; a sum has up to 20 of them.
        scores = [answer.pop("score") for answer in answers]
        np.testing.assert_allclose(scores, [each.pop("score") for each in expected], atol=2e-5)
        assert answers == expected
