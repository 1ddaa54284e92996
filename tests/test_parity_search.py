"""The same results as sentence-transformers' search; needs `pip install ".[parity]"`."""

import numpy as np
import pytest

import fastbert

# Releases 5 kept the best of each chunk of the corpus when mining, so chunks changed the result.
library = pytest.importorskip(
    "sentence_transformers", minversion="6.2", reason="parity tests need sentence-transformers"
)

pytestmark = pytest.mark.filterwarnings("ignore")


def vectors(rows, seed):
    """Float64, where scores of different pairs are never so near that rounding swaps them."""
    return np.random.default_rng(seed).standard_normal((rows, 16))


def grouped(seed):
    source = np.random.default_rng(seed)
    centres = np.repeat(source.standard_normal((12, 16)), source.integers(5, 40, 12), axis=0)
    noisy = centres + source.uniform(0.1, 0.5) * source.standard_normal(centres.shape)
    return np.concatenate([source.permutation(noisy), vectors(50, seed)])


@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean", "manhattan"])
@pytest.mark.parametrize("chunks", [{}, {"query_chunk_size": 7, "corpus_chunk_size": 130}])
@pytest.mark.parametrize("top_k", [1, 10, 1000])
def test_search(name, chunks, top_k):
    queries, corpus = vectors(30, 0), vectors(700, 1)
    score = library.util.SimilarityFunction.to_similarity_fn(name)
    theirs = library.util.semantic_search(
        queries, corpus, top_k=top_k, score_function=score, **chunks
    )
    ours = fastbert.semantic_search(queries, corpus, top_k=top_k, score_function=name, **chunks)
    for mine, their in zip(ours, theirs, strict=True):
        assert [hit["corpus_id"] for hit in mine] == [hit["corpus_id"] for hit in their]
        scores = [[hit["score"] for hit in hits] for hits in (mine, their)]
        np.testing.assert_allclose(*scores, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["cosine", "dot"])
def test_scores_in_float32(name):
    queries, corpus = vectors(30, 0).astype(np.float32), vectors(700, 1).astype(np.float32)
    score = library.util.SimilarityFunction.to_similarity_fn(name)
    theirs = library.util.semantic_search(queries, corpus, score_function=score)
    ours = fastbert.semantic_search(queries, corpus, score_function=name)
    scores = [[hit["score"] for hits in found for hit in hits] for found in (ours, theirs)]
    # Both sum 16 products in float32; the largest dot products here are about 20.
    np.testing.assert_allclose(*scores, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("chunks", [{}, {"query_chunk_size": 40, "corpus_chunk_size": 90}])
@pytest.mark.parametrize("limits", [{}, {"top_k": 3}, {"top_k": 5, "max_pairs": 100}])
def test_paraphrase_mining(chunks, limits):
    import torch

    rows = vectors(300, 2)
    theirs = library.util.paraphrase_mining_embeddings(torch.from_numpy(rows), **limits, **chunks)
    ours = fastbert.paraphrase_mining_embeddings(rows, **limits, **chunks)
    assert [pair[1:] for pair in ours] == [pair[1:] for pair in theirs]
    np.testing.assert_allclose([p[0] for p in ours], [p[0] for p in theirs], rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("threshold", "least"), [(0.75, 10), (0.6, 5), (0.9, 2), (0.5, 30)])
@pytest.mark.parametrize("batch_size", [64, 1024])
def test_community_detection(seed, threshold, least, batch_size):
    rows = grouped(seed)
    options = {"threshold": threshold, "min_community_size": least, "batch_size": batch_size}
    theirs = library.util.community_detection(rows, **options)
    ours = fastbert.community_detection(rows, **options)
    assert ours == theirs


def test_sentences():
    sentences = [
        "How do I reset my password?",
        "I forgot my password, what now?",
        "The cat sat on the mat.",
        "A cat is sitting on a mat.",
        "The new movie is awesome.",
        "The new film is so great.",
    ]
    encoder = fastbert.load()
    model = library.SentenceTransformer(encoder.directory, device="cpu")
    ours = fastbert.paraphrase_mining(encoder, sentences)
    theirs = library.util.paraphrase_mining(model, sentences)
    assert [pair[1:] for pair in ours] == [pair[1:] for pair in theirs]
    np.testing.assert_allclose([p[0] for p in ours], [p[0] for p in theirs], rtol=0, atol=2e-6)
