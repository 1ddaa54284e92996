"""The sizes of an encoder, read from config.json and validated once."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from fastbert.errors import ConfigError
from fastbert.families import FAMILIES, Family
from fastbert.json_files import JsonObject, shown
from fastbert.model import EncoderConfig

__all__ = ["ACTIVATIONS", "EncoderConfig", "read_config"]

# Name in config.json -> our name of the formula. The tanh forms differ only in rounding.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}

_MAX_LAYERS = 1024
_MAX_SIZE = 2**31 - 1  # the native code counts rows and columns in 32 bits


def read_config(directory: str | PathLike[str]) -> EncoderConfig:
    """Read and validate `config.json` of a model directory.

    Raises:
        ConfigError: if the file is missing or damaged, a value is impossible, or the model needs
            arithmetic that is not implemented; the message names file, value and expectation.
    """
    file = JsonObject.read(Path(directory) / "config.json")
    family = _family(file)
    _refuse_other_arithmetic(file)

    def size(field: str, maximum: int = _MAX_SIZE) -> int:
        default = family.config_defaults.get(field)
        assert default is None or isinstance(default, int)
        # A family whose files never say takes its default under our own name for the field.
        key = family.config_keys.get(field, field)
        return file.integer(key, default, minimum=1, maximum=maximum)

    config = EncoderConfig(
        model_type=family.model_type,
        vocab_size=size("vocab_size"),
        hidden_size=size("hidden_size"),
        num_hidden_layers=size("num_hidden_layers", _MAX_LAYERS),
        num_attention_heads=size("num_attention_heads"),
        intermediate_size=size("intermediate_size"),
        hidden_act=_activation(file, family),
        max_position_embeddings=size("max_position_embeddings"),
        type_vocab_size=size("type_vocab_size"),
        layer_norm_eps=_epsilon(file, family),
        embedding_size=size("hidden_size"),
        num_layer_groups=size("num_hidden_layers", _MAX_LAYERS),
        padding_id=None,
        relative_attention_num_buckets=0,
    )
    if config.hidden_size % config.num_attention_heads:
        key = family.config_keys["hidden_size"]
        raise file.error(key, f"a multiple of the {config.num_attention_heads} attention heads")
    return config


def _family(file: JsonObject) -> Family:
    model_type = file.get("model_type")
    if model_type is None:
        return _family_of_old_file(file)
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise file.error("model_type", f"one of the supported families: {', '.join(FAMILIES)}")
    return FAMILIES[model_type]


def _family_of_old_file(file: JsonObject) -> Family:
    """Files older than `model_type` are BERT's, unless their architecture is another."""
    architectures = file.get("architectures", ["Bert"])
    name = architectures[0] if isinstance(architectures, list) and architectures else None
    for family in FAMILIES.values():
        if isinstance(name, str) and name.startswith(family.architecture):
            return family
    raise ConfigError(
        f"{file.path} has no model_type and its architectures are {shown(architectures)}, "
        f"expected one of the supported families: {', '.join(FAMILIES)}"
    )


def _refuse_other_arithmetic(file: JsonObject) -> None:
    for key in ("is_decoder", "add_cross_attention"):
        if file.get(key, False) is not False:
            raise file.error(key, "false: only encoders are supported")
    if file.get("position_embedding_type", "absolute") != "absolute":
        raise file.error("position_embedding_type", "'absolute': other kinds are not supported")
    code = file.get("auto_map", {})
    if not isinstance(code, dict) or "AutoModel" in code:
        raise file.error("auto_map", "none: a model that brings its own code is not supported")


def _activation(file: JsonObject, family: Family) -> str:
    key = family.config_keys["hidden_act"]
    name = file.get(key, family.config_defaults.get("hidden_act"))
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise file.error(key, f"one of the supported activations: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def _epsilon(file: JsonObject, family: Family) -> float:
    key = family.config_keys.get("layer_norm_eps", "layer_norm_eps")
    default = family.config_defaults.get("layer_norm_eps")
    epsilon = file.number(key, None if default is None else float(default))
    if not 0 < epsilon < 1:
        raise file.error(key, "a number above 0 and below 1")
    return epsilon
