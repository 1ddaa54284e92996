import json
import os

import numpy as np
import pytest
from checkpoint_files import torch_bytes
from tiny import write_dense, write_json, write_model, write_module_list, write_safetensors

from fastbert.errors import ConfigError, WeightsError
from fastbert.modules import POOLING_MODES, Dense, LayerNorm, Normalize, read_modules


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model")


def change(path, **fields):
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | fields)


def with_dense(model, **fields):
    write_module_list(model, [("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense")])
    write_dense(model / "2_Dense", 32, 8)
    change(model / "2_Dense" / "config.json", **fields)
    return model


def test_model_directory_is_read(tiny_model):
    modules = read_modules(tiny_model)
    assert modules.transformer == os.fspath(tiny_model)
    assert modules.max_seq_length is None
    assert modules.do_lower_case is False
    assert modules.pooling == ("mean",)
    assert modules.pooling_size == 32
    assert modules.include_prompt is True
    assert modules.after == (Normalize(),)
    assert modules.prompts == {}
    assert modules.default_prompt_name is None
    assert modules.similarity == "cosine"
    assert modules.output_size(32) == 32


def test_plain_directory_pools_the_mean(tmp_path):
    modules = read_modules(write_model(tmp_path, sentence_transformers=False))
    assert modules.transformer == os.fspath(tmp_path)
    assert modules.pooling == ("mean",)
    assert modules.after == ()
    assert modules.output_size(32) == 32


def test_transformer_may_lie_in_a_folder(model):
    write_module_list(model, [("Transformer", "0_Transformer"), ("Pooling", "1_Pooling")])
    limits = {"max_seq_length": 128, "do_lower_case": True}
    write_json(model / "0_Transformer" / "sentence_roberta_config.json", limits)
    modules = read_modules(model)
    assert modules.transformer == os.fspath(model / "0_Transformer")
    assert modules.max_seq_length == 128
    assert modules.do_lower_case is True


@pytest.mark.parametrize("module", ["models", "base.modules.x", "sentence_transformer.modules.y"])
def test_only_the_last_part_of_a_type_counts(model, module):
    entries = [
        {"path": "", "type": f"sentence_transformers.{module}.Transformer"},
        {"path": "1_Pooling", "type": f"sentence_transformers.{module}.Pooling"},
        {"path": "2_Dropout", "type": f"sentence_transformers.{module}.Dropout"},
        {"path": "3_Normalize", "type": "Normalize", "kwargs": []},
    ]
    write_json(model / "modules.json", entries)
    assert read_modules(model).after == (Normalize(),)


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_pooling_flag_is_read(tmp_path, mode):
    assert read_modules(write_model(tmp_path, pooling=(mode,))).pooling == (mode,)


def test_several_pooling_flags_are_ordered(tmp_path):
    modules = read_modules(write_model(tmp_path, pooling=POOLING_MODES[::-1]))
    assert modules.pooling == POOLING_MODES
    assert modules.output_size(32) == 6 * 32


def test_no_pooling_flag_means_mean(tmp_path):
    assert read_modules(write_model(tmp_path, pooling=())).pooling == ("mean",)


@pytest.mark.parametrize(
    ("named", "modes"),
    [
        ("cls", ("cls",)),
        ("mean_sqrt_len_tokens", ("mean_sqrt_len",)),
        (["mean", "max"], ("mean", "max")),
        (["lasttoken"], ("lasttoken",)),
    ],
)
def test_new_pooling_mode_is_read(model, named, modes):
    fields = {"embedding_dimension": 32, "pooling_mode": named, "include_prompt": False}
    write_json(model / "1_Pooling" / "config.json", fields)
    modules = read_modules(model)
    assert modules.pooling == modes
    assert modules.pooling_size == 32
    assert modules.include_prompt is False


@pytest.mark.parametrize("named", ["median", [], ["cls", "median"], 3, [None]])
def test_unknown_pooling_mode_is_refused(model, named):
    change(model / "1_Pooling" / "config.json", pooling_mode=named)
    with pytest.raises(ConfigError, match=r"1_Pooling.config\.json: pooling_mode is .*expected"):
        read_modules(model)


def test_dense_is_read(tmp_path):
    modules = read_modules(write_model(tmp_path, dense_size=8, pooling=("cls", "mean")))
    dense, normalize = modules.after
    assert isinstance(dense, Dense)
    assert dense.weight.shape == (8, 64)
    assert dense.bias.shape == (8,)
    assert dense.weight.dtype == np.float32
    assert dense.activation == "tanh"
    assert normalize == Normalize()
    assert modules.output_size(32) == 8


@pytest.mark.parametrize(
    ("dotted", "name"),
    [
        ("torch.nn.modules.linear.Identity", "identity"),
        ("torch.nn.modules.activation.GELU", "gelu"),
        ("torch.nn.ReLU", "relu"),
        ("torch.nn.modules.activation.Sigmoid", "sigmoid"),
        ("torch.nn.modules.activation.SiLU", "silu"),
        (None, "tanh"),
    ],
)
def test_dense_activation_has_our_name(model, dotted, name):
    assert read_modules(with_dense(model, activation_function=dotted)).after[0].activation == name


@pytest.mark.parametrize("dotted", ["torch.nn.modules.activation.PReLU", "my.code.Tanh", "", 3])
def test_unknown_dense_activation_is_refused(model, dotted):
    with pytest.raises(ConfigError, match=r"2_Dense.config\.json: activation_function is"):
        read_modules(with_dense(model, activation_function=dotted))


def test_dense_without_bias(model):
    write_dense(with_dense(model) / "2_Dense", 32, 8, bias=False)
    assert read_modules(model).after[0].bias is None


