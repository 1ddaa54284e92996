"""RoBERTa, XLM-RoBERTa and CamemBERT: BERT whose positions begin behind the padding id."""

from __future__ import annotations

from dataclasses import replace

from fastbert.families.bert import BERT, EMBEDDINGS, LAYER
from fastbert.families.family import Family, HeadLinear, HeadNorm, head_linear

__all__ = ["CAMEMBERT", "HEADS", "ROBERTA", "XLM_ROBERTA"]

HEADS = {
    "sequence_classification": (
        head_linear("classifier.dense", "tanh"),
        head_linear("classifier.out_proj"),
    ),
    "token_classification": (head_linear("classifier"),),
    "masked_lm": (
        head_linear("lm_head.dense", "gelu"),
        HeadNorm("lm_head.layer_norm"),
        HeadLinear("lm_head.decoder.weight", ("lm_head.bias", "lm_head.decoder.bias"), tied=True),
    ),
    "question_answering": (head_linear("qa_outputs"),),
}

ROBERTA = Family(
    model_type="roberta",
    architecture="Roberta",
    config_keys={"padding_id": "pad_token_id"},
    config_defaults={**BERT.config_defaults, "padding_id": 1},
    embeddings=EMBEDDINGS,
    layer_prefix=BERT.layer_prefix,
    layer=LAYER,
    heads={"pooler": BERT.heads["pooler"], **HEADS},
    ignored=(
        "embeddings.position_ids",
        "embeddings.token_type_ids",
        "pooler.",
        "lm_head.",
        "classifier.",
        "qa_outputs.",
    ),
)

XLM_ROBERTA = replace(ROBERTA, model_type="xlm-roberta", architecture="XLMRoberta")

CAMEMBERT = replace(ROBERTA, model_type="camembert", architecture="Camembert")
