"""The same as sentence-transformers' `SparseEncoder`; needs `pip install ".[parity]"`."""

import numpy as np
import pytest
from tiny import write_json, write_model

import fastbert

torch = pytest.importorskip("torch", reason="parity tests need torch and transformers")
library = pytest.importorskip("sentence_transformers", reason="needs sentence-transformers")

pytestmark = pytest.mark.filterwarnings("ignore")

TEXTS = [
    "Paris is the capital of France.",
    "",
    "how do I reset my password?",
    "我们今天忘记密码",
    "a naïve café, 3.14 don't",
    "the cat runs very fast, good dog! " * 30,
]
PRETRAINED = pytest.param("pretrained", marks=pytest.mark.network)
TOLERANCE = 2e-5  # what two orders of adding up leave of float32


@pytest.fixture(scope="module", params=["random", PRETRAINED])
def directory(request, tmp_path_factory):
    if request.param == "pretrained":
        return request.getfixturevalue("pretrained_model")
    options = {"head": "masked_lm", "max_position_embeddings": 512}
    return write_model(tmp_path_factory.mktemp(request.param), **options)


@pytest.fixture(scope="module")
def theirs(directory):
    return library.SparseEncoder(str(directory), device="cpu")


@pytest.fixture(scope="module")
def ours(directory):
    return fastbert.SparseEncoder(directory)


def check(got, expected, factor=1):
    np.testing.assert_allclose(
        got.to_dense(), expected.to_dense().numpy(), rtol=0, atol=factor * TOLERANCE
    )


def test_plain_directories(ours, theirs):
    check(ours.encode(TEXTS), theirs.encode(TEXTS))
    check(ours.encode(TEXTS[0]), theirs.encode(TEXTS[0]))
    assert ours.max_length == theirs.max_seq_length
    assert ours.similarity_fn_name == theirs.similarity_fn_name == "dot"


def test_what_is_made_of_vectors(ours, theirs):
    got, expected = ours.encode(TEXTS), theirs.encode(TEXTS)
    decoded = theirs.decode(expected, top_k=20)
    for our_row, their_row in zip(ours.decode(got, top_k=20), decoded, strict=True):
        assert [token for token, _ in our_row] == [token for token, _ in their_row]
        weights = [weight for _, weight in their_row]
        np.testing.assert_allclose([w for _, w in our_row], weights, atol=TOLERANCE)
    assert ours.sparsity(got) == pytest.approx(theirs.sparsity(expected), rel=1e-6)
    similarities = theirs.similarity(expected, expected).numpy()
    # Sums of up to thousands of products.
    np.testing.assert_allclose(ours.similarity(got, got), similarities, rtol=1e-4, atol=1e-4)
    common = theirs.intersection(expected[0], expected)
    np.testing.assert_allclose(
        ours.intersection(got[0], got).to_dense(), common.to_dense().numpy(), rtol=1e-4, atol=1e-4
    )


def test_max_active_dims(ours, theirs):
    check(ours.encode(TEXTS, max_active_dims=9), theirs.encode(TEXTS, max_active_dims=9))


def saved(model, folder, **settings):
    """The model as sentence-transformers writes it, some settings changed."""
    import json

    model.save(str(folder))
    path = folder / "config_sentence_transformers.json"
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | settings)
    return fastbert.SparseEncoder(folder), library.SparseEncoder(str(folder), device="cpu")


@pytest.mark.parametrize("strategy", ["max", "sum"])
@pytest.mark.parametrize("activation", ["relu", "log1p_relu"])
def test_saved_models(tmp_path, theirs, strategy, activation):
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    pooling = SpladePooling(strategy, activation_function=activation)
    model = library.SparseEncoder(modules=[theirs[0], pooling], device="cpu")
    prompts = {"query": "how do i ", "document": "the "}
    got, expected = saved(model, tmp_path, prompts=prompts, max_active_dims=50)
    # A sum of up to 300 weights.
    factor = 10 if strategy == "sum" else 1
    check(got.encode(TEXTS), expected.encode(TEXTS), factor)
    check(got.encode_query(TEXTS), expected.encode_query(TEXTS), factor)
    check(got.encode_document(TEXTS), expected.encode_document(TEXTS), factor)


def test_queries_without_a_network(tmp_path, theirs):
    from sentence_transformers.base.modules import Router
    from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding, SpladePooling

    generator = torch.Generator().manual_seed(0)
    size = len(theirs.tokenizer.get_vocab())
    weight = torch.rand(size, generator=generator)
    static = SparseStaticEmbedding(tokenizer=theirs.tokenizer, weight=weight, frozen=True)
    router = Router.for_query_document([static], [theirs[0], SpladePooling("max")])
    model = library.SparseEncoder(modules=[router], device="cpu")
    got, expected = saved(model, tmp_path)
    check(got.encode_query(TEXTS), expected.encode_query(TEXTS))
    check(got.encode_document(TEXTS), expected.encode_document(TEXTS))
    check(got.encode(TEXTS), expected.encode(TEXTS))
