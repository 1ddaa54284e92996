import csv
import io
import json
import os
import subprocess
import sys
import warnings
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest

import fastbert
from fastbert import cli, cli_options, quantization
from fastbert._native import _core
from fastbert.default_model import DEFAULT_MODEL
from fastbert.encoder import OnOverflow


class FakeEncoder:
    """Vectors that tell the text: its length, one third, minus its length."""

    def __init__(self):
        self.options = None

    def encode(self, texts, **options):
        self.options = options
        rows = [[len(text), 1 / 3, -len(text)] for text in texts]
        return np.array(rows, np.float32).reshape(-1, 3)

    def similarity(self, a, b):
        return a @ b.T


@pytest.fixture
def encoder(monkeypatch):
    fake = FakeEncoder()
    fake.loads = []

    def load(model, *, compute_type, threads=None):
        fake.loads.append((model, compute_type, threads))
        return fake

    # Not setattr, which would first import what is replaced.
    monkeypatch.setitem(vars(fastbert), "load", load)
    return fake


@pytest.fixture
def run(capsys, encoder):
    """Run a command; gives its exit code, standard output and standard error."""

    def run_command(*arguments):
        code = cli.main([os.fspath(argument) for argument in arguments])
        captured = capsys.readouterr()
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return run_command


def stdin(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))


def test_encode_prints_json_lines(run):
    result = run("encode", "hello", '忘记 "x"')
    assert (result.code, result.err) == (0, "")
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert [line["text"] for line in lines] == ["hello", '忘记 "x"']
    assert "忘记" in result.out
    for line, length in zip(lines, (5, 6), strict=True):
        expected = np.array([length, 1 / 3, -length], np.float32)
        np.testing.assert_array_equal(np.array(line["embedding"], np.float32), expected)


def test_encode_reads_lines_from_stdin(run, monkeypatch):
    # An empty line is a text; U+2028 and a lone \r are no line ends; a last \n ends no text.
    stdin(monkeypatch, "\ufeffone\r\n\ntwo\u2028x\ry\nlast\n".encode())
    texts = [json.loads(line)["text"] for line in run("encode").out.split("\n")[:-1]]
    assert texts == ["one", "", "two\u2028x\ry", "last"]


def test_encode_of_nothing_prints_nothing(run, monkeypatch):
    stdin(monkeypatch, b"")
    result = run("encode")
    assert (result.code, result.out) == (0, "")


def test_encode_reads_a_file_and_writes_npy(run, tmp_path):
    (tmp_path / "in.txt").write_text("a\nbb\n", encoding="utf-8")
    result = run("encode", "--input", tmp_path / "in.txt", "-o", tmp_path / "out.npy")
    assert (result.code, result.out) == (0, "")
    vectors = np.load(tmp_path / "out.npy")
    assert vectors.dtype == np.float32
    assert vectors[:, 0].tolist() == [1, 2]


def test_encode_writes_csv(run, tmp_path):
    assert run("encode", 'say "hi",\nnow', "-o", tmp_path / "out.CSV").code == 0
    with open(tmp_path / "out.CSV", encoding="utf-8", newline="") as file:
        header, row = csv.reader(file)
    assert header == ["text", "0", "1", "2"]
    assert row[0] == 'say "hi",\nnow'
    assert float(row[1]) == 13


def test_format_wins_over_the_suffix(run, tmp_path):
    assert run("encode", "a", "-o", tmp_path / "out.txt", "--format", "jsonl").code == 0
    assert json.loads((tmp_path / "out.txt").read_text(encoding="utf-8"))["text"] == "a"


