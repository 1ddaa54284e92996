"""TensorFlow 1 checkpoints: tensors under PyTorch's names, or an error that names the file."""

import struct

import numpy as np
import pytest
from checkpoint_files import bundle_entry, masked_crc32c, table, varint, write_tensorflow

from fastbert.checkpoints import open_checkpoint, read_float32
from fastbert.checkpoints.tensorflow import open_tensorflow, pytorch_name
from fastbert.errors import WeightsError

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)

NAMES = {
    "bert/embeddings/word_embeddings": "bert.embeddings.word_embeddings.weight",
    "bert/embeddings/token_type_embeddings": "bert.embeddings.token_type_embeddings.weight",
    "bert/embeddings/LayerNorm/gamma": "bert.embeddings.LayerNorm.weight",
    "bert/embeddings/LayerNorm/beta": "bert.embeddings.LayerNorm.bias",
    "bert/encoder/layer_0/attention/self/query/kernel": (
        "bert.encoder.layer.0.attention.self.query.weight"
    ),
    "bert/encoder/layer_11/attention/output/dense/bias": (
        "bert.encoder.layer.11.attention.output.dense.bias"
    ),
    "bert/encoder/layer_1/output/LayerNorm/beta": "bert.encoder.layer.1.output.LayerNorm.bias",
    "bert/pooler/dense/kernel": "bert.pooler.dense.weight",
    "cls/predictions/transform/dense/kernel": "cls.predictions.transform.dense.weight",
    "cls/predictions/transform/LayerNorm/gamma": "cls.predictions.transform.LayerNorm.weight",
    "cls/predictions/output_bias": "cls.predictions.bias",
    "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
    "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
    "cls/squad/output_weights": "qa_outputs.weight",
    "cls/squad/output_bias": "qa_outputs.bias",
    "output_weights": "classifier.weight",
    "output_bias": "classifier.bias",
}


@pytest.mark.parametrize(("variable", "name"), NAMES.items())
def test_names_are_those_of_pytorch(variable, name):
    assert pytorch_name(variable) == name


