"""`fastbert bench`: what it prints, saves and refuses; what a time is, is not tested."""

import json
import os
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from tiny import SPECIALS, write_model

import fastbert
from fastbert import bench, cli
from fastbert.encoder import COMPUTE_TYPES

QUICK = ("--seconds", "0.001", "--threads", "1")


@pytest.fixture(scope="module")
def encoder(tiny_model):
    return fastbert.load(tiny_model)


@pytest.fixture
def run(capsys, tiny_model):
    """Run the command on the tiny model; gives its exit code, standard output and error."""

    def run_command(*arguments, model=tiny_model):
        code = cli.main(["bench", os.fspath(model), *QUICK, *map(os.fspath, arguments)])
        captured = capsys.readouterr()
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return run_command


def rows(out):
    """Batch size and length of every row of a table."""
    return [tuple(map(int, match)) for match in re.findall(r"^ +(\d+) +(\d+) +\d", out, re.M)]


@pytest.mark.parametrize(("length", "count"), [(3, 5), (8, 40), (64, 2)])
def test_texts_have_exactly_so_many_tokens(encoder, length, count):
    texts = bench.exact_texts(encoder.tokenizer, length, count)
    assert len(set(texts)) == count
    tokens = encoder.tokenizer.encode_batch(texts)
    assert np.diff(tokens.offsets).tolist() == [length] * count


@pytest.mark.parametrize(("length", "count"), [(2, 1), (3, 1000)])
def test_texts_that_cannot_be_had_are_an_error(encoder, length, count):
    reason = f"this model's vocabulary does not give {count} different texts of {length} tokens"
    with pytest.raises(ValueError, match=reason):
        bench.exact_texts(encoder.tokenizer, length, count)


def test_a_vocabulary_without_words_is_an_error(tmp_path):
    encoder = fastbert.load(write_model(tmp_path, vocabulary=(*SPECIALS, ".", "1")))
    with pytest.raises(ValueError, match="does not give 1 different texts of 3 tokens"):
        bench.exact_texts(encoder.tokenizer, 3, 1)


def test_a_cell_knows_its_work(encoder):
    cell = bench.measure(encoder, 10, 3, 0.0)
    assert len(cell.times) >= 2
    assert cell.best <= cell.median
    hidden, inner, layers = 32, 64, 2
    products = 2 * (4 * hidden * hidden + 2 * hidden * inner) * 30
    assert cell.flops == layers * (products + 4 * hidden * 3 * 10**2)
    assert cell.weight_bytes >= 4 * layers * (4 * hidden * hidden + 2 * hidden * inner)


def test_rates_follow_from_times_and_limits():
    cell = bench.Cell(4, 8, (0.5, 0.25, 1.0), flops=1e9, weight_bytes=5e8)
    assert (cell.best, cell.median) == (0.25, 0.5)
    limits = bench.Limits(2, peak_gflops=16.0, weight_bytes=500_000_000, stream_gb_per_s=8.0)
    assert limits.stream_seconds == 0.0625
    assert cell.rates(limits) == {
        "texts_per_s": 16,
        "tokens_per_s": 128,
        "gflops": 4,
        "share_of_peak": 0.25,
        "gb_per_s": 2,
        "share_of_stream": 0.25,
    }
    table = bench.table(bench.Result("float32", "avx2", limits, (cell,)))
    assert table.splitlines() == [
        "float32 on avx2, threads: 2; peak 16 GFLOP/s, weights 500.0 MB, which stream at 8.0 GB/s",
        "batch  tokens    best ms  median ms   texts/s   tokens/s   GFLOP/s  of peak    GB/s"
        "  of stream   runs",
        "    4       8    250.000    500.000        16        128       4.0      25%     2.0"
        "        25%      3",
    ]


def test_every_compute_type_has_a_peak(encoder):
    for compute_type in COMPUTE_TYPES:
        one, two = (bench.peak_gflops(compute_type, encoder.isa, n) for n in (1, 2))
        assert 0 < one < two * 2


def test_limits_are_of_this_model(encoder):
    limits = bench.measure_limits(encoder, 2)
    assert limits.threads == 2
    assert limits.weight_bytes == bench.measure(encoder, 5, 1, 0.0).weight_bytes
    assert limits.stream_gb_per_s > 0


def test_usual_lengths_go_as_far_as_the_model(run):
    result = run("--batch-sizes", "1,2")
    assert (result.code, result.err) == (0, "")
    lengths = (8, 16, 32, 64)
    expected = [(batch, length) for batch in (1, 2) for length in lengths]
    assert rows(result.out) == expected * len(COMPUTE_TYPES)
    assert f"{COMPUTE_TYPES[0]} on {fastbert.cpu_info()['isa']}, threads: 1; peak" in result.out


def test_lengths_beyond_what_the_files_advise_are_measured(run, tmp_path):
    model = write_model(tmp_path, max_seq_length=16)
    result = run("--batch-sizes", "1", "--lengths", "64", model=model)
    assert rows(result.out) == [(1, 64)] * len(COMPUTE_TYPES)


