"""What a start finds in the cache: the same vectors, whatever has happened to the files there."""

import errno
import mmap
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tiny import VOCABULARY, write_json, write_model

import fastbert
from fastbert import cache_files, loading, own_cache
from fastbert._native import _core
from fastbert.checkpoints.safetensors import open_safetensors
from fastbert.tokenization.wordpiece import WordPieceTokenizer
from fastbert.tokenizer import Tokenizer
from fastbert.weights import load_weights

TEXTS = ["how do i reset my password", "忘记密码怎么办", "the cat runs fast, very good!"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTBERT_CACHE", os.fspath(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path):
    return settled(write_model(tmp_path / "model"))


def settled(directory):
    """Files of the last few milliseconds are not remembered: see loading.py."""
    time.sleep(loading._SETTLED_NS / 1e9 * 1.2)
    return directory


def vectors(directory):
    return fastbert.load(directory).encode(TEXTS)


def without_cache(directory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTBERT_CACHE", "off")
        return vectors(directory)


def files(cache, folder):
    return sorted((cache / folder).iterdir()) if (cache / folder).exists() else []


def maps_a_file(encoder):
    """Whether the packed weights of an encoder lie in a file, as the system sees it."""
    address = encoder._native.packed.ctypes.data
    with open("/proc/self/maps", encoding="utf-8") as lines:
        for line in lines:
            begin, end = (int(x, 16) for x in line.split()[0].split("-"))
            if begin <= address < end:
                return "/packed/" in line
    return False


def check_both_ways(model):
    """The right vectors now, and by the next start from a file."""
    expected = without_cache(model)
    np.testing.assert_array_equal(vectors(model), expected)
    settled(model)
    vectors(model)
    again = fastbert.load(model)
    assert maps_a_file(again)
    np.testing.assert_array_equal(again.encode(TEXTS), expected)


def test_second_load_maps_what_the_first_has_packed(model, cache):
    first = fastbert.load(model)
    second = fastbert.load(model)
    assert not maps_a_file(first)
    assert maps_a_file(second)
    np.testing.assert_array_equal(first.encode(TEXTS), second.encode(TEXTS))
    np.testing.assert_array_equal(first.encode(TEXTS), without_cache(model))
    np.testing.assert_array_equal(first._native.packed, second._native.packed)
    assert repr(first) == repr(second)
    assert first.config == second.config
    assert first.prompts == second.prompts
    assert len(files(cache, "packed")) == len(files(cache, "start")) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"dense_size": 8},
        {"dtype": "float16"},
        {"dtype": "bfloat16", "prefix": "bert."},
        {"pooling": ("cls", "max"), "prompts": {"query": "find: "}, "normalize": False},
        {"sentence_transformers": False, "intermediate_size": 50},
    ],
)
def test_every_kind_of_model_starts_again(tmp_path, cache, options):
    check_both_ways(settled(write_model(tmp_path / "model", **options)))


def test_shards_are_mapped(model, cache):
    shard = "model-00001-of-00001.safetensors"
    (model / "model.safetensors").rename(model / shard)
    index = dict.fromkeys(open_safetensors(model / shard), shard)
    write_json(model / "model.safetensors.index.json", {"weight_map": index})
    check_both_ways(settled(model))


def test_copies_of_a_model_share_packed_weights(model, cache, tmp_path):
    vectors(model)
    copy = settled(shutil.copytree(model, tmp_path / "copy"))
    assert maps_a_file(fastbert.load(copy))
    assert len(files(cache, "packed")) == 1
    assert len(files(cache, "start")) == 2


def flip(place):
    def damage(path):
        data = bytearray(path.read_bytes())
        data[place] ^= 1
        path.write_bytes(data)

    return damage


def cut(size):
    return lambda path: os.truncate(path, size)