def test_options_reach_the_encoder(run, encoder):
    options = "--batch-size 7 --threads 3 --normalize --truncate-dim 2 --precision int8"
    more = "--prompt-name query --prompt p: --on-overflow window --model some/model"
    computing = "--compute-type bfloat16"
    assert run("encode", "a", *f"{options} {more} {computing}".split()).code == 0
    assert encoder.loads == [("some/model", "bfloat16", 3)]
    assert encoder.options == {
        "prompt_name": "query",
        "prompt": "p:",
        "batch_size": 7,
        "show_progress_bar": False,
        "precision": "int8",
        "normalize_embeddings": True,
        "truncate_dim": 2,
        "on_overflow": "window",
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("encode hello --truncate-dim 2 -- -b", {"texts": ["hello", "-b"], "truncate_dim": 2}),
        ("encode a --threads 1 b --normalize c", {"texts": ["a", "b", "c"], "threads": 1}),
        ("encode -- -- --input -1", {"texts": ["--", "--input", "-1"], "input": None}),
        ("encode --", {"texts": []}),
        ("encode -", {"texts": ["-"]}),
        ("similarity a b --threads 1 c", {"a": "a", "b": ["b", "c"], "threads": 1}),
        ("similarity --threads 1 -- -a -- -c", {"a": "-a", "b": ["--", "-c"], "threads": 1}),
        ("zero-shot M --labels a,b -- -hello", {"model": "M", "texts": ["-hello"]}),
        ("classify M --pair x y -- hi -o", {"pair": ["x", "y"], "texts": ["hi", "-o"]}),
        ("classify --pair x y -- M hi", {"model": "M", "pair": ["x", "y"], "texts": ["hi"]}),
        ("rerank M --top-k 1 q --json d e", {"model": "M", "query": "q", "texts": ["d", "e"]}),
        ("ner --json M a --threads 1 b", {"model": "M", "texts": ["a", "b"]}),
        ("fill-mask M --json -- -a", {"model": "M", "texts": ["-a"]}),
        ("bench --threads 1 M", {"model": "M", "threads": 1}),
        ("bench --threads 1", {"model": DEFAULT_MODEL}),
    ],
)
def test_texts_stand_anywhere_and_are_all_that_is_behind_two_dashes(arguments, expected):
    found = vars(cli._parse(arguments.split()))
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize("arguments", ["encode a --colour", "info -- --x", "pull m -- --x"])
def test_arguments_that_no_command_knows_are_refused(run, capsys, arguments):
    with pytest.raises(SystemExit, match="2"):
        run(*arguments.split())
    shown = capsys.readouterr().err
    name, *_, last = arguments.split()
    assert shown.startswith(f"usage: fastbert {name} ")
    assert f"fastbert {name}: error: unrecognized arguments: " in shown
    assert shown.endswith(f"{last}\n")


def test_integer_vectors_are_printed_as_integers(run, encoder, monkeypatch):
    monkeypatch.setattr(encoder, "encode", lambda *_, **__: np.array([[-128, 127]], np.int8))
    assert '"embedding": [-128,127]' in run("encode", "a", "--precision", "int8").out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_that_are_not_finite_stay_readable(run, encoder, monkeypatch, dtype):
    rows = np.array([[np.nan, np.inf, -np.inf], [1, 2, 3]], dtype)
    monkeypatch.setattr(encoder, "encode", lambda *_, **__: rows)
    lines = run("encode", "inf", "b").out.splitlines()
    assert lines[0] == '{"text": "inf", "embedding": [NaN,Infinity,-Infinity]}'
    found = [json.loads(line)["embedding"] for line in lines]
    np.testing.assert_array_equal(np.array(found), rows)
    _, *found = csv.reader(run("encode", "a", "b", "--format", "csv").out.splitlines())
    np.testing.assert_array_equal(np.array([row[1:] for row in found], float), rows)


def test_text_that_utf8_cannot_express_is_escaped(run, tmp_path):
    text = os.fsdecode(b"a\xff") + "\u5fd8"
    assert json.loads(run("encode", text).out)["text"] == text
    assert (
        run("encode", text, "--format", "csv").out.splitlines()[1].startswith('"a\\udcff\u5fd8",')
    )
    assert run("similarity", "a", text).out.endswith("\ta\\udcff\u5fd8\n")
    for suffix in ("jsonl", "csv"):
        assert run("encode", text, "-o", tmp_path / f"out.{suffix}").code == 0
        assert "a\\udcff\u5fd8" in (tmp_path / f"out.{suffix}").read_text(encoding="utf-8")


