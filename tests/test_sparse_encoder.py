"""`SparseEncoder` against plain NumPy; tests/test_parity_sparse_encoder.py compares further."""

import json
import pickle
import shutil

import numpy as np
import pytest
from definitions_masked_lm import masked_lm_scores
from tiny import VOCABULARY, write_json, write_model, write_safetensors

import fastbert
from fastbert import similarity
from fastbert.errors import ConfigError, WeightsError
from fastbert.sparse_vectors import SparseVector, SparseVectors
from fastbert.tasks import sparse_encoder
from fastbert.tasks.sparse_encoder import SparseEncoder

TEXTS = ["how do i reset my password", "", "忘记密码怎么办", "the cat runs fast, very good! " * 3]
# Two layers of sums of some sixty products of order 1, in another order.
TOLERANCE = 2e-5


def write_splade(directory, *, strategy="max", activation="relu", settings=None):
    """A sentence-transformers directory of a random SPLADE model."""
    write_model(directory, head="masked_lm")
    package = "sentence_transformers.sparse_encoder.models"
    kinds = [("MLMTransformer", ""), ("SpladePooling", "1_SpladePooling")]
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"{package}.{kind}"}
        for i, (kind, path) in enumerate(kinds)
    ]
    write_json(directory / "modules.json", listed)
    write_json(
        directory / "1_SpladePooling" / "config.json",
        {"pooling_strategy": strategy, "activation_function": activation},
    )
    write_json(directory / "config_sentence_transformers.json", settings or {})
    return directory


def write_router(directory, *, default_route="document"):
    """A network for documents, and a weight for each token of a query; returns the weights."""
    network, static = "document_0_Transformer", "query_0_SparseStaticEmbedding"
    pooling = "document_1_SpladePooling"
    write_model(directory / network, head="masked_lm")
    write_json(directory / pooling / "config.json", {"pooling_strategy": "max"})
    (directory / static).mkdir()
    for name in ("vocab.txt", "tokenizer_config.json"):
        shutil.copy(directory / network / name, directory / static / name)
    weights = np.random.default_rng(5).uniform(0.1, 3, len(VOCABULARY)).astype(np.float32)
    weights[VOCABULARY.index("my")] = 0
    write_safetensors(directory / static / "model.safetensors", {"weight": weights})
    write_json(directory / static / "config.json", {"frozen": True})
    types = {}
    for name in (network, pooling, static):
        types[name] = "sentence_transformers.modules." + name.rpartition("_")[2]
    write_json(
        directory / "router_config.json",
        {
            "types": types,
            "structure": {"query": [static], "document": [network, pooling]},
            "parameters": {"default_route": default_route, "allow_empty_key": True},
        },
    )
    module = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Router"}
    write_json(directory / "modules.json", [module])
    return weights


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_splade(tmp_path_factory.mktemp("splade"))


@pytest.fixture(scope="module")
def model(directory):
    return SparseEncoder(directory)


def definition(directory, model, texts, *, strategy="max", logarithms=1, compute_type="float32"):
    tokens = model.tokenizer.encode_batch(texts)
    weights = np.maximum(masked_lm_scores(directory, tokens, compute_type), 0)
    for _ in range(logarithms):
        weights = np.log1p(weights)
    parts = np.split(weights, tokens.offsets[1:-1])
    pool = np.max if strategy == "max" else np.sum
    return np.stack([pool(part, axis=0) for part in parts])


def same(a, b):
    """Whether sparse vectors are the same to the bit."""
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("indices", "values"))


@pytest.mark.parametrize("strategy", ["max", "sum"])
@pytest.mark.parametrize(("activation", "logarithms"), [("relu", 1), ("log1p_relu", 2)])
def test_vectors_are_the_definition(tmp_path, strategy, activation, logarithms):
    write_splade(tmp_path, strategy=strategy, activation=activation)
    model = SparseEncoder(tmp_path)
    vectors = model.encode(TEXTS)
    assert isinstance(vectors, SparseVectors)
    assert vectors.shape == (len(TEXTS), len(VOCABULARY)) == (4, model.embedding_dimension)
    expected = definition(tmp_path, model, TEXTS, strategy=strategy, logarithms=logarithms)
    np.testing.assert_allclose(vectors.to_dense(), expected, rtol=1e-5, atol=TOLERANCE)
    assert 0 < len(vectors.values) < vectors.to_dense().size