@pytest.mark.parametrize("shards", [1, 2, 5])
@pytest.mark.parametrize("block_size", [1, 300, 1 << 18])
def test_tensors_have_the_values_of_the_file(tmp_path, shards, block_size):
    rng = np.random.default_rng(0)
    variables = {name: rng.standard_normal((2, 3)).astype(np.float32) for name in NAMES}
    write_tensorflow(tmp_path, variables, shards=shards, block_size=block_size)
    checkpoint = open_checkpoint(tmp_path)
    assert set(checkpoint) == set(NAMES.values())
    for variable, name in NAMES.items():
        kernel = variable.endswith("/kernel")
        expected = variables[variable].T if kernel else variables[variable]
        found = read_float32(checkpoint[name], name, expected.shape)
        assert found.flags.c_contiguous
        assert checkpoint[name].info(name).is_plain_float32 != kernel
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "int32", "bool"])
def test_every_common_type_is_read(tmp_path, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    write_tensorflow(tmp_path, {"x": array, "y": array[0, 0]})
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint["x"]["x"].dtype == dtype
    np.testing.assert_array_equal(checkpoint["x"]["x"], array)
    assert checkpoint["y"]["y"].shape == ()


def test_what_only_an_optimizer_needs_is_left_out(tmp_path):
    left_out = ("global_step", "beta1_power", "x/kernel/adam_m", "x/kernel/adam_v", "x/bias/Adam_1")
    write_tensorflow(tmp_path, dict.fromkeys((*left_out, "x/kernel", "x/adam"), VALUES))
    assert set(open_checkpoint(tmp_path)) == {"x.weight", "x.adam"}


def test_strings_are_left_out(tmp_path):
    write_entries(tmp_path, {b"notes": bundle_entry(7, (), 0, 0, b"text")}, b"text")
    assert open_checkpoint(tmp_path) == {}


def write_entries(directory, entries, data=bytes(24), **options):
    (directory / "bert_model.ckpt.index").write_bytes(table(entries, **options))
    (directory / "bert_model.ckpt.data-00000-of-00001").write_bytes(data)


def entry(dtype=1, shape=(2, 3), shard=0, offset=0, **options):
    return bundle_entry(dtype, shape, shard, offset, VALUES.tobytes(), **options)


ENTRIES = {
    "cut short": (entry(offset=1), r"has 24 bytes, but 'x' ends at byte 25"),
    "far away": (entry(offset=2**64 - 1), "'x' ends at byte"),
    "type": (entry(dtype=99), "'x' has type 99, which cannot be read"),
    "shape": (entry(shape=(2, 4)), r"'x' has 24 bytes, expected 32 of F32 for \(2, 4\)"),
    "negative": (entry(shape=(2**64 - 1, 3)), "'x' has shape .* at most 2"),
    "huge": (entry(shape=(0, 2**62), size=0), "'x' has shape .* at most 2"),
    "rank": (entry(shape=(1,) * 40), "'x' has shape .* up to 32"),
    "shard": (entry(shard=1), "'x' has the shard 1, expected one below 1"),
    "slices": (entry() + b"\x3a\x00", "'x' has several slices"),
    "kind of field": (b"\x0f", "a field of an unknown kind"),
    "cut field": (b"\x3a\x05a", "a field is cut short"),
    "number": (b"\x08" + b"\xff" * 10, "has a damaged number"),
}


@pytest.mark.parametrize(("entry", "reason"), ENTRIES.values(), ids=ENTRIES)
def test_impossible_variable_is_refused_in_one_sentence(tmp_path, entry, reason):
    write_entries(tmp_path, {b"x": entry})
    with pytest.raises(WeightsError, match=rf"bert_model\.ckpt\..*{reason}") as caught:
        open_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


def test_two_variables_of_one_name_are_refused(tmp_path):
    write_entries(tmp_path, {b"x/gamma": entry(), b"x/kernel": entry()})
    with pytest.raises(WeightsError, match=r"two variables for the tensor 'x\.weight'"):
        open_checkpoint(tmp_path)


def test_big_endian_checkpoint_is_refused(tmp_path):
    write_entries(tmp_path, {b"x": entry()}, endianness=1)
    with pytest.raises(WeightsError, match="comes from a big-endian machine"):
        open_checkpoint(tmp_path)


def test_missing_shard_is_named(tmp_path):
    write_tensorflow(tmp_path, {"x": VALUES, "y": VALUES}, shards=2)
    (tmp_path / "bert_model.ckpt.data-00001-of-00002").unlink()
    with pytest.raises(WeightsError, match=r"cannot read .*data-00001-of-00002.*No such file"):
        open_checkpoint(tmp_path)


def flipped(content, place):
    changed = bytearray(content)
    changed[place] ^= 1
    return bytes(changed)


def with_block(block, compression=0):
    """A table whose list of blocks has these bytes."""
    content = block + bytes([compression])
    content += struct.pack("<I", masked_crc32c(content))
    handle = varint(0) + varint(len(block))
    return content + (handle * 2).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def listing(*places):
    """A table that lists the same empty block at each of the places."""
    empty = struct.pack("<2I", 0, 1) + b"\0"
    empty += struct.pack("<I", masked_crc32c(empty))
    entries = b"".join(b"\0\1\2" + bytes([65 + i, p, 8]) for i, p in enumerate(places))
    index = entries + struct.pack("<2I", 0, 1) + b"\0"
    index += struct.pack("<I", masked_crc32c(index))
    handles = varint(0) + varint(8) + varint(len(empty)) + varint(len(index) - 5)
    return empty + index + handles.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


INDEX = table({b"x": entry()})
INDEXES = {
    "empty": (b"", "has 0 bytes, expected at least 1: not an index"),
    "short": (INDEX[-47:], "does not end like an index of TensorFlow"),
    "no magic": (INDEX[:-1], "does not end like an index of TensorFlow"),
    "damaged": (flipped(INDEX, 5), "checksum of the block at byte 0"),
    "huge": (bytes(2 << 20), "has 2097152 bytes, expected at most 1048576"),
    "past the end": (b"\xff\x01" * 20 + bytes(32) + INDEX[-8:], "past its end"),
    "number": (b"\xff" * 40 + INDEX[-8:], "has a damaged number"),
    "snappy": (with_block(bytes(4), 1), "is compressed, which TensorFlow does not do"),
    "no end": (with_block(b"\0"), "has a block without an end"),
    "key": (with_block(b"\7\0\0" + bytes(4)), "a key or a value past the end"),
    "long key": (with_block(b"\0\xff\x7f\0" + bytes(4)), "a key or a value past the end"),
    "value": (with_block(b"\0\0\x7f" + bytes(4)), "a key or a value past the end"),
    "same block": (listing(0, 0), "lists a block at byte 0, expected one from byte"),
}


@pytest.mark.parametrize(("content", "reason"), INDEXES.values(), ids=INDEXES)
def test_impossible_index_is_refused_in_one_sentence(tmp_path, content, reason):
    path = tmp_path / "bert_model.ckpt.index"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"bert_model\.ckpt\.index .*({reason})") as caught:
        open_tensorflow(path)
    assert "\n" not in str(caught.value)
