import json

import numpy as np
import pytest
from tiny import (
    bert_tensors,
    write_json,
    write_model,
    write_safetensors,
)

from fastbert.config import read_config
from fastbert.errors import WeightsError
from fastbert.weights import load_weights, tensor_shapes


def load(directory):
    return load_weights(directory, read_config(directory))


def config_fields(directory):
    return json.loads((directory / "config.json").read_text(encoding="utf-8"))


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model")


@pytest.fixture
def rewrite(model):
    """Write the model's tensors anew after a function has changed the dictionary."""

    def rewrite_changed(change):
        tensors = bert_tensors(config_fields(model))
        change(tensors)
        write_safetensors(model / "model.safetensors", tensors)
        return model

    return rewrite_changed


def test_every_tensor_has_our_name_and_shape(tiny_model):
    weights = load(tiny_model)
    assert {name: array.shape for name, array in weights.items()} == tensor_shapes(
        read_config(tiny_model)
    )
    assert len(weights) == 5 + 2 * 16


def test_tensors_have_the_values_of_the_file(tiny_model):
    stored, weights = bert_tensors(config_fields(tiny_model)), load(tiny_model)
    pairs = {
        "word_embeddings": "embeddings.word_embeddings.weight",
        "type_embeddings": "embeddings.token_type_embeddings.weight",
        "embeddings_norm.beta": "embeddings.LayerNorm.bias",
        "layers.0.query.weight": "encoder.layer.0.attention.self.query.weight",
        "layers.1.output.bias": "encoder.layer.1.attention.output.dense.bias",
        "layers.1.attention_norm.gamma": "encoder.layer.1.attention.output.LayerNorm.weight",
        "layers.0.ffn_in.weight": "encoder.layer.0.intermediate.dense.weight",
        "layers.0.ffn_out.weight": "encoder.layer.0.output.dense.weight",
        "layers.1.ffn_norm.gamma": "encoder.layer.1.output.LayerNorm.weight",
    }
    for ours, theirs in pairs.items():
        np.testing.assert_array_equal(weights[ours], stored[theirs])


def test_float32_is_a_read_only_view_of_the_file(tiny_model):
    for array in load(tiny_model).values():
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert array.flags.aligned
        assert not array.flags.owndata
        assert not array.flags.writeable


@pytest.mark.parametrize(("dtype", "error"), [("float16", 2e-3), ("bfloat16", 2e-2)])
def test_half_precision_becomes_float32(tmp_path, tiny_model, dtype, error):
    half, full = load(write_model(tmp_path / dtype, dtype=dtype)), load(tiny_model)
    for name, array in half.items():
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        np.testing.assert_allclose(array, full[name], atol=error)


@pytest.mark.parametrize("prefix", ["bert.", "model.", "module.", "0.auto_model.", "module.bert."])
def test_prefix_is_stripped(tmp_path, tiny_model, prefix):
    prefixed, plain = load(write_model(tmp_path / "model", prefix=prefix)), load(tiny_model)
    assert prefixed.keys() == plain.keys()
    for name, array in prefixed.items():
        np.testing.assert_array_equal(array, plain[name])


def test_legacy_layer_norm_names_are_understood(rewrite, tiny_model):
    def rename(tensors):
        for name in list(tensors):
            if "LayerNorm" in name:
                legacy = name.replace(".weight", ".gamma").replace(".bias", ".beta")
                tensors[legacy] = tensors.pop(name)

    legacy, modern = load(rewrite(rename)), load(tiny_model)
    for name, array in legacy.items():
        np.testing.assert_array_equal(array, modern[name])


def test_both_names_of_one_tensor_are_refused(rewrite):
    def duplicate(tensors):
        tensors["embeddings.LayerNorm.gamma"] = tensors["embeddings.LayerNorm.weight"]

    with pytest.raises(WeightsError, match=r"has both .*LayerNorm.* and .*LayerNorm"):
        load(rewrite(duplicate))


def test_buffers_and_heads_are_ignored(rewrite):
    def add(tensors):
        tensors["embeddings.position_ids"] = np.arange(64)[None]
        tensors["pooler.dense.weight"] = np.zeros((32, 32), np.float32)
        tensors["cls.predictions.bias"] = np.zeros(84, np.float32)
        tensors["classifier.weight"] = np.zeros((2, 32), np.float32)

    assert len(load(rewrite(add))) == 37


