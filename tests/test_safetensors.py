import gc
import json

import numpy as np
import pytest
from tiny import bfloat16_bits, safetensors_bytes, write_safetensors

from fastbert.checkpoints.safetensors import open_safetensors
from fastbert.errors import WeightsError


def open_bytes(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    return open_safetensors(path)


def with_header(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"x": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "int64", "int32", "uint8", "bool"]
)
def test_every_common_type_is_read(tmp_path, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    file = open_bytes(tmp_path, safetensors_bytes({"x": array}))
    assert file["x"].dtype == array.dtype
    np.testing.assert_array_equal(file["x"], array)


def test_bfloat16_is_widened_exactly(tmp_path):
    values = np.array([0, -0.0, 1, -2.5, 3e38, 1e-40, np.inf, np.nan], np.float32)
    bits = bfloat16_bits(values)
    file = open_bytes(tmp_path, safetensors_bytes({"x": bits}))
    assert file["x"].dtype == np.float32
    np.testing.assert_array_equal(file["x"].view(np.uint32), bits.astype(np.uint32) << 16)


def test_file_is_a_mapping(tmp_path):
    file = open_bytes(tmp_path, safetensors_bytes({"b": np.zeros(2), "a": np.ones(1)}, {"k": "v"}))
    assert list(file) == ["b", "a"]
    assert len(file) == 2
    assert "a" in file
    assert "__metadata__" not in file
    assert file.info("a").shape == (1,)
    with pytest.raises(KeyError):
        file["c"]


def test_empty_and_scalar_tensors_are_read(tmp_path):
    tensors = {"none": np.zeros((0, 7), np.float32), "scalar": np.array(3.0, np.float32)}
    file = open_bytes(tmp_path, safetensors_bytes(tensors))
    assert file["none"].shape == (0, 7)
    assert file["scalar"].shape == ()
    assert file["scalar"] == 3
    assert not file["none"].flags.writeable


def test_file_without_tensors_is_empty(tmp_path):
    assert dict(open_bytes(tmp_path, with_header({}))) == {}


def test_misaligned_tensor_is_copied(tmp_path):
    # One byte of another tensor before it.
    header = entry(offsets=(1, 9)) | {"y": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file = open_bytes(tmp_path, with_header(text, b"\7" + np.float32([1, 2]).tobytes()))
    assert file["x"].tolist() == [1, 2]
    assert file["x"].flags.aligned
    assert not file["x"].flags.writeable


def test_type_without_numpy_equivalent_fails_only_when_read(tmp_path):
    file = open_bytes(tmp_path, with_header(entry("F8_E4M3", [8]), bytes(8)))
    assert file.info("x").dtype == "F8_E4M3"
    with pytest.raises(WeightsError, match="tensor 'x' has dtype F8_E4M3"):
        file["x"]


DAMAGED = {
    "empty": (b"", "has 0 bytes, expected at least 8"),
    "seven bytes": (bytes(7), "has 7 bytes, expected at least 8"),
    "no header": (bytes(8), "header is not JSON"),
    "header past the end": (with_header({})[:-1], "the header claims 2 bytes, expected at most 1"),
    "absurd header": (b"\xff" * 8 + b"{}", "the header claims 18446744073709551615 bytes"),
    "not UTF-8": (with_header(b"\xff\xfe"), "header is not UTF-8"),
    "not JSON": (with_header(b"{]"), "header is not JSON"),
    "a list": (with_header([]), "expected a JSON object"),
    "deep": (with_header(b"[" * 100_000), "header is not JSON"),
    "long number": (with_header(b"[" + b"1" * 9999 + b"]"), "header is"),
    "twice": (with_header(b'{"a": 1, "a": 2}'), "the key 'a' appears twice"),
    "entry": (with_header({"x": 1}), "tensor 'x' has the header entry 1, expected a JSON object"),
    "dtype": (with_header(entry("F33"), bytes(8)), "dtype 'F33', expected one of F64"),
    "dtype kind": (with_header(entry(["F32"]), bytes(8)), "dtype .*, expected one of F64"),
    "no dtype": (with_header({"x": {}}), "dtype None"),
    "negative shape": (with_header(entry(shape=[-2]), bytes(8)), r"shape \[-2\], expected"),
    "float shape": (with_header(entry(shape=[2.0]), bytes(8)), r"shape \[2.0\], expected"),
    "bool shape": (with_header(entry(shape=[True, 2]), bytes(8)), "shape .*expected"),
    "shape kind": (with_header(entry(shape="2"), bytes(8)), "shape '2', expected"),
    "rank": (with_header(entry(shape=[1] * 40), bytes(8)), "expected up to 32 sizes"),
    "huge": (with_header(entry(shape=[2**62, 2**62]), bytes(8)), "at most 2"),
    "huge and empty": (with_header(entry(shape=[0, 2**62], offsets=[0, 0])), "at most 2"),
    "huger": (with_header(entry(shape=[10**300]), bytes(8)), "at most 2"),
    "one offset": (with_header(entry(offsets=[0]), bytes(8)), "expected two integers"),
    "offset kind": (with_header(entry(offsets=[0, "8"]), bytes(8)), "expected two integers"),
    "negative offset": (with_header(entry(offsets=[-8, 0]), bytes(8)), "expected two integers"),
    "reversed": (with_header(entry(offsets=[8, 0]), bytes(8)), "expected a range within 8"),
    "past the end": (with_header(entry(offsets=[0, 8]), bytes(7)), "expected a range within 7"),
    "size": (with_header(entry(shape=[3]), bytes(8)), "8 bytes, expected 12 of F32"),
    "gap": (with_header(entry(offsets=[4, 12]), bytes(12)), "tensor 'x' starts at byte"),
    "tail": (with_header(entry(), bytes(9)), "bytes, expected .* from its header"),
    "overlap": (
        with_header(entry() | {"y": entry(offsets=[4, 12])["x"]}, bytes(12)),
        "tensor 'y' starts at byte",
    ),
}


@pytest.mark.parametrize(("content", "reason"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_file_is_refused_in_one_sentence(tmp_path, content, reason):
    with pytest.raises(WeightsError, match=reason) as caught:
        open_bytes(tmp_path, content)
    assert "x.safetensors" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


def test_missing_file_and_directory_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"cannot read .*No such file"):
        open_safetensors(tmp_path / "nowhere")
    with pytest.raises(WeightsError, match=r"cannot read .*directory"):
        open_safetensors(tmp_path)


def test_arrays_outlive_the_reader(tmp_path):
    path = tmp_path / "a.safetensors"
    write_safetensors(path, {"x": np.arange(5, dtype=np.float32)})
    array = open_safetensors(path)["x"]
    gc.collect()
    assert array.tolist() == [0, 1, 2, 3, 4]
