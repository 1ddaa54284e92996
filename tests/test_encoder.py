"""`fastbert.load`, `Encoder` and `fastbert.encode`, on small random models."""

import copy
import json
import logging
import pickle
import warnings

import numpy as np
import pytest
from tiny import write_model

import fastbert
from fastbert import reference
from fastbert._native import _core
from fastbert.config import read_config
from fastbert.tokenizer import Tokenizer
from fastbert.weights import load_weights

TEXTS = [
    "how do I reset my password",
    "忘记密码怎么办",
    "",
    "hello world",
    "the cat runs very fast.",
]


@pytest.fixture(scope="module")
def encoder(tiny_model):
    return fastbert.load(tiny_model)


def expected(directory, texts, **options):
    """What plain NumPy makes of the texts."""
    config = read_config(directory)
    tokens = Tokenizer.from_pretrained(directory).encode_batch(texts)
    weights = load_weights(directory, config)
    return reference.forward(tokens.ids, tokens.offsets, config, weights, **options)


def test_vectors_agree_with_reference(encoder, tiny_model):
    vectors = encoder.encode(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, reference.normalize(expected(tiny_model, TEXTS)), atol=1e-6)


def test_a_str_gives_a_vector_and_a_list_a_matrix(encoder):
    assert encoder.encode("hello world").shape == (32,)
    assert encoder.encode(["hello world"]).shape == (1, 32)
    assert encoder.encode([]).shape == (0, 32)
    assert encoder.encode(()).dtype == np.float32
    np.testing.assert_array_equal(encoder.encode(iter(TEXTS)), encoder.encode(TEXTS))
    np.testing.assert_array_equal(encoder.encode(np.array(TEXTS)), encoder.encode(TEXTS))


def test_bits_do_not_depend_on_company(encoder):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(TEXTS, rng.integers(1, 8))) for _ in range(300)]
    alone = np.stack([encoder.encode(text) for text in texts])
    for options in ({}, {"batch_size": 1}, {"batch_size": 7}, {"threads": 1}, {"threads": 8}):
        np.testing.assert_array_equal(encoder.encode(texts, **options), alone)
    order = rng.permutation(300)
    np.testing.assert_array_equal(encoder.encode([texts[i] for i in order]), alone[order])


def test_company_does_not_matter_to_the_modules_behind_the_pooling(tmp_path):
    encoder = fastbert.load(write_model(tmp_path, pooling=("cls", "max"), dense_size=19))
    assert encoder.embedding_dimension == 19
    alone = np.stack([encoder.encode(text) for text in TEXTS])
    np.testing.assert_array_equal(encoder.encode(TEXTS * 9), np.tile(alone, (9, 1)))
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-6)


def test_repeated_texts_are_computed_once(encoder, capsys):
    texts = ["hello world", "cat", "hello world", "", "cat", "hello world"]
    alone = np.stack([encoder.encode(text) for text in texts])
    np.testing.assert_array_equal(encoder.encode(texts, show_progress_bar=True), alone)
    assert "6/6 texts" in capsys.readouterr().err
    matrices = encoder.encode(texts, output_value="token_embeddings")
    assert [len(matrix) for matrix in matrices] == [4, 3, 4, 2, 3, 4]
    batches = []
    forward = encoder._native.forward

    class Counting:
        def forward(self, ids, offsets, **options):
            batches.append(len(offsets) - 1)
            return forward(ids, offsets, **options)

    encoder._native, native = Counting(), encoder._native
    try:
        encoder.encode(texts)
    finally:
        encoder._native = native
    assert batches == [3]


def test_token_embeddings_are_trimmed_matrices(encoder, tiny_model):
    matrices = encoder.encode(TEXTS, output_value="token_embeddings")
    assert [len(m) for m in matrices] == np.diff(
        encoder.tokenizer.encode_batch(TEXTS).offsets
    ).tolist()
    rows = expected(tiny_model, TEXTS, poolings=())
    np.testing.assert_allclose(np.concatenate(matrices), rows, atol=1e-5)
    single = encoder.encode(TEXTS[0], output_value="token_embeddings")
    np.testing.assert_array_equal(single, matrices[0])


def test_everything_about_each_text(encoder):
    texts = encoder.encode(TEXTS, output_value=None)
    assert [set(text) for text in texts] == [
        {"input_ids", "tokens", "spans", "token_embeddings", "sentence_embedding"}
    ] * len(TEXTS)
    vectors = np.stack([text["sentence_embedding"] for text in texts])
    np.testing.assert_array_equal(vectors, encoder.encode(TEXTS))
    tokens = encoder.tokenizer.encode_batch([TEXTS[3]], return_spans=True)
    assert texts[3]["input_ids"].tolist() == tokens.ids.tolist()
    assert texts[3]["tokens"] == encoder.tokenizer.tokens(tokens.ids)
    assert texts[3]["spans"].tolist() == tokens.spans.tolist()


