"""Search among vectors: nearest neighbours, paraphrases and communities, exact and in NumPy.

Arguments, defaults and results are those of sentence-transformers, on arrays. Every vector meets
every other one, some rows at a time: the largest array is one block of scores, whose sides are the
two chunk sizes. Where scores are equal, the smaller id comes first, so a result does not depend on
the chunks; only the last bits of a score may, for NumPy's product depends on its sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastbert.arguments import as_texts, is_integer
from fastbert.largest import largest
from fastbert.progress import progress
from fastbert.similarity import Similarity, cos_sim, dot_score, similarity_function, unit
from fastbert.vectors import as_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from fastbert.encoder import Encoder

    Ids = NDArray[np.int64]
    Floats = NDArray[Any]

__all__ = [
    "community_detection",
    "paraphrase_mining",
    "paraphrase_mining_embeddings",
    "semantic_search",
]


def semantic_search(
    query_embeddings: ArrayLike,
    corpus_embeddings: ArrayLike,
    *,
    query_chunk_size: int = 100,
    corpus_chunk_size: int = 500_000,
    top_k: int = 10,
    score_function: str | Similarity = "cosine",
) -> list[list[dict[str, Any]]]:
    """The entries of a corpus that are most alike to each query.

    >>> corpus = encoder.encode_document(documents)
    >>> semantic_search(encoder.encode_query("what is BERT?"), corpus, top_k=1)
    [[{'corpus_id': 3, 'score': 0.71}]]

    Args:
        query_embeddings: (queries, dim), or (dim,) for one query.
        corpus_embeddings: (entries, dim); a memory-mapped array is read one chunk at a time.
        query_chunk_size: queries that are compared at the same time.
        corpus_chunk_size: entries that they are compared with at the same time.
        top_k: most results for each query.
        score_function: cosine, dot, euclidean or manhattan; or a function of (queries, dim) and
            (entries, dim) that returns scores (queries, entries), larger for what is more alike.

    Returns:
        For each query a list of {"corpus_id": int, "score": float}, best first.

    Raises:
        TypeError: if the embeddings are no numbers.
        ValueError: if an argument is out of its range, shapes do not fit, or a score is NaN.
    """
    queries = as_vectors("query_embeddings", query_embeddings)
    corpus = as_vectors("corpus_embeddings", corpus_embeddings)
    _check_counts(
        query_chunk_size=query_chunk_size, corpus_chunk_size=corpus_chunk_size, top_k=top_k
    )
    found = _nearest(
        queries,
        corpus,
        _score(score_function),
        top_k=top_k,
        query_chunk_size=query_chunk_size,
        corpus_chunk_size=corpus_chunk_size,
    )
    return [
        [{"corpus_id": i, "score": s} for i, s in zip(*row, strict=True)]
        for row in zip(*(part.tolist() for part in found), strict=True)
    ]


def paraphrase_mining(
    encoder: Encoder,
    sentences: Sequence[str],
    *,
    show_progress_bar: bool = False,
    batch_size: int | None = None,
    query_chunk_size: int = 5000,
    corpus_chunk_size: int = 100_000,
    max_pairs: int = 500_000,
    top_k: int = 100,
    score_function: str | Similarity = "cosine",
    truncate_dim: int | None = None,
    prompt_name: str | None = None,
    prompt: str | None = None,
) -> list[list[Any]]:
    """The pairs of sentences that are most alike.

    >>> paraphrase_mining(encoder, ["reset my password", "the cat sat", "I forgot my login"])[0]
    [0.59, 0, 2]

    Args:
        encoder: what `fastbert.load` returns.
        sentences: the texts.
        show_progress_bar: while they are encoded.
        batch_size: most texts of one native call, see `Encoder.encode`.
        query_chunk_size: sentences that are compared at the same time.
        corpus_chunk_size: sentences that they are compared with at the same time.
        max_pairs: most pairs in the result.
        top_k: each sentence proposes this many pairs, see `paraphrase_mining_embeddings`.
        score_function: as in `semantic_search`; it must not depend on the order of its arguments.
        truncate_dim: keep only this many leading dimensions of the vectors.
        prompt_name: which of `encoder.prompts` goes before every sentence.
        prompt: the text itself that goes before every sentence.

    Returns:
        Lists [score, i, j] with i < j, best first.

    Raises:
        TypeError, ValueError: as `Encoder.encode` and `paraphrase_mining_embeddings` do.
    """
    if isinstance(sentences, str):
        raise TypeError("sentences is a str, but must be a list of str")
    embeddings = encoder.encode(
        as_texts(sentences, "sentences"),
        show_progress_bar=show_progress_bar,
        batch_size=batch_size,
        truncate_dim=truncate_dim,
        prompt_name=prompt_name,
        prompt=prompt,
    )
    return paraphrase_mining_embeddings(
        embeddings,
        query_chunk_size=query_chunk_size,
        corpus_chunk_size=corpus_chunk_size,
        max_pairs=max_pairs,
        top_k=top_k,
        score_function=score_function,
    )


def paraphrase_mining_embeddings(
    embeddings: ArrayLike,
    *,
    query_chunk_size: int = 5000,
    corpus_chunk_size: int = 100_000,
    max_pairs: int = 500_000,
    top_k: int = 100,
    score_function: str | Similarity = "cosine",
) -> list[list[Any]]:
    """The pairs of rows that are most alike.

    Args:
        embeddings: (rows, dim).
        query_chunk_size: rows that are compared at the same time.
        corpus_chunk_size: rows that they are compared with at the same time.
        max_pairs: most pairs in the result.
        top_k: each row proposes this many pairs with others; a pair needs one of its two rows.
        score_function: as in `semantic_search`; it must not depend on the order of its arguments.

    Returns:
        Lists [score, i, j] with i < j, best first, each pair once.

    Raises:
        TypeError: if the embeddings are no numbers.
        ValueError: if an argument is out of its range, or a score is NaN.
    """
    rows = as_vectors("embeddings", embeddings)
    _check_counts(
        query_chunk_size=query_chunk_size,
        corpus_chunk_size=corpus_chunk_size,
        max_pairs=max_pairs,
        top_k=top_k,
    )
    score = _score(score_function)
    if score is cos_sim:
        rows, score = unit(rows), dot_score
    keys, scores = np.empty(0, np.int64), np.empty(0)
    for begin in range(0, len(rows), query_chunk_size):
        chunk = rows[begin : begin + query_chunk_size]
        # A row may find itself: one more, and itself left out, is the best of the others.
        ids, values = _nearest(
            chunk,
            rows,
            score,
            top_k=top_k + 1,
            query_chunk_size=query_chunk_size,
            corpus_chunk_size=corpus_chunk_size,
        )
        new_keys, new_scores = _pairs(ids, values, begin, top_k, len(rows))
        keys, first = np.unique(np.concatenate([keys, new_keys]), return_index=True)
        scores = np.concatenate([scores, new_scores])[first]
        best = largest(scores, max_pairs)
        keys, scores = keys[best], scores[best]
    i, j = np.divmod(keys, max(len(rows), 1))
    return list(map(list, zip(scores.tolist(), i.tolist(), j.tolist(), strict=True)))


def community_detection(
    embeddings: ArrayLike,
    *,
    threshold: float = 0.75,
    min_community_size: int = 10,
    batch_size: int = 1024,
    show_progress_bar: bool = False,
) -> list[list[int]]:
    """Groups of rows around a centre to which all of them are alike.

    The communities of all rows are looked at from the largest to the smallest. A row belongs to the
    first one that it is in; those whose centre is taken, or of which too few rows are left, are
    dropped.

    Args:
        embeddings: (rows, dim).
        threshold: least cosine to the centre.
        min_community_size: fewest rows of a community.
        batch_size: rows that are compared with all others at the same time.
        show_progress_bar: on stderr.

    Returns:
        Lists of row numbers, longest list first; in each the centre first, then by falling cosine.

    Raises:
        TypeError: if the embeddings are no numbers.
        ValueError: if an argument is out of its range, or a cosine is NaN.
    """
    rows = unit(as_vectors("embeddings", embeddings))
    _check_counts(min_community_size=min_community_size, batch_size=batch_size)
    if not isinstance(threshold, int | float | np.number) or not np.isfinite(threshold):
        raise ValueError(f"threshold is {threshold!r}, but must be a finite number")
    sizes = np.zeros(len(rows), np.int64)
    with progress(
        len(rows), description="finding communities", unit="rows", enabled=show_progress_bar
    ) as bar:
        for begin in range(0, len(rows), batch_size):
            scores = _scores(dot_score, rows[begin : begin + batch_size], rows, begin, 0)
            sizes[begin : begin + len(scores)] = np.count_nonzero(scores >= threshold, axis=1)
            bar.update(len(scores))
    centres = np.argsort(-sizes, kind="stable")
    centres = centres[sizes[centres] >= min_community_size]
    communities = _disjoint(rows, centres, threshold, min_community_size, batch_size)
    return sorted(communities, key=len, reverse=True)


def _disjoint(
    rows: Floats, centres: Ids, threshold: float, min_community_size: int, batch_size: int
) -> Iterator[list[int]]:
    """Communities of the centres, in this order, each without the rows of those before it.

    Scores are computed again: to keep the members of every centre would take, where all rows are
    alike, as much memory as all scores.
    """
    taken = np.zeros(len(rows), bool)
    while len(centres):
        batch = centres[:batch_size]
        for centre, scores in zip(batch, dot_score(rows[batch], rows), strict=True):
            if taken[centre]:
                continue
            members = np.flatnonzero((scores >= threshold) & ~taken)
            if len(members) < min_community_size:
                continue
            members = members[largest(scores[members], len(members))]
            community = [int(centre), *members[members != centre].tolist()]
            taken[community] = True
            yield community
        centres = centres[batch_size:]
        centres = centres[~taken[centres]]


def _nearest(
    queries: Floats,
    corpus: Floats,
    score: Similarity,
    *,
    top_k: int,
    query_chunk_size: int,
    corpus_chunk_size: int,
) -> tuple[Ids, Floats]:
    """Ids and scores of the best entries of `corpus` for each query: (queries, top_k), best first.

    The outer loop goes over the corpus, so that each chunk of it is read and normalised once.
    """
    count = min(top_k, len(corpus))
    ids = np.empty((len(queries), count), np.int64)
    best = np.empty((len(queries), count))
    prepare = unit if score is cos_sim else np.asarray
    compare = dot_score if score is cos_sim else score
    for begin in range(0, len(corpus), corpus_chunk_size):
        entries = prepare(corpus[begin : begin + corpus_chunk_size])
        known = min(begin, count)
        for first in range(0, len(queries), query_chunk_size):
            part = slice(first, first + query_chunk_size)
            scores = _scores(compare, prepare(queries[part]), entries, first, begin)
            places = np.stack([largest(row, count) for row in scores])
            # Of equals the ones that are known come first, and they have the smaller ids.
            found = np.hstack([best[part, :known], np.take_along_axis(scores, places, axis=1)])
            found_ids = np.hstack([ids[part, :known], places + begin])
            order = np.argsort(-found, axis=1, kind="stable")[:, :count]
            best[part, : order.shape[1]] = np.take_along_axis(found, order, axis=1)
            ids[part, : order.shape[1]] = np.take_along_axis(found_ids, order, axis=1)
    return ids, best


def _scores(compare: Similarity, a: Floats, b: Floats, first: int, begin: int) -> Floats:
    """Scores (rows of a, rows of b), checked; `first` and `begin` are the numbers of their rows."""
    scores = np.asarray(compare(a, b))
    if scores.shape != (len(a), len(b)):
        raise ValueError(
            f"score_function returned shape {scores.shape}, but must return {(len(a), len(b))}"
        )
    if not np.issubdtype(scores.dtype, np.floating):
        scores = scores.astype(np.float64)  # -x of an unsigned integer is no order
    if np.isnan(scores.max(initial=-np.inf)):  # a maximum keeps NaN, and needs no copy
        row, column = np.argwhere(np.isnan(scores))[0]
        raise ValueError(
            f"the score of row {first + row} with row {begin + column} is nan, "
            "but embeddings must be finite"
        )
    return scores


def _pairs(ids: Ids, scores: Floats, first: int, top_k: int, count: int) -> tuple[Ids, Floats]:
    """What the rows from `first` on propose: i * count + j for i < j, and the scores."""
    rows = np.broadcast_to(np.arange(first, first + len(ids))[:, None], ids.shape)
    others = ids != rows
    others &= np.cumsum(others, axis=1) <= top_k
    i, j = rows[others], ids[others]
    return np.minimum(i, j) * count + np.maximum(i, j), scores[others]


def _score(score_function: str | Similarity) -> Similarity:
    return score_function if callable(score_function) else similarity_function(score_function)


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if not is_integer(count) or count < 1:
            raise ValueError(f"{name} is {count!r}, but must be a positive integer")
