"""A smoother's matrix in C: elimination in a band instead of a table of all its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from c99_stages import need_compiler
from edgewright.export._c_host import STRICT, load_c99
from edgewright.export.c99 import write_c99
from edgewright.export.c99_operators._banded import stiffness_of
from edgewright.graph.builder import Builder
from edgewright.preprocessing.gravity import smoother
from edgewright.schema.graph import Graph


def smoothing(samples: int, cutoff: float) -> Graph:
    builder = Builder("smoothing", (2, samples))
    value = builder.op("MatMul", builder.input, builder.constant(smoother(samples, cutoff)))
    return builder.finish({"prediction": (value, "float32", (2, samples))})


@pytest.mark.parametrize(("samples", "cutoff"), [(8, 0.4), (9, 0.1), (30, 0.05), (128, 0.016), (200, 0.04)])
def test_a_smoother_is_recognised_by_its_numbers(samples: int, cutoff: float) -> None:
    found = stiffness_of(smoother(samples, cutoff))
    assert found == pytest.approx((2 * np.sin(np.pi * cutoff)) ** -4, rel=1e-7)


def test_what_is_no_smoother_is_not_taken_for_one() -> None:
    matrix = smoother(40, 0.05)
    other = matrix.copy()
    other[3, 4] += np.float32(1e-5)
    average = np.full((40, 40), 1 / 40, np.float32)
    for wrong in (other, average, np.eye(40, dtype=np.float32)[::-1], matrix[:, :30]):
        assert stiffness_of(wrong) is None


@pytest.mark.parametrize(("samples", "cutoff"), [(8, 0.4), (9, 0.1), (128, 0.016), (200, 0.04), (256, 0.002)])
def test_elimination_is_as_exact_as_the_product(samples: int, cutoff: float, tmp_path: Path) -> None:
    need_compiler()
    files = write_c99(smoothing(samples, cutoff), name="smoothing")
    time = np.arange(samples)
    rng = np.random.default_rng(0)
    x = np.sin(time * rng.uniform(0.002, 2.0, (20, 2, 1))) + rng.normal(0, 0.05, (20, 2, samples))
    x = (x - x.mean(axis=2, keepdims=True)).astype(np.float32)
    found = load_c99(files, tmp_path, flags=(*STRICT, "-O1", "-ffp-contract=off")).predict(x)
    second = np.diff(np.eye(samples), 2, axis=0)
    stiffness = (2 * np.sin(np.pi * cutoff)) ** -4
    system = np.eye(samples) + stiffness * second.T @ second
    exact = np.linalg.solve(system, x.reshape(40, samples).T.astype(np.float64)).T
    away = np.abs(found.outputs["prediction"].reshape(40, samples) - exact).max()
    assert away <= 1e-5 * float(np.ptp(exact))


@pytest.mark.parametrize(("samples", "cutoff"), [(128, 0.016), (200, 0.04)])
def test_slow_changes_are_as_exact_as_in_the_product(samples: int, cutoff: float, tmp_path: Path) -> None:
    """What is left of a slow change when the smoother's is taken off shows an error of the whole window at once."""
    need_compiler()
    rng = np.random.default_rng(1)
    slow = 2 * np.pi * rng.uniform(0.2, 0.7, (200, 2, 1)) * cutoff * np.arange(samples)
    x = (10 * np.sin(slow + rng.uniform(0, 6, (200, 2, 1)))).astype(np.float32)
    files = write_c99(smoothing(samples, cutoff), name="smoothing")
    found = load_c99(files, tmp_path, flags=(*STRICT, "-O1", "-ffp-contract=off")).predict(x)
    matrix = smoother(samples, cutoff)
    exact = x.astype(np.float64) @ matrix.astype(np.float64)

    def slow_error(values: np.ndarray) -> float:
        waves = np.fft.rfft(values.reshape(x.shape) - exact, axis=2)[..., 1 : int(cutoff * samples) + 1]
        return float(np.sqrt(np.mean(np.abs(waves) ** 2)))

    assert slow_error(found.outputs["prediction"]) <= 4 * slow_error(x @ matrix)


def test_tables_end_where_the_factors_settle() -> None:
    files = write_c99(smoothing(200, 0.04), name="smoothing")
    dense = 4 * 200 * 200
    constants = int(files["smoothing.h"].partition(" bytes of constants")[0].rpartition("* ")[2])
    assert constants < dense / 300
