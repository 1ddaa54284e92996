"""One call of `Encoder.encode`: from texts to tokens, through the native encoder, to outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastbert import postprocessing
from fastbert._native import _core
from fastbert.batches import TOKENS_AT_ONCE, Batch, cut
from fastbert.progress import progress
from fastbert.tokenizer import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from fastbert.encoder import Encoder
    from fastbert.inputs import Inputs
    from fastbert.postprocessing import Step

    Array = NDArray[np.float32]

__all__ = ["Request", "encode_all"]

# Texts that are tokenised together: bounds the memory in use, changes no result.
_TEXTS_AT_ONCE = 4096

# Tokens of one native call that returns the attention of every head: 12 layers of 12 heads over 512
# tokens take 151 MB.
_TOKENS_WITH_ATTENTIONS = 512


class Request(NamedTuple):
    """The arguments of one `encode` call, checked and filled in.

    Attributes:
        inputs: the texts.
        prompt: goes before every text.
        pool_skip: leading tokens that the pooling leaves out.
        batch_size: most texts of one native call, or None.
        output_value: what of each text is wanted, see `Encoder.encode`.
        normalize: scale vectors to length 1.
        dimension: how many leading dimensions are kept, or None.
        on_overflow: what happens to long texts.
        threads: of this call, 0 for all.
        layers: hidden states that are pooled, 0 for the embeddings; empty for the last.
        poolings: how.
        steps: what follows the pooling.
        mask_cls_sep: no token attends to [CLS] and [SEP].
        hidden_states: those of all layers are wanted.
        attentions: the attention probabilities are wanted.
    """

    inputs: Inputs
    prompt: str
    pool_skip: int
    batch_size: int | None
    output_value: str | None
    normalize: bool
    dimension: int | None
    on_overflow: str
    threads: int
    layers: tuple[int, ...]
    poolings: tuple[str, ...]
    steps: Sequence[Step]
    mask_cls_sep: bool
    hidden_states: bool
    attentions: bool

    @property
    def wants_tokens(self) -> bool:
        """Whether more than one vector of each text is wanted."""
        return self.output_value != "sentence_embedding"


def encode_all(encoder: Encoder, request: Request, *, show_progress_bar: bool) -> Any:  # noqa: ANN401
    """The outputs of the request's different texts: (texts, dim), or a list."""
    call = _Call(encoder, request)
    inputs = request.inputs
    results = []
    total = len(inputs.first) + inputs.repeated
    with progress(total, description="encoding", enabled=show_progress_bar) as bar:
        for tokens in call.tokenize():
            for batch in call.cut(tokens):
                results.append(call.encode(batch, tokens))
                bar.update(batch.count)
        bar.update(inputs.repeated)
    if request.wants_tokens:
        texts = [text for result in results for text in result]
        return texts if request.output_value is None else [t["token_embeddings"] for t in texts]
    if len(results) == 1:
        return results[0]
    return np.concatenate([call.nothing(), *results])


class _TokenStates(NamedTuple):
    """The vectors of a batch's tokens: of the chosen layers, and of all that were asked for."""

    chosen: Array
    every: Array
    attentions: Array | None


