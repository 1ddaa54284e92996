"""Which of the forms of its weights a directory is read in, and that all of them give the same."""

import json
import os
import time

import numpy as np
import pytest
from checkpoint_files import torch_bytes, write_tensorflow
from tiny import VOCABULARY, bert_tensors, write_json, write_model

import fastbert
from fastbert import loading
from fastbert.checkpoints import open_checkpoint
from fastbert.config import read_config
from fastbert.errors import WeightsError
from fastbert.weights import load_weights

TEXTS = ["how do i reset my password", "忘记密码怎么办", "the cat runs fast, very good!"]


def load(directory):
    return load_weights(directory, read_config(directory))


def tensors_of(model):
    return bert_tensors(json.loads((model / "config.json").read_text(encoding="utf-8")))


def as_torch(model):
    (model / "pytorch_model.bin").write_bytes(torch_bytes(tensors_of(model)))


def as_legacy_torch(model):
    (model / "pytorch_model.bin").write_bytes(torch_bytes(tensors_of(model), legacy=True))


def as_torch_shards(model):
    tensors = tensors_of(model)
    weight_map = {}
    for i in range(2):
        part = {name: tensors[name] for name in list(tensors)[i::2]}
        name = f"pytorch_model-0000{i + 1}-of-00002.bin"
        (model / name).write_bytes(torch_bytes(part, legacy=i == 1))
        weight_map |= dict.fromkeys(part, name)
    write_json(model / "pytorch_model.bin.index.json", {"weight_map": weight_map})


def as_tensorflow(model, shards=1):
    write_tensorflow(model, tensorflow_variables(tensors_of(model)), shards=shards)
    (model / "config.json").rename(model / "bert_config.json")


def as_tensorflow_shards(model):
    as_tensorflow(model, shards=3)


def tensorflow_variables(tensors):
    """The variables that Google's release would have: other names, and kernels the other way."""
    variables = {"global_step": np.array(1, np.int64)}
    for name, array in tensors.items():
        path = "bert/" + name.replace(".", "/").replace("layer/", "layer_")
        if "LayerNorm" in path:
            path = path.replace("/weight", "/gamma").replace("/bias", "/beta")
        elif path.endswith("_embeddings/weight"):
            path = path.removesuffix("/weight")
        elif path.endswith("/weight"):
            path = path.replace("/weight", "/kernel")
        variables[path] = array.T if path.endswith("/kernel") else array
        variables[f"{path}/adam_m"] = variables[f"{path}/adam_v"] = np.zeros(3, np.float32)
    return variables


FORMS = {
    "torch": as_torch,
    "legacy torch": as_legacy_torch,
    "torch shards": as_torch_shards,
    "tensorflow": as_tensorflow,
    "tensorflow shards": as_tensorflow_shards,
}


@pytest.fixture(params=FORMS)
def model(request, tmp_path):
    """A model in each form."""
    model = write_model(tmp_path / "model")
    FORMS[request.param](model)
    (model / "model.safetensors").unlink()
    return model


def test_every_form_has_the_same_weights(model, tiny_model):
    weights, expected = load(model), load(tiny_model)
    assert weights.keys() == expected.keys()
    for name, array in weights.items():
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert not array.flags.writeable
        np.testing.assert_array_equal(array, expected[name])


def test_every_form_gives_the_same_vectors_at_every_start(model, tiny_model, tmp_path, monkeypatch):
    expected = fastbert.load(tiny_model).encode(TEXTS)
    monkeypatch.setenv("FASTBERT_CACHE", os.fspath(tmp_path / "cache"))
    time.sleep(loading._SETTLED_NS / 1e9 * 1.2)
    for packed in (False, True):
        encoder = fastbert.load(model)
        assert encoder._mapped.in_file == packed
        np.testing.assert_array_equal(encoder.encode(TEXTS), expected)
    assert len(list((tmp_path / "cache" / "start").iterdir())) == 1


def test_form_is_the_first_of_the_list(tmp_path):
    model = write_model(tmp_path / "model")
    as_torch(model)
    (model / "bert_model.ckpt.index").write_bytes(b"never looked at")
    assert paths(model) == {"model.safetensors"}
    (model / "model.safetensors").unlink()
    assert paths(model) == {"pytorch_model.bin"}
    (model / "pytorch_model.bin").unlink()
    with pytest.raises(WeightsError, match="does not end like an index of TensorFlow"):
        open_checkpoint(model)