@pytest.mark.parametrize("compute_type", ["bfloat16", "int8"])
def test_other_compute_types(directory, compute_type):
    model = SparseEncoder(directory, compute_type=compute_type)
    expected = definition(directory, model, TEXTS, compute_type=compute_type)
    # Where a rounded intermediate falls on the other side of a step: see test_native_encoder.py.
    np.testing.assert_allclose(model.encode(TEXTS).to_dense(), expected, atol=2e-2)


def test_one_text_is_one_vector(model):
    vector = model.encode(TEXTS[0])
    assert isinstance(vector, SparseVector)
    assert same(vector, model.encode([TEXTS[0]])[0])
    assert model.encode([]).shape == (0, len(VOCABULARY))


@pytest.mark.parametrize("strategy", ["max", "sum"])
@pytest.mark.parametrize("rows", [3, sparse_encoder._ROWS_AT_ONCE])
def test_vectors_do_not_depend_on_company(tmp_path, strategy, rows, monkeypatch):
    monkeypatch.setattr(sparse_encoder, "_ROWS_AT_ONCE", rows)
    model = SparseEncoder(write_splade(tmp_path, strategy=strategy))
    texts = [*TEXTS, "hello world", *TEXTS]
    together = model.encode(texts, threads=1)
    for i, text in enumerate(texts):
        assert same(model.encode(text, threads=2), together[i])
    assert same(model.encode(texts[::-1], batch_size=2), together[::-1])


def test_a_plain_directory_has_maxima(tmp_path, model):
    plain = SparseEncoder(write_model(tmp_path, head="masked_lm"))
    assert same(plain.encode(TEXTS), model.encode(TEXTS))
    assert plain.similarity_fn_name == "dot"


def test_max_active_dims(tmp_path, directory, model):
    whole = model.encode(TEXTS).to_dense()
    cut = model.encode(TEXTS, max_active_dims=7)
    assert cut.active_dims.max() == 7
    for row, kept in zip(whole, cut, strict=True):
        assert (np.diff(kept.indices) > 0).all()
        np.testing.assert_array_equal(np.sort(kept.values), np.sort(row[row > 0])[-7:])
        np.testing.assert_array_equal(kept.values, row[kept.indices])
    assert same(SparseEncoder(directory, max_active_dims=7).encode(TEXTS), cut)
    saved = SparseEncoder(write_splade(tmp_path, settings={"max_active_dims": 7}))
    assert same(saved.encode(TEXTS), cut)
    assert same(saved.encode(TEXTS, max_active_dims=500), model.encode(TEXTS))


def test_prompts(tmp_path, model):
    settings = {"prompts": {"query": "how do i ", "passage": "the "}}
    prompted = SparseEncoder(write_splade(tmp_path, settings=settings))
    assert same(prompted.encode_query("reset it"), model.encode("how do i reset it"))
    assert same(prompted.encode_document("cat"), model.encode("the cat"))
    assert same(prompted.encode("cat", prompt_name="passage"), model.encode("the cat"))
    assert same(prompted.encode("cat", prompt="my "), model.encode("my cat"))
    assert same(prompted.encode("cat"), model.encode("cat"))
    with pytest.raises(ValueError, match=r"^prompt_name is 'x', but this model has"):
        prompted.encode("cat", prompt_name="x")
    usual = SparseEncoder(tmp_path, default_prompt_name="passage")
    assert same(usual.encode("cat"), model.encode("the cat"))
    with pytest.warns(UserWarning, match="prompt_name is ignored"):
        prompted.encode("cat", prompt="my ", prompt_name="query")
    with pytest.raises(TypeError, match="prompt is a int"):
        prompted.encode("cat", prompt=1)


def test_decode(model):
    vectors = model.encode(TEXTS)
    pairs = model.decode(vectors[0])
    assert len(pairs) == vectors.active_dims[0]
    assert {VOCABULARY.index(token): weight for token, weight in pairs} == vectors[0].to_dict()
    assert [weight for _, weight in pairs] == sorted((w for _, w in pairs), reverse=True)
    assert model.decode(vectors, top_k=3)[0] == pairs[:3]
    with pytest.raises(TypeError, match="embeddings is a ndarray"):
        model.decode(vectors.to_dense())


