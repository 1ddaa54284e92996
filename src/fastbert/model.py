"""What a model directory says, as the encoder uses it; config.py and modules.py read it.

Every start needs these classes, and most starts none of the code that reads the files: plain
classes, because making a dataclass takes about a millisecond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fastbert.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Dense", "EncoderConfig", "LayerNorm", "Normalize", "SentenceModules"]


class EncoderConfig(NamedTuple):
    """Everything about an encoder but its weights.

    Attributes:
        model_type: the family, a key of `fastbert.families.FAMILIES`.
        vocab_size: rows of the word table.
        hidden_size: width of a token's vector; a multiple of `num_attention_heads`.
        num_hidden_layers: number of layers.
        num_attention_heads: heads per layer.
        intermediate_size: inner width of the feed-forward part.
        hidden_act: formula of the feed-forward part: gelu, gelu_tanh, relu, silu or tanh.
        max_position_embeddings: rows of the position table.
        type_vocab_size: rows of the token type table; 0 without one.
        layer_norm_eps: added to the variance in every layer norm.
        embedding_size: width of the embedding tables; if it is not `hidden_size`, a linear layer
            follows them.
        num_layer_groups: layers with weights of their own; layer i has those of group
            i * num_layer_groups // num_hidden_layers.
        padding_id: None, and token t stands at position t; or the positions count the tokens but
            the padding tokens from padding_id + 1 on, and those stand at padding_id.
        relative_attention_num_buckets: rows of the table of what attention adds to a score for the
            distance of key and query; 0 without one.
    """

    model_type: str
    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    hidden_act: str
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float
    embedding_size: int
    num_layer_groups: int
    padding_id: int | None
    relative_attention_num_buckets: int

    @property
    def max_length(self) -> int:
        """Tokens of the longest text."""
        reserved = 0 if self.padding_id is None else self.padding_id + 1
        return self.max_position_embeddings - reserved


class Dense(NamedTuple):
    """y = activation(x @ weight.T + bias).

    Attributes:
        weight: float32 (out, in).
        bias: float32 (out,), or None.
        activation: identity, tanh, relu, gelu, sigmoid or silu.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32] | None
    activation: str


class Normalize(NamedTuple):
    """y = x / max(|x|, 1e-12)."""


class LayerNorm(NamedTuple):
    """y = (x - mean) / sqrt(var + eps) * gamma + beta; gamma and beta float32 (dim,)."""

    gamma: NDArray[np.float32]
    beta: NDArray[np.float32]
    eps: float


class SentenceModules(NamedTuple):
    """What a model directory says beyond the transformer itself.

    Attributes:
        transformer: directory of config.json, the weights and the tokenizer.
        max_seq_length: longest input in tokens, or None when the directory does not say.
        do_lower_case: lower-case every text before anything else.
        pooling: names out of `POOLING_MODES`, concatenated in this order.
        pooling_size: hidden size that the pooling expects, or None when the directory does not say.
        include_prompt: whether the prompt's tokens take part in the pooling.
        after: modules applied to the pooled vectors, in this order.
        prompts: name -> text put before an input.
        default_prompt_name: the prompt of a plain `encode`, or None.
        similarity: name out of `fastbert.similarity.SIMILARITIES`.
    """

    transformer: str
    max_seq_length: int | None
    do_lower_case: bool
    pooling: tuple[str, ...]
    pooling_size: int | None
    include_prompt: bool
    after: tuple[Dense | Normalize | LayerNorm, ...]
    prompts: dict[str, str]
    default_prompt_name: str | None
    similarity: str

    def output_size(self, hidden_size: int) -> int:
        """Width of the final vectors.

        Raises:
            ConfigError: if one part does not accept the width of the part before it.
        """
        if self.pooling_size not in (None, hidden_size):
            raise ConfigError(
                f"{self.transformer}: the Pooling module expects vectors of {self.pooling_size}, "
                f"but config.json says hidden_size {hidden_size}"
            )
        size = hidden_size * len(self.pooling)
        for module in self.after:
            expected = size
            if isinstance(module, Dense):
                expected, following = module.weight.shape[1], module.weight.shape[0]
            elif isinstance(module, LayerNorm):
                expected = following = module.gamma.shape[0]
            else:
                following = size
            if expected != size:
                raise ConfigError(
                    f"{self.transformer}: a {type(module).__name__} module expects vectors of "
                    f"{expected}, but gets vectors of {size}"
                )
            size = following
        return size