DAMAGES = {
    "first byte": flip(0),
    "checksum": flip(17),
    "name": flip(30),
    "padding": flip(4000),
    "content": flip(4096),
    "last byte": flip(-1),
    "empty": cut(0),
    "no content": cut(4096),
    "cut short": cut(5000),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "foreign": lambda path: path.write_bytes(os.urandom(10_000)),
    "others may write": lambda path: path.chmod(0o666),
    "directory": lambda path: (path.unlink(), path.mkdir()),
    "dangling link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("folder", ["packed", "start"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_file_is_not_used(model, cache, folder, damage):
    expected = vectors(model)
    (path,) = files(cache, folder)
    DAMAGES[damage](path)
    assert cache_files.fetch(folder, path.name) is None
    np.testing.assert_array_equal(vectors(model), expected)
    if damage != "directory":  # replaced by a whole one
        assert maps_a_file(fastbert.load(model))


def test_file_of_another_model_is_not_used(model, cache, tmp_path):
    expected = vectors(model)
    (path,) = files(cache, "packed")
    (start,) = files(cache, "start")
    vectors(settled(write_model(tmp_path / "other", seed=1)))
    (other,) = set(files(cache, "packed")) - {path}
    (other_start,) = set(files(cache, "start")) - {start}
    shutil.copy(other, path)
    shutil.copy(other_start, start)
    np.testing.assert_array_equal(vectors(model), expected)


def test_file_of_another_user_is_not_used(model, cache, monkeypatch):
    vectors(model)
    (path,) = files(cache, "packed")
    mine = os.geteuid()
    monkeypatch.setattr(cache_files.os, "geteuid", lambda: mine + 1)
    assert (cache_files.fetch("packed", path.name) is None) == (mine != 0)  # root's are trusted


@pytest.mark.parametrize("keep_time", [False, True])
@pytest.mark.parametrize("in_place", [False, True])
def test_other_weights_are_noticed(model, cache, tmp_path, keep_time, in_place):
    before = vectors(model)
    vectors(model)
    path = model / "model.safetensors"
    state = path.stat()
    other = write_model(tmp_path / "other", seed=1) / "model.safetensors"
    if in_place:
        path.write_bytes(other.read_bytes())
    else:
        other.replace(path)
    if keep_time:
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert not np.array_equal(vectors(model), before)
    check_both_ways(model)


def pool_first_token(model):
    flags = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True}
    write_json(model / "1_Pooling" / "config.json", flags)


def change_vocabulary(model):
    text = "".join(token + "\n" for token in (*VOCABULARY[:5], *VOCABULARY[:4:-1]))
    (model / "vocab.txt").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        pool_first_token,
        change_vocabulary,
        lambda model: (model / "modules.json").unlink(),
        lambda model: write_json(
            model / "config_sentence_transformers.json",
            {"prompts": {"a": "hello "}, "default_prompt_name": "a"},
        ),
    ],
)
def test_other_small_files_are_noticed(model, cache, change):
    before = vectors(model)
    vectors(model)
    change(model)
    assert not np.array_equal(vectors(model), before)
    check_both_ways(model)


def test_other_code_is_noticed(model, cache, monkeypatch):
    vectors(model)
    state = loading._State(os.fspath(model), plain=False)
    assert loading._Start.find(state) is not None
    state.code = (*state.code, ("new.py", 1, 2, 3, 4))
    assert loading._Start.find(state) is None


def test_broken_model_is_an_error_at_every_start(model, cache):
    vectors(model)
    with open(model / "model.safetensors", "r+b") as file:
        file.truncate(1000)
    for _ in range(2):
        with pytest.raises(fastbert.WeightsError):
            fastbert.load(model)


def test_files_that_are_too_new_are_not_remembered(model, cache, monkeypatch):
    monkeypatch.setattr(loading, "_SETTLED_NS", 10**12)
    vectors(model)
    assert files(cache, "start") == files(cache, "packed") == []


