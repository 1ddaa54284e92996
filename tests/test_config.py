import json

import pytest
from tiny import write_json

from fastbert.config import ACTIVATIONS, EncoderConfig, read_config
from fastbert.errors import ConfigError

FIELDS = {
    "model_type": "bert",
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "hidden_act": "gelu",
    "max_position_embeddings": 512,
    "type_vocab_size": 16,
    "layer_norm_eps": 1e-12,
}
NEUTRAL = {  # for BERT
    "embedding_size": FIELDS["hidden_size"],
    "num_layer_groups": FIELDS["num_hidden_layers"],
    "padding_id": None,
    "relative_attention_num_buckets": 0,
}


@pytest.fixture
def read(tmp_path):
    """Read a config.json of `FIELDS` with changes; a field changed to `...` is left out."""

    def read_changed(**changes):
        fields = {name: value for name, value in (FIELDS | changes).items() if value is not ...}
        write_json(tmp_path / "config.json", fields)
        return read_config(tmp_path)

    return read_changed


def test_read_config_returns_every_field(read):
    assert read() == EncoderConfig(**FIELDS, **NEUTRAL)


def test_longest_text_leaves_the_rows_up_to_padding_alone(read):
    assert read().max_length == 512
    assert read()._replace(padding_id=1).max_length == 510


def test_config_is_immutable(read):
    with pytest.raises(AttributeError):
        read().hidden_size = 64


def test_optional_fields_have_bert_defaults(read):
    config = read(
        hidden_act=..., max_position_embeddings=..., type_vocab_size=..., layer_norm_eps=...
    )
    assert config.hidden_act == "gelu"
    assert config.max_position_embeddings == 512
    assert config.type_vocab_size == 2
    assert config.layer_norm_eps == 1e-12


@pytest.mark.parametrize(("name", "canonical"), ACTIVATIONS.items())
def test_activation_has_one_name_per_formula(read, name, canonical):
    assert read(hidden_act=name).hidden_act == canonical
    assert canonical in {"gelu", "gelu_tanh", "relu", "silu", "tanh"}


@pytest.mark.parametrize("name", ["mish", "quick_gelu", "", "GELU", 3, ["gelu"]])
def test_unsupported_activation_is_refused_with_a_list(read, name):
    with pytest.raises(ConfigError, match=r"config\.json: hidden_act is .*expected one of.*relu"):
        read(hidden_act=name)


@pytest.mark.parametrize(
    "field",
    ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"],
)
def test_sizes_are_required(read, field):
    with pytest.raises(ConfigError, match=rf"config\.json has no {field}, expected an integer"):
        read(**{field: ...})


@pytest.mark.parametrize("value", [0, -1, 1.5, "32", True, [], {}, 2**31, 10**400])
@pytest.mark.parametrize(
    "field",
    [
        "vocab_size",
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "intermediate_size",
        "max_position_embeddings",
        "type_vocab_size",
    ],
)
def test_impossible_size_is_refused(read, field, value):
    with pytest.raises(ConfigError, match=rf"config\.json: {field} is .+, expected an integer"):
        read(**{field: value})


def test_absurd_number_of_layers_is_refused(read):
    with pytest.raises(ConfigError, match="num_hidden_layers is 1000000, expected"):
        read(num_hidden_layers=10**6)


def test_heads_must_divide_hidden_size(read):
    with pytest.raises(ConfigError, match="hidden_size is 33, expected a multiple of the 4 atten"):
        read(hidden_size=33)


@pytest.mark.parametrize(
    "value", [0, -1e-12, 1, "1e-12", True, float("nan"), float("inf"), 10**400]
)
def test_impossible_epsilon_is_refused(read, value):
    with pytest.raises(ConfigError, match=r"layer_norm_eps is .+, expected a (finite )?number"):
        read(layer_norm_eps=value)


@pytest.mark.parametrize("value", ["gpt2", "", 7, ["bert"]])
def test_unknown_family_is_refused_with_a_list(read, value):
    with pytest.raises(ConfigError, match=r"model_type is .+, expected .*supported families: bert"):
        read(model_type=value)


def test_file_older_than_model_type_is_bert(read):
    assert read(model_type=...).model_type == "bert"
    assert read(model_type=..., architectures=["BertForMaskedLM"]).model_type == "bert"


@pytest.mark.parametrize("architectures", [["XLNetModel"], [], "BertModel", [None]])
def test_file_without_model_type_and_of_another_architecture_is_refused(read, architectures):
    with pytest.raises(ConfigError, match="has no model_type and its architectures"):
        read(model_type=..., architectures=architectures)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("is_decoder", True),
        ("is_decoder", "yes"),
        ("add_cross_attention", True),
        ("position_embedding_type", "relative_key"),
        ("position_embedding_type", "alibi"),
        ("auto_map", {"AutoModel": "modeling_bert.JinaBertModel"}),
        ("auto_map", "code"),
    ],
)
def test_other_arithmetic_is_refused(read, field, value):
    with pytest.raises(ConfigError, match=rf"config\.json: {field} is .+, expected .+support"):
        read(**{field: value})


def test_null_counts_as_absent(read):
    config = read(is_decoder=None, position_embedding_type=None, auto_map=None, hidden_act=None)
    assert config.hidden_act == "gelu"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff{}", "is not UTF-8 at byte 0"),
        (b"[]", "holds a list, expected a JSON object"),
        (b"3", "holds 3, expected a JSON object"),
        (b'{"a": 1, "b": 2, "a": 3}', "key 'a' appears twice"),
        (b"[" * 200_000, "is not JSON"),
        (b'{"vocab_size": ' + b"9" * 5000 + b"}", "json"),
        (b" " * (17 << 20), "more than 16 MiB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damaged_file_is_refused(tmp_path, content, reason):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ConfigError, match=reason) as caught:
        read_config(tmp_path)
    assert str(tmp_path / "config.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*config\.json: No such file"):
        read_config(tmp_path / "nowhere")


def test_byte_order_mark_is_harmless(tmp_path):
    (tmp_path / "config.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(FIELDS).encode())
    assert read_config(tmp_path) == EncoderConfig(**FIELDS, **NEUTRAL)
