"""`SparseEncoder`: texts as weights of the words of a vocabulary, as SPLADE has them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fastbert import sparse_similarity
from fastbert.arguments import check_choice, check_positive, one_or_more
from fastbert.largest import largest
from fastbert.postprocessing import DenseStep
from fastbert.prompts import checked_prompts, choose_prompt, with_task_prompt
from fastbert.similarity import SIMILARITIES
from fastbert.sparse_modules import read_sparse_modules
from fastbert.sparse_vectors import SparseVector, SparseVectors
from fastbert.tasks.model import TaskModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from fastbert.sparse_modules import SparseModules
    from fastbert.static_queries import StaticQueries
    from fastbert.tasks.model import OnOverflow

    Array = NDArray[np.float32]
    Task = Literal["query", "document"]

__all__ = ["SparseEncoder"]

# Vectors, or rows of scores, as wide as the vocabulary that exist at the same time: 30 MB of
# BERT's.
_ROWS_AT_ONCE = 256

_TASKS = ("query", "document", None)


class SparseEncoder(TaskModel):
    """A SPLADE model: a text becomes weights for words of the vocabulary, most of them zero.

    >>> model = fastbert.SparseEncoder("naver/splade-v3")
    >>> vectors = model.encode(["how do I reset my password", "忘记密码怎么办"])
    >>> vectors.shape
    (2, 30522)
    >>> model.similarity(vectors[0], vectors).shape
    (1, 2)

    Vectors are those of sentence-transformers' `SparseEncoder`, whose directories it reads: a
    masked-language model with SpladePooling, one by itself, and a router which has a fixed weight
    for each token of a query.

    Attributes:
        prompts: name -> text put before an input.
        default_prompt_name: the prompt of a plain `encode`, or None.
        similarity_fn_name: what `similarity` computes: dot, cosine, euclidean or manhattan.
        max_active_dims: how many dimensions of a vector are kept, the largest, or None for all.
    """

    _task = "sparse-encoding"
    _head_name = "masked_lm"
    _modules: SparseModules

    def __init__(
        self,
        model: str | PathLike[str],
        *,
        compute_type: str = "float32",
        threads: int | None = None,
        max_length: int | None = None,
        max_active_dims: int | None = None,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: str | None = None,
        revision: str | None = None,
        cache_folder: str | PathLike[str] | None = None,
        local_files_only: bool = False,
        token: str | bool | None = None,
    ) -> None:
        """Load a model.

        Args:
            model: a directory, or a name on the Hugging Face hub.
            compute_type: as in `fastbert.load`.
            threads: threads of every call; None takes all that this process may use.
            max_length: longest input in tokens; None takes the model's own limit.
            max_active_dims: how many dimensions of a vector are kept; None takes the model's own
                number, or all.
            prompts: name -> text put before an input; these win over the model's own.
            default_prompt_name: the prompt of a plain `encode`; None takes the model's own.
            similarity_fn_name: what `similarity` computes; None takes what the model says, or dot.
            revision: branch, tag or commit on the hub.
            cache_folder: where downloaded models lie, in place of the Hugging Face cache.
            local_files_only: never use the network.
            token: the hub's access token, or True for the stored one.

        Raises:
            ModelNotFoundError: if no source has the model.
            ConfigError, WeightsError: if its files are damaged or not supported, or it is no
                masked-language model.
            TypeError: if `prompts` is not a mapping of str to str.
            ValueError: if an argument is out of its range.
        """
        given = checked_prompts(prompts)
        check_positive("max_active_dims", max_active_dims)
        check_choice("similarity_fn_name", similarity_fn_name, (*SIMILARITIES, None))
        super().__init__(
            model,
            compute_type=compute_type,
            threads=threads,
            max_length=max_length,
            revision=revision,
            cache_folder=cache_folder,
            local_files_only=local_files_only,
            token=token,
        )
        modules = self._modules
        self.max_active_dims = max_active_dims or modules.max_active_dims
        self.prompts = {"query": "", "document": "", **modules.prompts, **given}
        self.default_prompt_name = default_prompt_name or modules.default_prompt_name
        self._prompt(None, None)  # refuses a default name that there is not
        self.similarity_fn_name = similarity_fn_name or modules.similarity
        self._static = self._static_queries()

    def _options(self) -> dict[str, Any]:
        return super()._options() | {
            "max_active_dims": self.max_active_dims,
            "prompts": self.prompts,
            "default_prompt_name": self.default_prompt_name,
            "similarity_fn_name": self.similarity_fn_name,
        }

    @property
    def embedding_dimension(self) -> int:
        """Width of the vectors: the tokens of the vocabulary."""
        return self.config.vocab_size

    # --- texts to vectors ---

    def encode(
        self,
        texts: str | Sequence[str],
        *,
        task: Task | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        max_active_dims: int | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        on_overflow: OnOverflow = "truncate",
        threads: int | None = None,
    ) -> SparseVector | SparseVectors:
        """Turn texts into vectors.

        Args:
            texts: one text, or a sequence of them.
            task: "query" or "document", for a model that treats them differently; None for what
                such a model takes as its usual one.
            prompt_name: which of `prompts` goes before every text.
            prompt: the text itself that goes before every text; wins over `prompt_name`.
            max_active_dims: how many dimensions of a vector are kept, the largest; None takes
                those of the model.
            batch_size: most texts of one native call; results do not depend on it.
            show_progress_bar: on stderr; None shows it when the logger "fastbert" is at INFO.
            on_overflow: what happens to a text of more than `max_length` tokens: "truncate" cuts
                it, and warns once; "error" raises.
            threads: of this call.

        Returns:
            A `SparseVector` for one text, `SparseVectors` for a sequence.

        Raises:
            TypeError: if a text is not a str.
            ValueError: if an argument is out of its range, or a text is too long and `on_overflow`
                is "error".
        """
        check_choice("task", task, _TASKS)
        check_positive("max_active_dims", max_active_dims)
        listed = one_or_more(texts)
        chosen = self._prompt(prompt, prompt_name)
        if chosen:
            listed = [chosen + text for text in listed]
        limit = max_active_dims or self.max_active_dims
        if self._static is not None and (task or self._modules.default_route) == "query":
            vectors = self._query_vectors(self._static, listed, on_overflow, threads, limit)
        else:
            vectors = self._network_vectors(
                listed,
                on_overflow=on_overflow,
                threads=threads,
                batch_size=batch_size,
                show_progress_bar=show_progress_bar,
                limit=limit,
            )
        return vectors[0] if isinstance(texts, str) else vectors

    def encode_query(
        self, texts: str | Sequence[str], **options: Any
    ) -> SparseVector | SparseVectors:
        """`encode` for the task "query", with the prompt of this name unless another is given."""
        options = with_task_prompt(options, self.prompts, "query")
        return self.encode(texts, task="query", **options)

    def encode_document(
        self, texts: str | Sequence[str], **options: Any
    ) -> SparseVector | SparseVectors:
        """`encode` for the task "document", with its prompt, or "passage" or "corpus"."""
        options = with_task_prompt(options, self.prompts, "document")
        return self.encode(texts, task="document", **options)

    # --- vectors ---

    def decode(
        self, embeddings: SparseVector | SparseVectors, top_k: int | None = None
    ) -> list[Any]:
        """The tokens of vectors, the heaviest first.

        Args:
            embeddings: one vector, or several.
            top_k: how many tokens of each vector, at most; None for all.

        Returns:
            Pairs of a token and its weight; for several vectors a list of such lists.

        Raises:
            TypeError: if `embeddings` is not sparse.
            ValueError: if `top_k` is not positive.
        """
        check_positive("top_k", top_k)
        decoded = [self._decoded(row, top_k) for row in sparse_similarity.as_rows(embeddings)]
        return decoded[0] if isinstance(embeddings, SparseVector) else decoded

    def _decoded(self, vector: SparseVector, top_k: int | None) -> list[tuple[str, float]]:
        order = largest(vector.values, top_k or len(vector.values))
        # A matrix may have more rows than the vocabulary has tokens.
        tokens = [self.tokenizer.id_to_token(i) or "" for i in vector.indices[order].tolist()]
        return list(zip(tokens, vector.values[order].tolist(), strict=True))

    def similarity(self, a: SparseVector | SparseVectors, b: SparseVector | SparseVectors) -> Array:
        """How alike every vector of `a` is to every vector of `b`: (rows of a, rows of b).

        Raises:
            TypeError: if one is not sparse.
            ValueError: if the widths differ.
        """
        return sparse_similarity.similarity(self.similarity_fn_name, a, b)

    def similarity_pairwise(
        self, a: SparseVector | SparseVectors, b: SparseVector | SparseVectors
    ) -> Array:
        """How alike each vector of `a` is to the same row of `b`: (rows,).

        Raises:
            TypeError: if one is not sparse.
            ValueError: if widths or numbers of rows differ.
        """
        return sparse_similarity.pairwise_similarity(self.similarity_fn_name, a, b)

    @staticmethod
    def intersection(
        a: SparseVector, b: SparseVector | SparseVectors
    ) -> SparseVector | SparseVectors:
        """What `a` and `b`, or each row of `b`, have in common: their products, if positive.

        Raises:
            TypeError: if one is not sparse, or `a` is more than one vector.
            ValueError: if the widths differ.
        """
        return sparse_similarity.intersection(a, b)

    @staticmethod
    def sparsity(embeddings: SparseVector | SparseVectors) -> dict[str, float]:
        """How sparse vectors are.

        Returns:
            "active_dims": how many dimensions are not zero, on average; "sparsity_ratio": the
            share of those that are.

        Raises:
            TypeError: if `embeddings` is not sparse.
        """
        vectors = sparse_similarity.as_rows(embeddings)
        rows, dimension = vectors.shape
        active = len(vectors.values) / max(rows, 1)
        return {"active_dims": active, "sparsity_ratio": 1 - active / max(dimension, 1)}

    # --- loading ---

    def _transformer(self) -> str:
        self._modules = read_sparse_modules(self.directory)
        return self._modules.transformer

    def _outputs(self) -> int:
        return self.config.vocab_size

    def _stated_length(self) -> int | None:
        return self._modules.max_seq_length or super()._stated_length()

    def _static_queries(self) -> StaticQueries | None:
        if self._modules.static_queries is None:
            return None
        from fastbert.static_queries import StaticQueries

        return StaticQueries(self._modules.static_queries, self.config.vocab_size)

    # --- prompts ---

    def _prompt(self, prompt: str | None, name: str | None) -> str:
        return choose_prompt(self.prompts, self.default_prompt_name, prompt=prompt, name=name)

    # --- from texts to vectors ---

    def _query_vectors(
        self,
        static: StaticQueries,
        texts: Sequence[str],
        on_overflow: OnOverflow,
        threads: int | None,
        limit: int | None,
    ) -> SparseVectors:
        tokens = static.tokens(texts, threads or self.threads)
        if static.tokenizer.max_length is not None:
            self._check_lengths(
                tokens, on_overflow, lambda i: f"text {i}", static.tokenizer.max_length
            )
        return _keep_largest(static.vectors(tokens), limit)

    def _network_vectors(
        self,
        texts: Sequence[str],
        *,
        on_overflow: OnOverflow,
        threads: int | None,
        batch_size: int | None,
        show_progress_bar: bool | None,
        limit: int | None,
    ) -> SparseVectors:
        if self._modules.do_lower_case:
            texts = [text.lower() for text in texts]
        tokens = self._tokens(texts, on_overflow, threads)
        states = self._states(tokens, (), threads, batch_size, show_progress_bar)
        parts = [
            _keep_largest(part, limit)
            for batch, x in states
            for part in self._pooled(x, batch.offsets, threads or self.threads or 0)
        ]
        return SparseVectors.concatenate(parts, self.embedding_dimension)

    def _pooled(
        self, x: Array, offsets: NDArray[np.int32], threads: int
    ) -> Iterator[SparseVectors]:
        """From the states of some texts' tokens to their vectors, some texts at a time."""
        *transform, decoder = self._head
        if not isinstance(decoder, DenseStep):
            raise TypeError(f"the {self._head_name} head ends in {decoder!r}, not in a matrix")
        for step in transform:
            x = step(x, threads)
        pool = self._maxima if self._modules.pooling_strategy == "max" else self._sums
        for first in range(0, len(offsets) - 1, _ROWS_AT_ONCE):
            bounds = offsets[first : first + _ROWS_AT_ONCE + 1]
            yield pool(decoder, x[bounds[0] : bounds[-1]], bounds - bounds[0], threads)

    def _maxima(
        self, decoder: DenseStep, x: Array, offsets: NDArray[np.int32], threads: int
    ) -> SparseVectors:
        # The weight rises with the score: that of the largest score is the largest weight.
        maxima = decoder.maxima(x, offsets, threads)
        found = SparseVectors.from_dense(np.maximum(maxima, 0))
        values = self._logarithm(found.values)
        return SparseVectors(found.indptr, found.indices, values, found.shape)

    def _sums(
        self, decoder: DenseStep, x: Array, offsets: NDArray[np.int32], threads: int
    ) -> SparseVectors:
        sums = np.zeros((len(offsets) - 1, self.embedding_dimension), np.float32)
        texts, bounds = _pieces(offsets)
        first = 0
        while first < len(texts):
            begin = bounds[first]
            last = int(np.searchsorted(bounds, begin + _ROWS_AT_ONCE, side="right")) - 1
            weights = self._logarithm(np.maximum(decoder(x[begin : bounds[last]], threads), 0))
            for piece in range(first, last):
                part = weights[bounds[piece] - begin : bounds[piece + 1] - begin]
                sums[texts[piece]] += part.sum(axis=0)
            first = last
        return SparseVectors.from_dense(sums)

    def _logarithm(self, x: Array) -> Array:
        for _ in range(self._modules.logarithms):
            x = np.log1p(x)
        return x


def _pieces(offsets: NDArray[np.int32]) -> tuple[list[int], NDArray[np.int64]]:
    """Texts in pieces of at most `_ROWS_AT_ONCE` rows: whose each is, and where they begin.

    Each text is cut from its own start: the order in which its rows are added up must not depend
    on the texts before it.
    """
    texts, bounds = [], [0]
    for text, (begin, end) in enumerate(itertools.pairwise(offsets.tolist())):
        for first in range(begin, end, _ROWS_AT_ONCE):
            texts.append(text)
            bounds.append(min(first + _ROWS_AT_ONCE, end))
    return texts, np.array(bounds)


def _keep_largest(vectors: SparseVectors, count: int | None) -> SparseVectors:
    """The vectors with their `count` largest values, and zeros for the others."""
    if count is None or vectors.active_dims.max(initial=0) <= count:
        return vectors
    kept = [np.sort(largest(np.abs(vector.values), count)) for vector in vectors]
    places = np.concatenate([begin + row for begin, row in zip(vectors.indptr, kept, strict=False)])
    indptr = np.cumsum([0, *map(len, kept)])
    return SparseVectors(indptr, vectors.indices[places], vectors.values[places], vectors.shape)
