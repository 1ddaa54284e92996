"""pytorch_model.bin: the tensors of both forms, and nothing that the pickle would run."""

import gc
import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from checkpoint_files import (
    ordered,
    parameter,
    pickled,
    state_dict,
    storage,
    tensor,
    torch_bytes,
    torch_legacy,
    torch_zip,
)
from tiny import bfloat16_bits

from fastbert.checkpoints import read_float32
from fastbert.checkpoints.pickles import Call, Name, Reference, parse_pickle
from fastbert.checkpoints.torch_pickle import open_torch
from fastbert.errors import WeightsError
from fastbert.json_files import shown

FORMS = pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
VALUES = np.arange(6, dtype=np.float32)


def open_bytes(tmp_path, content):
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(content)
    return open_torch(path)


def open_described(tmp_path, description, values=VALUES, legacy=False):
    """A file with one storage "0" of float32 and any description."""
    storages = {"0": values.tobytes()}
    if legacy:
        return open_bytes(tmp_path, torch_legacy(description, storages, {"0": 4}))
    return open_bytes(tmp_path, torch_zip(description, storages))


WHERE = storage("0", "FloatStorage", 6)


@FORMS
@pytest.mark.parametrize(
    "dtype",
    ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"],
)
def test_every_common_type_is_read(tmp_path, legacy, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    file = open_bytes(tmp_path, torch_bytes({"x": array}, legacy=legacy))
    assert list(file) == ["x"]
    assert file["x"].dtype == array.dtype
    assert not file["x"].flags.writeable
    np.testing.assert_array_equal(file["x"], array)


@FORMS
def test_bfloat16_is_widened_exactly(tmp_path, legacy):
    bits = bfloat16_bits(np.array([0, -0.0, 1, -2.5, 3e38, 1e-40, np.inf, np.nan], np.float32))
    file = open_bytes(tmp_path, torch_bytes({"x": bits}, legacy=legacy))
    assert file.info("x").dtype == "BF16"
    np.testing.assert_array_equal(file["x"].view(np.uint32), bits.astype(np.uint32) << 16)


@FORMS
def test_empty_and_scalar_tensors_are_read(tmp_path, legacy):
    tensors = {"none": np.zeros((0, 7), np.float32), "scalar": np.array(3, np.float32)}
    file = open_bytes(tmp_path, torch_bytes(tensors, legacy=legacy))
    assert file["none"].shape == (0, 7)
    assert file["scalar"].shape == ()
    assert file["scalar"] == 3


def test_float32_of_a_zip_is_a_view_of_the_file(tmp_path):
    file = open_bytes(tmp_path, torch_bytes({"x": VALUES.reshape(2, 3)}))
    array = read_float32(file, "x", (2, 3))
    assert not array.flags.owndata
    assert array.flags.c_contiguous
    info = file.info("x")
    assert info.is_plain_float32
    stored = file.path.read_bytes()[info.start : info.start + info.nbytes]
    assert stored == VALUES.tobytes()
    del file
    gc.collect()
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]