def test_truncated_dimensions_can_be_normalized_again(encoder, tiny_model):
    whole, short = encoder.encode(TEXTS), encoder.encode(TEXTS, truncate_dim=8)
    np.testing.assert_array_equal(short, whole[:, :8])
    unit = encoder.encode(TEXTS, truncate_dim=8, normalize_embeddings=True)
    np.testing.assert_allclose(unit, reference.normalize(short), atol=1e-6)
    assert encoder.encode(TEXTS, truncate_dim=99).shape == (5, 32)
    shorter = fastbert.load(tiny_model, truncate_dim=8)
    assert shorter.embedding_dimension == 8
    np.testing.assert_array_equal(shorter.encode(TEXTS), short)
    assert shorter.encode([]).shape == (0, 8)


def test_precisions_have_their_types_and_shapes(encoder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few rows to take the ranges from
        got = {
            p: encoder.encode(TEXTS, precision=p) for p in ("int8", "uint8", "binary", "ubinary")
        }
    assert {p: (v.dtype.name, v.shape) for p, v in got.items()} == {
        "int8": ("int8", (5, 32)),
        "uint8": ("uint8", (5, 32)),
        "binary": ("int8", (5, 4)),
        "ubinary": ("uint8", (5, 4)),
    }
    assert encoder.encode(TEXTS[0], precision="ubinary").shape == (4,)
    assert encoder.encode([], precision="int8").dtype == np.int8
    assert encoder.encode([], precision="ubinary").shape == (0, 4)
    assert encoder.encode([], precision="binary", output_value="token_embeddings") == []


def test_prompts_are_put_before_the_text(tmp_path):
    encoder = fastbert.load(write_model(tmp_path, prompts={"query": "the ", "passage": "cat "}))
    plain = {
        text: encoder.encode(text).tolist() for text in ("the dog", "cat dog", "dog", "my dog")
    }
    assert encoder.encode_query("dog").tolist() == plain["the dog"]
    assert encoder.encode_document("dog").tolist() == plain["cat dog"]
    assert encoder.encode("dog", prompt="my ").tolist() == plain["my dog"]
    assert encoder.encode("dog", prompt_name="query").tolist() == plain["the dog"]
    assert encoder.encode_query("dog", prompt="my ").tolist() == plain["my dog"]
    with pytest.warns(UserWarning, match="prompt_name is ignored"):
        encoder.encode("dog", prompt="my ", prompt_name="query")
    with pytest.raises(
        ValueError,
        match=r"prompt_name is 'web', but this model has \['document', 'passage', 'query'\]",
    ):
        encoder.encode("dog", prompt_name="web")
    always = fastbert.load(tmp_path, prompts={"mine": "my "}, default_prompt_name="mine")
    assert always.encode("dog").tolist() == plain["my dog"]


def test_prompt_can_be_left_out_of_the_pooling(tmp_path):
    directory = write_model(tmp_path, normalize=False)
    pooling = directory / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps(json.loads(pooling.read_text()) | {"include_prompt": False}))
    encoder = fastbert.load(directory)
    got = encoder.encode("dog", prompt="the cat ")
    rows = encoder.encode("the cat dog", output_value="token_embeddings")
    np.testing.assert_allclose(got, rows[3:].mean(axis=0), atol=1e-6)  # after [CLS] the cat


def test_long_texts_are_cut_with_one_warning(tiny_model):
    encoder = fastbert.load(tiny_model)
    long = "hello world " * 60
    with pytest.warns(
        UserWarning, match="text 1 has 122 tokens, but max_seq_length is 64"
    ) as caught:
        cut = encoder.encode(["cat", long])
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(encoder.encode([long])[0], cut[1])
    np.testing.assert_array_equal(encoder.encode("hello world " * 31), cut[1])


def test_long_texts_can_be_an_error(tiny_model):
    with pytest.raises(ValueError, match="text 2 has 122 tokens, but max_seq_length is 64"):
        fastbert.load(tiny_model).encode(["cat", "cat", "hello world " * 60], on_overflow="error")


