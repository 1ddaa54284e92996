"""`Encoder`: a loaded model, from texts to vectors."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from fastbert import postprocessing
from fastbert._native import _core
from fastbert.arguments import check_choice, check_positive, check_threads, is_integer
from fastbert.attributes import PositiveOrNone, Threads
from fastbert.batches import TOKENS_AT_ONCE
from fastbert.errors import ModelNotFoundError
from fastbert.length_limit import LengthLimit, stated_limit
from fastbert.loading import ModelFiles, compute_types
from fastbert.mapped_weights import MappedWeights
from fastbert.overflow import Overflow
from fastbert.progress import logs_info
from fastbert.prompts import checked_prompts, choose_prompt, with_task_prompt
from fastbert.quantization import PRECISIONS, quantize_embeddings
from fastbert.tokenizer import check_vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike

    from numpy.typing import ArrayLike, NDArray

    from fastbert.inputs import Inputs
    from fastbert.postprocessing import Step
    from fastbert.profiling import Profile
    from fastbert.quantization import Precision

    Array = NDArray[np.float32]
    Tokenized = Sequence[str]
    Texts = (
        str
        | Sequence[str]
        | Sequence[tuple[str, str]]
        | Sequence[Tokenized]
        | Sequence[tuple[Tokenized, Tokenized]]
    )
    OutputArray = NDArray[Any]
    OutputList = list[Any]

__all__ = ["COMPUTE_TYPES", "Encoder"]

OutputValue = Literal["sentence_embedding", "token_embeddings"] | None
OnOverflow = Literal["truncate", "error", "window"]

COMPUTE_TYPES = compute_types()
_OUTPUT_VALUES = ("sentence_embedding", "token_embeddings", None)
_OVERFLOWS = ("truncate", "error", "window")

# The options of a usual call, in the order in which `encode` looks at them; layers and pooling are
# looked at by themselves, for an array cannot be compared.
_USUAL = (
    *(None, None, None, None, "sentence_embedding", "float32", None, "truncate"),
    *(False, False, False, False),
)

_POOLER = "pooler"


def _existing(directory: str | PathLike[str]) -> str:
    """The absolute path, which stays true when the process goes elsewhere."""
    if not os.path.isdir(directory):
        raise ModelNotFoundError(
            f"{os.fspath(directory)} is not a directory; fastbert.load takes names of models too"
        )
    return os.path.abspath(directory)


def _check_output(output_value: OutputValue, precision: str, *, states_too: bool) -> None:
    check_choice("output_value", output_value, _OUTPUT_VALUES)
    check_choice("precision", precision, PRECISIONS)
    if output_value is None and precision != "float32":
        raise ValueError(f"precision {precision!r} needs an output_value of one kind, not None")
    if output_value is not None and states_too:
        raise ValueError(
            "output_hidden_states and output_attentions need output_value=None, which returns all "
            f"that is known about each text; it is {output_value!r}"
        )


class Encoder:
    """A BERT model that turns texts into vectors. `fastbert.load` makes one.

    Any number of threads may use one encoder at the same time, and a forked child may go on using
    its parent's. A text's vector is the same to the bit alone, in any batch and with any number of
    threads.

    Attributes:
        directory: where the model lies.
        compute_type: what it computes with.
        config: the sizes of the network.
        tokenizer: its `Tokenizer`.
        max_seq_length: longest input in tokens, [CLS] and [SEP] included.
        prompts: name -> text put before an input.
        default_prompt_name: the prompt of a plain `encode`, or None.
        truncate_dim: how many leading dimensions are kept, or None for all.
        similarity_fn_name: what `similarity` computes: cosine, dot, euclidean or manhattan.
        threads: threads of every call, or None for all that the process may use.
    """

    max_seq_length = LengthLimit()
    truncate_dim = PositiveOrNone()
    threads = Threads()

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
        similarity_fn_name: str | None = None,
    ) -> None:
        """Load a model directory; the arguments are those of `fastbert.load`."""
        check_choice("compute_type", compute_type, COMPUTE_TYPES)
        given = checked_prompts(prompts)
        if similarity_fn_name is not None:
            from fastbert.similarity import SIMILARITIES

            check_choice("similarity_fn_name", similarity_fn_name, SIMILARITIES)
        self.directory = _existing(directory)
        self.compute_type = compute_type
        self.threads = threads
        self.truncate_dim = truncate_dim
        files = ModelFiles(self.directory)
        self._modules, self.config, self.tokenizer = files.modules, files.config, files.tokenizer
        self._full_dimension = self._modules.output_size(self.config.hidden_size)
        check_vocabulary(self.tokenizer, self.config.vocab_size, self._modules.transformer)
        if max_seq_length is None:
            stated = self._modules.max_seq_length or self.tokenizer.max_length
            max_seq_length = stated_limit(self, self.directory, stated)
        self.max_seq_length = max_seq_length
        self.prompts = {"query": "", "document": "", **self._modules.prompts, **given}
        self.default_prompt_name = default_prompt_name or self._modules.default_prompt_name
        self._prompt(None, None)
        self.similarity_fn_name = similarity_fn_name or self._modules.similarity
        self._native = files.native_encoder(compute_type, threads or 0)
        self._mapped = MappedWeights(self._native.packed, in_file=files.maps_packed)
        self._steps = postprocessing.prepare(self._modules.after, self.isa, threads or 0)
        self._overflow = Overflow()

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
            "similarity_fn_name": self.similarity_fn_name,
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
        self, texts: Texts, *, profile: Literal[True], **options: Any
    ) -> tuple[OutputArray | OutputList, Profile]: ...
    @overload
    def encode(
        self,
        texts: Texts,
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
        layers: int | Sequence[int] | None = ...,
        pooling: str | Sequence[str] | None = ...,
        mask_cls_sep: bool = ...,
        is_tokenized: bool = ...,
        output_hidden_states: bool = ...,
        output_attentions: bool = ...,
        threads: int | None = ...,
        profile: Literal[False] = ...,
    ) -> OutputArray | OutputList: ...
    def encode(  # type: ignore[misc]  # the options of the first overload are those of the second
        self,
        texts: Texts,
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
        layers: int | Sequence[int] | None = None,
        pooling: str | Sequence[str] | None = None,
        mask_cls_sep: bool = False,
        is_tokenized: bool = False,
        output_hidden_states: bool = False,
        output_attentions: bool = False,
        threads: int | None = None,
        profile: bool = False,
    ) -> Any:
        """Turn texts into vectors.

        Args:
            texts: one text, or a sequence of them; any Unicode, any length. A list of pairs
                (tuples of two str) is encoded as pairs.
            prompt_name: which of `prompts` goes before every text.
            prompt: the text itself that goes before every text; wins over `prompt_name`.
            batch_size: most texts of one native call; None lets their tokens decide. Results do not
                depend on it, and there is no padding to save.
            show_progress_bar: on stderr; None shows it when the logger "fastbert" is at INFO.
            output_value: "sentence_embedding"; "token_embeddings" for a matrix (tokens, hidden) of
                each text; None for a dictionary of each text with input_ids, tokens, spans (the
                characters [start, end) of each token), token_embeddings and sentence_embedding.
            precision: of the result: float32, or int8, uint8, binary or ubinary as
                `quantize_embeddings` makes them.
            normalize_embeddings: scale every vector to length 1, after `truncate_dim`.
            truncate_dim: keep only this many leading dimensions.
            on_overflow: what happens to a text of more than `max_seq_length` tokens: "truncate"
                cuts it and warns once; "error" raises; "window" encodes overlapping windows and
                pools over the tokens of all.
            layers: which hidden states are pooled: 0 for the embeddings, 1 for what the first layer
                makes of them, -1 for the last, -2 for the one before it; several side by side, in
                this order. Layers that nobody reads are not computed.
            pooling: cls, max, mean, mean_sqrt_len, weightedmean, lasttoken, several of them side by
                side, or "pooler" for the model's own tanh layer over the last [CLS]. With `layers`
                or `pooling` the modules that the model applies behind its own pooling are left out.
            mask_cls_sep: no token attends to [CLS] or [SEP], and poolings over all tokens leave
                them out, as in bert-as-service.
            is_tokenized: every text is a list of tokens, looked up in the vocabulary as they are.
            output_hidden_states: with `output_value=None`, add hidden_states: (layers + 1, tokens,
                hidden), the embeddings first.
            output_attentions: with `output_value=None`, add attentions: (layers, heads, tokens,
                tokens), how much each token attends to every other.
            threads: of this call.
            profile: return a `Profile` too, which says where the time went.

        Returns:
            (dim,) for one text, (texts, dim) for a sequence, (0, dim) for an empty one, float32 or
            what `precision` says; a list where `output_value` is not "sentence_embedding". With
            `profile`, this and the `Profile` as a tuple.

        Raises:
            TypeError: if a text is not a str.
            ValueError: if an argument is out of its range, or a text is too long and `on_overflow`
                is "error".
            WeightsError: if the model has no pooler.
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
                layers=layers,
                pooling=pooling,
                mask_cls_sep=mask_cls_sep,
                is_tokenized=is_tokenized,
                output_hidden_states=output_hidden_states,
                output_attentions=output_attentions,
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
            mask_cls_sep,
            is_tokenized,
            output_hidden_states,
            output_attentions,
        )
        if layers is None and pooling is None and options == _USUAL:
            found = self._encode_few(texts, normalize_embeddings, threads)
            if found is not None:
                return found
        _check_output(output_value, precision, states_too=output_hidden_states or output_attentions)
        check_choice("on_overflow", on_overflow, _OVERFLOWS)
        check_positive("batch_size", batch_size)
        check_positive("truncate_dim", truncate_dim)
        check_threads(threads)
        from fastbert.encoding import Request, encode_all
        from fastbert.inputs import read_inputs, repeat

        inputs = read_inputs(texts, is_tokenized)
        chosen_prompt = self._prompt(prompt, prompt_name)
        self._check_combinations(inputs, chosen_prompt, on_overflow, output_attentions)
        poolings, steps = self._poolings(pooling, layers)
        request = Request(
            inputs=inputs,
            prompt=chosen_prompt,
            pool_skip=self._prompt_tokens(chosen_prompt),
            batch_size=batch_size,
            output_value=output_value,
            normalize=normalize_embeddings,
            dimension=truncate_dim or self.truncate_dim,
            on_overflow=on_overflow,
            threads=threads or self.threads or 0,
            layers=self._layer_numbers(layers),
            poolings=poolings,
            steps=steps,
            mask_cls_sep=mask_cls_sep,
            hidden_states=output_hidden_states,
            attentions=output_attentions,
        )
        if show_progress_bar is None:
            show_progress_bar = logs_info()
        outputs = encode_all(self, request, show_progress_bar=show_progress_bar)
        if inputs.places is not None:
            outputs = repeat(outputs, inputs.places)
        nothing = isinstance(outputs, list) and not outputs
        if precision != "float32" and not nothing:
            outputs = quantize_embeddings(outputs[0] if inputs.single else outputs, precision)
        elif inputs.single:
            outputs = outputs[0]
        if self._mapped.in_file:
            self._mapped.count_call()
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
        return self.encode(texts, **with_task_prompt(options, self.prompts, "query"))

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
        return self.encode(texts, **with_task_prompt(options, self.prompts, "document"))

    def similarity(self, a: ArrayLike, b: ArrayLike) -> OutputArray:
        """How alike every vector of `a` is to every vector of `b`, by `similarity_fn_name`.

        Returns:
            (rows of a, rows of b); float64 if one side is, else float32.

        Raises:
            ValueError: if the two are not vectors or matrices of one width.
        """
        from fastbert.similarity import similarity_function

        return similarity_function(self.similarity_fn_name)(a, b)

    def similarity_pairwise(self, a: ArrayLike, b: ArrayLike) -> OutputArray:
        """How alike each vector of `a` is to the same row of `b`, by `similarity_fn_name`.

        Returns:
            (rows,); float64 if one side is, else float32.

        Raises:
            ValueError: if the two are not vectors or matrices of one shape.
        """
        from fastbert.similarity import pairwise_similarity_function

        return pairwise_similarity_function(self.similarity_fn_name)(a, b)

    # --- loading ---

    # --- prompts ---

    def _prompt(self, prompt: str | None, name: str | None) -> str:
        return choose_prompt(self.prompts, self.default_prompt_name, prompt=prompt, name=name)

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

    # --- layers and poolings ---

    def _layer_numbers(self, layers: int | Sequence[int] | None) -> tuple[int, ...]:
        """Hidden states by their number from 0; empty for the last alone, when nobody has asked."""
        if layers is None:
            return ()
        last = self.config.num_hidden_layers
        wanted = tuple(layers) if isinstance(layers, Iterable) else (layers,)
        for layer in wanted:
            if not is_integer(layer) or not -last - 1 <= layer <= last:
                raise ValueError(
                    f"layers has {layer!r}, but this model has 0 (the embeddings) to {last}, or "
                    f"-{last + 1} to -1 from the end"
                )
        numbers = tuple(int(layer) % (last + 1) for layer in wanted)
        if not numbers or len(set(numbers)) != len(numbers):
            raise ValueError(f"layers is {layers!r}, but must be one layer or different ones")
        return numbers

    def _poolings(
        self, pooling: str | Sequence[str] | None, layers: int | Sequence[int] | None
    ) -> tuple[tuple[str, ...], Sequence[Step]]:
        """Names of native poolings, and what follows them."""
        if pooling is None:
            return self._modules.pooling, self._steps if layers is None else ()
        if isinstance(pooling, str) or not isinstance(pooling, Iterable):
            pooling = (pooling,)
        names = tuple(pooling)
        if names == (_POOLER,):
            if layers is not None:
                raise ValueError(
                    f"pooling {_POOLER!r} is of the last layer, so layers must be None"
                )
            return ("cls",), self._pooler
        from fastbert.modules import POOLING_MODES

        for name in names:
            if name == _POOLER:
                raise ValueError(f"pooling is {pooling!r}, but {_POOLER!r} can only stand alone")
            check_choice("pooling", name, (*POOLING_MODES, _POOLER))
        if not names or len(set(names)) != len(names):
            raise ValueError(f"pooling is {pooling!r}, but must be one pooling or different ones")
        return names, ()

    @functools.cached_property
    def _pooler(self) -> Sequence[Step]:
        """The layer that BERT was pre-trained with, over the first token."""
        from fastbert.heads import read_head

        head = read_head(self._modules.transformer, self.config, _POOLER)
        return postprocessing.prepare(head, self.isa, self.threads or 0)

    def _check_combinations(
        self, inputs: Inputs, prompt: str, on_overflow: str, output_attentions: bool
    ) -> None:
        if inputs.tokenized and prompt:
            raise ValueError(f"the prompt {prompt!r} cannot be put before texts that are tokenized")
        if on_overflow == "window" and (inputs.second is not None or output_attentions):
            what = "pairs" if inputs.second is not None else "output_attentions"
            raise ValueError(f'on_overflow="window" is for single texts, not for {what}')

    # --- from texts to vectors ---

    def _encode_few(self, texts: Texts, normalize: bool, threads: int | None) -> Array | None:
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
        if self._mapped.in_file:
            self._mapped.count_call()
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
