"""Search among vectors, against definitions that go through all pairs one by one."""

import tracemalloc

import numpy as np
import pytest

import fastbert
from fastbert.similarity import SIMILARITIES, cos_sim, similarity_function

QUERIES, CORPUS = (
    np.random.default_rng(seed).standard_normal((rows, 6)).astype(np.float32)
    for seed, rows in ((0, 7), (1, 40))
)

# Scores are sums over 6 products in float32, in an order that depends on the chunks.
CLOSE = {"rtol": 0, "atol": 1e-5}


def naive_search(queries, corpus, top_k, name="cosine"):
    """Ids and scores of the best entries, sorted by falling score and then by rising id."""
    scores = similarity_function(name)(queries, corpus).tolist()
    ranked = [sorted(range(len(row)), key=lambda i: (-row[i], i))[:top_k] for row in scores]
    return ranked, [[row[i] for i in ids] for row, ids in zip(scores, ranked, strict=True)]


def naive_pairs(rows, top_k, max_pairs):
    scores = cos_sim(rows, rows).tolist()
    proposed = set()
    for i, row in enumerate(scores):
        others = sorted((j for j in range(len(rows)) if j != i), key=lambda j: (-row[j], j))
        proposed |= {(min(i, j), max(i, j)) for j in others[:top_k]}
    return sorted(([scores[i][j], i, j] for i, j in proposed), key=lambda p: (-p[0], *p[1:]))[
        :max_pairs
    ]


def naive_communities(rows, threshold, least):
    scores = cos_sim(rows, rows)
    around = [
        sorted(np.flatnonzero(row >= threshold).tolist(), key=lambda j: (-row[j], j))
        for row in scores
    ]
    taken, communities = set(), []
    for centre in sorted(range(len(rows)), key=lambda i: -len(around[i])):
        left = [j for j in around[centre] if j not in taken]
        if centre not in taken and len(left) >= least:
            communities.append([centre] + [j for j in left if j != centre])
            taken |= set(communities[-1])
    return sorted(communities, key=len, reverse=True)


def ids_of(results):
    return [[hit["corpus_id"] for hit in hits] for hits in results]


def scores_of(results):
    return [[hit["score"] for hit in hits] for hits in results]


def grouped(groups=6, rows=25, noise=0.15):
    """Rows around some axes, and a few on their own."""
    source = np.random.default_rng(2)
    near = np.repeat(np.eye(8)[:groups], rows, axis=0)
    near = near + noise * source.standard_normal(near.shape)
    return source.permutation(np.concatenate([near, source.standard_normal((20, 8))]))


@pytest.mark.parametrize("chunks", [(100, 500_000), (3, 7), (1, 1), (7, 40)])
@pytest.mark.parametrize("top_k", [1, 5, 40, 100])
def test_search_finds_the_best(chunks, top_k):
    query_chunk, corpus_chunk = chunks
    results = fastbert.semantic_search(
        QUERIES,
        CORPUS,
        top_k=top_k,
        query_chunk_size=query_chunk,
        corpus_chunk_size=corpus_chunk,
    )
    ids, scores = naive_search(QUERIES, CORPUS, top_k)
    assert ids_of(results) == ids
    np.testing.assert_allclose(scores_of(results), scores, **CLOSE)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_every_similarity_can_rank(name):
    ids, scores = naive_search(QUERIES, CORPUS, 5, name)
    for score_function in (name, similarity_function(name)):
        results = fastbert.semantic_search(
            QUERIES, CORPUS, top_k=5, corpus_chunk_size=9, score_function=score_function
        )
        assert ids_of(results) == ids
        np.testing.assert_allclose(scores_of(results), scores, **CLOSE)


def test_results_are_plain_numbers_in_dictionaries():
    ((hit, *_),) = fastbert.semantic_search(QUERIES[0], CORPUS)
    assert list(hit) == ["corpus_id", "score"]
    assert (type(hit["corpus_id"]), type(hit["score"])) == (int, float)


def test_vector_is_one_query():
    (one,) = fastbert.semantic_search(QUERIES[3], CORPUS)
    assert [one] == fastbert.semantic_search(QUERIES[3:4], CORPUS)
    assert len(one) == 10


