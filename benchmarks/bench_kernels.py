"""Each kernel of each instruction set beside its twin in fastbert.reference."""

import math

import numpy as np
import pytest

from fastbert import reference
from fastbert._native import _core

from . import shapes
from .rates import ISAS, Work

pytestmark = pytest.mark.parametrize("implementation", ["numpy", *ISAS])

EPS = 1e-12


@pytest.fixture
def normal():
    """Shape -> numbers of size 1, as inside a BERT; the same in every run."""
    rng = np.random.default_rng(20)
    return lambda *shape: rng.standard_normal(shape, np.float32)


def linear_of(implementation, weight, bias, threads):
    """The product as a function of x."""
    if implementation == "numpy":
        return lambda x: reference.linear(x, weight, bias)
    linear = _core.Linear(weight, bias, isa=implementation, threads=threads)
    return lambda x: linear.forward(x, threads=threads)


@pytest.mark.parametrize("shape", shapes.MATMUL, ids=str)
def bench_matmul(measure, normal, implementation, shape, threads):
    x = normal(shape.rows, shape.inputs)
    weight = normal(shape.outputs, shape.inputs) / np.float32(math.sqrt(shape.inputs))
    bias = normal(shape.outputs)
    work = Work(
        flops=2 * shape.rows * shape.inputs * shape.outputs, bytes=weight.nbytes, threads=threads
    )
    product = linear_of(implementation, weight, bias, threads)
    got = measure(f"matmul {shape}", implementation, product, x, work=work)
    # The results are of size 1 and up to 3072 terms are summed, in another order than NumPy's.
    np.testing.assert_allclose(got, reference.linear(x, weight, bias), atol=3e-5)


def attention_of(implementation):
    """Attention of one head, as a function of query, key and value."""
    if implementation == "numpy":
        return reference.attention
    return _core.kernels(implementation).attention


@pytest.mark.parametrize("shape", shapes.ATTENTION, ids=str)
def bench_attention(measure, normal, implementation, shape):
    query, key, value = (normal(shape.rows, shape.columns) for _ in range(3))
    scaled = query
    if implementation != "numpy":  # takes powers of 2 of plain products
        scaled = query * np.float32(math.log2(math.e) / math.sqrt(shape.columns))
    work = Work(flops=4 * shape.rows**2 * shape.columns)
    attention = attention_of(implementation)
    got = measure(f"attention {shape}", implementation, attention, scaled, key, value, work=work)
    np.testing.assert_allclose(got, reference.attention(query, key, value), atol=1e-5)


def layer_norm_of(implementation):
    """The norm of a sum, as a function of its terms, gamma and beta."""
    if implementation == "numpy":
        return lambda x, residual, gamma, beta: reference.layer_norm(x + residual, gamma, beta, EPS)
    native = _core.kernels(implementation).layer_norm
    return lambda x, residual, gamma, beta: native(x, gamma, beta, EPS, residual)


@pytest.mark.parametrize("shape", shapes.LAYER_NORM, ids=str)
def bench_layer_norm(measure, normal, implementation, shape):
    x, residual = normal(shape.rows, shape.columns), 3 * normal(shape.rows, shape.columns)
    gamma, beta = normal(shape.columns), normal(shape.columns)
    work = Work(bytes=3 * x.nbytes)
    args = (x, residual, gamma, beta)
    layer_norm = layer_norm_of(implementation)
    got = measure(f"layer_norm {shape}", implementation, layer_norm, *args, work=work)
    expected = reference.layer_norm(x + residual, gamma, beta, EPS)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def activation_of(implementation, name):
    """An activation, as a function of x."""
    if implementation == "numpy":
        return reference.ACTIVATIONS[name]
    native = _core.kernels(implementation).activate
    return lambda x: native(name, x)


@pytest.mark.parametrize("shape", shapes.ACTIVATE, ids=str)
def bench_gelu(measure, normal, implementation, shape):
    x = 3 * normal(shape.rows * shape.columns)
    work = Work(bytes=2 * x.nbytes)
    gelu = activation_of(implementation, "gelu")
    got = measure(f"gelu {shape}", implementation, gelu, x, work=work)
    np.testing.assert_allclose(got, reference.gelu(x), atol=2e-6)
