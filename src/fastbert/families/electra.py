"""ELECTRA: BERT whose embeddings may be narrower than its layers."""

from __future__ import annotations

from fastbert.families.bert import BERT, EMBEDDINGS, LAYER
from fastbert.families.family import Family, HeadLinear, HeadNorm, head_linear, linear

__all__ = ["ELECTRA"]

ELECTRA = Family(
    model_type="electra",
    architecture="Electra",
    config_defaults={**BERT.config_defaults, "embedding_size": 128},
    embeddings={**EMBEDDINGS, **linear("embedding_projection", "embeddings_project")},
    layer_prefix=BERT.layer_prefix,
    layer=LAYER,
    heads={
        "sequence_classification": (
            head_linear("classifier.dense", "gelu"),
            head_linear("classifier.out_proj"),
        ),
        "token_classification": (head_linear("classifier"),),
        "masked_lm": (
            head_linear("generator_predictions.dense", "gelu"),
            HeadNorm("generator_predictions.LayerNorm"),
            HeadLinear("generator_lm_head.weight", ("generator_lm_head.bias",), tied=True),
        ),
        "question_answering": (head_linear("qa_outputs"),),
    },
    ignored=(
        "embeddings.position_ids",
        "embeddings.token_type_ids",
        "discriminator_predictions.",
        "generator_predictions.",
        "generator_lm_head.",
        "sequence_summary.",
        "classifier.",
        "qa_outputs.",
    ),
)
