"""ALBERT: narrow embeddings, and layers that share their weights."""

from __future__ import annotations

from fastbert.families.bert import EMBEDDINGS
from fastbert.families.family import Family, HeadLinear, HeadNorm, head_linear, linear, norm

__all__ = ["ALBERT"]

_POOLER = head_linear("pooler", "tanh")

ALBERT = Family(
    model_type="albert",
    architecture="Albert",
    config_keys={"num_layer_groups": "num_hidden_groups"},
    config_defaults={
        "hidden_act": "gelu_new",
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "embedding_size": 128,
        "num_layer_groups": 1,
    },
    config_required={"inner_group_num": 1},
    embeddings={
        **EMBEDDINGS,
        **linear("embedding_projection", "encoder.embedding_hidden_mapping_in"),
    },
    layer_prefix="encoder.albert_layer_groups.{i}.albert_layers.0.",
    layer={
        **linear("query", "attention.query"),
        **linear("key", "attention.key"),
        **linear("value", "attention.value"),
        **linear("output", "attention.dense"),
        **norm("attention_norm", "attention.LayerNorm"),
        **linear("ffn_in", "ffn"),
        **linear("ffn_out", "ffn_output"),
        **norm("ffn_norm", "full_layer_layer_norm"),
    },
    heads={
        "pooler": (_POOLER,),
        "sequence_classification": (_POOLER, head_linear("classifier")),
        "token_classification": (head_linear("classifier"),),
        "masked_lm": (
            head_linear("predictions.dense", "hidden_act"),
            HeadNorm("predictions.LayerNorm"),
            HeadLinear(
                "predictions.decoder.weight",
                ("predictions.bias", "predictions.decoder.bias"),
                tied=True,
            ),
        ),
        "question_answering": (head_linear("qa_outputs"),),
    },
    ignored=(
        "embeddings.position_ids",
        "embeddings.token_type_ids",
        "pooler.",
        "predictions.",
        "sop_classifier.",
        "classifier.",
        "qa_outputs.",
    ),
)