def paths(model):
    return {file.path.name for file in open_checkpoint(model).values()}


def test_damaged_file_is_no_reason_to_read_another(tmp_path):
    model = write_model(tmp_path / "model")
    as_torch(model)
    (model / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match=r"model\.safetensors has 7 bytes"):
        open_checkpoint(model)


@pytest.mark.parametrize("exists", [True, False])
def test_directory_without_weights_is_refused_with_what_was_looked_for(tmp_path, exists):
    directory = tmp_path if exists else tmp_path / "nowhere"
    with pytest.raises(WeightsError, match="has no weights, expected") as caught:
        open_checkpoint(directory)
    for name in ("model.safetensors", "pytorch_model.bin", "bert_model.ckpt.index"):
        assert name in str(caught.value)


def test_tensorflow_checkpoint_may_have_any_name(tmp_path):
    variables = tensorflow_variables({"pooler.dense.weight": np.zeros((2, 3), np.float32)})
    write_tensorflow(tmp_path, variables, prefix="model.ckpt-1000")
    (tmp_path / "other.index").write_bytes(b"without data: something else")
    assert paths(tmp_path) == {"model.ckpt-1000.data-00000-of-00001"}
    write_tensorflow(tmp_path, variables, prefix="model.ckpt-2000")
    with pytest.raises(WeightsError, match=r"has 2 TensorFlow checkpoints \(model\.ckpt-1000"):
        open_checkpoint(tmp_path)
    write_tensorflow(tmp_path, variables)
    assert paths(tmp_path) == {"bert_model.ckpt.data-00000-of-00001"}


def test_incomplete_checkpoint_is_refused(tmp_path):
    model = write_model(tmp_path / "model")
    (model / "model.safetensors").unlink()
    variables = tensorflow_variables(tensors_of(model))
    del variables["bert/encoder/layer_1/output/dense/bias"]
    write_tensorflow(model, variables)
    with pytest.raises(WeightsError, match=r"has no tensor 'encoder\.layer\.1\.output\.dense\.bia"):
        load(model)


def test_code_of_the_readers_is_part_of_what_a_start_depends_on():
    folders = {os.path.basename(os.path.dirname(entry[0])) for entry in loading._code_signature()}
    assert "checkpoints" in folders


def test_config_json_comes_before_that_of_google(tmp_path):
    model = write_model(tmp_path / "model")
    fields = json.loads((model / "config.json").read_text(encoding="utf-8"))
    write_json(model / "bert_config.json", fields | {"num_hidden_layers": 7})
    assert read_config(model).num_hidden_layers == 2
    (model / "config.json").unlink()
    assert read_config(model).num_hidden_layers == 7


CAPITALS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def release_of_google(directory, vocabulary):
    model = write_model(directory, vocabulary=vocabulary, sentence_transformers=False)
    as_tensorflow(model)
    (model / "model.safetensors").unlink()
    (model / "tokenizer_config.json").unlink()
    return model


def test_uncased_release_of_google_is_lower_cased(tmp_path):
    # Some capitals prove nothing: people put words of their own in the place of [unused1].
    model = release_of_google(tmp_path / "model", (*VOCABULARY, *CAPITALS[1:], "<S>", "GmbH"))
    encoder = fastbert.load(model)
    np.testing.assert_array_equal(encoder.encode("Hello"), encoder.encode("hello"))


def test_cased_release_of_google_is_not_lower_cased_and_says_so(tmp_path):
    model = release_of_google(tmp_path / "model", (*VOCABULARY, *CAPITALS, "Hello"))
    with pytest.warns(UserWarning, match=r"vocab\.txt has capital letters and no tokenizer_conf"):
        encoder = fastbert.load(model)
    ids = list(encoder.tokenizer.encode("Hello hello"))
    assert ids[1:-1] == [len(VOCABULARY) + 26, VOCABULARY.index("hello")]


@pytest.mark.parametrize("lowercase", [True, False])
def test_what_a_file_says_about_lower_case_counts(tmp_path, lowercase):
    model = release_of_google(tmp_path / "model", (*VOCABULARY, *CAPITALS, "Hello"))
    write_json(model / "tokenizer_config.json", {"do_lower_case": lowercase})
    ids = list(fastbert.load(model).tokenizer.encode("Hello"))
    assert ids[1] == (VOCABULARY.index("hello") if lowercase else len(VOCABULARY) + 26)
