"""Damaged model files: correct data, or an exception that says so, and nothing else."""

import copy
import json
import random

import numpy as np
import pytest
from tiny import bert_tensors, safetensors_bytes, write_json, write_model

from fastbert.checkpoints.safetensors import open_safetensors
from fastbert.config import read_config
from fastbert.errors import ConfigError, WeightsError
from fastbert.modules import read_modules
from fastbert.weights import load_weights, tensor_shapes

SMALL = {
    "hidden_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "vocabulary": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"),
    "max_position_embeddings": 4,
}

# What a hostile header would hold.
VALUES = (
    None, True, False, -1, 0, 1, 3, 8, 2**31, 2**53, 2**63, 2**64, 10**30, 0.5, 1e300,
    "", "F32", "F16", "I64", "BF16", "F4", "x" * 300, [], [0], [-1], [0, 0], [2**62, 2**62],
    [0, 2**63], [1] * 65, [[1]], {}, {"dtype": "F32"},
)  # fmt: skip


def value_of(rng):
    return copy.deepcopy(rng.choice(VALUES))


def truncated(rng, content):
    return content[: rng.randrange(len(content))]


def flipped(rng, content):
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        # Most bytes are data, where a flip is no damage: aim at the header.
        end = rng.choice((8, 300, len(damaged)))
        damaged[rng.randrange(min(end, len(damaged)))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def spliced(rng, content):
    start, stop = sorted(rng.randrange(len(content)) for _ in range(2))
    return content[:start] + rng.randbytes(rng.randrange(32)) + content[stop:]


def header_changed(rng, content):
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(list(header))
        change = rng.randrange(6)
        if change == 0:
            header[name] = value_of(rng)
        elif change == 1:
            header[rng.choice(("y", "__metadata__", ""))] = header.pop(name)
        elif isinstance(header[name], dict):
            field = rng.choice(("dtype", "shape", "data_offsets", "extra"))
            value = header[name].get(field)
            if change == 2:
                header[name].pop(field, None)
            elif change == 3 and isinstance(value, list) and value:
                value[rng.randrange(len(value))] = value_of(rng)
            elif change == 4 and isinstance(value, list) and len(value) == 2:
                shift = rng.choice((-4, -1, 1, 4, 2**62))
                header[name][field] = [part + shift for part in value if type(part) is int]
            else:
                header[name][field] = value_of(rng)
    text = json.dumps(header).encode()
    if rng.random() < 0.1:
        text = text.replace(b"}", b"", 1)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


DAMAGES = (truncated, flipped, spliced, header_changed, header_changed)


def check_arrays(file):
    """Every tensor that the header passes must be readable in full."""
    for name in file:
        try:
            array = file[name]
        except WeightsError:
            continue  # a dtype that numpy lacks
        assert array.shape == file.info(name).shape
        np.add.reduce(array, axis=None)


@pytest.mark.parametrize("seed", range(8))
def test_safetensors_survives_damage(tmp_path, seed):
    rng = random.Random(seed)
    numbers = np.random.default_rng(seed)
    tensors = {
        "a": numbers.standard_normal((3, 5)).astype(np.float32),
        "b": numbers.integers(0, 9, (2, 2)),
        "c": numbers.standard_normal(7).astype(np.float16),
        "d": np.arange(6, dtype=np.uint16),
        "e": np.zeros((0, 3), np.float32),
    }
    content = safetensors_bytes(tensors, {"format": "pt"})
    path = tmp_path / "x.safetensors"
    refused = 0
    with np.errstate(all="ignore"):
        for _ in range(1000):
            path.write_bytes(rng.choice(DAMAGES)(rng, content))
            try:
                check_arrays(open_safetensors(path))
            except WeightsError as error:
                refused += 1
                assert str(path) in str(error)  # noqa: PT017 (most damage is no error)
    assert 100 < refused < 1000


@pytest.mark.parametrize("seed", range(2))
def test_load_weights_survives_damage(tmp_path, seed):
    rng = random.Random(seed)
    model = write_model(tmp_path / "model", **SMALL)
    config = read_config(model)
    shapes = tensor_shapes(config)
    fields = json.loads((model / "config.json").read_text(encoding="utf-8"))
    content = safetensors_bytes(bert_tensors(fields))
    path = model / "model.safetensors"
    for _ in range(1000):
        path.write_bytes(rng.choice(DAMAGES)(rng, content))
        try:
            weights = load_weights(model, config)
        except WeightsError:
            continue
        for name, array in weights.items():
            assert array.dtype == np.float32
            assert array.shape == shapes[name]
            np.add.reduce(array, axis=None)


@pytest.mark.parametrize(
    "name", ["config.json", "modules.json", "1_Pooling/config.json", "2_Dense/config.json"]
)
def test_json_files_survive_damage(tmp_path, name):
    rng = random.Random(name)
    model = write_model(tmp_path / "model", **SMALL, dense_size=3)
    path = model / name
    original = path.read_bytes()
    for _ in range(300):
        fields = json.loads(original)
        if rng.random() < 0.5:
            holder = rng.choice(fields) if isinstance(fields, list) else fields
            holder[rng.choice(list(holder))] = value_of(rng)
            write_json(path, fields)
        else:
            path.write_bytes(rng.choice((truncated, flipped, spliced))(rng, original))
        try:
            config = read_config(model)
            load_weights(model, config)
            read_modules(model).output_size(config.hidden_size)
        except (ConfigError, WeightsError) as error:
            assert "\n" not in str(error)  # noqa: PT017 (most damage is no error)
