"""MPNet: no token types, positions as RoBERTa's, and scores that depend on the distance."""

from __future__ import annotations

from fastbert.families.bert import BERT
from fastbert.families.family import Family, linear, norm
from fastbert.families.roberta import HEADS, ROBERTA

__all__ = ["MPNET"]

MPNET = Family(
    model_type="mpnet",
    architecture="MPNet",
    config_defaults={
        "hidden_act": "gelu",
        "max_position_embeddings": 512,
        "layer_norm_eps": 1e-12,
        "relative_attention_num_buckets": 32,
    },
    config_fixed={"type_vocab_size": 0, "padding_id": 1},
    embeddings={
        "word_embeddings": "embeddings.word_embeddings.weight",
        "position_embeddings": "embeddings.position_embeddings.weight",
        **norm("embeddings_norm", "embeddings.LayerNorm"),
        "relative_attention_bias": "encoder.relative_attention_bias.weight",
    },
    layer_prefix="encoder.layer.{i}.",
    layer={
        **linear("query", "attention.attn.q"),
        **linear("key", "attention.attn.k"),
        **linear("value", "attention.attn.v"),
        **linear("output", "attention.attn.o"),
        **norm("attention_norm", "attention.LayerNorm"),
        **linear("ffn_in", "intermediate.dense"),
        **linear("ffn_out", "output.dense"),
        **norm("ffn_norm", "output.LayerNorm"),
    },
    heads={"pooler": BERT.heads["pooler"], **HEADS},
    ignored=ROBERTA.ignored,
)