@FORMS
def test_tensors_may_share_a_storage(tmp_path, legacy):
    tied = tensor(WHERE, (2, 3))
    described = {"a": tied, "b": tied, "c": parameter(tensor(WHERE, (2,), (1,), 4))}
    file = open_described(tmp_path, ordered(described), legacy=legacy)
    assert file["a"].tolist() == file["b"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert file["c"].tolist() == [4, 5]
    assert file.info("c").start == file.info("a").start + 16


@FORMS
def test_transposed_tensor_is_read_in_c_order(tmp_path, legacy):
    file = open_described(tmp_path, {"x": tensor(WHERE, (3, 2), (1, 3))}, legacy=legacy)
    assert file.info("x").strides == (1, 3)
    assert not file.info("x").is_plain_float32
    array = read_float32(file, "x", (3, 2))
    assert array.flags.c_contiguous
    assert not array.flags.writeable
    assert array.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_strides_of_single_elements_do_not_count(tmp_path):
    # What arange(6).expand(1, -1) leaves, as for the position ids of old models.
    file = open_described(tmp_path, {"x": tensor(WHERE, (1, 6, 1), (0, 1, 7))})
    assert file.info("x").is_plain_float32
    assert file["x"].tolist() == [[[0], [1], [2], [3], [4], [5]]]


@FORMS
def test_state_dict_beside_other_things_is_found(tmp_path, legacy):
    inner = {"x": tensor(WHERE, (6,))}
    saved = {"epoch": 3, "optimizer": {"lr": [0.1]}, "state_dict": ordered(inner)}
    assert list(open_described(tmp_path, saved, legacy=legacy)) == ["x"]


def test_plain_values_beside_tensors_are_ignored(tmp_path):
    plain = {"a": 1, "b": "text", "c": None, "d": 0.5, "e": True, "f": b"x", 7: 7}
    saved = plain | {"x": tensor(WHERE, (6,))}
    assert list(open_described(tmp_path, saved)) == ["x"]


def test_state_of_a_dictionary_is_ignored(tmp_path):
    # state_dict() has an attribute _metadata.
    description, storages = state_dict({"x": VALUES})
    content = torch_zip(description, storages)
    plain = pickled(description)
    longer = plain[:-1] + pickled({"_metadata": {"": {"version": 1}}})[2:-1] + b"b."
    assert open_bytes(tmp_path, replaced(content, longer))["x"].tolist() == VALUES.tolist()


def replaced(content, description):
    """The archive with another data.pkl, whatever that is."""
    path = "archive/data.pkl"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, stored in (records | {path: description}).items():
            archive.writestr(name, stored)
    return target.getvalue()


def test_misaligned_storage_is_copied(tmp_path):
    content = torch_bytes({"a": np.arange(1, dtype=np.uint8), "b": VALUES}, legacy=True)
    file = open_bytes(tmp_path, content)
    assert file.info("b").start % 4
    assert not file.info("b").is_plain_float32
    assert file["b"].flags.aligned
    assert file["b"].tolist() == VALUES.tolist()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values_are_those_of_the_standard_library(protocol):
    value = {
        "text": "忘记密码", "long": "x" * 300, "numbers": [0, -1, 255, 65536, 2**40, -(2**70), 0.5],
        "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)), "constants": [True, False, None],
        "nested": {"a": [{"b": ([],)}]}, 3: "three", "bytes": None if protocol == 2 else b"\0\xff",
    }  # fmt: skip
    value["again"] = value["numbers"]
    found = parse_pickle(pickle.dumps(value, protocol) + b"more")
    assert found.value == value
    assert found.references == []
    assert found.end == len(pickle.dumps(value, protocol))


@pytest.mark.parametrize("protocol", [2, 4])
def test_objects_are_only_described(protocol):
    found = parse_pickle(pickle.dumps([zipfile.ZipInfo, os.getcwd], protocol)).value
    assert found == [Name("zipfile", "ZipInfo"), Name("posix", "getcwd")]


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@FORMS
def test_nothing_is_executed(tmp_path, legacy, protocol):
    target = tmp_path / "executed"
    hostile = pickle.dumps({"x": Hostile(os.fspath(target))}, protocol)
    if legacy:
        heads = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
        content = b"".join(map(pickled, heads)) + hostile + pickled([])
    else:
        content = replaced(torch_bytes({"x": VALUES}), hostile)
    with pytest.raises(WeightsError, match=r"'x' is a call of 'posix\.mkdir', expected a tensor"):
        open_bytes(tmp_path, content)
    assert not target.exists()


SYSTEM = Call(Name("os", "system"), ("true",))
HUGE = 2**62
DESCRIPTIONS = {
    "a call": (SYSTEM, r"holds a call of 'os\.system', expected a dictionary of tensors"),
    "a list": ([1], r"holds \[1\], expected a dictionary"),
    "a tensor": (tensor(WHERE, (6,)), "expected a dictionary of tensors"),
    "nested": ({"model": {"x": 1}}, "'model' is a dictionary, expected a tensor"),
    "call": ({"x": SYSTEM}, r"'x' is a call of 'os\.system', expected a tensor or a plain value"),
    "class": ({"x": Name("os", "system")}, r"'x' is 'os\.system', expected a tensor"),
    "in storage": (
        {"x": tensor(SYSTEM, (6,))},
        r"'x' has the storage a call of 'os\.system', expected a reference",
    ),
    "in state": ({"state_dict": SYSTEM}, r"holds a call of 'os\.system', expected a dictionary"),
    "key": ({7: tensor(WHERE, (6,))}, "has the key 7, expected the name of a tensor"),
    "long name": ({"x" * 999: [1]}, r"xxx\.\.\. is \[1\], expected a tensor"),
    "lines": ({"x": Call(Name("a", "b"), ("\n",))}, "'x' is a call of 'a.b'"),
    "dictionary": (Call(Name("collections", "OrderedDict"), ([],)), "expected a dictionary"),
    "arguments": ({"x": Call(Name("torch._utils", "_rebuild_tensor_v2"), (1,))}, "is a call of"),
    "parameter": ({"x": parameter(parameter(tensor(WHERE, (6,))))}, "is a call of"),
    "shape": ({"x": tensor(WHERE, (-1,), (1,))}, r"'x' has shape \(-1,\), expected"),
    "shape kind": ({"x": tensor(WHERE, (True,), (1,))}, r"'x' has shape \(True,\), expected"),
    "rank": ({"x": tensor(WHERE, (1,) * 40)}, "'x' has shape .* up to 32 sizes"),
    "huge": ({"x": tensor(WHERE, (HUGE, HUGE), (1, 1))}, "'x' has shape .* at most 2"),
    "too long": ({"x": tensor(WHERE, (7,))}, r"'x' has shape \(7,\).* part of the 24 bytes"),
    "offset": ({"x": tensor(WHERE, (6,), (1,), 1)}, "'x' has shape .* offset 1, expected a part"),
    "far offset": ({"x": tensor(WHERE, (1,), (1,), HUGE)}, "expected a part"),
    "negative offset": ({"x": tensor(WHERE, (1,), (1,), -1)}, "'x' has the offset -1"),
    "offset kind": ({"x": tensor(WHERE, (1,), (1,), "0")}, "'x' has the offset '0'"),
    "stride": ({"x": tensor(WHERE, (2, 3), (4, 1))}, r"strides \(4, 1\) .* expected a part"),
    "negative stride": ({"x": tensor(WHERE, (2,), (-1,))}, r"strides \(-1,\), expected one"),
    "no stride": ({"x": tensor(WHERE, (2,), ())}, r"strides \(\), expected one for each"),
    "repeated": ({"x": tensor(WHERE, (2**24, 2**24), (0, 0))}, "expected a part of the 24 bytes"),
    "storage kind": (
        {"x": tensor(Reference(("storage", Name("os", "FloatStorage"), "0", "cpu", 6)), (6,))},
        r"storage of type 'os\.FloatStorage', which cannot be read",
    ),
    "storage type": ({"x": tensor(storage("0", "QInt8Storage", 6), (6,))}, "QInt8Storage"),
    "storage size": ({"x": tensor(storage("0", "FloatStorage", -1), (6,))}, "of -1 elements"),
    "storage tag": ({"x": tensor(Reference(("module", 1, 2, 3, 4)), (6,))}, "whole one with a key"),
    "storage view": (
        {"x": tensor(Reference((*WHERE.description, ("1", 0, 6))), (6,))},
        "whole one with a key",
    ),
    "reference": ({"x": tensor(Reference(7), (6,))}, "expected a reference to one"),
}


@FORMS
@pytest.mark.parametrize(("description", "reason"), DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_impossible_description_is_refused_in_one_sentence(tmp_path, legacy, description, reason):
    # The older form follows the storages first, and finds what is wrong with one there.
    with pytest.raises(WeightsError, match=f"{reason}|storage" if legacy else reason) as caught:
        open_described(tmp_path, description, legacy=legacy)
    check_message(caught, tmp_path)


def check_message(caught, tmp_path):
    assert "pytorch_model.bin" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


PICKLES = {
    "empty": (b"", "is cut short at byte 0"),
    "unknown": (b"\x80\2\xff.", r"unknown instruction b'\\xff' at byte 2"),
    "protocol 0": (b"I1\n.", "unknown instruction b'I'"),
    "empty stack": (b".", "takes from an empty stack"),
    "below the mark": (b"N(\x85.", "takes from an empty stack"),
    "no mark": (b"Nt.", "has no mark on the stack"),
    "no memo": (b"h\7.", "recalls number 7"),
    "memo index": (b"j\xff\xff\xff\xff.", "recalls number 4294967295"),
    "long text": (b"X\xff\xff\xff\xffabc.", "is cut short"),
    "longer text": (b"\x8d" + b"\xff" * 8 + b"abc.", "is cut short"),
    "long bytes": (b"B\xff\xff\xff\x7fabc.", "is cut short"),
    "not UTF-8": (b"X\1\0\0\0\xff.", "text that is not UTF-8"),
    "endless name": (b"cos", "is cut short"),
    "name kind": (b"NN\x93.", "has the name None, expected a string"),
    "key kind": (b"}]Ns.", r"has the key \[\], expected a string or a number"),
    "deep key": (
        b"}" + b")" + b"\x85" * 100_000 + b"Ns.",
        r"has the key \(\(\(\(\(\.\.\.\),\),\),\),\)",
    ),
    "odd items": (b"}(Nu.", "puts 1 keys and values into"),
    "set a list": (b"]NNs.", r"puts 2 keys and values into \[\]"),
    "append to a dictionary": (b"}Na.", r"appends to \{\}, expected a list"),
    "no stop": (b"N" * 99, "is cut short at byte 99"),
}


@pytest.mark.parametrize(("content", "reason"), PICKLES.values(), ids=PICKLES)
def test_impossible_pickle_is_refused_in_one_sentence(tmp_path, content, reason):
    with pytest.raises(WeightsError, match=f"the pickle .*{reason}") as caught:
        open_bytes(tmp_path, replaced(torch_bytes({"x": VALUES}), content))
    check_message(caught, tmp_path)


def test_large_memo_index_takes_no_memory():
    assert parse_pickle(b"Nr\xff\xff\xff\xff0j\xff\xff\xff\xff.").value is None


def test_value_that_holds_itself_often_is_described_in_short():
    # 2^40 references to one empty tuple, in some 200 bytes.
    doubled = b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(40))
    value = parse_pickle(b"\x80\x02)q\0" + doubled + b".").value
    assert len(shown(value)) <= 80


def test_deep_value_is_described():
    value = parse_pickle(b")" + b"\x85" * 100_000 + b".").value
    assert type(value) is tuple


def zip_with(**changes):
    description, storages = state_dict({"x": VALUES})
    return torch_zip(description, storages, **changes)


def compressed_bomb():
    # 1 GB of zeros in a megabyte: never unpacked.
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))
    return file.getvalue()


