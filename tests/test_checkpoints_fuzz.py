"""Damaged checkpoints of PyTorch and TensorFlow: right arrays, or one error, and nothing else."""

import random
import zlib

import numpy as np
import pytest
from checkpoint_files import (
    masked_crc32c,
    ordered,
    parameter,
    pickled,
    state_dict,
    storage,
    tensor,
    torch_bytes,
    torch_legacy,
    torch_zip,
    write_tensorflow,
)
from test_weights_fuzz import flipped, spliced, truncated

from fastbert.checkpoints import open_checkpoint
from fastbert.checkpoints.pickles import parse_pickle
from fastbert.errors import WeightsError

DAMAGES = (truncated, flipped, spliced)
NUMBERS = (-1, 0, 1, 2, 6, 7, 24, 2**31, 2**62, 2**64, 10**30, True, None, "0", "x" * 300, (), (1,))


def tensors_for(seed):
    numbers = np.random.default_rng(seed)
    return {
        "a": numbers.standard_normal((3, 5)).astype(np.float32),
        "b": numbers.integers(0, 9, (2, 2)),
        "c": numbers.standard_normal(7).astype(np.float16),
        "d": np.arange(6, dtype=np.uint16),
        "e": np.zeros((0, 3), np.float32),
    }


def check_directory(directory):
    """Every tensor that a reader lets pass must be readable in full; whether it was refused."""
    try:
        checkpoint = open_checkpoint(directory)
    except WeightsError as error:
        check_message(str(error), directory)
        return True
    size = sum(path.stat().st_size for path in directory.iterdir())
    with np.errstate(all="ignore"):
        for name, file in checkpoint.items():
            if file.info(name).dtype.startswith("F8"):
                continue
            assert file.info(name).nbytes <= size
            assert file[name].shape == file.info(name).shape
            np.add.reduce(file[name], axis=None)
    return False


def check_message(message, directory):
    assert str(directory) in message
    assert "\n" not in message
    assert len(message) < 500 + len(str(directory))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_damaged_file_of_torch(tmp_path, legacy, seed):
    rng = random.Random(seed)
    content = torch_bytes(tensors_for(seed), legacy=legacy)
    refused = 0
    for _ in range(300):
        (tmp_path / "pytorch_model.bin").write_bytes(rng.choice(DAMAGES)(rng, content))
        refused += check_directory(tmp_path)
    assert 50 < refused < 300


@pytest.mark.parametrize("seed", range(4))
def test_damaged_pickle_in_a_whole_archive(tmp_path, seed):
    """Behind a checksum that is right, as a forger would have it."""
    rng = random.Random(seed)
    description, storages = state_dict(tensors_for(seed))
    plain = pickled(description)
    archive = torch_zip(description, storages)
    head = archive.index(plain)
    refused = 0
    for _ in range(300):
        damaged = rng.choice(DAMAGES)(rng, plain)[: len(plain)].ljust(len(plain), b".")
        content = archive[:head] + damaged + archive[head + len(plain) :]
        content = content.replace(crc_of(plain), crc_of(damaged))
        (tmp_path / "pytorch_model.bin").write_bytes(content)
        refused += check_directory(tmp_path)
    assert 50 < refused < 300


def crc_of(data):
    return zlib.crc32(data).to_bytes(4, "little")


@pytest.mark.parametrize("seed", range(4))
def test_impossible_numbers_about_tensors(tmp_path, seed):
    rng = random.Random(seed)
    values = np.arange(6, dtype=np.float32)

    def number(usual):
        return rng.choice(NUMBERS) if rng.random() < 0.15 else usual

    refused = 0
    for i in range(300):
        where = storage(number("0"), rng.choice(("FloatStorage", "IntStorage")), number(6))
        shape = rng.choice(((2, 3), (3, 2), (6,), (1, 6), (2, 2), ()))
        made = tensor(where, shape, tuple(rng.choice((0, 1, 2, 3)) for _ in shape), number(0))
        hooks = made.arguments[4:]
        made.arguments = (*(number(argument) for argument in made.arguments[:4]), *hooks)
        described = ordered({"x": parameter(made) if rng.random() < 0.2 else made})
        storages = {"0": values.tobytes()}
        legacy = i % 2
        content = (
            torch_legacy(described, storages, {"0": 4})
            if legacy
            else torch_zip(described, storages)
        )
        (tmp_path / "pytorch_model.bin").write_bytes(content)
        refused += check_directory(tmp_path)
    assert 50 < refused < 300


@pytest.mark.parametrize("seed", range(4))
def test_random_instructions(seed):
    """Any program: a value or a ValueError."""
    rng = random.Random(seed)
    opcodes = bytes.fromhex("80 95 62 30 4e 88 89 4a 4b 4d 8a 47 58 8c 8d 55 54 43 42 8e 28 29 74")
    opcodes += bytes.fromhex("85 86 87 5d 61 65 7d 73 75 71 72 94 68 6a 63 93 52 81 51 2e")
    common = bytes.fromhex("4e 29 5d 7d 28 4b 85 94 68 52 51")
    values = 0
    for _ in range(3000):
        length = rng.randrange(1, 40)
        program = b"NNNN" + bytes(rng.choice(rng.choice((opcodes, common))) for _ in range(length))
        try:
            parse_pickle(program + b".")
            values += 1
        except ValueError:
            continue
    assert 100 < values < 3000


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shards", [1, 2])
def test_damaged_tensorflow_checkpoint(tmp_path, shards, seed):
    rng = random.Random(seed)
    variables = tensors_for(seed) | {"x/kernel": np.ones((2, 3), np.float32)}
    del variables["d"]  # the writer has no name for bfloat16
    write_tensorflow(tmp_path, variables, shards=shards)
    path = tmp_path / "bert_model.ckpt.index"
    content = path.read_bytes()
    block = first_block(content)
    refused = 0
    for i in range(300):
        damaged = rng.choice(DAMAGES)(rng, content)
        # The first block with a checksum that is right for what it holds now.
        if i % 2 and len(damaged) == len(content):
            damaged = damaged[:block] + checksum(damaged[:block]) + damaged[block + 4 :]
        path.write_bytes(damaged)
        refused += check_directory(tmp_path)
    assert 50 < refused < 300


def first_block(content):
    """Where the checksum of the first block lies."""
    places = range(8, len(content))
    return next(i for i in places if content[i : i + 4] == checksum(content[:i]))


def checksum(data):
    return masked_crc32c(data).to_bytes(4, "little")


@pytest.mark.parametrize("seed", range(2))
def test_data_of_tensorflow_cut_short(tmp_path, seed):
    rng = random.Random(seed)
    write_tensorflow(tmp_path, {"x": np.ones((5, 3), np.float32)})
    path = tmp_path / "bert_model.ckpt.data-00000-of-00001"
    content = path.read_bytes()
    for _ in range(20):
        path.write_bytes(truncated(rng, content))
        assert check_directory(tmp_path)