class _Call:
    """What the steps of one call have in common."""

    def __init__(self, encoder: Encoder, request: Request) -> None:
        self._encoder = encoder
        self._request = request
        self._tokenizer = encoder.tokenizer
        self._windows = request.on_overflow == "window"

    def nothing(self) -> Array:
        """The vectors of no text."""
        request = self._request
        parts = len(request.poolings) * max(1, len(request.layers))
        return self._finish(np.zeros((0, parts * self._hidden), np.float32))

    # --- tokens ---

    def tokenize(self) -> Iterator[Tokens]:
        """Tokens of some thousand texts at a time."""
        inputs = self._request.inputs
        for begin in range(0, len(inputs.first), _TEXTS_AT_ONCE):
            part = slice(begin, begin + _TEXTS_AT_ONCE)
            second = None if inputs.second is None else inputs.second[part]
            tokens = self._tokens(inputs.first[part], second)
            if not self._windows:
                self._check_lengths(tokens, begin)
            yield tokens

    def _tokens(self, first: Any, second: Any) -> Tokens:  # noqa: ANN401
        limit = None if self._windows else self._encoder.max_seq_length
        if self._request.inputs.tokenized:
            return self._tokenizer.encode_tokens(first, second, max_length=limit)
        prepared = self._encoder._prepared
        if self._request.prompt or self._encoder._modules.do_lower_case:
            first = [prepared(self._request.prompt + text) for text in first]
            second = None if second is None else [prepared(text) for text in second]
        return self._tokenizer.encode_batch(
            first,
            second,
            max_length=limit,
            return_spans=self._request.output_value is None,
            threads=self._request.threads or None,
        )

    def _check_lengths(self, tokens: Tokens, begin: int) -> None:
        given = self._request.inputs.given
        self._encoder._overflow.check(
            tokens.lengths,
            self._encoder.max_seq_length,
            lambda i: f"text {given(begin + i)}",
            limit="max_seq_length",
            refuse=self._request.on_overflow == "error",
            advice='on_overflow="window" uses all of it, "error" refuses it; ',
        )

    def cut(self, tokens: Tokens) -> Iterator[Batch]:
        """The native calls for some tokens."""
        layers = max(1, len(self._request.layers))
        if self._request.hidden_states:
            layers = self._encoder.config.num_hidden_layers + 1
        most = TOKENS_AT_ONCE // layers
        if self._request.attentions:
            most = min(most, _TOKENS_WITH_ATTENTIONS)
        return cut(tokens.ids, tokens.offsets, self._request.batch_size, most)

    # --- vectors ---

    def encode(self, batch: Batch, tokens: Tokens) -> Any:  # noqa: ANN401
        """Vectors (texts, dim) of one batch, or all that is wanted of each of its texts."""
        request = self._request
        too_long = self._windows and batch.longest > self._encoder.max_seq_length
        if request.wants_tokens or too_long:
            return self._encode_tokens(batch, tokens, too_long)
        options = self._options(batch.ids, self._type_ids(batch, tokens), request.layers)
        options |= {"poolings": request.poolings, "pool_skip": request.pool_skip}
        return self._finish(self._forward(batch, **options))

    def _encode_tokens(self, batch: Batch, tokens: Tokens, too_long: bool) -> Any:  # noqa: ANN401
        """The same by way of the vectors of all tokens."""
        request = self._request
        states = self._token_states(batch, tokens, too_long)
        vectors = _core.pool(
            states.chosen, batch.offsets, request.poolings, request.pool_skip, self._mask(batch.ids)
        )
        vectors = self._finish(vectors)
        if not request.wants_tokens:
            return vectors
        return list(self._texts(batch, tokens, vectors, states))

    def _token_states(self, batch: Batch, tokens: Tokens, too_long: bool) -> _TokenStates:
        request, attentions = self._request, None
        layers = self._all_layers() if request.hidden_states else request.layers
        if too_long:
            every = self._encode_windows(batch, layers)
        else:
            options = self._options(batch.ids, self._type_ids(batch, tokens), layers)
            if request.attentions:
                every, attentions = self._forward(batch, attentions=True, **options)
            else:
                every = self._forward(batch, **options)
        return _TokenStates(self._chosen(every), every, attentions)

    def _encode_windows(self, batch: Batch, layers: tuple[int, ...]) -> Array:
        """Token vectors of texts of any length, some windows at a time."""
        from fastbert.windows import split

        encoder = self._encoder
        windows = split(batch, encoder.max_seq_length, self._tokenizer.special_counts)
        width = encoder.config.hidden_size * max(1, len(layers))
        vectors = np.empty((len(batch.ids), width), np.float32)
        for part in cut(windows.ids, windows.offsets, None):
            rows = self._forward(part, **self._options(part.ids, None, layers))
            places = part.rows_of(windows.places)
            vectors[places[places >= 0]] = rows[places >= 0]
        return vectors

    def _forward(self, batch: Batch, **options: Any) -> Any:  # noqa: ANN401
        return self._encoder._native.forward(batch.ids, batch.offsets, **options)

    def _options(
        self,
        ids: NDArray[np.int32],
        type_ids: NDArray[np.int32] | None,
        layers: tuple[int, ...],
    ) -> dict[str, Any]:
        """What a native call needs beside the tokens and the form of its result."""
        options: dict[str, Any] = {"threads": self._request.threads, "layers": layers}
        return options | {"type_ids": type_ids, "mask": self._mask(ids)}

    def _type_ids(self, batch: Batch, tokens: Tokens) -> NDArray[np.int32] | None:
        """Which text of its pair each token belongs to, for models that want to know."""
        if tokens.type_ids is None or self._encoder.config.type_vocab_size < 2:
            return None
        return batch.rows_of(tokens.type_ids)

    def _mask(self, ids: NDArray[np.int32]) -> NDArray[np.uint8] | None:
        """0 for [CLS] and [SEP], 1 for all others; None if all are wanted."""
        if not self._request.mask_cls_sep:
            return None
        special = (self._tokenizer.cls_id, self._tokenizer.sep_id)
        return np.isin(ids, [i for i in special if i is not None], invert=True).view(np.uint8)

    def _all_layers(self) -> tuple[int, ...]:
        return tuple(range(self._encoder.config.num_hidden_layers + 1))

    def _chosen(self, states: Array) -> Array:
        """The wanted layers side by side, out of all of them or of themselves."""
        request, hidden = self._request, self._encoder.config.hidden_size
        if not request.hidden_states:
            return states
        layers = request.layers or (self._encoder.config.num_hidden_layers,)
        parts = [states[:, layer * hidden : (layer + 1) * hidden] for layer in layers]
        return np.ascontiguousarray(np.concatenate(parts, axis=1))

    def _finish(self, vectors: Array) -> Array:
        request = self._request
        for step in request.steps:
            vectors = step(vectors, request.threads)
        if request.dimension is not None and request.dimension < vectors.shape[1]:
            vectors = np.ascontiguousarray(vectors[:, : request.dimension])
        return postprocessing.normalize(vectors) if request.normalize else vectors

    # --- all about each text ---

    def _texts(
        self, batch: Batch, tokens: Tokens, vectors: Array, states: _TokenStates
    ) -> Iterator[dict[str, Any]]:
        bounds = batch.offsets.tolist()
        heads = _attentions(states.attentions, batch, self._encoder.config)
        for i, vector in enumerate(vectors):
            part = slice(bounds[i], bounds[i + 1])
            text: dict[str, Any] = {"token_embeddings": states.chosen[part]}
            if self._request.output_value is None:
                text |= self._facts(batch, tokens, part)
                text["sentence_embedding"] = vector
            if self._request.hidden_states:
                layers = states.every[part].reshape(part.stop - part.start, -1, self._hidden)
                text["hidden_states"] = np.ascontiguousarray(layers.swapaxes(0, 1))
            if heads is not None:
                text["attentions"] = next(heads)
            yield text

    def _facts(self, batch: Batch, tokens: Tokens, part: slice) -> dict[str, Any]:
        """What the tokenizer says about the tokens of one text."""
        ids = batch.ids[part]
        facts: dict[str, Any] = {"input_ids": ids, "tokens": self._tokenizer.tokens(ids)}
        for name, array in (("token_type_ids", tokens.type_ids), ("spans", tokens.spans)):
            if array is not None:
                facts[name] = batch.rows_of(array)[part]
        return facts

    @property
    def _hidden(self) -> int:
        return self._encoder.config.hidden_size


def _attentions(flat: Array | None, batch: Batch, config: Any) -> Iterator[Array] | None:  # noqa: ANN401
    """Each text's own block (layers, heads, tokens, tokens) of what the native encoder returns."""
    if flat is None:
        return None
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    lengths = np.diff(batch.offsets).astype(np.int64)
    ends = np.cumsum(layers * heads * lengths**2)
    return (
        part.reshape(layers, heads, length, length)
        for part, length in zip(np.split(flat, ends[:-1]), lengths.tolist(), strict=True)
    )