def test_windows_use_the_whole_text(tmp_path):
    encoder = fastbert.load(write_model(tmp_path, normalize=False), max_seq_length=16)
    long = " ".join(["cat dog hello world the of"] * 9)
    rows = encoder.encode(long, on_overflow="window", output_value="token_embeddings")
    assert len(rows) == 9 * 6 + 2
    pooled = encoder.encode(long, on_overflow="window")
    np.testing.assert_allclose(pooled, rows.mean(axis=0), atol=1e-6)
    both = encoder.encode(["cat", long], on_overflow="window")
    np.testing.assert_array_equal(both[1], pooled)
    np.testing.assert_array_equal(both[0], encoder.encode("cat"))


def test_similarity_follows_the_model(encoder):
    vectors = encoder.encode(TEXTS)
    scores = encoder.similarity(vectors, vectors)
    assert scores.shape == (5, 5)
    np.testing.assert_allclose(np.diag(scores), 1, atol=1e-6)
    np.testing.assert_allclose(encoder.similarity_pairwise(vectors, vectors), 1, atol=1e-6)


def test_progress_is_shown_when_asked_for(encoder, capsys, caplog):
    encoder.encode(TEXTS, show_progress_bar=True)
    assert "5/5 texts" in capsys.readouterr().err
    encoder.encode(TEXTS)
    assert capsys.readouterr().err == ""
    with caplog.at_level(logging.INFO, logger="fastbert"):
        encoder.encode(TEXTS)
    assert "5/5 texts" in capsys.readouterr().err


def test_isa_can_be_forced(tiny_model, monkeypatch):
    for isa in fastbert.cpu_info()["available_isas"]:
        monkeypatch.setenv("FASTBERT_ISA", isa)
        assert fastbert.load(tiny_model).isa == isa
        assert fastbert.cpu_info()["isa"] == isa
    monkeypatch.setenv("FASTBERT_ISA", "mmx")
    with pytest.raises(ValueError, match="instruction set 'mmx' cannot run here"):
        fastbert.load(tiny_model)


def test_package_level_encode_keeps_its_model(tiny_model):
    vectors = fastbert.encode(TEXTS, model=tiny_model)
    np.testing.assert_array_equal(vectors, fastbert.encode(TEXTS, model=tiny_model, threads=1))


def test_a_relative_path_is_another_model_elsewhere(tmp_path, monkeypatch):
    found = []
    for seed, folder in enumerate(("here", "there")):
        write_model(tmp_path / folder / "model", seed=seed)
        monkeypatch.chdir(tmp_path / folder)
        found.append(fastbert.encode(TEXTS, model="model"))
        np.testing.assert_array_equal(found[-1], fastbert.load("model").encode(TEXTS))
    assert not np.array_equal(*found)