def damaged_pickle():
    content = bytearray(zip_with())
    content[content.index(b"FloatStorage")] ^= 1
    return bytes(content)


def with_names(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, pickled({}))
    return file.getvalue()


def central(content, offset, form, value):
    """The archive with another number in the first entry of its central directory."""
    place = content.index(b"PK\1\2") + offset
    stored = struct.pack(form, value)
    return content[:place] + stored + content[place + len(stored) :]


ARCHIVES = {
    "cut short": (zip_with()[:-100], "is a damaged zip archive"),
    "only a head": (b"PK\3\4", "is a damaged zip archive"),
    "compressed": (zip_with(compression=zipfile.ZIP_DEFLATED), "has 0 uncompressed data.pkl"),
    "bomb": (compressed_bomb(), "has 0 uncompressed data.pkl"),
    "encrypted": (central(zip_with(), 8, "<H", 1), "has 0 uncompressed data.pkl"),
    "big-endian": (zip_with(byteorder=b"big"), "comes from a big-endian machine"),
    "damaged": (damaged_pickle(), "data.pkl is damaged: its CRC-32"),
    "size": (central(zip_with(), 24, "<I", 2**31), "lies outside of the file"),
    "place": (central(zip_with(), 42, "<I", 7), "lies outside of the file"),
    "no pickle": (with_names("archive/other"), "has 0 uncompressed data.pkl, expected one"),
    "two pickles": (with_names("a/data.pkl", "b/data.pkl"), "has 2 uncompressed data.pkl"),
    "path": (with_names("../../data.pkl", "/data.pkl/data.pkl"), "has 0 uncompressed data.pkl"),
}


