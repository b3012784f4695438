"""What a spectrum costs by the length of its window: no length is much dearer than its neighbours."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from edgewright.core.records.data import Floats
from edgewright.core.records.network import Graph
from edgewright.export.write import program_of
from edgewright.features import _sound, spectral
from edgewright.features.spectral import Spectral, SpectralConfig
from edgewright.graph.builder import Builder, Term
from edgewright.graph.stage import Context
from edgewright.workflows.estimation import truth_of

CHANNELS = 3
# Beside the tables: code of the smallest program that was compiled (64 samples, Cortex-M4), stack and C library's RAM.
CODE, OTHER_RAM = 2_900, 350


def stage(samples: int) -> tuple[Spectral, Floats]:
    X = np.random.default_rng(samples).normal(0, 1, (4, CHANNELS, samples)).astype(np.float32)
    context = Context(
        shape=(CHANNELS, samples), names=("x", "y", "z"), units=("", "", ""), rate=100.0, task="classification", seed=0
    )
    built = spectral.STAGE.build(SpectralConfig(), context)
    assert isinstance(built, Spectral)
    return built.fit(X, np.arange(4) % 2), X


def graph(samples: int) -> Graph:
    built, X = stage(samples)
    builder = Builder("spectrum", (CHANNELS, samples))
    value = built.formula(Term(builder, builder.input))
    return builder.finish({"prediction": (value.name, "float32", (built.transform(X).shape[1],))})


@cache
def cost(samples: int) -> tuple[float, float]:
    """Return flash and RAM of the stage in C."""
    program = program_of(graph(samples))
    return CODE + program.constants, OTHER_RAM + program.values


def dear(lengths: list[int]) -> list[tuple[int, int, float]]:
    """Return lengths that cost more than twice what a neighbour costs."""
    jumps = []
    for one, other in pairwise(lengths):
        for first, second in zip(cost(one), cost(other), strict=True):
            if max(first, second) > 2 * min(first, second):
                jumps.append((one, other, first / second))
    return jumps


def test_lengths_around_powers_of_two_and_around_primes_cost_alike() -> None:
    for around in (17, 64, 127, 208):
        assert dear([around - 1, around, around + 1]) == []


@pytest.mark.slow
def test_no_length_from_16_to_1024_costs_more_than_twice_its_neighbours() -> None:
    # Neighbours that are padded to one length differ in nothing but a sample.
    pairs = [n for n in range(16, 1024) if _sound.fast_length(n) != _sound.fast_length(n + 1)]
    assert len(pairs) > 100
    assert [jump for n in pairs for jump in dear([n, n + 1])] == []


@pytest.mark.slow
@pytest.mark.parametrize("around", [128, 208, 512])
def test_compiled_lengths_cost_no_more_than_twice_their_neighbours(around: int) -> None:
    costs = []
    for samples in (around - 1, around, around + 1):
        truth = truth_of(graph(samples), None, "cortex-m4", stage(samples)[1][0])
        costs.append((truth.flash, truth.ram, truth.instructions))
    for figures in zip(*costs, strict=True):
        assert max(figures) <= 2 * min(figures)


@pytest.mark.parametrize("samples", [16, 17, 104, 127, 208, 209, 251, 1021])
def test_the_powers_are_those_of_numpy(samples: int) -> None:
    length = _sound.fast_length(samples)
    assert samples <= length <= 1.3 * samples
    X = np.random.default_rng(0).normal(0, 1, (5, samples))
    taper = _sound.hann(samples)
    exact = np.abs(np.fft.rfft(X * taper, length)) ** 2 / (length * np.sum(taper**2))
    exact[:, 1 : (length + 1) // 2] *= 2
    power = _sound.power(X, *_sound.matrices(samples, "hann", length))
    np.testing.assert_allclose(power, exact, rtol=1e-5, atol=1e-6 * float(exact.max()))


def test_a_window_of_small_primes_stays_as_long_as_it_is() -> None:
    assert [_sound.fast_length(n) for n in (100, 128, 200, 250, 256, 400)] == [100, 128, 200, 250, 256, 400]
    assert stage(200)[0].length is None
    assert stage(209)[0].length == _sound.fast_length(209) != 209


def test_a_length_that_halves_the_steps_is_named() -> None:
    assert _sound.cheaper_length(250) == 256
    assert "Windows of 256 samples instead of 250" in spectral.STAGE.why(stage(250)[0])
    assert "instead of" not in spectral.STAGE.why(stage(256)[0])
