"""BERT, and with it MiniLM, E5, BGE and GTE models of that architecture."""

from __future__ import annotations

from fastbert.families.family import Family, HeadLinear, HeadNorm, head_linear, linear, norm

__all__ = ["BERT", "EMBEDDINGS", "LAYER"]

EMBEDDINGS = {
    "word_embeddings": "embeddings.word_embeddings.weight",
    "position_embeddings": "embeddings.position_embeddings.weight",
    "type_embeddings": "embeddings.token_type_embeddings.weight",
    **norm("embeddings_norm", "embeddings.LayerNorm"),
}

LAYER = {
    **linear("query", "attention.self.query"),
    **linear("key", "attention.self.key"),
    **linear("value", "attention.self.value"),
    **linear("output", "attention.output.dense"),
    **norm("attention_norm", "attention.output.LayerNorm"),
    **linear("ffn_in", "intermediate.dense"),
    **linear("ffn_out", "output.dense"),
    **norm("ffn_norm", "output.LayerNorm"),
}

_POOLER = head_linear("pooler.dense", "tanh")

BERT = Family(
    model_type="bert",
    architecture="Bert",
    # Google's own files have no layer_norm_eps; the sizes are always there, so they are required.
    config_defaults={
        "hidden_act": "gelu",
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
    },
    embeddings=EMBEDDINGS,
    layer_prefix="encoder.layer.{i}.",
    layer=LAYER,
    heads={
        "pooler": (_POOLER,),
        "sequence_classification": (_POOLER, head_linear("classifier")),
        "token_classification": (head_linear("classifier"),),
        "masked_lm": (
            head_linear("cls.predictions.transform.dense", "hidden_act"),
            HeadNorm("cls.predictions.transform.LayerNorm"),
            HeadLinear(
                "cls.predictions.decoder.weight",
                ("cls.predictions.bias", "cls.predictions.decoder.bias"),
                tied=True,
            ),
        ),
        "question_answering": (head_linear("qa_outputs"),),
        "next_sentence": (_POOLER, head_linear("cls.seq_relationship")),
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