def test_dense_of_another_shape_than_its_config_is_refused(model):
    with pytest.raises(WeightsError, match=r"shape \(8, 32\), expected \(9, 32\)"):
        read_modules(with_dense(model, out_features=9))


def test_dense_tensors_must_be_those_of_its_config(model):
    with pytest.raises(
        ConfigError, match=r"\['linear\.bias', 'linear\.weight'\], expected linear\.weight"
    ):
        read_modules(with_dense(model, bias=False))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("use_residual", True),
        ("module_input_name", "token_embeddings"),
        ("module_output_name", "x"),
    ],
)
def test_unsupported_dense_feature_is_refused(model, field, value):
    with pytest.raises(ConfigError, match=rf"{field} is .+ not supported"):
        read_modules(with_dense(model, **{field: value}))


@pytest.mark.parametrize("legacy", [False, True])
def test_dense_may_be_a_file_of_torch(model, legacy):
    folder = with_dense(model) / "2_Dense"
    expected = read_modules(model).after[0]
    tensors = {"linear.weight": expected.weight, "linear.bias": expected.bias}
    (folder / "pytorch_model.bin").write_bytes(torch_bytes(tensors, legacy=legacy))
    (folder / "model.safetensors").unlink()
    dense = read_modules(model).after[0]
    np.testing.assert_array_equal(dense.weight, expected.weight)
    np.testing.assert_array_equal(dense.bias, expected.bias)


def test_dense_without_weights_is_refused(model):
    (with_dense(model) / "2_Dense" / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"2_Dense has no weights, expected model\.safetensors"):
        read_modules(model)


def test_layer_norm_is_read(model):
    write_module_list(
        model, [("Transformer", ""), ("Pooling", "1_Pooling"), ("LayerNorm", "2_LayerNorm")]
    )
    write_json(model / "2_LayerNorm" / "config.json", {"dimension": 32})
    arrays = {"norm.weight": np.ones(32, np.float32), "norm.bias": np.zeros(32, np.float32)}
    write_safetensors(model / "2_LayerNorm" / "model.safetensors", arrays)
    modules = read_modules(model)
    (norm,) = modules.after
    assert isinstance(norm, LayerNorm)
    assert norm.gamma.tolist() == [1] * 32
    assert norm.eps == 1e-5
    assert modules.output_size(32) == 32


def test_widths_must_fit(tmp_path):
    modules = read_modules(write_model(tmp_path / "a"))
    with pytest.raises(ConfigError, match="Pooling module expects vectors of 32, but config"):
        modules.output_size(64)
    model = with_dense(write_model(tmp_path / "b"), in_features=32)
    write_dense(model / "2_Dense", 31, 8)
    with pytest.raises(ConfigError, match=r"Dense module expects vectors of 31, but gets .* of 32"):
        read_modules(model).output_size(32)


@pytest.mark.parametrize(
    "kinds",
    [
        [],
        ["Transformer"],
        ["Pooling", "Transformer"],
        ["Transformer", "Normalize"],
        ["Transformer", "Pooling", "Pooling"],
    ],
)
def test_other_sequences_of_modules_are_refused(model, kinds):
    write_module_list(model, [(kind, "") for kind in kinds])
    with pytest.raises(ConfigError, match="expected a Transformer, then a Pooling, then any oth"):
        read_modules(model)


@pytest.mark.parametrize("kind", ["WordWeights", "Router", "SpladePooling", ""])
def test_unknown_module_is_refused_with_a_list(model, kind):
    write_module_list(model, [("Transformer", ""), ("Pooling", "1_Pooling"), (kind, "2")])
    with pytest.raises(ConfigError, match=r"modules\.json: type is .*Dense, Normalize, LayerNorm"):
        read_modules(model)


@pytest.mark.parametrize("path", ["..", "/etc", "a/../../b", "a\0b"])
def test_module_outside_the_directory_is_refused(model, path):
    write_module_list(model, [("Transformer", ""), ("Pooling", path)])
    with pytest.raises(ConfigError, match="expected a folder inside the model directory"):
        read_modules(model)


@pytest.mark.parametrize("listed", [{}, [1], "x", None])
def test_module_list_of_another_kind_is_refused(model, listed):
    write_json(model / "modules.json", listed)
    with pytest.raises(ConfigError, match=r"modules\.json holds .*expected a list of objects"):
        read_modules(model)


def test_missing_pooling_folder_is_named(model):
    (model / "1_Pooling" / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"cannot read .*1_Pooling"):
        read_modules(model)


@pytest.mark.parametrize("value", [0, -1, 2.5, "128", True])
def test_impossible_max_seq_length_is_refused(model, value):
    write_json(model / "sentence_bert_config.json", {"max_seq_length": value})
    with pytest.raises(ConfigError, match=r"max_seq_length is .*expected an integer"):
        read_modules(model)


def test_prompts_are_read(model):
    fields = {
        "prompts": {"query": "query: ", "document": None},
        "default_prompt_name": "query",
        "similarity_fn_name": "dot",
    }
    write_json(model / "config_sentence_transformers.json", fields)
    modules = read_modules(model)
    assert modules.prompts == {"query": "query: ", "document": ""}
    assert modules.default_prompt_name == "query"
    assert modules.similarity == "dot"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"prompts": ["query"]}, r"prompts is \['query'\], expected an object"),
        ({"prompts": {"query": 3}}, "the prompt 'query' is 3, expected a string"),
        ({"default_prompt_name": "query"}, r"default_prompt_name is 'query', expected .*\[\]"),
        ({"similarity_fn_name": "jaccard"}, "similarity_fn_name is 'jaccard', expected .*cosine"),
    ],
)
def test_impossible_sentence_config_is_refused(model, fields, reason):
    write_json(model / "config_sentence_transformers.json", fields)
    with pytest.raises(ConfigError, match=reason):
        read_modules(model)
