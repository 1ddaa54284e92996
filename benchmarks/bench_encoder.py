"""The forward pass alone, from token ids to token vectors: lengths by numbers of texts."""

import functools

import numpy as np
import pytest

from . import answers, engines, shapes
from .rates import Work


def token_ids(texts, tokens):
    """Ids of whole words, the same in every run."""
    return np.random.default_rng(20).integers(2000, 20000, (texts, tokens))


@pytest.fixture(scope="module")
def expected(model, threads):
    """(texts, tokens) -> the reference's token vectors."""
    numpy = engines.load("numpy", model, threads)
    return functools.cache(lambda *shape: numpy.token_vectors(token_ids(*shape)))


@pytest.mark.parametrize("name", engines.NAMES)
@pytest.mark.parametrize("shape", shapes.FORWARD, ids=lambda shape: "{}x{}".format(*shape))
def bench_forward(measure, engine_of, *, expected, threads, name, shape):
    ids = token_ids(*shape)
    texts, tokens = shape
    work = Work(flops=shapes.MINILM_L6.flops(texts, tokens), tokens=texts * tokens, threads=threads)
    forward = engine_of(name).token_vectors
    got = measure(f"forward {texts} x {tokens} tokens", name, forward, ids, work=work)
    answers.check_vectors(name, got, expected(*shape))
