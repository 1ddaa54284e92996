"""The whole way from texts to vectors, as a caller sees it: tokenising included."""

import functools

import pytest

from fastbert import Tokenizer

from . import answers, engines, texts
from .rates import Work

WORKLOADS = {
    "short": lambda: [texts.SHORT],
    "passage": lambda: [texts.passage()],
    "corpus": texts.corpus,
}
# The reference takes milliseconds a token, so only this many texts of a workload are compared.
COMPARED = 16


@pytest.fixture(scope="module")
def tokens_of(model):
    """Workload -> its number of tokens."""
    tokenizer = Tokenizer.from_pretrained(model)
    return functools.cache(lambda workload: len(tokenizer.encode_batch(WORKLOADS[workload]()).ids))


@pytest.fixture(scope="module")
def expected(model, threads):
    """Workload -> the reference's vectors of its first texts."""
    numpy = engines.load("numpy", model, threads)
    return functools.cache(lambda workload: numpy.encode(WORKLOADS[workload]()[:COMPARED]))


@pytest.mark.parametrize("name", engines.NAMES)
@pytest.mark.parametrize("workload", WORKLOADS)
def bench_encode(measure, engine_of, *, tokens_of, expected, name, workload):
    if name == "numpy" and workload == "corpus":
        pytest.skip("takes a minute; the other workloads have its rate")
    inputs = WORKLOADS[workload]()
    work = Work(texts=len(inputs), tokens=tokens_of(workload))
    encode = engine_of(name).encode
    got = measure(f"encode {workload}", name, encode, inputs, work=work)
    answers.check_vectors(name, got[:COMPARED], expected(workload))