def test_heads_beside_a_prefixed_encoder_are_ignored(model):
    tensors = {"bert." + n: t for n, t in bert_tensors(config_fields(model)).items()}
    tensors["bert.pooler.dense.bias"] = np.zeros(32, np.float32)
    tensors["cls.seq_relationship.weight"] = np.zeros((2, 32), np.float32)
    write_safetensors(model / "model.safetensors", tensors)
    assert len(load(model)) == 37


def test_missing_tensor_is_named(rewrite):
    name = "encoder.layer.1.output.dense.bias"
    with pytest.raises(WeightsError, match=rf"model\.safetensors has no tensor '{name}'.*\(32,\)"):
        load(rewrite(lambda tensors: tensors.pop(name)))


def test_extra_tensor_is_named(rewrite):
    def add(tensors):
        tensors["encoder.layer.2.output.dense.bias"] = np.zeros(32, np.float32)

    with pytest.raises(WeightsError, match=r"has the tensor 'encoder\.layer\.2\.output\.dense"):
        load(rewrite(add))


def test_wrong_shape_is_named(rewrite):
    def transpose(tensors):
        name = "encoder.layer.0.intermediate.dense.weight"
        tensors[name] = tensors[name].T.copy()

    with pytest.raises(WeightsError, match=r"shape \(32, 64\), expected \(64, 32\)"):
        load(rewrite(transpose))


def test_wrong_dtype_is_named(rewrite):
    def widen(tensors):
        tensors["embeddings.LayerNorm.bias"] = np.zeros(32, np.float64)

    with pytest.raises(WeightsError, match="dtype F64, expected F32, F16 or BF16"):
        load(rewrite(widen))


def test_file_of_another_model_is_refused(rewrite):
    with pytest.raises(WeightsError, match=r"one tensor 'embeddings\.word_embeddings\.weight'"):
        load(rewrite(lambda tensors: tensors.pop("embeddings.word_embeddings.weight")))


def test_two_encoders_in_a_file_are_refused(model):
    tensors = bert_tensors(config_fields(model))
    both = {prefix + name: t for prefix in ("query.", "doc.") for name, t in tensors.items()}
    write_safetensors(model / "model.safetensors", both)
    with pytest.raises(WeightsError, match="has 2 of them"):
        load(model)


def test_directory_without_weights_is_refused(model):
    (model / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"has no weights, expected model\.safetensors"):
        load(model)


@pytest.fixture
def sharded(model):
    tensors = bert_tensors(config_fields(model))
    names = list(tensors)
    files = {
        "model-00001-of-00002.safetensors": names[:9],
        "model-00002-of-00002.safetensors": names[9:],
    }
    for file, part in files.items():
        write_safetensors(model / file, {name: tensors[name] for name in part})
    (model / "model.safetensors").unlink()
    weight_map = {name: file for file, part in files.items() for name in part}
    write_json(model / "model.safetensors.index.json", {"weight_map": weight_map})
    return model


def change_index(model, change):
    path = model / "model.safetensors.index.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    change(index)
    write_json(path, index)


def test_shards_are_read_as_one_file(sharded, tiny_model):
    weights, expected = load(sharded), load(tiny_model)
    for name, array in expected.items():
        np.testing.assert_array_equal(weights[name], array)


@pytest.mark.parametrize("file", ["../model.safetensors", "/etc/passwd", "", "a\0b", 5, None])
def test_shard_outside_the_directory_is_refused(sharded, file):
    change_index(sharded, lambda index: index["weight_map"].update(x=file))
    with pytest.raises(WeightsError, match="expected the plain name of a file"):
        load(sharded)


def test_missing_shard_is_named(sharded):
    (sharded / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"cannot read .*model-00002-of-00002\.safetensors"):
        load(sharded)


def test_tensor_missing_from_its_shard_is_named(sharded):
    first = "model-00001-of-00002.safetensors"
    change_index(sharded, lambda index: index["weight_map"].update(x=first))
    with pytest.raises(WeightsError, match=f"{first} has no tensor 'x'"):
        load(sharded)


@pytest.mark.parametrize("weight_map", [None, [], {}, "x"])
def test_index_without_a_map_is_refused(sharded, weight_map):
    change_index(sharded, lambda index: index.update(weight_map=weight_map))
    with pytest.raises(WeightsError, match="weight_map"):
        load(sharded)