def test_lists_and_other_types_of_number_are_taken():
    expected = ids_of(fastbert.semantic_search(QUERIES, CORPUS))
    assert ids_of(fastbert.semantic_search(QUERIES.tolist(), CORPUS.tolist())) == expected
    assert ids_of(fastbert.semantic_search(QUERIES.astype(np.float64), CORPUS)) == expected
    small = np.array([[100, 0], [0, 100], [100, 100]], np.int8)  # whose squares are no int8
    assert ids_of(fastbert.semantic_search(small, small, top_k=1)) == [[0], [1], [2]]


def test_no_queries_or_no_corpus_give_nothing():
    assert fastbert.semantic_search(QUERIES[:0], CORPUS) == []
    assert fastbert.semantic_search([], CORPUS) == []
    assert fastbert.semantic_search(QUERIES, CORPUS[:0]) == [[]] * 7
    assert fastbert.semantic_search(QUERIES, []) == [[]] * 7


@pytest.mark.parametrize("corpus_chunk_size", [1, 2, 3, 100])
def test_of_equal_scores_the_first_entries_win(corpus_chunk_size):
    corpus = np.ones((9, 2), np.float32)
    corpus[4] = [1, 0]
    (hits,) = fastbert.semantic_search([1, 1], corpus, top_k=5, corpus_chunk_size=corpus_chunk_size)
    assert [hit["corpus_id"] for hit in hits] == [0, 1, 2, 3, 5]


def test_own_score_function_may_return_unsigned_integers():
    def bits_in_common(a, b):
        return np.unpackbits(a[:, None] & b, axis=2).sum(axis=2, dtype=np.uint8)

    corpus = np.array([[0b1], [0b11], [0b111]], np.uint8)
    (hits,) = fastbert.semantic_search(
        np.array([0b111], np.uint8), corpus, score_function=bits_in_common
    )
    assert hits == [
        {"corpus_id": 2, "score": 3.0},
        {"corpus_id": 1, "score": 2.0},
        {"corpus_id": 0, "score": 1.0},
    ]


