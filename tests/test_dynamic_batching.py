"""Short calls of several threads that go together: each gets what it would have got alone."""

import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from tiny import write_model

import fastbert
from fastbert._native import _core

WORDS = ("hello", "the cat runs very fast", "忘记密码")
TEXTS = [f"{text} {i}" for i in range(5) for text in WORDS]
CALLERS = 8


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The directory of a model that is slow enough for callers to wait for each other."""
    path = tmp_path_factory.mktemp("slow") / "model"
    return write_model(path, hidden_size=256, intermediate_size=1024, num_hidden_layers=4)


@pytest.fixture(scope="module")
def encoder(model):
    """An encoder whose short calls go together, even where its weights fit into the cache."""
    encoder = fastbert.load(model)
    encoder._native.dynamic_batching = True
    return encoder


def call_at_once(calls, rounds=20):
    """Runs each of `calls` so many times on a thread of its own; what they returned and raised."""
    results = [[] for _ in calls]
    ready = threading.Barrier(len(calls))

    def work(call, into):
        ready.wait()
        for _ in range(rounds):
            try:
                into.append(call())
            except Exception as error:
                into.append(error)

    threads = [
        threading.Thread(target=work, args=pair, daemon=True)
        for pair in zip(calls, results, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return results


def assert_as_alone(calls):
    """Each call returns what it returns when nobody else is there, bit by bit."""
    alone = [call() for call in calls]
    for expected, results in zip(alone, call_at_once(calls), strict=True):
        for result in results:
            np.testing.assert_array_equal(result, expected)


def test_callers_get_their_own_vectors(encoder):
    assert_as_alone([lambda text=text: encoder.encode(text) for text in TEXTS])


def test_calls_of_several_texts_get_their_own_vectors(encoder):
    calls = [TEXTS[i : i + 1 + i % 4] for i in range(CALLERS)]
    assert_as_alone([lambda texts=texts: encoder.encode(texts) for texts in calls])


def test_calls_that_want_different_things_get_them(encoder):
    ways = [
        {},
        {"output_value": "token_embeddings"},
        {"pooling": "max"},
        {"pooling": "cls"},
        {"layers": [-1, -2]},
        {"threads": 2},
        {"threads": 1},
        {"layers": [1], "mask_cls_sep": True},
    ]
    assert_as_alone(
        [
            lambda way=way, text=text: encoder.encode(text, **way)
            for way in ways
            for text in TEXTS[:2]
        ]
    )


def test_pairs_and_texts_may_go_together(encoder):
    native = encoder._native
    ids = np.array([2, 5, 6, 3, 7, 3], np.int32)
    types = np.array([0, 0, 0, 0, 1, 1], np.int32)
    offsets = np.array([0, len(ids)], np.int32)
    options = {"layers": [4], "poolings": ["mean"]}
    calls = [
        lambda: native.forward(ids, offsets, **options),
        lambda: native.forward(ids, offsets, type_ids=types, **options),
        lambda: native.forward(ids[:4], offsets - np.array([0, 2], np.int32), **options),
    ]
    assert not np.array_equal(calls[0](), calls[1]())
    assert_as_alone(calls * 3)


def test_calls_without_texts_return(encoder):
    ids, offsets = np.empty(0, np.int32), np.zeros(1, np.int32)
    empty = [lambda: encoder._native.forward(ids, offsets, layers=[4], poolings=["mean"])]
    assert_as_alone(empty * CALLERS + [lambda t=t: encoder.encode(t) for t in TEXTS])


def run_python(code, model, **environment):
    """Runs `code` in an interpreter of its own; what it printed. Hangs become failures."""
    begin = f"""
        import os, sys, threading, time
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        import fastbert
        from test_dynamic_batching import CALLERS, TEXTS, assert_as_alone, call_at_once
        encoder = fastbert.load(sys.argv[1])
        encoder._native.dynamic_batching = True
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(begin) + textwrap.dedent(code), str(model)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | environment,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("together", [True, False])
def test_calls_that_do_not_fit_into_memory_together_go_alone(model, together):
    # A result has 64 MiB, of many poolings. Three fit, but not two and another 128 MiB for a group.
    code = """
        import numpy as np, resource
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one group at a time
        native, callers = encoder._native, 3
        ids, offsets = np.array([2, 5, 3], np.int32), np.array([0, 3], np.int32)
        expected = native.forward(ids, offsets, poolings=["cls"])[0]
        def call(times=1 << 16):
            found = native.forward(ids, offsets, poolings=["cls"] * times)
            return bool((found.reshape(-1, len(expected))[::63] == expected).all())
        call_at_once([lambda: call(64)] * callers)  # threads have stacks and heaps of their own
        before = native.companions
        if not TOGETHER:
            pages = int(open("/proc/self/statm").read().split()[0])
            room = callers * (64 << 20) + (40 << 20)
            resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room,) * 2)
        results = call_at_once([call] * callers, 5)
        print({result for caller in results for result in caller})
        print(native.companions > before)
    """.replace("TOGETHER", str(together))
    # One heap: each more would take 64 MiB of what is left.
    assert run_python(code, model, MALLOC_ARENA_MAX="1") == f"{{True}}\n{together}\n"


def test_callers_on_one_core_go_together(model):
    # One group runs at a time, and everybody else waits. All texts at once are more than one group.
    code = """
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # later than the model's loading
        calls = [lambda t=t: encoder.encode(t + " the cat runs" * 4) for t in TEXTS]
        assert_as_alone(calls)
        print(encoder._native.companions > 10 * len(calls))
    """
    assert run_python(code, model) == "True\n"


def test_a_child_forked_among_waiting_callers_encodes(model):
    code = """
        expected = encoder.encode(TEXTS)
        stop = threading.Event()
        def call():
            while not stop.is_set():
                encoder.encode("hello")
        threads = [threading.Thread(target=call, daemon=True) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            time.sleep(0.01)
            child = os.fork()
            if not child:
                try:
                    results = call_at_once([lambda t=t: encoder.encode(t) for t in TEXTS], 3)
                    same = all((r == e).all() for r, e in zip(results, expected, strict=True))
                    os._exit(0 if same else 1)
                finally:
                    os._exit(2)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        print("same")
        sys.stdout.flush()
        os._exit(0)
    """
    assert run_python(code, model) == "same\n"


def test_calls_go_alone_where_batching_is_off(model):
    encoder = fastbert.load(model)
    encoder._native.dynamic_batching = False
    call_at_once([lambda t=t: encoder.encode(t) for t in TEXTS])
    assert encoder._native.companions == 0


def test_calls_go_together_where_the_weights_outgrow_the_caches():
    caches = fastbert.cpu_info()
    last = caches["l3_bytes"] or caches["l2_bytes"]
    assert not _core.outgrows_caches(last)
    assert _core.outgrows_caches(last + 1) == (last > 0)


def test_an_encoder_batches_where_its_weights_outgrow_the_caches(model):
    native = fastbert.load(model)._native
    assert native.dynamic_batching == _core.outgrows_caches(native.packed.nbytes)
