"""The scores of a masked-language model in plain NumPy."""

import numpy as np
from tiny import VOCABULARY, head_tensors

from fastbert import reference
from fastbert.config import read_config
from fastbert.weights import load_weights


def masked_lm_scores(directory, tokens, compute_type="float32"):
    """Scores (tokens, vocabulary) of a tiny model with a tied head."""
    config = read_config(directory)
    weights = load_weights(directory, config)
    states = reference.forward(
        tokens.ids, tokens.offsets, config, weights, poolings=(), compute_type=compute_type
    )
    sizes = {"hidden_size": config.hidden_size}
    head = head_tensors("masked_lm", sizes, len(VOCABULARY))
    head = {name.removeprefix("cls.predictions."): value for name, value in head.items()}
    dense = head["transform.dense.weight"], head["transform.dense.bias"]
    norm = head["transform.LayerNorm.weight"], head["transform.LayerNorm.bias"]
    x = reference.ACTIVATIONS["gelu"](reference.linear(states, *dense))
    x = reference.layer_norm(x, *norm, config.layer_norm_eps)
    table = weights["word_embeddings"]
    return np.asarray(reference.linear(x, table, head["bias"]))
