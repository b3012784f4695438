"""Networks with LSTM and GRU layers: random ones that coefficients are fitted on, and designs by hand that judge."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.estimate.subjects import CHANNELS, Subject, fitted, windows
from edgewright.compression.int8 import quantise

Layers = list[dict[str, Any]]
# Kinds of work and code that these networks alone have; a fit leaves all others as they are.
OWN = re.compile(
    r"(own )?((lstm|gru) .*|dots\d_wide .*|(call|has) (lstm|gru|dots\d_wide|memset|within|part|gated?|tanhf"
    r"|(sigmoid|tanh)(15|_of_sum)))$"
)
_SCALE: Layers = [{"kind": "scale", "method": "standard", "clip": 5.0}]
_UNITS = (3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 48)


def recurrent_networks(count: int, seed: int) -> Iterator[Subject]:
    """Yield so many networks, drawn by the seed; one of four is float."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        kind = ("lstm", "gru")[number // 2 % 2]
        samples, channels = int(rng.choice([12, 20, 30, 32, 48, 64, 96, 128])), int(rng.integers(1, len(CHANNELS) + 1))
        form = "float" if number % 8 in (3, 5) else "int8"
        yield _subject(
            f"{seed}.{number} {kind} {form}", _random_layers(rng, kind), samples, channels, seed * 1000 + number
        )


def _random_layers(rng: np.random.Generator, kind: str) -> Layers:
    """Draw layers: now and then a convolution before those with a state, and a pool or a dense layer after them."""
    layers: Layers = []
    if rng.random() < 0.3:
        layers.append({"kind": "conv1d", "filters": int(rng.choice([8, 12, 16, 24, 32])),
                       "kernel": int(rng.choice([3, 5])), "stride": int(rng.choice([1, 2]))})  # fmt: skip
    count, pooled = int(rng.choice([1, 1, 1, 2, 2, 3])), rng.random() < 0.2
    for index in range(count):
        whole = index < count - 1 or pooled
        layers.append({"kind": kind, "units": int(rng.choice(_UNITS)), **({"sequence": True} if whole else {})})
    if pooled:
        layers.append({"kind": "global_average_pool" if rng.random() < 0.5 else "global_max_pool"})
    if rng.random() < 0.3:
        layers.append({"kind": "dense", "units": int(rng.choice([8, 16, 32]))})
    return layers


def _subject(name: str, layers: Layers, samples: int, channels: int, seed: int) -> Subject:
    X = windows(samples, seed)[:, :channels]
    graph = fitted(_SCALE, layers, X, seed, True)
    # A set of recordings reaches both limits of the scale's clip; so few made-up windows would not.
    seen = np.concatenate([X, np.full_like(X[:1], 99.0), np.full_like(X[:1], -99.0)])
    return Subject(name, graph, None if name.endswith(" float") else quantise(graph, seen), X[0])


def recurrent_held_out() -> Iterator[Subject]:
    """Yield designs by hand, in both forms; nothing is fitted on them."""
    for number, (name, layers, samples, channels) in enumerate(_designs()):
        for form in ("int8", "float"):
            yield _subject(f"{name} {form}", layers, samples, channels, 9_000 + number)


def _designs() -> tuple[tuple[str, Layers, int, int], ...]:
    def state(kind: str, units: int, *, sequence: bool = False) -> dict[str, Any]:
        return {"kind": kind, "units": units, "sequence": sequence}

    pool, conv = {"kind": "global_average_pool"}, {"kind": "conv1d", "filters": 14, "kernel": 7, "stride": 2}
    return (
        ("lstm of 16", [state("lstm", 16)], 30, 6),
        ("gru of 16", [state("gru", 16)], 30, 6),
        ("lstm of 28, long", [state("lstm", 28)], 100, 3),
        ("gru of 28, long", [state("gru", 28)], 100, 3),
        ("two lstm", [state("lstm", 18, sequence=True), state("lstm", 9)], 40, 4),
        ("two gru", [state("gru", 18, sequence=True), state("gru", 9)], 40, 4),
        ("convolution and lstm", [conv, state("lstm", 14)], 128, 6),
        ("convolution and gru", [conv, state("gru", 14)], 128, 6),
        ("mean of lstm", [state("lstm", 22, sequence=True), pool], 50, 2),
        ("mean of gru", [state("gru", 22, sequence=True), pool], 50, 2),
        ("lstm and dense", [state("lstm", 40), {"kind": "dense", "units": 20}], 24, 1),
        ("gru and dense", [state("gru", 40), {"kind": "dense", "units": 20}], 24, 1),
    )