@pytest.mark.parametrize("name", similarity.SIMILARITIES)
def test_similarity(directory, name):
    model = SparseEncoder(directory, similarity_fn_name=name)
    a, b = model.encode(TEXTS), model.encode(["hello world", *TEXTS[:1]])
    expected = similarity.similarity_function(name)(a.to_dense(), b.to_dense())
    np.testing.assert_allclose(model.similarity(a, b), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model.similarity(a[0], b), expected[:1], rtol=1e-5, atol=1e-5)
    pairs = model.similarity_pairwise(a[:2], b)
    np.testing.assert_allclose(pairs, np.diag(expected[:2]), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="4 and 2 rows"):
        model.similarity_pairwise(a, b)
    with pytest.raises(TypeError, match="embeddings is a ndarray"):
        model.similarity(a, b.to_dense())
    with pytest.raises(ValueError, match="dimensions, expected as many"):
        model.similarity(a, SparseVectors.from_dense(np.ones((1, 3))))


def test_decode_beyond_the_vocabulary(tmp_path):
    write_model(tmp_path, head="masked_lm")
    words = "".join(f"{word}\n" for word in VOCABULARY[:-10])
    (tmp_path / "vocab.txt").write_text(words, encoding="utf-8")
    model = SparseEncoder(tmp_path)
    vectors = SparseVectors.from_dense(np.arange(len(VOCABULARY))[None])
    assert model.decode(vectors[0], top_k=1) == [("", len(VOCABULARY) - 1)]


def test_intersection(model):
    vectors = model.encode(TEXTS)
    common = model.intersection(vectors[0], vectors)
    expected = vectors[0].to_dense() * vectors.to_dense()
    np.testing.assert_array_equal(common.to_dense(), expected)
    assert same(model.intersection(vectors[0], vectors[3]), common[3])
    with pytest.raises(TypeError, match="first embedding is a SparseVectors"):
        model.intersection(vectors, vectors)
    signed = SparseVectors.from_dense([[1, -1, 2, 0]])
    assert model.intersection(signed[0], SparseVectors.from_dense([[1, 1, 1, 1]])[0]).to_dict() == {
        0: 1,
        2: 2,
    }


def test_sparsity(model):
    vectors = SparseVectors.from_dense([[0, 1, 2, 0], [0, 0, 0, 3]])
    assert model.sparsity(vectors) == {"active_dims": 1.5, "sparsity_ratio": 0.625}
    assert model.sparsity(vectors[0]) == {"active_dims": 2.0, "sparsity_ratio": 0.5}
    assert model.sparsity(vectors[:0]) == {"active_dims": 0.0, "sparsity_ratio": 1.0}
    with pytest.raises(TypeError, match="embeddings is a ndarray, but must be a SparseVector or"):
        model.sparsity(vectors.to_dense())


def test_lengths(tmp_path, directory):
    write_splade(tmp_path)
    limits = {"max_seq_length": 5, "do_lower_case": True}
    write_json(tmp_path / "sentence_bert_config.json", limits)
    model = SparseEncoder(tmp_path)
    assert model.max_length == 5
    with pytest.warns(UserWarning, match="text 0 has 8 tokens, but max_length is 5"):
        cut = model.encode(TEXTS[0].upper())
    assert same(cut, SparseEncoder(directory).encode("how do i"))
    with pytest.raises(ValueError, match="text 0 has 8 tokens"):
        model.encode(TEXTS[0], on_overflow="error")


def test_queries_without_a_network(tmp_path):
    weights = write_router(tmp_path)
    model = SparseEncoder(tmp_path)
    vectors = model.encode_query(["my cat, the cat", "", "dog"])
    expected = np.zeros((3, len(VOCABULARY)), np.float32)
    for row, word in [(0, "cat"), (0, ","), (0, "the"), (2, "dog")]:
        index = VOCABULARY.index(word)
        expected[row, index] = weights[index]
    np.testing.assert_array_equal(vectors.to_dense(), expected)
    assert vectors.active_dims.tolist() == [3, 0, 1]  # "my" has the weight zero
    document = SparseEncoder(tmp_path / "document_0_Transformer").encode("dog")
    assert same(model.encode_document("dog"), document)
    assert same(model.encode("dog"), document)
    assert same(model.encode("dog", task="query"), vectors[2])
    assert model.encode_query("my cat, the cat", max_active_dims=1).to_dict().keys() < set(
        vectors[0].indices.tolist()
    )
    with pytest.warns(UserWarning, match="text 0 has 90 tokens, but max_length is 64"):
        model.encode_query("cat " * 90)


