"""`encode(..., profile=True)`: the same result, and times and work that add up."""

import json
import warnings

import numpy as np
import pytest
from tiny import write_model

import fastbert
from fastbert._native import _core
from fastbert.profiling import StepProfile

TEXTS = ["how do I reset my password", "hello world", "", "the cat runs very fast."]
PRODUCTS = ("query_key_value", "output", "ffn_in", "ffn_out")


@pytest.fixture(scope="module")
def encoder(tiny_model):
    return fastbert.load(tiny_model)


def lengths(encoder, texts):
    return np.diff(encoder.tokenizer.encode_batch(texts).offsets)


def check_times(profile):
    assert all(step.seconds >= 0 and step.calls >= 0 for step in profile.steps.values())
    total = sum(step.seconds for step in profile.steps.values())
    # "other" makes up for what is missing; the clocks are read at slightly different moments.
    assert total == pytest.approx(profile.seconds, rel=1e-6, abs=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"threads": 1},
        {"threads": 2, "batch_size": 1},
        {"output_value": "token_embeddings"},
        {"output_value": None},
        {"precision": "ubinary"},
        {"normalize_embeddings": True, "truncate_dim": 8},
    ],
)
def test_the_result_is_the_same(encoder, options):
    plain = encoder.encode(TEXTS, **options)
    result, profile = encoder.encode(TEXTS, profile=True, **options)
    check_times(profile)
    assert type(result) is type(plain)
    for found, expected in zip(result, plain, strict=True):
        if isinstance(expected, dict):
            assert found.keys() == expected.keys()
            for key, value in expected.items():
                np.testing.assert_array_equal(found[key], value)
        else:
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("texts", "threads"),
    [
        (TEXTS, 1),
        (TEXTS, 2),  # each step shared
        ([f"{'dog ' * 58}{i}" for i in range(3)], 2),  # rows shared
        ([f"{'dog ' * 30}{i}" for i in range(64)], 2),  # whole chunks for each
        ([f"{'dog ' * 30}{i}" for i in range(64)], 3),
    ],
)
def test_work_is_counted(encoder, texts, threads):
    _, profile = encoder.encode(texts, profile=True, threads=threads)
    check_times(profile)
    assert profile.texts == len(set(texts))
    tokens = lengths(encoder, texts)
    assert profile.tokens == tokens.sum()
    assert 1 <= profile.threads <= threads
    hidden, inner = encoder.config.hidden_size, encoder.config.intermediate_size
    layers = encoder.config.num_hidden_layers
    sizes = {
        "query_key_value": 3 * hidden * hidden,
        "output": hidden * hidden,
        "ffn_in": hidden * inner,
        "ffn_out": inner * hidden,
    }
    for name, size in sizes.items():
        step = profile.steps[name]
        assert step.flops == 2 * tokens.sum() * size * layers
        # Weights and biases in panels: whole ones, so there may be more than the matrix has.
        assert step.weight_bytes >= 4 * size * step.calls
    assert profile.steps["attention"].flops == 4 * hidden * (tokens**2).sum() * layers
    assert profile.flops == sum(step.flops for step in profile.steps.values())
    chunks = profile.steps["embed"].calls
    assert chunks == profile.steps["pooling"].calls >= 1
    for name in (*PRODUCTS, "attention"):
        assert profile.steps[name].calls == layers * chunks
    assert profile.steps["norm"].calls == 2 * layers * chunks
    assert profile.steps["quantize"].calls == 0
    assert profile.steps["tokenize"].calls == 1


def test_native_calls_add_up(encoder):
    once, twice = _core.Profile(), _core.Profile()
    ids, offsets = np.full(12, 7, np.int32), np.array([0, 5, 12], np.int32)
    for profile in (once, twice, twice):
        encoder._native.forward(ids, offsets, profile=profile)
    assert once.steps()["schedule"][1] == 1
    for name, (_, calls, flops, weight_bytes) in once.steps().items():
        assert twice.steps()[name][1:] == (2 * calls, 2 * flops, 2 * weight_bytes)


def test_several_batches_are_one_profile(encoder):
    _, profile = encoder.encode(TEXTS, batch_size=1, profile=True)
    assert profile.steps["schedule"].calls == profile.texts == len(TEXTS)
    _, profile = encoder.encode([], profile=True)
    assert (profile.texts, profile.tokens, profile.flops) == (0, 0, 0)
    assert "total" in str(profile)