@pytest.mark.parametrize(("content", "reason"), ARCHIVES.values(), ids=ARCHIVES)
def test_impossible_archive_is_refused_in_one_sentence(tmp_path, content, reason):
    with pytest.raises(WeightsError, match=reason) as caught:
        open_bytes(tmp_path, content)
    check_message(caught, tmp_path)


def test_storage_that_is_missing_or_cut_short_is_refused(tmp_path):
    description, _ = state_dict({"x": VALUES})
    with pytest.raises(WeightsError, match="the archive has no uncompressed 'archive/data/0'"):
        open_bytes(tmp_path, torch_zip(description, {}))
    with pytest.raises(WeightsError, match="of tensor 'x' has 20 bytes, expected 24"):
        open_bytes(tmp_path, torch_zip(description, {"0": bytes(20)}))


def test_key_of_a_storage_is_no_path(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(24))
    where = storage("../../secret", "FloatStorage", 6)
    with pytest.raises(WeightsError, match=r"has no uncompressed 'archive/data/\.\./\.\./secret'"):
        open_described(tmp_path, {"x": tensor(where, (6,))})


def test_twice_the_same_file_in_an_archive_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = with_names("a/data.pkl", "a/data/0", "a/data/0")
    with pytest.raises(WeightsError, match="has 'a/data/0' twice"):
        open_bytes(tmp_path, content)