def test_a_model_for_very_short_texts_has_a_length(run, tmp_path):
    model = write_model(tmp_path, max_position_embeddings=6)
    assert rows(run("--batch-sizes", "1", model=model).out) == [(1, 6)] * len(COMPUTE_TYPES)


def test_profile_adds_a_table(run):
    result = run("--lengths", "8", "--batch-sizes", "1", "--profile", "12")
    assert f"1 text, 12 tokens, 1 thread, {COMPUTE_TYPES[0]} on" in result.out
    assert re.search(r"^query_key_value +\d", result.out, re.M)


def test_json_has_everything(run, tmp_path):
    file = tmp_path / "bench.json"
    options = "--lengths 8,16 --batch-sizes 2 --compute-type float32 --profile 8".split()
    result = run(*options, "--json", file)
    assert result.code == 0
    report = json.loads(file.read_text(encoding="utf-8"))
    assert report["machine"] == fastbert.cpu_info()
    assert report["fastbert"] == fastbert.__version__
    (found,) = report["results"]
    assert found["compute_type"] == "float32"
    assert found["limits"].keys() == {
        "threads",
        "peak_gflops",
        "weight_bytes",
        "stream_gb_per_s",
    }
    assert [(cell["batch_size"], cell["length"]) for cell in found["cells"]] == [(2, 8), (2, 16)]
    for cell in found["cells"]:
        assert 0 < cell["best_seconds"] <= cell["median_seconds"]
        assert cell["texts_per_s"] == 2 / cell["best_seconds"]
        assert cell["runs"] >= 2
    assert found["profile"]["tokens"] == 8


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--lengths", "8,x"], "--lengths is '8,x', but must be positive integers between commas"),
        (["--lengths", "0"], "--lengths is '0', but must be positive integers between commas"),
        (["--lengths", "65"], "a length is 65, but this model takes 3 to 64 tokens"),
        (["--profile", "65"], "a length is 65, but this model takes 3 to 64 tokens"),
        (["--batch-sizes", ","], "--batch-sizes is ',', but must be positive integers"),
        (["--batch-sizes", "-1"], "--batch-sizes is '-1', but must be positive integers"),
        (["--lengths", "3", "--batch-sizes", "999"], "does not give 999 different texts of 3"),
        (["--compute-type", "float64"], "--compute-type is 'float64', but must be one of float32"),
        (["--threads", "0"], "threads is 0, but must be a positive integer or None"),
        (["--seconds", "0"], "--seconds is 0.0, but must be positive"),
        (["--seconds", "nan"], "--seconds is nan, but must be positive"),
        (["--json", "no/where/x.json"], "cannot write 'no/where/x.json': its directory does not"),
        (["--plot", "no/where/x.png"], "cannot write 'no/where/x.png': its directory does not"),
        (["--json", "/etc"], "cannot write '/etc': expected the name of a file"),
        (["--json", ""], "cannot write '': expected the name of a file"),
    ],
)
def test_bad_options_are_one_line_and_code_2(run, arguments, reason):
    result = run(*arguments)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("fastbert: error: ")
    assert reason in result.err
    assert result.err.count("\n") == 1


def test_plot_without_matplotlib_names_the_extra(run, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = run("--plot", tmp_path / "x.png")
    reason = "fastbert: error: --plot needs matplotlib: pip install 'fastbert[plot]'\n"
    assert (result.code, result.out, result.err) == (2, "", reason)


def test_plot_is_drawn(run, tmp_path):
    pytest.importorskip("matplotlib", reason="--plot needs matplotlib")
    file = tmp_path / "plot.svg"
    assert run("--lengths", "8,16", "--batch-sizes", "1,2", "--plot", file).code == 0
    assert file.read_text(encoding="utf-8").startswith("<?xml")
    # One text in a call is not among them: a line less.
    cell = bench.Cell(4, 8, (0.5,), flops=1e9, weight_bytes=5e8)
    limits = bench.Limits(2, 16.0, 500_000_000, 8.0)
    from fastbert.bench_plot import write_plot

    results = [bench.Result(name, "avx2", limits, (cell,)) for name in "abcdef"]
    write_plot(tmp_path / "plot.png", results, title="many compute types")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_plot_refuses_an_unknown_suffix(run, tmp_path):
    pytest.importorskip("matplotlib", reason="--plot needs matplotlib")
    result = run("--plot", tmp_path / "x.parquet")
    assert (result.code, result.out) == (2, "")
    assert "x.parquet, expected a suffix out of " in result.err
    assert result.err.count("\n") == 1


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["bench", "--help"])
    shown = capsys.readouterr().out
    options = "compute-type lengths batch-sizes threads seconds profile json plot".split()
    assert all(f"--{option}" in shown for option in options)
    assert "8,16,32,64,128,256,512" in shown
