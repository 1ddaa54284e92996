"""`Encoder`: a loaded model, from texts to vectors."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np

from fastbert import postprocessing
from fastbert._native import _core
from fastbert.arguments import as_texts, check_choice, check_positive, check_threads, is_integer
from fastbert.batches import TOKENS_AT_ONCE, Batch, Result, cut
from fastbert.callers import callers_level
from fastbert.errors import ConfigError
from fastbert.loading import ModelFiles, compute_types
from fastbert.mapped_weights import MappedWeights
from fastbert.progress import logs_info, progress
from fastbert.quantization import PRECISIONS, quantize_embeddings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from os import PathLike

    from numpy.typing import ArrayLike, NDArray

    from fastbert.profiling import Profile
    from fastbert.quantization import Precision
    from fastbert.tokenizer import Tokens

    Array = NDArray[np.float32]
    OutputArray = NDArray[Any]
    OutputList = list[Any]

__all__ = ["COMPUTE_TYPES", "Encoder"]

OutputValue = Literal["sentence_embedding", "token_embeddings"] | None
OnOverflow = Literal["truncate", "error", "window"]

COMPUTE_TYPES = compute_types()
_OUTPUT_VALUES = ("sentence_embedding", "token_embeddings", None)
_OVERFLOWS = ("truncate", "error", "window")
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")

# Texts that are tokenised together: bounds the memory in use, changes no result.
_TEXTS_AT_ONCE = 4096

# The options of a usual call, in the order in which `encode` looks at them.
_USUAL = (None, None, None, None, "sentence_embedding", "float32", None, "truncate")


class Encoder:
    """A BERT model that turns texts into vectors. `fastbert.load` makes one.

    Any number of threads may use one encoder at the same time, and a forked child may go on using
    its parent's. A text's vector is the same to the bit alone, in any batch and with any number of
    threads.

    Attributes:
        config: the sizes of the network.
        tokenizer: its `Tokenizer`.
        max_seq_length: longest input in tokens, [CLS] and [SEP] included.
        prompts: name -> text put before an input.
        default_prompt_name: the prompt of a plain `encode`, or None.
        truncate_dim: how many leading dimensions are kept, or None for all.
        similarity_fn_name: what `similarity` computes: cosine, dot, euclidean or manhattan.
        threads: threads of every call, or None for all that the process may use.
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        *,
        compute_type: str = "float32",
        threads: int | None = None,
        max_seq_length: int | None = None,
        truncate_dim: int | None = None,
        prompts: Mapping[str, str] | None = None,
        default_prompt_name: str | None = None,
    ) -> None:
        """Load a model directory; the arguments are those of `fastbert.load`."""
        check_choice("compute_type", compute_type, COMPUTE_TYPES)
        check_threads(threads)
        check_positive("truncate_dim", truncate_dim)
        self.directory = os.fspath(directory)
        self.compute_type = compute_type
        files = ModelFiles(self.directory)
        self._modules, self.config, self.tokenizer = files.modules, files.config, files.tokenizer
        self._full_dimension = self._modules.output_size(self.config.hidden_size)
        self._check_vocabulary()
        self.threads = threads
        self.max_seq_length = self._length_limit(max_seq_length)
        self.truncate_dim = truncate_dim
        self.prompts = {"query": "", "document": "", **self._modules.prompts, **(prompts or {})}
        self.default_prompt_name = default_prompt_name or self._modules.default_prompt_name
        if self.default_prompt_name is not None:
            self._named_prompt(self.default_prompt_name)
        self.similarity_fn_name = self._modules.similarity
        self._native = files.native_encoder(compute_type, threads or 0)
        self._mapped = MappedWeights(self._native.packed) if files.maps_packed else None
        self._steps = postprocessing.prepare(self._modules.after, self.isa, threads or 0)
        self._warned_about_length = False

    def __repr__(self) -> str:
        return (
            f"Encoder({self.directory!r}, {self.config.num_hidden_layers} layers, "
            f"dim {self.embedding_dimension}, {self.compute_type}, {self.isa})"
        )

    def __reduce__(self) -> tuple[Any, tuple[()]]:
        """Pickled as its directory and its settings; unpickling loads the files again."""
        options: dict[str, Any] = {
            "compute_type": self.compute_type,
            "threads": self.threads,
            "max_seq_length": self.max_seq_length,
            "truncate_dim": self.truncate_dim,
            "prompts": self.prompts,
            "default_prompt_name": self.default_prompt_name,
        }
        return functools.partial(Encoder, self.directory, **options), ()

    @property
    def isa(self) -> str:
        """The instruction set that this encoder computes with."""
        return self._native.isa

    @property
    def embedding_dimension(self) -> int:
        """Length of the vectors that `encode` returns."""
        return min(self._full_dimension, self.truncate_dim or self._full_dimension)

    @overload
    def encode(
        self,
        texts: str | Sequence[str],
        *,
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int | None = ...,
        show_progress_bar: bool | None = ...,
        output_value: OutputValue = ...,
        precision: Precision = ...,
        normalize_embeddings: bool = ...,
        truncate_dim: int | None = ...,
        on_overflow: OnOverflow = ...,
        threads: int | None = ...,
        profile: Literal[False] = ...,
    ) -> OutputArray | OutputList: ...
    @overload
    def encode(
        self,
        texts: str | Sequence[str],
        *,
        prompt_name: str | None = ...,
        prompt: str | None = ...,
        batch_size: int | None = ...,
        show_progress_bar: bool | None = ...,
        output_value: OutputValue = ...,
        precision: Precision = ...,
        normalize_embeddings: bool = ...,
        truncate_dim: int | None = ...,
        on_overflow: OnOverflow = ...,
        threads: int | None = ...,
        profile: Literal[True],
    ) -> tuple[OutputArray | OutputList, Profile]: ...
    def encode(
        self,
        texts: str | Sequence[str],
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        show_progress_bar: bool | None = None,
        output_value: OutputValue = "sentence_embedding",
        precision: Precision = "float32",
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
        on_overflow: OnOverflow = "truncate",
        threads: int | None = None,
        profile: bool = False,
    ) -> OutputArray | OutputList | tuple[OutputArray | OutputList, Profile]:
        """Turn texts into vectors.

        Args:
            texts: one text, or a sequence of them; any Unicode, any length.
            prompt_name: which of `prompts` goes before every text.
            prompt: the text itself that goes before every text; wins over `prompt_name`.
            batch_size: most texts of one native call; None lets their tokens decide. Results do not
                depend on it, and there is no padding to save.
            show_progress_bar: on stderr; None shows it when the logger "fastbert" is at INFO.
            output_value: "sentence_embedding"; "token_embeddings" for a matrix (tokens, hidden) of
                each text; None for a dictionary of each text with input_ids, token_embeddings and
                sentence_embedding.
            precision: of the result: float32, or int8, uint8, binary or ubinary as
                `quantize_embeddings` makes them.
            normalize_embeddings: scale every vector to length 1, after `truncate_dim`.
            truncate_dim: keep only this many leading dimensions.
            on_overflow: what happens to a text of more than `max_seq_length` tokens: "truncate"
                cuts it and warns once; "error" raises; "window" encodes overlapping windows and
                pools over the tokens of all.
            threads: of this call.
            profile: return a `Profile` too, which says where the time went.

        Returns:
            (dim,) for one text, (texts, dim) for a sequence, (0, dim) for an empty one; a list
            where `output_value` is not "sentence_embedding". With `profile`, this and the `Profile`
            as a tuple.

        Raises:
            TypeError: if a text is not a str.
            ValueError: if an argument is out of its range, or a text is too long and `on_overflow`
                is "error".
        """
        if profile:
            from fastbert.profiling import profiled

            return profiled(
                self,
                texts,
                prompt_name=prompt_name,
                prompt=prompt,
                batch_size=batch_size,
                show_progress_bar=show_progress_bar,
                output_value=output_value,
                precision=precision,
                normalize_embeddings=normalize_embeddings,
                truncate_dim=truncate_dim,
                on_overflow=on_overflow,
                threads=threads,
            )
        options = (
            prompt_name,
            prompt,
            batch_size,
            show_progress_bar,
            output_value,
            precision,
            truncate_dim,
            on_overflow,
        )
        if options == _USUAL:
            found = self._encode_few(texts, normalize_embeddings, threads)
            if found is not None:
                return found
        check_choice("output_value", output_value, _OUTPUT_VALUES)
        check_choice("precision", precision, PRECISIONS)
        check_choice("on_overflow", on_overflow, _OVERFLOWS)
        if output_value is None and precision != "float32":
            raise ValueError(f"precision {precision!r} needs an output_value of one kind, not None")
        check_positive("batch_size", batch_size)
        check_positive("truncate_dim", truncate_dim)
        check_threads(threads)
        single = isinstance(texts, str)
        distinct, places = _distinct([texts] if isinstance(texts, str) else as_texts(texts))
        chosen_prompt = self._prompt(prompt, prompt_name)
        run = _Run(
            texts=distinct,
            places=places,
            prompt=chosen_prompt,
            pool_skip=self._prompt_tokens(chosen_prompt),
            batch_size=batch_size,
            wants_tokens=output_value != "sentence_embedding",
            normalize=normalize_embeddings,
            dimension=truncate_dim or self.truncate_dim,
            on_overflow=on_overflow,
            threads=threads or self.threads,
        )
        if show_progress_bar is None:
            show_progress_bar = logs_info()
        repeated = 0 if places is None else len(places) - len(distinct)
        total = len(distinct) + repeated
        with progress(total, description="encoding", enabled=show_progress_bar) as bar:
            results = []
            for batch in self._batches(run):
                results.append(self._encode_batch(batch, run))
                bar.update(batch.count)
            bar.update(repeated)
        outputs = self._outputs(results, run, output_value)
        if places is not None:
            outputs = _repeat(outputs, places)
        nothing = isinstance(outputs, list) and not outputs
        if precision != "float32" and not nothing:
            outputs = quantize_embeddings(outputs[0] if single else outputs, precision)
        elif single:
            outputs = outputs[0]
        if self._mapped is not None and self._mapped.count_call():
            self._mapped = None
        return outputs

    @overload
    def encode_query(
        self, texts: str | Sequence[str], *, profile: Literal[True], **options: Any
    ) -> tuple[OutputArray | OutputList, Profile]: ...
    @overload
    def encode_query(
        self, texts: str | Sequence[str], **options: Any
    ) -> OutputArray | OutputList: ...
    def encode_query(self, texts: str | Sequence[str], **options: Any) -> Any:
        """`encode` with the prompt "query", unless `prompt` or `prompt_name` says otherwise."""
        if options.get("prompt_name") is None and options.get("prompt") is None:
            options["prompt_name"] = "query"
        return self.encode(texts, **options)

    @overload
    def encode_document(
        self, texts: str | Sequence[str], *, profile: Literal[True], **options: Any
    ) -> tuple[OutputArray | OutputList, Profile]: ...
    @overload
    def encode_document(
        self, texts: str | Sequence[str], **options: Any
    ) -> OutputArray | OutputList: ...
    def encode_document(self, texts: str | Sequence[str], **options: Any) -> Any:
        """`encode` with the prompt "document", or else "passage" or "corpus"."""
        if options.get("prompt_name") is None and options.get("prompt") is None:
            named = [name for name in _DOCUMENT_PROMPTS if self.prompts.get(name)]
            options["prompt_name"] = named[0] if named else "document"
        return self.encode(texts, **options)

    def similarity(self, a: ArrayLike, b: ArrayLike) -> OutputArray:
        """How alike every vector of `a` is to every vector of `b`: (rows of a, rows of b)."""
        from fastbert.similarity import similarity_function

        return similarity_function(self.similarity_fn_name)(a, b)

    def similarity_pairwise(self, a: ArrayLike, b: ArrayLike) -> OutputArray:
        """How alike each vector of `a` is to the same row of `b`: (rows,)."""
        from fastbert.similarity import pairwise_similarity_function

        return pairwise_similarity_function(self.similarity_fn_name)(a, b)

    # --- loading ---

    def _check_vocabulary(self) -> None:
        if self.tokenizer.max_id >= self.config.vocab_size:
            raise ConfigError(
                f"{self._modules.transformer}: the tokenizer has ids up to "
                f"{self.tokenizer.max_id}, but config.json says vocab_size {self.config.vocab_size}"
            )

    def _length_limit(self, wanted: int | None) -> int:
        most = self.config.max_position_embeddings
        if wanted is None:
            wanted = self._modules.max_seq_length or self.tokenizer.max_length or most
            return min(wanted, most)
        least = 1 + sum(self.tokenizer.special_counts)
        if not is_integer(wanted) or not least <= wanted <= most:
            raise ValueError(
                f"max_seq_length is {wanted!r}, but this model can take {least} to {most} tokens"
            )
        return int(wanted)

    # --- prompts ---

    def _named_prompt(self, name: str) -> str:
        if name not in self.prompts:
            raise ValueError(f"prompt_name is {name!r}, but this model has {sorted(self.prompts)}")
        return self.prompts[name]

    def _prompt(self, prompt: str | None, name: str | None) -> str:
        if prompt is not None:
            if not isinstance(prompt, str):
                raise TypeError(f"prompt is a {type(prompt).__name__}, but must be a str")
            if name is not None:
                warnings.warn("prompt is used, prompt_name is ignored", stacklevel=callers_level())
            return prompt
        name = self.default_prompt_name if name is None else name
        return "" if name is None else self._named_prompt(name)

    def _prompt_tokens(self, prompt: str) -> int:
        """How many leading tokens the pooling leaves out: the prompt's, without its [SEP]."""
        if not prompt or self._modules.include_prompt:
            return 0
        before, after = self.tokenizer.special_counts
        count = int(self.tokenizer.encode_batch([self._prepared(prompt)]).offsets[1]) - after
        if count >= self.max_seq_length - after:
            raise ValueError(
                f"the prompt has {count - before} tokens, which leaves no room for a text within "
                f"max_seq_length {self.max_seq_length}"
            )
        return count

    def _prepared(self, text: str) -> str:
        return text.lower() if self._modules.do_lower_case else text

    # --- from texts to vectors ---

    def _encode_few(
        self, texts: str | Sequence[str], normalize: bool, threads: int | None
    ) -> Array | None:
        """`encode` of one text or a few with the usual options, or None if this is another call.

        The steps are the same on the long way. A forward pass leaves nothing else in the caches, so
        every line of Python that a short text goes through costs it a microsecond.
        """
        if self.default_prompt_name is not None or self._modules.do_lower_case:
            return None
        if threads is None:
            threads = self.threads or 0
        else:
            check_threads(threads)
        limit = self.max_seq_length
        tokens = self.tokenizer.encode_few(texts, limit, threads)
        if tokens is None:
            return None
        ids, offsets, longest = tokens
        if longest > limit or len(ids) > TOKENS_AT_ONCE or logs_info():
            return None
        if self._mapped is not None and self._mapped.count_call():
            self._mapped = None
        vectors = self._native.forward(
            ids, offsets, poolings=self._modules.pooling, threads=threads
        )
        for step in self._steps:
            vectors = step(vectors, threads)
        dimension = self.truncate_dim
        if dimension is not None and dimension < vectors.shape[1]:
            vectors = np.ascontiguousarray(vectors[:, :dimension])
        if normalize:
            _core.normalize(vectors)
        return vectors[0] if isinstance(texts, str) else vectors

    def _batches(self, run: _Run) -> Iterator[Batch]:
        """Tokenise some thousand texts at a time and cut them into native calls."""
        limit = None if run.on_overflow == "window" else self.max_seq_length
        for first in range(0, len(run.texts), _TEXTS_AT_ONCE):
            texts = run.texts[first : first + _TEXTS_AT_ONCE]
            if run.prompt or self._modules.do_lower_case:
                texts = [self._prepared(run.prompt + text) for text in texts]
            tokens = self.tokenizer.encode_batch(texts, max_length=limit, threads=run.threads)
            self._check_lengths(tokens, run, first)
            yield from cut(tokens.ids, tokens.offsets, run.batch_size)

    def _check_lengths(self, tokens: Tokens, run: _Run, first: int) -> None:
        if run.on_overflow == "window" or tokens.lengths.max(initial=0) <= self.max_seq_length:
            return
        worst = int(np.argmax(tokens.lengths > self.max_seq_length))
        index = first + worst if run.places is None else run.places.index(first + worst)
        fact = (
            f"text {index} has {tokens.lengths[worst]} tokens, but max_seq_length is "
            f"{self.max_seq_length}"
        )
        if run.on_overflow == "error":
            raise ValueError(fact)
        if not self._warned_about_length:
            self._warned_about_length = True
            warnings.warn(
                f'{fact}: the rest of it is ignored (on_overflow="window" uses all of it, "error" '
                "refuses it; this is said once per model)",
                stacklevel=callers_level(),
            )

    def _encode_batch(self, batch: Batch, run: _Run) -> Result:
        """One native call, and what follows it."""
        too_long = run.on_overflow == "window" and batch.longest > self.max_seq_length
        poolings = self._modules.pooling
        if not run.wants_tokens and not too_long:
            vectors = self._native.forward(
                batch.ids,
                batch.offsets,
                poolings=poolings,
                pool_skip=run.pool_skip,
                threads=run.threads or 0,
            )
            return Result(self._finish(vectors, run), batch, None)
        if too_long:
            token_vectors = self._encode_windows(batch, run)
        else:
            token_vectors = self._native.forward(batch.ids, batch.offsets, threads=run.threads or 0)
        vectors = _core.pool(token_vectors, batch.offsets, poolings, run.pool_skip)
        finished = self._finish(vectors, run)
        return Result(finished, batch, token_vectors if run.wants_tokens else None)

    def _encode_windows(self, batch: Batch, run: _Run) -> Array:
        """Token vectors (tokens, hidden) of texts of any length, some windows at a time."""
        from fastbert.windows import split

        windows = split(batch, self.max_seq_length, self.tokenizer.special_counts)
        vectors = np.empty((len(batch.ids), self.config.hidden_size), np.float32)
        for part in cut(windows.ids, windows.offsets, None):
            rows = self._native.forward(part.ids, part.offsets, threads=run.threads or 0)
            places = windows.places[part.first_token : part.first_token + len(rows)]
            vectors[places[places >= 0]] = rows[places >= 0]
        return vectors

    def _finish(self, vectors: Array, run: _Run) -> Array:
        for step in self._steps:
            vectors = step(vectors, run.threads or 0)
        if run.dimension is not None and run.dimension < vectors.shape[1]:
            vectors = np.ascontiguousarray(vectors[:, : run.dimension])
        return postprocessing.normalize(vectors) if run.normalize else vectors

    def _outputs(
        self, results: list[Result], run: _Run, output_value: str | None
    ) -> OutputArray | OutputList:
        """One output for each of the run's texts."""
        if output_value == "sentence_embedding":
            if len(results) == 1:
                return results[0].vectors
            dimension = min(self._full_dimension, run.dimension or self._full_dimension)
            nothing = np.zeros((0, dimension), np.float32)
            return np.concatenate([nothing, *(result.vectors for result in results)])
        texts = [text for result in results for text in result.texts()]
        return texts if output_value is None else [text["token_embeddings"] for text in texts]


class _Run(NamedTuple):
    """The arguments of one `encode` call, checked and filled in."""

    texts: Sequence[str]  # all different
    places: list[int] | None  # of the given texts among them; None: they are the given texts
    prompt: str
    pool_skip: int
    batch_size: int | None
    wants_tokens: bool
    normalize: bool
    dimension: int | None
    on_overflow: OnOverflow
    threads: int | None


def _distinct(texts: Sequence[str]) -> tuple[Sequence[str], list[int] | None]:
    """Every text once, and for every given text the place of its like; None if all differ.

    A text's result does not depend on its company, so it need not be computed twice.
    """
    different = dict.fromkeys(texts)
    if len(different) == len(texts):
        return texts, None
    places = dict(zip(different, range(len(different)), strict=True))
    return list(different), list(map(places.__getitem__, texts))


def _repeat(outputs: OutputArray | OutputList, places: list[int]) -> OutputArray | OutputList:
    if isinstance(outputs, np.ndarray):
        return outputs[places]
    import copy

    return [copy.deepcopy(outputs[place]) for place in places]
