"""The sizes of an encoder, read from config.json and validated once."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from fastbert.errors import ConfigError
from fastbert.families import FAMILIES, Family
from fastbert.json_files import JsonObject, shown
from fastbert.model import EncoderConfig

__all__ = ["ACTIVATIONS", "EncoderConfig", "config_path", "read_config"]

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

# Google's own releases say bert_config.json; where both are, config.json is the younger.
_FILES = ("config.json", "bert_config.json")

_MAX_LAYERS = 1024
_MAX_BUCKETS = 1024
_MAX_SIZE = 2**31 - 1  # the native code counts rows and columns in 32 bits


def read_config(directory: str | PathLike[str]) -> EncoderConfig:
    """Read and validate `config.json`, or else `bert_config.json`, of a model directory.

    Raises:
        ConfigError: if the file is missing or damaged, a value is impossible, or the model needs
            arithmetic that is not implemented; the message names file, value and expectation.
    """
    file = JsonObject.read(config_path(Path(directory)))
    family = _family(file)
    _refuse_other_arithmetic(file, family)
    read = _Reader(file, family)
    hidden_size, layers = read.size("hidden_size"), read.size("num_hidden_layers", _MAX_LAYERS)
    config = EncoderConfig(
        model_type=family.model_type,
        vocab_size=read.size("vocab_size"),
        hidden_size=hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=read.size("num_attention_heads"),
        intermediate_size=read.size("intermediate_size"),
        hidden_act=read.activation(),
        max_position_embeddings=read.size("max_position_embeddings"),
        type_vocab_size=read.size("type_vocab_size"),
        layer_norm_eps=read.epsilon(),
        embedding_size=read.size("embedding_size") if read.knows("embedding_size") else hidden_size,
        num_layer_groups=(
            read.size("num_layer_groups", layers) if read.knows("num_layer_groups") else layers
        ),
        padding_id=read.padding_id(),
        relative_attention_num_buckets=(
            read.size("relative_attention_num_buckets", _MAX_BUCKETS)
            if read.knows("relative_attention_num_buckets")
            else 0
        ),
    )
    if config.hidden_size % config.num_attention_heads:
        expected = f"a multiple of the {config.num_attention_heads} attention heads"
        raise file.error(read.key("hidden_size"), expected)
    if config.max_length < 1:
        expected = f"more than {config.max_position_embeddings - config.max_length}"
        raise file.error(read.key("max_position_embeddings"), expected)
    return config


class _Reader:
    """The fields of one config.json, under the names of its family."""

    def __init__(self, file: JsonObject, family: Family) -> None:
        self._file = file
        self._family = family

    def key(self, field: str) -> str:
        """What config.json calls our field."""
        return self._family.config_keys.get(field, field)

    def knows(self, field: str) -> bool:
        """Whether the family has an optional field; all others have its neutral value."""
        return field in self._family.config_defaults or field in self._family.config_fixed

    def size(self, field: str, maximum: int = _MAX_SIZE) -> int:
        """A positive integer; 0 only where the family says so."""
        fixed = self._family.config_fixed.get(field)
        if isinstance(fixed, int):
            return fixed
        default = self._family.config_defaults.get(field)
        assert default is None or isinstance(default, int)
        return self._file.integer(self.key(field), default, minimum=1, maximum=maximum)

    def padding_id(self) -> int | None:
        """The id of the padding token, where positions depend on it."""
        fixed = self._family.config_fixed.get("padding_id")
        if isinstance(fixed, int):
            return fixed
        default = self._family.config_defaults.get("padding_id")
        if not isinstance(default, int):
            return None
        return self._file.integer(self.key("padding_id"), default, minimum=0, maximum=_MAX_SIZE)

    def activation(self) -> str:
        """Our name of the formula of the feed-forward part."""
        key = self.key("hidden_act")
        name = self._file.get(key, self._family.config_defaults.get("hidden_act"))
        if not isinstance(name, str) or name not in ACTIVATIONS:
            expected = f"one of the supported activations: {', '.join(ACTIVATIONS)}"
            raise self._file.error(key, expected)
        return ACTIVATIONS[name]

    def epsilon(self) -> float:
        """What is added to the variance in every layer norm."""
        fixed = self._family.config_fixed.get("layer_norm_eps")
        if fixed is not None:
            return fixed
        default = self._family.config_defaults.get("layer_norm_eps")
        key = self.key("layer_norm_eps")
        epsilon = self._file.number(key, None if default is None else float(default))
        if not 0 < epsilon < 1:
            raise self._file.error(key, "a number above 0 and below 1")
        return epsilon


def config_path(directory: Path) -> Path:
    """The configuration file of a model directory, whether it exists or not."""
    paths = [directory / name for name in _FILES]
    return next((path for path in paths if path.exists()), paths[0])


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


def _refuse_other_arithmetic(file: JsonObject, family: Family) -> None:
    for key, required in family.config_required.items():
        if file.get(key, required) != required:
            raise file.error(key, f"{required}: other values are not supported")
    for key in ("is_decoder", "add_cross_attention"):
        if file.get(key, False) is not False:
            raise file.error(key, "false: only encoders are supported")
    if file.get("position_embedding_type", "absolute") != "absolute":
        raise file.error("position_embedding_type", "'absolute': other kinds are not supported")
    code = file.get("auto_map", {})
    if not isinstance(code, dict) or "AutoModel" in code:
        raise file.error("auto_map", "none: a model that brings its own code is not supported")