def test_huge_pickle_is_refused(tmp_path):
    content = replaced(zip_with(), pickled({"x": "y" * (5 << 20)}))
    with pytest.raises(WeightsError, match=r"data\.pkl has \d+ bytes, expected at most 4194304"):
        open_bytes(tmp_path, content)


def legacy_with(**changes):
    description, storages = state_dict({"x": VALUES})
    return torch_legacy(description, storages, {"0": 4}, **changes)


LEGACIES = {
    "empty": (b"", "has 0 bytes, expected at least 4"),
    "text": (b"version https://git-lfs.github.com/spec/v1\n", "unknown instruction b'v'"),
    "plain pickle": (pickled({"x": 1}), "not of torch.save, expected its magic number"),
    "other version": (
        legacy_with().replace(pickled(1001), pickled(1002), 1),
        "expected its magic number and version",
    ),
    "big-endian": (legacy_with(machine={"little_endian": False}), "from a big-endian machine"),
    "no machine": (legacy_with(machine=None), "from a big-endian machine"),
    "cut short": (legacy_with()[:-1], "'0' has 6 elements in 23 bytes, expected 6 of F32"),
    "no storage": (legacy_with()[:-32], "'0' has 0 elements in"),
    "other size": (
        legacy_with()[:-32] + struct.pack("<q", 5) + bytes(24),
        "has 5 elements in 24 bytes, expected 6",
    ),
    "unknown key": (legacy_with().replace(pickled(["0"]), pickled(["1"])), "are not those of"),
    "key kind": (legacy_with().replace(pickled(["0"]), pickled([0])), "are not those of"),
    "no keys": (legacy_with().replace(pickled(["0"]), pickled([])), "'0' is not in the file's"),
    "two types": (
        torch_legacy(
            {
                "a": tensor(WHERE, (6,)),
                "b": tensor(storage("0", "HalfStorage", 6), (6,)),
            },
            {"0": VALUES.tobytes()},
            {"0": 4},
        ),
        "'0' has two types or sizes",
    ),
}


@pytest.mark.parametrize(("content", "reason"), LEGACIES.values(), ids=LEGACIES)
def test_impossible_legacy_file_is_refused_in_one_sentence(tmp_path, content, reason):
    with pytest.raises(WeightsError, match=reason) as caught:
        open_bytes(tmp_path, content)
    check_message(caught, tmp_path)


def test_missing_file_and_directory_are_refused(tmp_path):
    with pytest.raises(WeightsError, match=r"cannot read .*No such file"):
        open_torch(tmp_path / "nowhere")
    with pytest.raises(WeightsError, match=r"cannot read .*directory"):
        open_torch(tmp_path)