def test_output_is_utf8_whatever_the_locale():
    script = (
        "import sys, types, numpy, fastbert, fastbert.cli\n"
        "fake = types.SimpleNamespace(encode=lambda t, **_: numpy.zeros((len(t), 2), 'f4'))\n"
        "fastbert.load = lambda *_, **__: fake\n"
        "sys.exit(fastbert.cli.main(['encode', '\\u5fd8\\U0001f600']))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout.decode("utf-8"))["text"] == "\u5fd8\U0001f600"


def test_choices_are_those_of_the_library():
    assert cli._PRECISIONS == quantization.PRECISIONS
    assert get_args(OnOverflow) == cli._OVERFLOWS
    assert list(cli_options.COMPUTE_TYPES) == _core.compute_types()


def test_help_imports_nothing_heavy():
    script = (
        "import sys, fastbert.cli\n"
        "fastbert.cli._parsers()[0].format_help()\n"
        "sys.exit(repr({'numpy', 'fastbert._core', 'fastbert._wordpiece'} & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert result.stderr == "set()\n"


@pytest.mark.parametrize("command", cli._parsers()[1])
def test_help_explains_every_argument(run, capsys, command):
    with pytest.raises(SystemExit, match="0"):
        run(command, "--help")
    shown = capsys.readouterr().out
    parser = cli._parsers()[1][command]
    assert parser.description
    for action in parser._actions:
        assert action.help
        assert all(option in shown for option in action.option_strings)
    assert "SUPPRESS" not in shown


def test_similarity_prints_a_line_for_each_text(run):
    result = run("similarity", "a", "bb", "ccc")
    assert result.code == 0
    assert result.out == "4.1111\tbb\n6.1111\tccc\n"


def test_similarity_keeps_each_text_on_its_line(run):
    assert run("similarity", "a", "b\tc\nd", "e\u2028f").out == "10.1111\tb c d\n6.1111\te f\n"


def test_info_prints_facts(run, monkeypatch):
    cpu = {
        "model_name": "A CPU",
        "isa": "avx2",
        "available_isas": ["baseline", "avx2"],
        "compiled_isas": ["baseline", "avx2", "avx512"],
        "threads": 2,
        "l1d_bytes": 48 << 10,
        "l2_bytes": 2 << 20,
        "l3_bytes": 0,
    }
    monkeypatch.setitem(vars(fastbert), "cpu_info", lambda: cpu)
    result = run("info")
    assert result.code == 0
    facts = dict(line.split(":", 1) for line in result.out.splitlines())
    assert facts["CPU"].strip() == "A CPU"
    assert facts["compiled"].strip() == "baseline, avx2, avx512"
    assert facts["L1d, L2, L3"].strip() == "48 KiB, 2 MiB, unknown"
    assert facts["compute types"].strip() == ", ".join(_core.compute_types())
    assert facts["NumPy"].strip() == np.__version__


@pytest.mark.parametrize("off", ["off", "0"])
def test_info_says_that_packed_weights_are_not_kept(run, monkeypatch, tmp_path, off):
    def shown():
        facts = dict(line.split(":", 1) for line in run("info").out.splitlines())
        return facts["model cache"].strip()

    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path))
    monkeypatch.delenv("FASTBERT_CACHE")
    assert shown() == f"{tmp_path}/fastbert"
    monkeypatch.setenv("FASTBERT_CACHE", off)
    expected = f"{tmp_path}/fastbert (packed weights are not kept: FASTBERT_CACHE is off)"
    assert shown() == expected


def test_pull_prints_the_directory(run, tmp_path):
    assert run("pull", tmp_path).out == f"{tmp_path}\n"


def test_similarity_takes_a_compute_type(run, encoder):
    assert run("similarity", "a", "bb", "--compute-type", "int8").code == 0
    assert [compute_type for _, compute_type, _ in encoder.loads] == ["int8"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["encode", "a", "--input", "b"], "expected texts or --input, not both"),
        (["encode", "a", "-o", "x.parquet"], "format of x.parquet is unknown, expected --format"),
        (["encode", "a", "--format", "npy"], "npy needs -o FILE"),
        (["encode", "a", "-o", "no/where/x.npy"], "its directory does not exist"),
        (["encode", "a", "-o", "/etc", "--format", "npy"], "cannot write '/etc': expected the"),
        (["encode", "a", "-o", "new/", "--format", "csv"], "cannot write 'new/': expected the"),
        (["encode", "a", "-o", ""], "cannot write '': expected the name of a file"),
        (["encode", "--input", "no/where"], "No such file"),
        (["pull", "no such model"], "model is 'no such model', expected"),
    ],
)
def test_bad_input_is_one_line_and_code_2_before_any_work(run, encoder, arguments, reason):
    result = run(*arguments)
    assert (result.code, result.out, encoder.loads) == (2, "", [])
    assert result.err.startswith("fastbert: error: ")
    assert reason in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("exists", [True, False])