def test_the_default_route(tmp_path):
    write_router(tmp_path, default_route="query")
    model = SparseEncoder(tmp_path)
    assert same(model.encode("dog"), model.encode_query("dog"))


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("router_config.json", {"types": []}, "types is"),
        ("router_config.json", {"structure": {"query": []}}, "structure is .*routes query and"),
        (
            "router_config.json",
            {"structure": {"query": ["../x"], "document": []}},
            "'../x' in structure",
        ),
        ("router_config.json", {"parameters": {"default_route": "x"}}, "default_route is 'x'"),
        ("router_config.json", {"parameters": {"route_mappings": {"a": "b"}}}, "route_mappings"),
        ("query_0_SparseStaticEmbedding/config.json", {"path": "idf.json"}, "path is 'idf.json'"),
    ],
)
def test_bad_routers(tmp_path, file, change, message):
    write_router(tmp_path)
    fields = json.loads((tmp_path / file).read_text(encoding="utf-8"))
    write_json(tmp_path / file, fields | change)
    with pytest.raises(ConfigError, match=message):
        SparseEncoder(tmp_path)


@pytest.mark.parametrize(
    ("tensors", "error"),
    [
        ({"weights": np.ones(3, np.float32)}, ConfigError),
        ({"weight": np.ones(3, np.float32)}, WeightsError),
    ],
)
def test_bad_weights_of_queries(tmp_path, tensors, error):
    write_router(tmp_path)
    folder = tmp_path / "query_0_SparseStaticEmbedding"
    write_safetensors(folder / "model.safetensors", tensors)
    with pytest.raises(error, match="weight"):
        SparseEncoder(tmp_path)


def test_queries_with_tokens_beyond_their_weights(tmp_path):
    write_router(tmp_path)
    with (tmp_path / "query_0_SparseStaticEmbedding" / "vocab.txt").open("a") as file:
        file.write("beyond\n")
    with pytest.raises(ConfigError, match=r"ids up to (\d+), but the number of weights is \1$"):
        SparseEncoder(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "mean"}, "pooling_strategy is 'mean', expected max or sum"),
        ({"activation": "gelu"}, "activation_function is 'gelu', expected relu or log1p_relu"),
        ({"settings": {"similarity_fn_name": "x"}}, "similarity_fn_name is 'x'"),
        ({"settings": {"max_active_dims": 0}}, "max_active_dims is 0"),
    ],
)
def test_bad_directories(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        SparseEncoder(write_splade(tmp_path, **options))


def test_other_modules(tmp_path, tiny_model):
    with pytest.raises(ConfigError, match=r"json names a pooling: an encoder for fastbert\.load, "):
        SparseEncoder(tiny_model)
    write_splade(tmp_path)
    modules = json.loads((tmp_path / "modules.json").read_text(encoding="utf-8"))
    dense = {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"}
    write_json(tmp_path / "modules.json", [*modules, dense])
    with pytest.raises(ConfigError, match="one of the supported modules: Transformer, MLM"):
        SparseEncoder(tmp_path)
    write_json(tmp_path / "modules.json", modules[::-1])
    with pytest.raises(ConfigError, match="expected a Transformer and a SpladePooling"):
        SparseEncoder(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "passage"}, "task is 'passage'"),
        ({"max_active_dims": 0}, "max_active_dims is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"threads": -1}, "threads is -1"),
    ],
)
def test_bad_arguments(model, options, message):
    with pytest.raises(ValueError, match=message):
        model.encode(TEXTS, **options)


def test_bad_settings(directory):
    with pytest.raises(ValueError, match="similarity_fn_name is 'x'"):
        SparseEncoder(directory, similarity_fn_name="x")


def test_pickle(directory):
    model = SparseEncoder(directory, max_active_dims=5, prompts={"query": "how "})
    again = pickle.loads(pickle.dumps(model))
    assert same(again.encode_query(TEXTS), model.encode_query(TEXTS))


def test_public():
    assert fastbert.SparseEncoder is SparseEncoder
    assert fastbert.SparseVectors is SparseVectors
