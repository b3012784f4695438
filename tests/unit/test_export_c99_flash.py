"""Matrices that C does not store in full: transforms, filters, bands."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from c99_stages import need_compiler
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Array, Graph
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_graph.recognition import SPECTRUM, factors, recognise, with_spectra
from edgewright.export.c99_host.host import STRICT, load_c99
from edgewright.features import _sound
from edgewright.graph.builder import Builder

FLAGS = (*STRICT, "-O1", "-ffp-contract=off")


@pytest.fixture(autouse=True)
def compiler() -> None:
    """Skip the tests where no compiler is installed."""
    need_compiler()


def spectrum(cosine: Array, sine: Array) -> Graph:
    """Sum of squares of two products, for two channels."""
    builder = Builder("spectrum", (2, len(cosine)))
    a, b = (builder.op("MatMul", builder.input, builder.constant(m)) for m in (cosine, sine))
    power = builder.op("Add", builder.op("Mul", a, a), builder.op("Mul", b, b))
    return builder.finish({"prediction": (power, "float32", (2, cosine.shape[1]))})


def flash(header: str) -> int:
    """Return bytes of constants, as the header says."""
    outputs = re.search(r"(\d+) bytes of constants", header)
    assert outputs is not None
    return int(outputs[1])


@pytest.mark.parametrize(
    ("samples", "window", "length"),
    [
        (128, "hann", None),
        (200, "hann", 256),
        (100, "none", 100),
        (400, "hann", 400),
        (70, "hann", 84),
        (16, "none", 16),
        (208, "hann", None),
        (62, "hann", None),
        (63, "hann", None),
        (129, "hann", 144),
    ],
)
def test_a_pair_of_fourier_matrices_becomes_a_fast_transform(
    samples: int, window: str, length: int | None, tmp_path: Path
) -> None:
    cosine, sine = _sound.matrices(samples, window, length)
    graph = spectrum(cosine, sine)
    assert [node.op for node in with_spectra(graph).nodes] == [SPECTRUM]
    files = write_c99(graph, CodeOptions("fast"))
    assert flash(files["fast.h"]) < 0.4 * (cosine.nbytes + sine.nbytes)
    time = np.arange(samples)
    x = np.sin(time * np.array([0.1, 0.5, 2.9])[:, None, None] + np.arange(2)[:, None]).astype(np.float32)
    outputs = load_c99(files, tmp_path, flags=FLAGS).predict(x).outputs["prediction"].reshape(3, 2, -1)
    double = x.astype(np.float64)
    exact = (double @ cosine.astype(np.float64)) ** 2 + (double @ sine.astype(np.float64)) ** 2
    np.testing.assert_allclose(outputs, exact, rtol=1e-5, atol=2e-7 * float(exact.max()))


def test_what_is_no_transform_stays_two_products() -> None:
    cosine, sine = _sound.matrices(64, "hann")
    wrong = cosine.copy()
    wrong[5, 7] += 1e-4 * float(np.abs(cosine).max())
    assert recognise(cosine, sine) is not None
    assert recognise(wrong, sine) is None
    assert recognise(cosine, sine * np.float32(0.5)) is None
    assert [node.op for node in with_spectra(spectrum(wrong, sine)).nodes].count("MatMul") == 2


def test_radices_multiply_to_the_length() -> None:
    for half in (8, 50, 104, 128, 200, 210, 509):
        assert int(np.prod(factors(half))) == half
    assert factors(128) == (4, 4, 4, 2)


def product(matrix: Array) -> Graph:
    builder = Builder("product", (3, len(matrix)))
    value = builder.op("MatMul", builder.input, builder.constant(matrix))
    return builder.finish({"prediction": (value, "float32", (3, matrix.shape[1]))})


def _bands() -> Array:
    weights = np.zeros((40, 6), np.float32)
    for band in range(6):
        weights[6 * band : 6 * band + 7, band] = np.linspace(0.1, 1, 7)
    return weights


def _filter() -> Array:
    response = 0.9 ** np.arange(40) * 0.1
    weights = np.array([np.concatenate([np.zeros(t), response[: 40 - t]]) for t in range(40)], np.float32)
    weights[0] = 1 - weights[1:].sum(axis=0)
    return weights


def _smoother(count: int) -> Array:
    second = np.diff(np.eye(count), n=2, axis=0)
    return np.linalg.inv(np.eye(count) + 50 * second.T @ second).astype(np.float32)


@pytest.mark.parametrize(
    ("matrix", "share"),
    [
        (_bands(), 0.25),
        (_filter(), 0.06),
        (np.eye(40, dtype=np.float32), 0.2),
        (_smoother(40), 0.06),
        (_smoother(30), 0.08),
        (_smoother(128), 0.01),
    ],
)
def test_bands_and_filters_are_stored_as_what_they_are(matrix: Array, share: float, tmp_path: Path) -> None:
    files = write_c99(product(matrix), CodeOptions("thin"))
    assert flash(files["thin.h"]) < share * matrix.nbytes
    x = np.random.default_rng(0).normal(size=(5, 3, len(matrix))).astype(np.float32)
    outputs = load_c99(files, tmp_path, flags=FLAGS).predict(x).outputs["prediction"]
    np.testing.assert_allclose(outputs.reshape(5, 3, -1), x @ matrix, rtol=1e-5, atol=2e-6)


def test_chains_of_arithmetic_are_one_loop_and_equal_parts_are_worked_out_once() -> None:
    builder = Builder("chain", (50,))
    value = builder.op("Mul", builder.op("Sub", builder.input, builder.number(2.0)), builder.number(0.5))
    value = builder.op("Relu", builder.op("Neg", value))
    twice = [builder.op("ReduceMean", value, builder.integers(1), keepdims=1) for _ in range(2)]
    total = builder.op("Add", *twice)
    files = write_c99(builder.finish({"prediction": (total, "float32", (1,))}), CodeOptions("chain"))
    body = files["chain.c"].partition("chain_before(")[2].partition("\n}")[0]
    # 50 numbers are read once: the chain and the mean (in one block of 32 and one of 18) are one pair of loops.
    assert body.count("input[") == 1
    outputs = compile_graph(builder.finish({"prediction": (total, "float32", (1,))}))(np.zeros((1, 50), np.float32))
    np.testing.assert_array_equal(outputs["prediction"], [[2.0]])
