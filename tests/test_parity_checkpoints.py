"""Files of torch.save as torch itself reads them; needs `pip install ".[parity]"`."""

import io
import zipfile

import numpy as np
import pytest
from checkpoint_files import torch_bytes
from tiny import write_model

import fastbert
from fastbert.checkpoints import read_float32
from fastbert.checkpoints.torch_pickle import open_torch
from fastbert.errors import WeightsError

torch = pytest.importorskip("torch", reason="parity tests need torch and transformers")

pytestmark = pytest.mark.filterwarnings("ignore")

FORMS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pytorch_model.bin"


def save(value, path, zipped, **options):
    torch.save(value, path, _use_new_zipfile_serialization=zipped, **options)
    return open_torch(path)


def check(file, tensors):
    assert set(file) == set(tensors)
    for name, tensor in tensors.items():
        expected = tensor.detach()
        expected = (expected.float() if expected.dtype == torch.bfloat16 else expected).numpy()
        assert file[name].dtype == expected.dtype
        np.testing.assert_array_equal(file[name], expected)


@FORMS
@pytest.mark.parametrize("dtype", "float32 float64 float16 bfloat16 int64 int8 bool".split())
def test_every_common_type_is_read(path, zipped, dtype):
    tensors = {"x": torch.randn(5, 7).to(getattr(torch, dtype)), "y": torch.ones(())}
    check(save(tensors, path, zipped), tensors)


@FORMS
def test_types_without_a_class_of_storage_are_read(path, zipped):
    tensors = {"x": torch.arange(6).to(torch.uint16), "y": torch.arange(4).to(torch.uint32)}
    check(save(tensors, path, zipped), tensors)
    file = save({"x": torch.ones(3).to(torch.float8_e4m3fn)}, path, zipped)
    assert file.info("x").dtype == "F8_E4M3"


@FORMS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_is_read(path, zipped, protocol):
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LayerNorm(4))
    check(save(module.state_dict(), path, zipped, pickle_protocol=protocol), module.state_dict())


@FORMS
def test_views_and_tied_weights_are_read(path, zipped):
    base = torch.randn(6, 8)
    tensors = {
        "base": base,
        "tied": base,
        "row": base[2],
        "transposed": base.T,
        "part": base[1:5:2, 3:7],
        "column": base[:, 1],
        "expanded": torch.arange(5.0).expand(1, -1),
        "none": torch.zeros(0, 3),
    }
    file = save(tensors, path, zipped)
    check(file, tensors)
    for name, tensor in tensors.items():
        assert read_float32(file, name, tuple(tensor.shape)).flags.c_contiguous
        assert (file.info(name).strides is None) == tensor.is_contiguous()


@FORMS
def test_parameters_are_read(path, zipped):
    marked = torch.nn.Parameter(torch.randn(2, 3))
    marked.anything = 3
    tensors = {"a": torch.nn.Parameter(torch.randn(4)), "b": marked}
    check(save(tensors, path, zipped), tensors)


@FORMS
def test_state_dict_of_a_training_checkpoint_is_read(path, zipped):
    module = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(3)).sum().backward()
    optimizer.step()
    saved = {"epoch": 7, "state_dict": module.state_dict(), "optimizer": optimizer.state_dict()}
    check(save(saved, path, zipped), module.state_dict())


@FORMS
def test_whole_module_is_refused(path, zipped):
    with pytest.raises(WeightsError, match=r"holds a call of .*torch\.nn\.modules\.linear\.Linear"):
        save(torch.nn.Linear(3, 2), path, zipped)


def test_script_module_is_refused(path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(3, 2)), path)
    with pytest.raises(WeightsError, match=r"holds a call of '__torch__"):
        open_torch(path)


@FORMS
def test_our_writer_writes_what_torch_reads(path, zipped):
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(3)}
    path.write_bytes(torch_bytes(tensors, legacy=not zipped))
    for name, tensor in torch.load(path, weights_only=True).items():
        np.testing.assert_array_equal(tensor.numpy(), tensors[name])


def test_storages_of_a_zip_are_views(path):
    file = save({"x": torch.randn(300), "y": torch.randn(5)}, path, True)
    assert all(file.info(name).is_plain_float32 for name in file)
    assert not file["y"].flags.owndata
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


@FORMS
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_model_saved_by_transformers_classes_gives_their_vectors(tmp_path, zipped, dtype):
    transformers = pytest.importorskip("transformers", reason="compares with its model")
    directory = write_model(tmp_path / "model", sentence_transformers=False)
    model = transformers.BertModel.from_pretrained(directory, attn_implementation="eager").eval()
    model = model.to(getattr(torch, dtype))
    torch.save(
        model.state_dict(),
        directory / "pytorch_model.bin",
        _use_new_zipfile_serialization=zipped,
    )
    (directory / "model.safetensors").unlink()
    encoder = fastbert.load(directory)
    ids = encoder.tokenizer.encode("how do i reset my password")
    with torch.no_grad():
        states = model.float()(torch.tensor(np.asarray(ids, np.int64))[None]).last_hidden_state[0]
    expected = states.mean(0).numpy()
    # Sums of some 64 terms of size 1 in another order.
    np.testing.assert_allclose(encoder.encode("how do i reset my password"), expected, atol=1e-5)