def test_change_while_loading_is_not_remembered(model, cache, monkeypatch):
    hashed = loading._hash

    def change(*arguments):
        (model / "config_sentence_transformers.json").write_text("{}", encoding="utf-8")
        return hashed(*arguments)

    monkeypatch.setattr(loading, "_hash", change)
    vectors(model)
    assert files(cache, "start") == files(cache, "packed") == []


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("packed", [True, False])
def test_weights_replaced_while_a_start_is_read_are_not_taken_for_the_old(
    tmp_path, cache, monkeypatch, dtype, packed
):
    model = settled(write_model(tmp_path / "model", dtype=dtype))
    other = settled(write_model(tmp_path / "other", dtype=dtype, seed=7))
    vectors(model)
    if not packed:
        shutil.rmtree(cache / "packed")
    weights = loading._Start.weights

    def replace(self, transformer):
        shutil.copy(other / "model.safetensors", model / "model.safetensors")
        return weights(self, transformer)

    with monkeypatch.context() as patch:
        patch.setattr(loading._Start, "weights", replace)
        np.testing.assert_array_equal(vectors(model), without_cache(other))
    settled(model)
    np.testing.assert_array_equal(vectors(model), without_cache(other))
    copy = settled(write_model(tmp_path / "copy", dtype=dtype))
    np.testing.assert_array_equal(vectors(copy), without_cache(copy))


@pytest.mark.parametrize("known", [True, False])
def test_weights_changed_while_they_are_packed_are_not_taken_for_the_old(
    tmp_path, cache, monkeypatch, known
):
    model = settled(write_model(tmp_path / "model"))
    other = settled(write_model(tmp_path / "other", seed=7))
    if known:
        vectors(model)
        shutil.rmtree(cache / "packed")
    fetch = cache_files.fetch

    def change(folder, name):
        if folder == "packed":  # the hash is known, and the file is about to be read again
            with (model / "model.safetensors").open("r+b") as file:
                file.write((other / "model.safetensors").read_bytes())
        return fetch(folder, name)

    with monkeypatch.context() as patch:
        patch.setattr(cache_files, "fetch", change)
        vectors(model)
    assert files(cache, "packed") == []
    copy = settled(write_model(tmp_path / "copy"))
    np.testing.assert_array_equal(vectors(copy), without_cache(copy))


def test_huge_directory_is_not_remembered(model, cache):
    for i in range(loading._MOST_FILES + 1):
        (model / f"{i}.txt").touch()
    vectors(settled(model))
    assert files(cache, "start") == []


@pytest.mark.parametrize("value", ["off", "OFF", "0"])
def test_cache_can_be_turned_off(model, tmp_path, monkeypatch, value):
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "xdg"))
    monkeypatch.setenv("FASTBERT_CACHE", value)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    np.testing.assert_array_equal(vectors(model), vectors(model))
    assert sorted(tmp_path.iterdir()) == before
    assert own_cache.own_cache() == os.fspath(tmp_path / "xdg" / "fastbert")


def test_empty_variable_means_the_usual_place(model, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "xdg"))
    monkeypatch.setenv("FASTBERT_CACHE", "")
    vectors(model)
    assert len(files(tmp_path / "xdg" / "fastbert", "packed")) == 1


def a_file(cache, _):
    cache.touch()


def files_for_folders(cache, _):
    cache.mkdir()
    (cache / "start").touch()
    (cache / "packed").touch()


def read_only(cache, _):
    cache.mkdir(mode=0o500)


def full(_, patch):
    def replace(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    patch.setattr(own_cache.os, "replace", replace)


def forbidden(_, patch):
    patch.setattr(cache_files.os, "access", lambda *_: False)


@pytest.mark.parametrize("prepare", [a_file, files_for_folders, read_only, full, forbidden])
def test_unusable_cache_is_survived(model, cache, monkeypatch, capfd, prepare):
    expected = without_cache(model)
    prepare(cache, monkeypatch)
    for _ in range(2):
        np.testing.assert_array_equal(vectors(model), expected)
    assert capfd.readouterr() == ("", "")
    assert not [path for path in cache.rglob("*") if own_cache.UNFINISHED in path.name]


def test_what_a_killed_process_left_is_ignored_and_removed(model, cache):
    vectors(model)
    for folder in ("packed", "start"):
        (path,) = files(cache, folder)
        path.unlink()
        for age, name in ((2 * 3600, "old"), (0, "new")):
            left = path.with_name(f"{path.name}{own_cache.UNFINISHED}{name}")
            left.write_bytes(b"fastbert")
            os.utime(left, (time.time() - age, time.time() - age))
    vectors(model)
    for folder in ("packed", "start"):
        names = [path.name for path in files(cache, folder)]
        assert len(names) == 2
        assert names[1] == names[0] + own_cache.UNFINISHED + "new"


def test_old_files_make_room(model, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(cache_files, "_MOST_BYTES", 1)
    vectors(model)
    vectors(settled(write_model(tmp_path / "other", seed=1)))
    assert len(files(cache, "packed")) == len(files(cache, "start")) == 1
    assert maps_a_file(fastbert.load(tmp_path / "other"))


SCRIPT = """
import sys, fastbert
sys.stdout.buffer.write(fastbert.encode("reset my password", model=sys.argv[1]).tobytes())
"""


def test_processes_may_write_at_the_same_time(model, cache):
    command = [sys.executable, "-c", SCRIPT, os.fspath(model)]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)
    ]
    results = [process.communicate(timeout=60) for process in started]
    assert {error for _, error in results} == {b""}
    assert {output for output, _ in results} == {
        fastbert.load(model).encode("reset my password").tobytes()
    }
    assert len(files(cache, "packed")) == len(files(cache, "start")) == 1
    assert maps_a_file(fastbert.load(model))