def test_output_that_is_not_ours_to_write_is_refused(run, encoder, monkeypatch, tmp_path, exists):
    file = tmp_path / "out.npy"
    if exists:
        file.write_text("kept", encoding="utf-8")
    refused = os.fspath(file if exists else tmp_path)
    # Asked of us because nothing is refused to the superuser.
    monkeypatch.setattr(os, "access", lambda path, mode: os.fspath(path) != refused)
    result = run("encode", "a", "-o", file)
    what = "it" if exists else "its directory"
    expected = f"fastbert: error: cannot write {os.fspath(file)!r}: {what} is not writable\n"
    assert (result.code, result.err, encoder.loads) == (2, expected, [])
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["kept"] * exists


def test_output_is_untouched_until_there_is_something_to_write(run, encoder, monkeypatch, tmp_path):
    def encode(*_, **__):
        raise ValueError("not today")

    monkeypatch.setattr(encoder, "encode", encode)
    (tmp_path / "old.npy").write_text("kept", encoding="utf-8")
    for name in ("old.npy", "new.npy"):
        assert run("encode", "a", "-o", tmp_path / name).err == "fastbert: error: not today\n"
    assert [path.name for path in tmp_path.iterdir()] == ["old.npy"]
    assert (tmp_path / "old.npy").read_text(encoding="utf-8") == "kept"


def test_output_may_be_a_pipe_or_a_link(run, tmp_path):
    read_end, write_end = os.pipe()
    assert run("encode", "a", "-o", f"/dev/fd/{write_end}", "--format", "jsonl").code == 0
    os.close(write_end)
    with open(read_end, "rb") as file:
        assert json.loads(file.read())["text"] == "a"
    (tmp_path / "link.npy").symlink_to(tmp_path / "new.npy")
    assert run("encode", "a", "-o", tmp_path / "link.npy").code == 0
    assert (tmp_path / "new.npy").is_file()


def test_text_that_is_not_utf8_is_located(run, monkeypatch):
    stdin(monkeypatch, b"fine\n\xff\n")
    assert "stdin: line 2 is not UTF-8" in run("encode").err


@pytest.mark.parametrize("option", ["--precision", "--compute-type"])
def test_unknown_option_is_code_2(run, capsys, option):
    with pytest.raises(SystemExit, match="2"):
        run("encode", "a", option, "int4")
    assert "invalid choice" in capsys.readouterr().err


def test_warnings_are_one_line(run, encoder, monkeypatch):
    def encode(texts, **_):
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn("too long", stacklevel=1)
        return np.zeros((1, 3), np.float32)

    monkeypatch.setattr(encoder, "encode", encode)
    result = run("encode", "a")
    assert (result.code, result.err) == (0, "fastbert: warning: too long\n")


def test_interrupt_is_130(run, encoder, monkeypatch):
    def encode(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(encoder, "encode", encode)
    result = run("encode", "a")
    assert (result.code, result.out, result.err) == (130, "", "")


def test_version_is_printed(run, capsys):
    with pytest.raises(SystemExit, match="0"):
        run("--version")
    assert capsys.readouterr().out.startswith("fastbert ")


def test_broken_pipe_is_silent(tmp_path):
    # Far more than a pipe holds, to a reader that has gone.
    script = (
        "import sys, types, numpy, fastbert, fastbert.cli\n"
        "fake = types.SimpleNamespace(encode=lambda t, **_: numpy.zeros((len(t), 999), 'f4'))\n"
        "fastbert.load = lambda *_, **__: fake\n"
        "sys.exit(fastbert.cli.main(['encode', *'abcdefghijklmnopqrstuvwxyz' * 10]))\n"
    )
    read_end, write_end = os.pipe()
    os.close(read_end)
    result = subprocess.run(
        [sys.executable, "-c", script], stdout=write_end, stderr=subprocess.PIPE, check=False
    )
    os.close(write_end)
    assert (result.returncode, result.stderr) == (141, b"")
