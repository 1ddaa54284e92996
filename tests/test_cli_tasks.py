import io
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from tiny import write_model

import fastbert
from fastbert import cli, cli_tasks
from fastbert.tasks import TASKS
from fastbert.tasks.cross_encoder import CrossEncoder
from fastbert.tasks.entities import STRATEGIES
from fastbert.tasks.model import OVERFLOWS
from fastbert.tasks.text_classifier import TextClassifier
from fastbert.tasks.token_classifier import TokenClassifier
from fastbert.tasks.zero_shot_classifier import ZeroShotClassifier

TEXTS = ["the cat runs", "忘记密码怎么办"]


@pytest.fixture
def run(capsys):
    """Run a command; gives its exit code, standard output and standard error."""

    def run_command(*arguments):
        code = cli.main([os.fspath(argument) for argument in arguments])
        captured = capsys.readouterr()
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return run_command


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    labels = ["contradiction", "neutral", "entailment"]
    return write_model(
        tmp_path_factory.mktemp("model"), head="sequence_classification", labels=labels
    )


@pytest.fixture
def replaced(monkeypatch):
    """Put a function in the place of every model; gives what it was loaded and called with."""
    seen = SimpleNamespace(loaded=None, called=None)

    def replace(answer):
        def model(*arguments, **options):
            seen.called = (arguments, options)
            return answer

        def load_task(*arguments, **options):
            seen.loaded = (arguments, options)
            return model

        monkeypatch.setitem(vars(fastbert), "load_task", load_task)
        return seen

    return replace


def stdin(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))


def json_lines(result):
    assert (result.code, result.err) == (0, "")
    return [json.loads(line) for line in result.out.splitlines()]


def test_classify_prints_a_line_for_each_label(run, directory):
    result = run("classify", directory, *TEXTS)
    assert (result.code, result.err) == (0, "")
    best = TextClassifier(directory)(TEXTS)
    expected = [f"{b['score']:.4f}\t{b['label']}\t{t}" for b, t in zip(best, TEXTS, strict=True)]
    assert result.out.splitlines() == expected
    assert len(run("classify", directory, *TEXTS, "--top-k", "2").out.splitlines()) == 4


def test_classify_prints_json(run, directory):
    classifier = TextClassifier(directory)
    expected = [{"text": text, "labels": classifier(text, top_k=2)} for text in TEXTS]
    result = run("classify", directory, *TEXTS, "--top-k", "2", "--json", "--threads", "1")
    assert json_lines(result) == expected
    assert "忘记" in result.out


@pytest.mark.parametrize("place", range(4))
def test_options_may_stand_anywhere(run, directory, place):
    arguments = [directory, "hello", "the cat"]
    arguments[place:place] = ["--threads", "1"]
    assert run("classify", *arguments) == run("classify", directory, "hello", "the cat")


def test_unknown_options_are_refused(run, directory):
    with pytest.raises(SystemExit):
        run("classify", directory, "hello", "--colour")


def test_choices_are_those_of_the_tasks():
    assert set(cli_tasks._AGGREGATIONS) == set(STRATEGIES)
    assert cli_tasks._OVERFLOWS == OVERFLOWS


def test_classify_takes_pairs(run, directory):
    result = run("classify", directory, *TEXTS, "--json", "--pair", "a dog", "hello")
    pairs = list(zip(TEXTS, ["a dog", "hello"], strict=True))
    assert json_lines(result) == [
        {"text": first, "text_pair": second, "labels": labels}
        for (first, second), labels in zip(
            pairs, TextClassifier(directory)(pairs, top_k=1), strict=True
        )
    ]
    refused = run("classify", directory, *TEXTS, "--pair", "a dog")
    assert refused.code == 2
    assert "2 texts have 1 texts in --pair" in refused.err