def test_each_instruction_set_has_its_own_file(model, cache, monkeypatch):
    isas = fastbert.cpu_info()["available_isas"]
    for count, isa in enumerate(isas, start=1):
        monkeypatch.setenv("FASTBERT_ISA", isa)
        expected = without_cache(model)
        for mapped in (False, True):
            encoder = fastbert.load(model)
            assert encoder.isa == isa
            assert maps_a_file(encoder) == mapped
            np.testing.assert_array_equal(encoder.encode(TEXTS), expected)
        assert len(files(cache, "packed")) == count


def test_each_compute_type_has_its_own_file(model, cache):
    for count, compute_type in enumerate(_core.compute_types(), start=1):
        first, second = (fastbert.load(model, compute_type=compute_type) for _ in range(2))
        assert (maps_a_file(first), maps_a_file(second)) == (False, True)
        np.testing.assert_array_equal(first.encode(TEXTS), second.encode(TEXTS))
        once = fastbert.encode(TEXTS, model=model, compute_type=compute_type)
        np.testing.assert_array_equal(once, first.encode(TEXTS))
        assert len(files(cache, "packed")) == count


def test_packed_weights_cannot_be_written(model, cache):
    for _ in range(2):
        packed = fastbert.load(model)._native.packed
        assert not packed.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            packed[0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            packed.flags.writeable = True


def test_busy_encoder_copies_its_weights_to_huge_pages(tmp_path, cache):
    sizes = {"hidden_size": 256, "intermediate_size": 1024}  # more than one huge page
    model = settled(write_model(tmp_path / "model", **sizes))
    expected = vectors(model)
    encoder = fastbert.load(model)
    before = encoder._native.packed.copy()
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(encoder.encode, [TEXTS] * 200):
            np.testing.assert_array_equal(found, expected)
    assert not maps_a_file(encoder)
    np.testing.assert_array_equal(encoder._native.packed, before)
    assert maps_a_file(fastbert.load(model))


def test_busy_encoder_copies_its_weights_once(model, cache, monkeypatch):
    vectors(model)
    encoder = fastbert.load(model)
    copies = []
    monkeypatch.setattr(_core, "copy_to_huge_pages", copies.append)
    for _ in range(3):
        encoder.encode("hello", profile=True)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(encoder.encode, [TEXTS] * 60))
    assert len(copies) == 1


def test_copy_to_huge_pages_keeps_its_hands_off():
    values = np.arange(3 << 20, dtype=np.uint8)
    mapped = mmap.mmap(-1, len(values))
    mapped[:] = values.tobytes()
    whole = np.frombuffer(mapped, np.uint8)
    for part in (whole[1:], whole[4096:8192], whole[:0], whole[4096:]):
        _core.copy_to_huge_pages(part)
        np.testing.assert_array_equal(whole, values)


def test_packed_weights_outlive_their_file_and_their_encoder(model, cache):
    vectors(model)
    encoder = fastbert.load(model)
    expected = encoder.encode(TEXTS)
    shutil.rmtree(cache)
    np.testing.assert_array_equal(encoder.encode(TEXTS), expected)
    packed = encoder._native.packed
    total = packed.sum()
    del encoder
    assert packed.sum() == total


