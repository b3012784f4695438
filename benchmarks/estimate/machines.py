"""Kernel machines on rows and on sounds: random programs that coefficients are fitted on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.estimate.simple import fitted_model
from benchmarks.estimate.subjects import Subject

# Kinds of work and code that these programs alone have; a fit leaves all others as they are.
OWN = re.compile(r"(own )?call expf$|own (call|has) runs$")
_LABELS = np.asarray(["a", "b", "c", "d"])
_HZ = 8000.0


def machine_programs(count: int, seed: int) -> Iterator[Subject]:
    """Yield so many programs, drawn by the seed: one of two on rows, one on sounds."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        classes = rng.integers(0, int(rng.integers(2, len(_LABELS) + 1)), int(rng.integers(24, 160)))
        stages: list[dict[str, Any]] = [{"kind": "scale", "method": "standard", "clip": 8.0}]
        if number % 2:
            X = _sounds(rng, classes[:60], int(rng.choice([2048, 3072, 4096])))
            stages = [{"kind": "mfcc"}, {"kind": "statistics", "features": ["mean", "std"]}, *stages]
        else:
            X = rng.normal(0.0, 1.0, (len(classes), int(rng.integers(3, 40)))).astype(np.float32)
            X[:, 0] += classes
        y = _LABELS[classes[: len(X)]]
        graph = fitted_model("kernel_machine", stages, X, y, "classification", number, rate=_HZ if X.ndim > 2 else None)
        yield Subject(f"{seed}.{number} machine on {'sounds' if X.ndim > 2 else 'rows'}", graph, None, X[0])


def _sounds(rng: np.random.Generator, classes: NDArray[Any], samples: int) -> NDArray[np.float32]:
    """Return made-up sounds of a tone a class with noise, shape (n, 1, samples)."""
    time = np.arange(samples) / _HZ
    tones = np.sin(2 * np.pi * (300.0 + 400.0 * classes[:, None]) * time * rng.uniform(0.9, 1.1, (len(classes), 1)))
    sounds: NDArray[np.float32] = (tones + rng.normal(0, 0.3, tones.shape)).astype(np.float32)[:, None]
    return sounds
