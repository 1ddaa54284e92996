"""What a model family calls its configuration fields and its tensors: one table per family.

A family is everything that is BERT with other names. To add one, write another `Family` below and
list it in `FAMILIES`; config.py and weights.py read only these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["FAMILIES", "Family"]


@dataclass(frozen=True, slots=True)
class Family:
    """The names that checkpoints of one family use.

    Attributes:
        model_type: what config.json calls the family.
        architecture: how the class names in config.json's `architectures` begin.
        config_keys: our configuration field -> key in config.json.
        config_defaults: our configuration field -> value when config.json does not say.
        embeddings: our tensor -> checkpoint tensor.
        layer: our tensor of one layer -> checkpoint tensor below `layer_prefix`.
        layer_prefix: where layer `{i}` lies.
        ignored: checkpoint tensors that are none of the encoder's: buffers and task heads. A name
            that ends in a dot stands for everything below it.
    """

    model_type: str
    architecture: str
    config_keys: Mapping[str, str]
    config_defaults: Mapping[str, str | int | float]
    embeddings: Mapping[str, str]
    layer: Mapping[str, str]
    layer_prefix: str
    ignored: tuple[str, ...]

    @property
    def anchor(self) -> str:
        """The tensor whose full name in a checkpoint shows the prefix of all the others."""
        return self.embeddings["word_embeddings"]

    def tensor_names(self, num_layers: int) -> dict[str, str]:
        """Our name -> checkpoint name, without prefix, of every tensor of the encoder."""
        names = dict(self.embeddings)
        for i in range(num_layers):
            prefix = self.layer_prefix.format(i=i)
            for ours, theirs in self.layer.items():
                names[f"layers.{i}.{ours}"] = prefix + theirs
        return names

    def ignores(self, name: str) -> bool:
        """Whether a checkpoint tensor is known not to belong to the encoder."""
        return any(
            name.startswith(entry) if entry.endswith(".") else name == entry
            for entry in self.ignored
        )


def _linear(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}.weight": f"{theirs}.weight", f"{ours}.bias": f"{theirs}.bias"}


def _norm(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}.gamma": f"{theirs}.weight", f"{ours}.beta": f"{theirs}.bias"}


_BERT = Family(
    model_type="bert",
    architecture="Bert",
    config_keys={
        "vocab_size": "vocab_size",
        "hidden_size": "hidden_size",
        "num_hidden_layers": "num_hidden_layers",
        "num_attention_heads": "num_attention_heads",
        "intermediate_size": "intermediate_size",
        "hidden_act": "hidden_act",
        "max_position_embeddings": "max_position_embeddings",
        "type_vocab_size": "type_vocab_size",
        "layer_norm_eps": "layer_norm_eps",
    },
    # Google's own files have no layer_norm_eps; the sizes are always there, so they are required.
    config_defaults={
        "hidden_act": "gelu",
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
    },
    embeddings={
        "word_embeddings": "embeddings.word_embeddings.weight",
        "position_embeddings": "embeddings.position_embeddings.weight",
        "type_embeddings": "embeddings.token_type_embeddings.weight",
        **_norm("embeddings_norm", "embeddings.LayerNorm"),
    },
    layer_prefix="encoder.layer.{i}.",
    layer={
        **_linear("query", "attention.self.query"),
        **_linear("key", "attention.self.key"),
        **_linear("value", "attention.self.value"),
        **_linear("output", "attention.output.dense"),
        **_norm("attention_norm", "attention.output.LayerNorm"),
        **_linear("ffn_in", "intermediate.dense"),
        **_linear("ffn_out", "output.dense"),
        **_norm("ffn_norm", "output.LayerNorm"),
    },
    ignored=(
        "embeddings.position_ids",
        "embeddings.token_type_ids",
        "pooler.",
        "cls.",
        "classifier.",
        "qa_outputs.",
    ),
)

FAMILIES: Mapping[str, Family] = MappingProxyType({_BERT.model_type: _BERT})
