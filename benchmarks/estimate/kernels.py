"""Counts of patterns in windows before a small network: random programs that coefficients are fitted on."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from benchmarks.estimate.subjects import CHANNELS, Subject, fitted, windows
from edgewright.compression.int8 import quantise

# Kinds of work and code that these programs alone have; a fit leaves all others as they are.
OWN = re.compile(r"(own )?(kernel( .*)?|(call|has) (round_values|count_kernels))$")


def kernel_programs(count: int, seed: int) -> Iterator[Subject]:
    """Yield so many programs, drawn by the seed; one of four has a float network."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        samples, channels = int(rng.choice([24, 50, 64, 96, 128, 200, 300])), int(rng.integers(1, len(CHANNELS) + 1))
        X = windows(samples, seed * 1000 + number)[:, :channels]
        keep = int(rng.integers(20, 300))
        graph = fitted([{"kind": "kernels", "keep": keep, "pool": 2 * keep}], [], X, number, True)
        form = "float" if number % 4 == 3 else "int8"
        yield Subject(f"{seed}.{number} kernels {form}", graph, None if form == "float" else quantise(graph, X), X[0])
