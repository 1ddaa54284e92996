"""Threads, forked children, signals and the environment: what happens around the arithmetic."""

import copy
import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from tiny import write_model
from tiny_tokenizers import byte_level_files

import fastbert
from fastbert.tokenization.config import read_tokenizer_config
from fastbert.tokenization.wordpiece import WordPieceTokenizer
from fastbert.tokenization.wordpiece_files import read_vocab_txt
from fastbert.tokenizer import Tokenizer

# All different: a repeated text is computed once, and then there is too little work for a team.
TEXTS = [f"{text} {i}" for i in range(40) for text in ("hello world", "the cat runs", "忘记密码")]


def run_python(code, *arguments, timeout=60, **environment):
    """The standard output of a fresh interpreter that runs `code`; hangs become failures."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_forked_child_encodes_what_its_parent_encodes(tiny_model):
    # The parent has used all its threads, the child has too, and so has its own child.
    code = """
        import os, sys, fastbert, numpy as np
        encoder = fastbert.load(sys.argv[1], threads=4)
        texts = [f"the cat runs very fast {i}" for i in range(400)]
        expected = encoder.encode(texts)
        for generation in range(2):
            child = os.fork()
            if child:
                os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            for _ in range(3):
                assert (encoder.encode(texts) == expected).all()
        assert (fastbert.load(sys.argv[1], threads=4).encode(texts) == expected).all()
        print("same")
        sys.stdout.flush()
        os._exit(0)
    """
    assert run_python(code, tiny_model) == "same"


def test_multiprocessing_by_fork_works(tiny_model):
    code = """
        import multiprocessing, sys, fastbert
        encoder = fastbert.load(sys.argv[1], threads=3)
        texts = [f"the cat runs very fast {i}" for i in range(200)]
        expected = encoder.encode(texts)
        def work(i):
            return bool((encoder.encode(texts) == expected).all())
        with multiprocessing.get_context("fork").Pool(3) as pool:
            print(all(pool.map(work, range(12))))
    """
    assert run_python(code, tiny_model) == "True"


@pytest.fixture(scope="module", params=["WordPiece", "byte level"])
def tokenizer(request, tiny_model, tmp_path_factory):
    if request.param == "WordPiece":
        return Tokenizer.from_pretrained(tiny_model)
    pytest.importorskip("tokenizers")
    directory = tmp_path_factory.mktemp("byte-level")
    vocabulary, merges = byte_level_files()
    (directory / "vocab.json").write_text(json.dumps(vocabulary))
    (directory / "merges.txt").write_text(merges, encoding="utf-8")
    return Tokenizer.from_pretrained(directory)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_tokenizer_can_be_pickled(tokenizer, protocol):
    for again in (pickle.loads(pickle.dumps(tokenizer, protocol)), copy.deepcopy(tokenizer)):
        assert type(again) is type(tokenizer)
        np.testing.assert_array_equal(again.encode(TEXTS[1]), tokenizer.encode(TEXTS[1]))


def test_tokenizer_goes_to_a_spawned_process(tokenizer):
    expected = tokenizer.encode(TEXTS[1])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        np.testing.assert_array_equal(pool.apply(tokenizer.encode, (TEXTS[1],)), expected)


def test_tokenizer_of_an_encoder_can_be_pickled(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTBERT_CACHE", str(tmp_path / "cache"))
    model = write_model(tmp_path / "model")
    (tmp_path / "link").symlink_to(model)
    time.sleep(0.1)  # files that are any newer are not cached
    for _ in range(2):  # from its files, and from the cache
        tokenizer = fastbert.load(tmp_path / "link").tokenizer
        assert tokenizer.directory == str(model)
        again = pickle.loads(pickle.dumps(tokenizer))
        np.testing.assert_array_equal(again.encode(TEXTS[1]), tokenizer.encode(TEXTS[1]))
    assert list((tmp_path / "cache" / "start").iterdir())


def test_pickled_tokenizer_needs_its_directory(tmp_path):
    model = write_model(tmp_path / "model")
    pickled = pickle.dumps(Tokenizer.from_pretrained(model))
    model.rename(tmp_path / "moved")
    with pytest.raises(OSError, match="model does not exist, expected the directory of a model"):
        pickle.loads(pickled)


def test_tokenizer_of_no_directory_cannot_be_pickled(tiny_model):
    config = read_tokenizer_config(tiny_model)
    tokenizer = WordPieceTokenizer(read_vocab_txt(tiny_model / "vocab.txt", config))
    with pytest.raises(TypeError, match="not read from a directory, so it cannot be pickled"):
        pickle.dumps(tokenizer)


def test_many_python_threads_share_one_encoder(tiny_model):
    encoder = fastbert.load(tiny_model, threads=2)
    expected = encoder.encode(TEXTS)
    wrong = []

    def work(seed):
        order = np.random.default_rng(seed).permutation(len(TEXTS))
        for _ in range(10):
            if (encoder.encode([TEXTS[i] for i in order]) != expected[order]).any():
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert wrong == []


@pytest.mark.parametrize("compute_type", ["float32", "int8"])
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_team_larger_than_the_machine_misses_no_step(tmp_path, compute_type, pooling):
    # Members that the system has put aside skip the steps that were done without them. Short texts
    # are shared panel by panel, long ones by rows.
    model = write_model(
        tmp_path,
        hidden_size=128,
        intermediate_size=512,
        max_position_embeddings=512,
        pooling=(pooling,),
    )
    encoder = fastbert.load(model, compute_type=compute_type, max_seq_length=512)
    texts = [" ".join(["the cat runs"] * words) for words in (1, 2, 5, 9, 14, 30, 100, 160)]
    alone = [encoder.encode(text, threads=1) for text in texts]
    for threads in (2, 3, 16):
        for _ in range(10):
            for text, expected in zip(texts, alone, strict=True):
                np.testing.assert_array_equal(encoder.encode(text, threads=threads), expected)


def test_calls_leave_no_memory_behind(tiny_model):
    code = """
        import os, sys, fastbert
        encoder = fastbert.load(sys.argv[1])
        texts = ["the cat runs " * count for count in range(1, 9)]
        def call(times):
            for i in range(times):
                encoder.encode(texts[i % 8])
                encoder.encode(texts[i % 3 :])
        def resident():
            return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        call(1000)
        before = resident()
        call(20_000)
        print(resident() - before < 2 << 20)
    """
    assert run_python(code, tiny_model) == "True"


def test_other_threads_run_while_one_encodes(tiny_model):
    encoder = fastbert.load(tiny_model)
    stop, steps = threading.Event(), [0]

    def count():
        while not stop.is_set():
            steps[0] += 1
            time.sleep(0)

    other = threading.Thread(target=count)
    other.start()
    before = steps[0]
    encoder.encode([f"the cat runs very fast {i}" for i in range(4000)])
    during = steps[0] - before
    stop.set()
    other.join()
    assert during > 10


@pytest.mark.parametrize(("value", "threads"), [("1", 1), ("3", 3)])
def test_omp_num_threads_is_obeyed(value, threads):
    code = "import fastbert; print(fastbert.cpu_info()['threads'])"
    assert run_python(code, OMP_NUM_THREADS=value) == str(threads)


def test_omp_num_threads_is_read_once():
    # To read the environment later, beside a thread that changes it, may crash.
    code = """
        import os, fastbert
        before = fastbert.cpu_info()["threads"]
        os.environ["OMP_NUM_THREADS"] = "5"
        changed = fastbert.cpu_info()["threads"]
        del os.environ["OMP_NUM_THREADS"]
        print(before, changed, fastbert.cpu_info()["threads"])
    """
    assert run_python(code, OMP_NUM_THREADS="3") == "3 3 3"


def test_affinity_is_obeyed():
    code = """
        import os, fastbert
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(fastbert.cpu_info()["threads"])
    """
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stdout.strip() == "1"


def test_import_leaves_the_environment_alone():
    code = """
        import os
        before = dict(os.environ)
        import fastbert
        fastbert.cpu_info()
        assert dict(os.environ) == before
        print("same")
    """
    assert run_python(code) == "same"


def test_import_pulls_in_nothing_heavy():
    code = """
        import sys, fastbert
        fastbert.Encoder
        heavy = {"huggingface_hub", "tokenizers", "torch", "transformers"}
        heavy |= {"urllib.request", "zipfile"}
        print(sorted(heavy & set(sys.modules)))
    """
    assert run_python(code) == "[]"


def test_ctrl_c_stops_a_long_call(tiny_model):
    code = """
        import signal, sys, fastbert
        # A test run in the background may have been started with SIGINT ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        encoder = fastbert.load(sys.argv[1])
        texts = [f"{i} the cat runs very fast" * 8 for i in range(400_000)]
        print("ready", flush=True)
        try:
            encoder.encode(texts)
        except KeyboardInterrupt:
            print("interrupted")
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tiny_model)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert out == "interrupted\n"


def test_idle_workers_sleep_soon():
    work = """
import numpy as np
from fastbert._native import _core
linear = _core.Linear(np.ones((96, 8), np.float32), np.zeros(96, np.float32))
linear.forward(np.ones((200, 8), np.float32), threads=2)
"""
    result = subprocess.run(
        [sys.executable, "-c", work],
        env=os.environ | {"OMP_DISPLAY_ENV": "verbose"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    # libgomp tells what it read when it was loaded; its own default is 300,000 rounds, 4 to 14 ms.
    # libomp, in a build with Clang, has another setting, in milliseconds, see docs/architecture.md.
    libomp = "KMP_BLOCKTIME" in result.stderr
    expected = "KMP_BLOCKTIME='200'" if libomp else "GOMP_SPINCOUNT = '3000'"
    assert expected in result.stderr
