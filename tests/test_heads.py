import json

import numpy as np
import pytest
from tiny import bert_tensors, head_tensors, write_model, write_safetensors

from fastbert import postprocessing, reference
from fastbert._native import _core
from fastbert.config import read_config
from fastbert.errors import WeightsError
from fastbert.families import FAMILIES
from fastbert.heads import read_head
from fastbert.model import Dense, LayerNorm

# Head -> its steps under the names of BERT's checkpoints, and what follows a linear layer.
POOLER = ("bert.pooler.dense", "tanh")
STEPS = {
    "sequence_classification": (POOLER, ("classifier", "identity")),
    "token_classification": (("classifier", "identity"),),
    "masked_lm": (
        ("cls.predictions.transform.dense", "gelu"),
        ("cls.predictions.transform.LayerNorm", None),
        ("cls.predictions.decoder", "identity"),
    ),
    "question_answering": (("qa_outputs", "identity"),),
    "next_sentence": (POOLER, ("cls.seq_relationship", "identity")),
}
# Sums of some thirty products of order 1, in another order.
TOLERANCE = 1e-5


def applied(head, x):
    for step in postprocessing.prepare(head, _core.isa(), 1):
        x = step(x, 1)
    return x


def expected(name, tensors, x):
    for step, activation in STEPS[name]:
        weight, bias = tensors[f"{step}.weight"], tensors[f"{step}.bias"]
        if activation is None:
            x = reference.layer_norm(x, weight, bias, 1e-12)
        else:
            x = reference.ACTIVATIONS[activation](reference.linear(x, weight, bias))
    return x


def vectors(width=32):
    return np.random.default_rng(1).standard_normal((5, width)).astype(np.float32)


def written(directory):
    return json.loads((directory / "config.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [name for name in STEPS if name != "masked_lm"])
def test_heads_are_their_definitions(tmp_path, name):
    labels = ["a", "b", "c"] if name.endswith("classification") else None
    outputs = 2 if labels is None else 3
    write_model(tmp_path, head=name, labels=labels)
    head = read_head(tmp_path, read_config(tmp_path), name, outputs=outputs)
    x = vectors()
    tensors = head_tensors(name, written(tmp_path), outputs)
    np.testing.assert_allclose(applied(head, x), expected(name, tensors, x), atol=TOLERANCE)


@pytest.mark.parametrize("tied", [True, False])
def test_masked_lm_uses_the_word_table_unless_untied(tmp_path, tied):
    write_model(tmp_path, head="masked_lm", tied=tied)
    config = written(tmp_path)
    tensors = head_tensors("masked_lm", config, config["vocab_size"], tied=tied)
    table = bert_tensors(config)["embeddings.word_embeddings.weight"]
    tensors.setdefault("cls.predictions.decoder.weight", table)
    tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"]
    x = vectors()
    scores = applied(read_head(tmp_path, read_config(tmp_path), "masked_lm"), x)
    # Rows of the word table have entries of 0.5 and no scale: larger sums.
    np.testing.assert_allclose(scores, expected("masked_lm", tensors, x), atol=3 * TOLERANCE)


def test_pooler_is_read_alone(tmp_path):
    write_model(tmp_path, head="next_sentence")
    tensors = head_tensors("next_sentence", written(tmp_path), 2)
    x = vectors()
    linear = reference.linear(
        x, tensors["bert.pooler.dense.weight"], tensors["bert.pooler.dense.bias"]
    )
    head = read_head(tmp_path, read_config(tmp_path), "pooler")
    np.testing.assert_allclose(applied(head, x), np.tanh(linear), atol=TOLERANCE)


def test_hidden_act_reaches_the_head(tmp_path):
    write_model(tmp_path, head="masked_lm", hidden_act="gelu_new")
    dense, norm, decoder = read_head(tmp_path, read_config(tmp_path), "masked_lm")
    assert (dense.activation, decoder.activation) == ("gelu_tanh", "identity")
    assert isinstance(norm, LayerNorm)


def test_encoder_without_a_head_is_refused(tmp_path):
    write_model(tmp_path)
    for name in STEPS:
        with pytest.raises(WeightsError, match=rf"has no {name} head: .* lack the tensor '[\w.]+'"):
            read_head(tmp_path, read_config(tmp_path), name)


def test_family_without_the_head_is_refused(tmp_path):
    write_model(tmp_path, head="next_sentence")
    config = read_config(tmp_path)._replace(model_type="distilbert")
    expected = ", ".join(FAMILIES["distilbert"].heads)
    with pytest.raises(
        WeightsError, match=f"a distilbert model has no next_sentence .* {expected}"
    ):
        read_head(tmp_path, config, "next_sentence")


def test_other_number_of_scores_is_refused(tmp_path):
    write_model(tmp_path, head="token_classification", labels=["a", "b", "c"])
    with pytest.raises(WeightsError, match="head gives 3 scores, expected 5"):
        read_head(tmp_path, read_config(tmp_path), "token_classification", outputs=5)


@pytest.mark.parametrize(
    ("tensor", "shape", "reason"),
    [
        ("classifier.weight", (3, 31), r"shape \(3, 31\), expected \(outputs, 32\)"),
        ("classifier.weight", (3,), r"shape \(3,\), expected \(outputs, 32\)"),
        ("classifier.bias", (4,), r"shape \(4,\), expected \(3,\)"),
        ("bert.pooler.dense.weight", (32, 33), r"shape \(32, 33\), expected \(outputs, 32\)"),
        ("cls.predictions.transform.LayerNorm.bias", (31,), r"shape \(31,\), expected \(32,\)"),
    ],
)
def test_wrong_shapes_are_refused(tmp_path, tensor, shape, reason):
    name = "masked_lm" if tensor.startswith("cls") else "sequence_classification"
    write_model(tmp_path, head=name, labels=["a", "b", "c"])
    config = written(tmp_path)
    tensors = {f"bert.{key}": value for key, value in bert_tensors(config).items()}
    tensors |= head_tensors(name, config, 3) | {tensor: np.zeros(shape, np.float32)}
    write_safetensors(tmp_path / "model.safetensors", tensors)
    with pytest.raises(WeightsError, match=reason):
        read_head(tmp_path, read_config(tmp_path), name)


def test_linear_layers_keep_their_weights_as_stored(tmp_path):
    write_model(tmp_path, head="question_answering")
    (dense,) = read_head(tmp_path, read_config(tmp_path), "question_answering")
    stored = head_tensors("question_answering", written(tmp_path), 2)
    assert isinstance(dense, Dense)
    np.testing.assert_array_equal(dense.weight, stored["qa_outputs.weight"])
    np.testing.assert_array_equal(dense.bias, stored["qa_outputs.bias"])