def test_memory_is_bounded_by_the_chunks():
    corpus = np.random.default_rng(3).standard_normal((50_000, 8)).astype(np.float32)
    queries = corpus[:1000]
    tracemalloc.start()
    fastbert.semantic_search(queries, corpus, query_chunk_size=10, corpus_chunk_size=5000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6  # all scores: 200 MB; the results are 10,000 dictionaries


@pytest.mark.parametrize("chunks", [(5000, 100_000), (6, 11), (1, 1)])
@pytest.mark.parametrize(("top_k", "max_pairs"), [(100, 500_000), (3, 500_000), (3, 20), (1, 1)])
def test_mining_finds_the_best_pairs(chunks, top_k, max_pairs):
    query_chunk, corpus_chunk = chunks
    pairs = fastbert.paraphrase_mining_embeddings(
        CORPUS,
        top_k=top_k,
        max_pairs=max_pairs,
        query_chunk_size=query_chunk,
        corpus_chunk_size=corpus_chunk,
    )
    expected = naive_pairs(CORPUS, top_k, max_pairs)
    assert [pair[1:] for pair in pairs] == [pair[1:] for pair in expected]
    np.testing.assert_allclose([p[0] for p in pairs], [p[0] for p in expected], **CLOSE)
    assert {tuple(map(type, pair)) for pair in pairs} == {(float, int, int)}


@pytest.mark.parametrize("query_chunk_size", [1, 3, 100])
def test_mining_of_equal_rows_pairs_no_row_with_itself(query_chunk_size):
    # Every score is 2: the row itself need not be among the best that it finds.
    pairs = fastbert.paraphrase_mining_embeddings(
        np.ones((5, 2)), top_k=1, score_function="dot", query_chunk_size=query_chunk_size
    )
    assert pairs == [[2.0, 0, 1], [2.0, 0, 2], [2.0, 0, 3], [2.0, 0, 4]]


def test_mining_of_one_row_or_none_gives_no_pair():
    assert fastbert.paraphrase_mining_embeddings(CORPUS[:1]) == []
    assert fastbert.paraphrase_mining_embeddings(CORPUS[:0]) == []


def test_mining_encodes_the_sentences(tiny_model):
    encoder = fastbert.load(tiny_model)
    sentences = ["the cat runs", "reset password", "the cat is fast", "hello world"]
    options = {"truncate_dim": 8, "prompt": "the "}
    vectors = encoder.encode(sentences, **options)
    expected = fastbert.paraphrase_mining_embeddings(vectors, top_k=2)
    assert fastbert.paraphrase_mining(encoder, sentences, top_k=2, **options) == expected
    assert fastbert.paraphrase_mining(encoder, []) == []


@pytest.mark.parametrize("batch_size", [1, 13, 1024])
@pytest.mark.parametrize(("threshold", "least"), [(0.75, 10), (0.9, 3), (0.5, 1), (0.99, 20)])
def test_communities_are_those_of_the_definition(batch_size, threshold, least):
    rows = grouped()
    found = fastbert.community_detection(
        rows, threshold=threshold, min_community_size=least, batch_size=batch_size
    )
    assert found == naive_communities(rows, threshold, least)


def test_communities_are_found():
    sizes = list(map(len, fastbert.community_detection(grouped())))
    assert len(sizes) == 6
    assert sizes == sorted(sizes, reverse=True)


def test_equal_rows_are_one_community_in_order():
    assert fastbert.community_detection(np.ones((12, 3)), threshold=0.9) == [list(range(12))]


def test_too_few_rows_are_no_community():
    assert fastbert.community_detection(np.ones((9, 3))) == []
    assert fastbert.community_detection([]) == []
    assert fastbert.community_detection([1.0, 2.0], min_community_size=1) == [[0]]


def test_zero_vectors_belong_nowhere():
    assert fastbert.community_detection(np.zeros((12, 3)), min_community_size=1) == []


def test_progress_of_communities_is_shown(capsys):
    fastbert.community_detection(grouped(), show_progress_bar=True)
    assert "finding communities" in capsys.readouterr().err
    fastbert.community_detection(grouped())
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["query_chunk_size", "corpus_chunk_size", "top_k"])
@pytest.mark.parametrize("value", [0, -1, 2.5, True, None])
def test_counts_must_be_positive_integers(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}, but must be a positive integer"):
        fastbert.semantic_search(QUERIES, CORPUS, **{name: value})


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (
            lambda: fastbert.semantic_search(QUERIES, CORPUS[None]),
            r"corpus_embeddings has shape \(1, 40, 6\), but must be \(rows, dim\)",
        ),
        (
            lambda: fastbert.semantic_search(QUERIES[:, :5], CORPUS),
            r"have shapes \(7, 5\) and \(40, 6\), expected vectors or matrices of one width",
        ),
        (
            lambda: fastbert.semantic_search(QUERIES, CORPUS, score_function="jaccard"),
            "similarity is 'jaccard', expected one of cosine, dot",
        ),
        (
            lambda: fastbert.semantic_search(QUERIES, CORPUS, score_function=["cosine"]),
            r"similarity is \['cosine'\], expected one of cosine, dot",
        ),
        (
            lambda: fastbert.semantic_search(QUERIES, CORPUS, score_function=lambda a, b: a),
            r"score_function returned shape \(7, 6\), but must return \(7, 40\)",
        ),
        (
            lambda: fastbert.semantic_search([[1, 2]], [[1, 2], [3, np.nan]], corpus_chunk_size=1),
            "the score of row 0 with row 1 is nan, but embeddings must be finite",
        ),
        (
            lambda: fastbert.paraphrase_mining_embeddings(CORPUS, max_pairs=0),
            "max_pairs is 0, but must be a positive integer",
        ),
        (
            lambda: fastbert.community_detection(CORPUS, min_community_size=0),
            "min_community_size is 0, but must be a positive integer",
        ),
    ],
)
def test_bad_arguments_are_one_sentence(call, reason):
    with pytest.raises(ValueError, match=reason):
        call()


@pytest.mark.parametrize("texts", ["hello", ["hello"]])
def test_texts_are_no_vectors(texts):
    reason = "embeddings holds str, but must be vectors: encode texts first"
    for call in (
        lambda: fastbert.semantic_search(texts, CORPUS),
        lambda: fastbert.semantic_search(QUERIES, texts),
        lambda: fastbert.paraphrase_mining_embeddings(texts),
        lambda: fastbert.community_detection(texts),
    ):
        with pytest.raises(TypeError, match=reason):
            call()


def test_one_text_is_no_list_of_sentences():
    with pytest.raises(TypeError, match="sentences is a str, but must be a list of str"):
        fastbert.paraphrase_mining(None, "hello")


@pytest.mark.parametrize("threshold", ["x", float("nan")])
def test_a_threshold_is_a_finite_number(threshold):
    with pytest.raises(ValueError, match=r"threshold is .*, but must be a finite number"):
        fastbert.community_detection(np.eye(3, dtype=np.float32), threshold=threshold)