def test_an_encoder_is_found_again_from_elsewhere(tmp_path, monkeypatch):
    write_model(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    encoder = fastbert.Encoder("model")
    monkeypatch.chdir("/")
    again = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(again.encode(TEXTS), encoder.encode(TEXTS))


def test_an_encoder_is_made_of_a_directory():
    with pytest.raises(
        fastbert.ModelNotFoundError, match=r"^me/model is not a directory; fastbert"
    ):
        fastbert.Encoder("me/model")


def test_encoder_can_be_pickled(encoder):
    again = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(again.encode(TEXTS), encoder.encode(TEXTS))
    assert again.max_seq_length == encoder.max_seq_length


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_a_copy_has_the_settings(tiny_model, copied):
    settings = {"truncate_dim": 5, "threads": 1, "max_seq_length": 9, "similarity_fn_name": "dot"}
    again = copied(fastbert.load(tiny_model, **settings))
    assert {name: getattr(again, name) for name in settings} == settings
    assert again.similarity([[2, 0]], [[3, 0]]) == 6


@pytest.mark.parametrize("name", ["truncate_dim", "threads"])
@pytest.mark.parametrize("value", [-1, 0, 1.5, "2", True])
def test_settings_are_checked_when_they_are_assigned(tiny_model, name, value):
    encoder = fastbert.load(tiny_model)
    with pytest.raises(ValueError, match=f"{name} is {value!r}, but must be a positive integer"):
        setattr(encoder, name, value)
    assert getattr(encoder, name) is None
    setattr(encoder, name, 2)
    assert getattr(encoder, name) == 2


def test_results_of_repeated_texts_are_not_shared(encoder):
    first, second = encoder.encode(["cat", "cat"], output_value="token_embeddings")
    first[:] = 0
    assert second.any()


def test_dense_obeys_threads(tmp_path, monkeypatch):
    forward, given = _core.Linear.forward, []

    def recorded(linear, x, *, threads, **options):
        given.append(threads)
        return forward(linear, x, threads=threads, **options)

    monkeypatch.setattr(_core.Linear, "forward", recorded)
    encoder = fastbert.load(write_model(tmp_path, dense_size=7), threads=3)
    encoder.encode(TEXTS, threads=2)
    encoder.encode(TEXTS)
    encoder.encode("a single text", threads=1)
    assert given == [2, 3, 1]


def test_prompt_without_room_for_a_text_is_an_error(tmp_path):
    directory = write_model(tmp_path)
    pooling = directory / "1_Pooling" / "config.json"
    pooling.write_text(json.dumps(json.loads(pooling.read_text()) | {"include_prompt": False}))
    encoder = fastbert.load(directory, max_seq_length=8)
    with pytest.raises(ValueError, match="the prompt has 9 tokens, which leaves no room"):
        encoder.encode("dog", prompt="cat " * 9)


def test_cpu_info_has_its_documented_keys():
    info = fastbert.cpu_info()
    assert set(info) == {
        *("model_name", "isa", "available_isas", "compiled_isas", "threads"),
        *("l1d_bytes", "l2_bytes", "l3_bytes"),
    }
    assert info["isa"] in info["available_isas"]
    assert info["threads"] >= 1


def test_public_names():
    assert sorted(fastbert.__all__) == dir(fastbert)
    for name in fastbert.__all__:
        assert getattr(fastbert, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'enocde'"):
        fastbert.enocde  # noqa: B018


@pytest.mark.parametrize(
    ("texts", "options", "error", "message"),
    [
        (["a", "a", None], {}, TypeError, r"texts\[2\] is a NoneType, but must be a str"),
        (["a", None], {"prompt": "q: "}, TypeError, r"texts\[1\] is a NoneType, but must be a str"),
        ([1], {}, TypeError, r"texts\[0\] is a int, but must be a str"),
        ([["a"]], {}, TypeError, r"texts\[0\] is a list of 1 \(str\), but must be a str"),
        (np.array("x"), {}, TypeError, "texts is an array that is not 1-D"),
        ("a", {"prompt": 3}, TypeError, "prompt is a int, but must be a str"),
        ("a", {"threads": 2**31}, ValueError, "threads is 2147483648, but must be at most 1024"),
        ("a", {"output_value": None, "precision": "int8"}, ValueError, "precision 'int8' needs"),
        (None, {}, TypeError, "texts is a NoneType, but must be a str or a list of str"),
        (b"bytes", {}, TypeError, "texts is a bytes"),
        ({"a": 1}, {}, TypeError, "texts is a dict"),
        (3, {}, TypeError, "texts is a int"),
        ("a", {"batch_size": 0}, ValueError, "batch_size is 0, but must be a positive integer"),
        ("a", {"batch_size": True}, ValueError, "batch_size is True"),
        ("a", {"threads": -1}, ValueError, "threads is -1"),
        ("a", {"truncate_dim": 1.5}, ValueError, "truncate_dim is 1.5"),
        (
            "a",
            {"precision": "int4"},
            ValueError,
            "precision is 'int4', but must be one of float32, int8",
        ),
        ("a", {"output_value": "tokens"}, ValueError, "output_value is 'tokens'"),
        ("a", {"on_overflow": "wrap"}, ValueError, "on_overflow is 'wrap'"),
        ("a", {"normalise": True}, TypeError, "normalise"),
    ],
)
def test_bad_arguments_are_named(encoder, texts, options, error, message):
    with pytest.raises(error, match=message):
        encoder.encode(texts, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compute_type": "int3"}, "compute_type is 'int3', but must be one of float32"),
        ({"threads": 0}, "threads is 0"),
        ({"truncate_dim": 0}, "truncate_dim is 0"),
        ({"similarity_fn_name": "cos"}, "similarity_fn_name is 'cos', but must be one of cosine"),
        (
            {"max_seq_length": 1000},
            "max_seq_length is 1000, but this model can take 3 to 64 tokens",
        ),
        (
            {"default_prompt_name": "x"},
            r"prompt_name is 'x', but this model has \['document', 'query'\]",
        ),
    ],
)
def test_bad_load_options_are_named(tiny_model, options, message):
    with pytest.raises(ValueError, match=message):
        fastbert.load(tiny_model, **options)


def test_vocabulary_larger_than_the_model_is_refused(tmp_path):
    directory = write_model(tmp_path)
    with (directory / "vocab.txt").open("a") as file:
        file.write("superfluous\n")
    with pytest.raises(
        fastbert.ConfigError,
        match=r"ids up to 84, but config\.json says vocab_size 84",
    ):
        fastbert.load(directory)