def test_windows_count(encoder):
    long = " ".join(["cat"] * 300)
    _, profile = encoder.encode(long, on_overflow="window", profile=True)
    assert profile.texts > 1
    assert profile.tokens > 302  # neighbouring windows overlap


def test_every_way_to_encode(tiny_model, tmp_path):
    encoder = fastbert.load(write_model(tmp_path, prompts={"query": "the cat: "}, dense_size=8))
    vector, profile = encoder.encode_query("dog", profile=True)
    np.testing.assert_array_equal(vector, encoder.encode_query("dog"))
    assert profile.steps["modules"].calls == 2  # Dense, Normalize
    _, profile = encoder.encode_document("dog", profile=True)
    assert isinstance(profile, fastbert.Profile)
    vector, profile = fastbert.encode("dog", model=tiny_model, profile=True)
    assert vector.shape == (32,)
    assert profile.texts == 1


def test_errors_and_warnings_are_those_of_encode(tiny_model):
    encoder = fastbert.load(tiny_model)
    with pytest.raises(TypeError, match=r"texts\[1\] is a int, but must be a str"):
        encoder.encode(["a", 1], profile=True)
    long = " ".join(["cat"] * 100)
    with pytest.warns(UserWarning, match="has 102 tokens") as caught:
        encoder.encode(long, profile=True)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():  # said once per model, profiled or not
        warnings.simplefilter("error")
        encoder.encode(long)


def test_the_encoder_is_left_as_it_was(encoder):
    before = dict(vars(encoder))
    encoder.encode(TEXTS, profile=True)
    assert vars(encoder) == before


def test_the_table_and_the_dictionary(encoder):
    _, profile = encoder.encode(TEXTS, profile=True, threads=1)
    title, head, *rows = str(profile).splitlines()
    tokens = lengths(encoder, TEXTS).sum()
    assert title == f"4 texts, {tokens} tokens, 1 thread, float32 on {encoder.isa}"
    assert head.split() == ["step", "ms", "share", "calls", "GFLOP/s", "GB/s"]
    shown = {row.split()[0]: row.split()[1:] for row in rows}
    assert "quantize" not in shown  # no row for what did not happen
    assert {"tokenize", *PRODUCTS, "attention", "norm", "other", "total"} <= shown.keys()
    assert shown["total"][1] == "100.0%"
    shares = [float(row[1].rstrip("%")) for name, row in shown.items() if name != "total"]
    assert sum(shares) == pytest.approx(100, abs=0.05 * len(shares) + 0.1)  # each is rounded

    found = json.loads(json.dumps(profile.as_dict()))
    assert found["seconds"] == profile.seconds
    assert list(found["steps"]) == list(profile.steps)
    step = profile.steps["ffn_in"]
    assert found["steps"]["ffn_in"]["gflops"] == step.flops / step.seconds / 1e9


def test_the_pooler_counts_as_a_module(tmp_path):
    encoder = fastbert.load(
        write_model(tmp_path, sentence_transformers=False, head="sequence_classification")
    )
    for _ in range(2):  # the first call reads the pooler
        vectors, profile = encoder.encode(TEXTS, pooling="pooler", profile=True)
        np.testing.assert_array_equal(vectors, encoder.encode(TEXTS, pooling="pooler"))
        assert profile.steps["modules"].calls == 1
        assert profile.steps["modules"].seconds > 0


def test_rates():
    step = StepProfile(seconds=0.5, calls=1, flops=1e9, weight_bytes=2e9)
    assert (step.gflops, step.gb_per_s) == (2, 4)
    assert StepProfile(0.0, 0).gflops == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_streaming_is_measured(threads):
    assert _core.stream_gb_per_s(threads, 1 << 20, 2) > 0


def test_streaming_checks_its_arguments():
    with pytest.raises(ValueError, match=r"bytes is 10, but must be in \[65536, 4294967296\]"):
        _core.stream_gb_per_s(1, 10)
    with pytest.raises(ValueError, match="tries is 0, but must be positive"):
        _core.stream_gb_per_s(1, 1 << 20, 0)
