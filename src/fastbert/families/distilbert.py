"""DistilBERT: half of BERT's layers, no token types, other names."""

from __future__ import annotations

from fastbert.families.family import Family, HeadLinear, HeadNorm, head_linear, linear, norm

__all__ = ["DISTILBERT"]

DISTILBERT = Family(
    model_type="distilbert",
    architecture="DistilBert",
    config_keys={
        "hidden_size": "dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "hidden_act": "activation",
    },
    config_defaults={"hidden_act": "gelu", "max_position_embeddings": 512},
    config_fixed={"type_vocab_size": 0, "layer_norm_eps": 1e-12},
    embeddings={
        "word_embeddings": "embeddings.word_embeddings.weight",
        "position_embeddings": "embeddings.position_embeddings.weight",
        **norm("embeddings_norm", "embeddings.LayerNorm"),
    },
    layer_prefix="transformer.layer.{i}.",
    layer={
        **linear("query", "attention.q_lin"),
        **linear("key", "attention.k_lin"),
        **linear("value", "attention.v_lin"),
        **linear("output", "attention.out_lin"),
        **norm("attention_norm", "sa_layer_norm"),
        **linear("ffn_in", "ffn.lin1"),
        **linear("ffn_out", "ffn.lin2"),
        **norm("ffn_norm", "output_layer_norm"),
    },
    heads={
        "sequence_classification": (
            head_linear("pre_classifier", "relu"),
            head_linear("classifier"),
        ),
        "token_classification": (head_linear("classifier"),),
        "masked_lm": (
            head_linear("vocab_transform", "hidden_act"),
            HeadNorm("vocab_layer_norm"),
            HeadLinear("vocab_projector.weight", ("vocab_projector.bias",), tied=True),
        ),
        "question_answering": (head_linear("qa_outputs"),),
    },
    ignored=(
        "embeddings.position_ids",
        "pre_classifier.",
        "classifier.",
        "vocab_transform.",
        "vocab_layer_norm.",
        "vocab_projector.",
        "qa_outputs.",
    ),
)
