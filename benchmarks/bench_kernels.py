"""Each kernel of each instruction set beside its twin in fastbert.reference."""

import functools
import math

import numpy as np
import pytest
from definitions import definition

from fastbert import reference
from fastbert._native import _core
from fastbert.reference import compute_types

from . import shapes
from .rates import ISAS, Work, computed_with

EPS = 1e-12
WEIGHT_BYTES = {"float32": 4, "bfloat16": 2, "int8": 1}
# int8 has products of its own on every instruction set; bfloat16 only stores weights otherwise.
PRODUCTS = ["numpy", *ISAS, "bfloat16", "int8", *(f"{isa} int8" for isa in ISAS[1:])]

each_isa = pytest.mark.parametrize("implementation", ["numpy", *ISAS])


def random():
    """Shape -> numbers of size 1, as inside a BERT; the same in every run."""
    rng = np.random.default_rng(20)
    return lambda *shape: rng.standard_normal(shape, np.float32)


@pytest.fixture
def normal():
    """See `random`."""
    return random()


@functools.lru_cache(maxsize=1)  # the benchmarks of a shape follow each other
def product_inputs(shape):
    """x, weight and bias, such that results are of size 1."""
    normal = random()
    weight = normal(shape.outputs, shape.inputs) / np.float32(math.sqrt(shape.inputs))
    return normal(shape.rows, shape.inputs), weight, normal(shape.outputs)


@functools.lru_cache(maxsize=3)  # NumPy takes a second for some products of integers
def expected_product(shape, arithmetic):
    """What the reference makes of `product_inputs`."""
    return reference.ARITHMETIC[arithmetic][0](*product_inputs(shape))


def linear_of(implementation, weight, bias, threads):
    """The product as a function of x."""
    if implementation == "numpy":
        return lambda x: reference.linear(x, weight, bias)
    isa, compute_type = computed_with(implementation)
    linear = _core.Linear(weight, bias, isa=isa, compute_type=compute_type, threads=threads)
    return lambda x: linear.forward(x, threads=threads)


@pytest.mark.parametrize("implementation", PRODUCTS)
@pytest.mark.parametrize("shape", shapes.MATMUL, ids=str)
def bench_matmul(measure, implementation, shape, threads):
    x, weight, bias = product_inputs(shape)
    isa, compute_type = computed_with(implementation)
    work = Work(
        flops=2 * shape.rows * weight.size,
        bytes=weight.size * WEIGHT_BYTES[compute_type],
        threads=threads,
    )
    product = linear_of(implementation, weight, bias, threads)
    got = measure(f"matmul {shape}", implementation, product, x, work=work)
    # The results are of size 1 and up to 3072 terms are summed, in another order than NumPy's.
    expected = expected_product(shape, definition(compute_type, isa))
    np.testing.assert_allclose(got, expected, atol=3e-5)


def maximum_of(implementation, weight, bias, offsets, threads):
    """The maximum of the product over the rows of each text, as a function of x."""
    if implementation == "numpy":
        return lambda x: np.maximum.reduceat(reference.linear(x, weight, bias), offsets[:-1])
    isa, compute_type = computed_with(implementation)
    linear = _core.Linear(weight, bias, isa=isa, compute_type=compute_type, threads=threads)
    return lambda x: linear.forward_max(x, offsets, threads=threads)


@pytest.mark.parametrize("implementation", ["numpy", *ISAS, "bfloat16", "int8"])
@pytest.mark.parametrize("shape", shapes.MAXIMUM, ids=str)
def bench_maximum(measure, implementation, shape, threads):
    x, weight, bias = product_inputs(shape)
    offsets = np.arange(0, shape.rows + 1, shapes.PASSAGE, dtype=np.int32)
    isa, compute_type = computed_with(implementation)
    work = Work(flops=2 * shape.rows * weight.size, threads=threads)
    maximum = maximum_of(implementation, weight, bias, offsets, threads)
    got = measure(f"maximum {shape}", implementation, maximum, x, work=work)
    products = expected_product(shape, definition(compute_type, isa))
    np.testing.assert_allclose(got, np.maximum.reduceat(products, offsets[:-1]), atol=3e-5)


def quantize_of(implementation):
    """Rows to bytes, 128 standing for 0, and what 1 is worth in each row."""
    if implementation == "numpy":
        return numpy_quantize
    return _core.kernels(implementation).quantize


def numpy_quantize(x):
    """The reference's, in the form of the native one."""
    whole, units = compute_types.quantize(compute_types.rotate(x)[0])
    return (whole + 128).astype(np.uint8), units[:, 0]


@each_isa
@pytest.mark.parametrize("shape", shapes.QUANTIZE, ids=str)
def bench_quantize(measure, normal, implementation, shape):
    x = normal(shape.rows, shape.columns)
    work = Work(bytes=x.nbytes + x.size)
    quantize = quantize_of(implementation)
    whole, units = measure(f"quantize {shape}", implementation, quantize, x, work=work)
    expected, expected_units = numpy_quantize(x)
    np.testing.assert_array_equal(whole, expected)
    np.testing.assert_array_equal(units, expected_units)


def attention_of(implementation):
    """Attention of one head, as a function of query, key and value."""
    if implementation == "numpy":
        return lambda query, key, value: reference.attention(query, key, value)[0]
    return _core.kernels(implementation).attention


@each_isa
@pytest.mark.parametrize("shape", shapes.ATTENTION, ids=str)
def bench_attention(measure, normal, implementation, shape):
    query, key, value = (normal(shape.rows, shape.columns) for _ in range(3))
    scaled = query
    if implementation != "numpy":  # takes powers of 2 of plain products
        scaled = query * np.float32(math.log2(math.e) / math.sqrt(shape.columns))
    work = Work(flops=4 * shape.rows**2 * shape.columns)
    attention = attention_of(implementation)
    got = measure(f"attention {shape}", implementation, attention, scaled, key, value, work=work)
    np.testing.assert_allclose(got, reference.attention(query, key, value)[0], atol=1e-5)


def layer_norm_of(implementation):
    """The norm of a sum, as a function of its terms, gamma and beta."""
    if implementation == "numpy":
        return lambda x, residual, gamma, beta: reference.layer_norm(x + residual, gamma, beta, EPS)
    native = _core.kernels(implementation).layer_norm
    return lambda x, residual, gamma, beta: native(x, gamma, beta, EPS, residual)


@each_isa
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


@each_isa
@pytest.mark.parametrize("shape", shapes.ACTIVATE, ids=str)
def bench_gelu(measure, normal, implementation, shape):
    x = 3 * normal(shape.rows * shape.columns)
    work = Work(bytes=2 * x.nbytes)
    gelu = activation_of(implementation, "gelu")
    got = measure(f"gelu {shape}", implementation, gelu, x, work=work)
    np.testing.assert_allclose(got, reference.ACTIVATIONS["gelu"](x), atol=2e-6)