def test_texts_come_from_a_file_or_stdin(run, directory, tmp_path, monkeypatch):
    expected = run("classify", directory, *TEXTS).out
    (tmp_path / "in.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    assert run("classify", directory, "--input", tmp_path / "in.txt").out == expected
    stdin(monkeypatch, "\n".join(TEXTS).encode())
    assert run("classify", directory).out == expected
    refused = run("classify", directory, "a", "--input", "b")
    assert "expected texts or --input, not both" in refused.err


def test_rerank_sorts(run, tmp_path):
    write_model(tmp_path, head="sequence_classification", labels=["x"])
    ranked = CrossEncoder(tmp_path).rank("a dog", TEXTS, return_documents=True)
    assert json_lines(run("rerank", tmp_path, "a dog", *TEXTS, "--json")) == ranked
    result = run("rerank", tmp_path, "a dog", *TEXTS, "--top-k", "1")
    assert result.out == f"{ranked[0]['score']:.4f}\t{ranked[0]['text']}\n"


def test_zero_shot_ranks_labels(run, directory):
    options = ["--labels", "cat, password", "--multi-label", "--template", "my {}"]
    expected = ZeroShotClassifier(directory)(
        TEXTS, "cat, password", multi_label=True, hypothesis_template="my {}"
    )
    assert json_lines(run("zero-shot", directory, *TEXTS, *options, "--json")) == expected
    result = run("zero-shot", directory, TEXTS[0], *options)
    assert result.out.splitlines() == [
        f"{score:.4f}\t{label}\t{TEXTS[0]}"
        for label, score in zip(expected[0]["labels"], expected[0]["scores"], strict=True)
    ]


FILLING = {"score": 0.5, "token": 7, "token_str": "capital", "sequence": "the capital"}


def test_fill_mask_calls_the_model(run, replaced):
    seen = replaced([[FILLING], [[FILLING], [FILLING]]])
    arguments = ["some/model", "one [MASK]", "[MASK] [MASK]", "--top-k", "1"]
    result = run("fill-mask", *arguments, "--compute-type", "int8", "--threads", "3")
    assert (result.code, result.out) == (0, "0.5000\tcapital\tthe capital\n" * 3)
    options = {"compute_type": "int8", "threads": 3}
    assert seen.loaded == (("some/model", "fill-mask"), options)
    options = {"top_k": 1, "on_overflow": "truncate"}
    assert seen.called == ((["one [MASK]", "[MASK] [MASK]"],), options)
    records = json_lines(run("fill-mask", *arguments, "--json"))
    assert records[0] == {"text": "one [MASK]", "fillings": [FILLING]}


def test_ner_calls_the_model(run, replaced):
    entity = {"entity_group": "PER", "score": np.float32(0.5), "word": "a\tb", "start": 0, "end": 3}
    seen = replaced([[entity], []])
    result = run("ner", "some/model", "a\tb", "nobody", "--aggregation", "first")
    assert (result.code, result.out) == (0, "0.5000\tPER\ta b\t0\t3\n")
    assert seen.loaded[0] == ("some/model", "token-classification")
    options = {"aggregation_strategy": "first", "stride": None, "on_overflow": "truncate"}
    assert seen.called == ((["a\tb", "nobody"],), options)
    records = json_lines(run("ner", "some/model", "a\tb", "nobody", "--json"))
    assert records == [{"text": "a\tb", "entities": [entity]}, {"text": "nobody", "entities": []}]


@pytest.mark.filterwarnings("always:.*the rest of it is ignored")
@pytest.mark.parametrize(
    ("command", "head", "arguments"),
    [
        ("classify", "sequence_classification", []),
        ("zero-shot", "sequence_classification", ["--labels", "x"]),
        ("rerank", "sequence_classification", ["hello"]),
        ("ner", "token_classification", []),
        ("fill-mask", "masked_lm", []),
    ],
)
def test_long_texts_are_cut_or_refused(run, tmp_path, command, head, arguments):
    labels = ["entailment"] if head.endswith("classification") else None
    write_model(tmp_path, head=head, labels=labels)
    given = [command, tmp_path, *arguments, "the [MASK] " + "cat " * 99]
    cut = run(*given)
    assert (cut.code, cut.err.count("the rest of it is ignored")) == (0, 1)
    refused = run(*given, "--on-overflow", "error")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("fastbert: error: ")
    assert "tokens, but max_length is 64" in refused.err


def test_ner_reads_long_texts_in_windows(run, tmp_path):
    write_model(tmp_path, head="token_classification", labels=["x"])
    text = "the cat " * 60
    result = run("ner", tmp_path, text, "--stride", "8", "--json", "--on-overflow", "error")
    expected = TokenClassifier(tmp_path)(text, aggregation_strategy="simple", stride=8)
    (found,) = json_lines(result)
    assert found["entities"] == json.loads(json.dumps(expected, default=float))
    assert found["entities"][-1]["end"] == len(text) - 1
    refused = run("ner", tmp_path, text, "--stride", "99")
    assert refused.err == "fastbert: error: stride is 99, but windows of this model take 0 to 61\n"


@pytest.mark.parametrize("several", [True, False])
def test_answer_calls_the_model(run, replaced, tmp_path, several):
    found = {"score": 0.25, "start": 3, "end": 9, "answer": "Berlin"}
    seen = replaced([found, found] if several else found)
    (tmp_path / "in.txt").write_text("In Berlin.\nYes.\n", encoding="utf-8")
    result = run("answer", "some/model", "-q", "where?", "-i", tmp_path / "in.txt")
    assert result.out == "0.2500\tBerlin\t3\t9\n" * (2 if several else 1)
    assert seen.loaded[0] == ("some/model", "question-answering")
    assert seen.called == (
        (),
        {"question": "where?", "context": "In Berlin.\nYes.\n", "top_k": 1},
    )
    run("answer", "some/model", "--question", "where?", "--context", "here", "--top-k", "2")
    assert seen.called[1] == {"question": "where?", "context": "here", "top_k": 2}


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_answer_reads_a_context_as_it_is(run, replaced, tmp_path, monkeypatch, source):
    seen = replaced([])
    path = "-" if source == "stdin" else os.fspath(tmp_path / "in.txt")

    def give(content):
        stdin(monkeypatch, content)
        (tmp_path / "in.txt").write_bytes(content)
        return run("answer", "some/model", "--question", "where?", "--input", path)

    assert give("\ufeffIn\r\n\r\nKöln\u2028.\rYes".encode()).code == 0
    assert seen.called[1]["context"] == "In\r\n\r\nKöln\u2028.\rYes"
    refused = give(b"fine\nK\xf6ln\n")
    name = "stdin" if source == "stdin" else path
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(f"fastbert: error: {name}: line 2 is not UTF-8: ")
    assert refused.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["--context", "a", "--input", "b"]])
def test_answer_needs_one_context(run, replaced, arguments):
    replaced([])
    result = run("answer", "some/model", "--question", "where?", *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err == "fastbert: error: expected either --context or --input\n"


def test_commands_belong_to_tasks():
    assert {command.task for command in cli_tasks._COMMANDS} <= set(TASKS)


@pytest.mark.parametrize("command", [command.name for command in cli_tasks._COMMANDS])
def test_help_imports_nothing_heavy(command):
    script = (
        "import sys, contextlib, io, fastbert.cli\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    fastbert.cli.main([{command!r}, '--help'])\n"
        "sys.exit(repr({'numpy', 'fastbert._core', 'fastbert.tasks.model'} & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert result.stderr == "set()\n"


def test_bad_model_is_one_line(run, tmp_path):
    write_model(tmp_path)
    result = run("classify", tmp_path, "a")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("fastbert: error: ")
    assert result.err.count("\n") == 1