def test_native_encoder_refuses_what_cannot_be_packed_weights(model):
    config = fastbert.load(model).config
    weights, config = load_weights(model, config), config._asdict()
    size = _core.packed_bytes(config)
    packed = np.zeros(size + 64, np.uint8)
    start = -packed.ctypes.data % 64
    _core.Encoder(config, weights, packed=packed[start : start + size])
    with pytest.raises(ValueError, match="shape"):
        _core.Encoder(config, weights, packed=packed)
    with pytest.raises(ValueError, match="64 bytes"):
        _core.Encoder(config, weights, packed=packed[(start + 1) % 64 :][:size])
    with pytest.raises(TypeError, match="uint8"):
        _core.Encoder(config, weights, packed=np.zeros(size, np.int8))
    with pytest.raises(ValueError, match="compute_type"):
        _core.packed_bytes(config, compute_type="float7")


def test_checksum_sees_every_change():
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, 3 << 20, np.uint8)
    whole = _core.checksum(data)
    assert whole == _core.checksum(data, 1) == _core.checksum(data, 3)
    for place in rng.integers(0, len(data), 50):
        changed = data.copy()
        changed[place] ^= 1 << (place % 8)
        assert _core.checksum(changed) != whole
    for step in (1, 8, 64, 4096, 1 << 20):  # bytes, words, stripes, pages, blocks that move
        assert _core.checksum(np.roll(data, step)) != whole
    sizes = [_core.checksum(np.zeros(n, np.uint8)) for n in range(200)]
    assert len(set(sizes)) == 200


def test_compiled_tokenizer_is_the_same(tmp_path):
    model = write_model(tmp_path)
    decoder = {"7": {"content": "<new>", "lstrip": True, "normalized": False}}
    config = {"tokenizer_class": "BertTokenizer", "added_tokens_decoder": decoder}
    write_json(model / "tokenizer_config.json", config)
    tokenizer = Tokenizer.from_pretrained(model)
    values, *parts = tokenizer.compiled()
    again = WordPieceTokenizer.from_compiled(
        values, *(np.frombuffer(part, np.uint8) for part in parts)
    )
    texts = [*TEXTS, "hello <new> unaffable [MASK] x", "", "a" * 200]
    for name, one, other in zip(
        tokenizer.encode_batch(texts)._fields,
        tokenizer.encode_batch(texts, TEXTS * 2, return_spans=True),
        again.encode_batch(texts, TEXTS * 2, return_spans=True),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other, err_msg=name)
    ids = range(tokenizer.max_id + 1)
    assert list(map(again.id_to_token, ids)) == list(map(tokenizer.id_to_token, ids))
    assert again.token_to_id("##ing") == tokenizer.token_to_id("##ing")
    assert again.vocab_size == tokenizer.vocab_size
    assert again.compiled() == tokenizer.compiled()


@pytest.mark.parametrize("size", [0, 8, 24, 100])
def test_impossible_tables_are_refused(tmp_path, size):
    values, vocabulary, tables = Tokenizer.from_pretrained(write_model(tmp_path)).compiled()
    with pytest.raises(ValueError, match="no tables of a WordPiece model"):
        WordPieceTokenizer.from_compiled(
            values,
            np.frombuffer(vocabulary, np.uint8),
            np.frombuffer(tables, np.uint8)[:size],
        )


def test_start_imports_nothing_heavy(model, cache):
    script = (
        "import sys, numpy; before = set(sys.modules); import fastbert; "
        "fastbert.encode('hello', model=sys.argv[1]); print(*(set(sys.modules) - before))"
    )
    vectors(model)
    command = [sys.executable, "-c", script, os.fspath(model)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    own = {name for name in result.stdout.split() if name.startswith("fastbert.")}
    heavy = "logging dataclasses pathlib json urllib urllib.parse hashlib copy threading tempfile "
    heavy += "subprocess inspect zipfile ssl socket huggingface_hub numpy.typing importlib.metadata"
    assert set(heavy.split()) & set(result.stdout.split()) == set()
    assert own.isdisjoint(
        f"fastbert.{name}"
        for name in (
            "checkpoints",
            "config",
            "json_files",
            "modules",
            "tokenization.files",
            "weights",
        )
    )
