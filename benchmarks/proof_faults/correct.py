"""Random pipelines without a fault: each that a proof does not pass is a false alarm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.proof_faults.judging import Case, Verdict
from edgewright.compression.int8 import quantise
from edgewright.features.flatten import Flatten
from edgewright.features.spectral import Spectral
from edgewright.features.statistics import Statistics
from edgewright.models.network import NetworkClassifier
from edgewright.pipeline.pipeline import Pipeline
from edgewright.preprocessing.impute import Impute
from edgewright.preprocessing.scale import Scale
from edgewright.workflows.proof.adversarial import with_constructed
from edgewright.workflows.proof.comparison import prove_subject
from edgewright.workflows.proof.forms import forms_of
from edgewright.workflows.proof.subject import Chosen, subject_of

MODELS = 60
_ROWS = 90
# Every so many models also run in WebAssembly, as an extension, and on an emulated core.
_EVERY = 4
_SLOW = ("WebAssembly", "extension")
_DEVICES = ("cortex-m4", "riscv32v", "cortex-m0plus")
Rng = np.random.Generator


def cases(seed: int, numbers: range) -> Iterator[Case]:
    """Yield models by their numbers."""
    for number in numbers:
        yield Case("correct", f"seed {seed}.{number}", "none", "nothing", "nothing", partial(proven, seed, number))


def proven(seed: int, number: int) -> Verdict:
    """Return the verdict of a random pipeline by every form."""
    rng = np.random.default_rng([seed, number])
    rows = bool(rng.random() < 0.4)
    classes = int(rng.integers(2, 5))
    shape = (int(rng.integers(2, 9)),) if rows else (int(rng.integers(1, 4)), int(rng.choice([24, 32, 40])))
    kinds = np.arange(_ROWS) % classes
    samples = _samples(rng, shape, kinds)
    pipeline = Pipeline(_steps(rng, shape))
    pipeline.fit(samples, np.array(list("abcd"))[kinds])
    graph = pipeline.graph(shape, "random")
    subject = subject_of("random", {"float": graph, "int8": quantise(graph, samples)}, pipeline=pipeline)
    whole = number % _EVERY == 0
    subject = replace(subject, device=str(rng.choice(_DEVICES)) if whole else "")
    forms = [form for form in forms_of(subject) if whole or not any(word in form.name for word in _SLOW)]
    chosen = with_constructed(subject, Chosen(samples, tuple(f"row {i}" for i in range(_ROWS)), "random rows"))
    record = prove_subject(subject, "random", chosen, forms)
    if record.passed:
        return Verdict("missed", why=f"{len(record.forms)} forms, {len(record.pairs)} pairs")
    reasons = ", ".join(f"{form.name}: {form.reason}" for form in record.absent if form.needed)
    return Verdict("found", record.breaks.stage if record.breaks else "", blamed=record.odd,
                   why=reasons or f"{record.broken} {record.breaks}")  # fmt: skip


def _samples(rng: Rng, shape: tuple[int, ...], kinds: Any) -> Any:  # noqa: ANN401 - arrays
    size = 10.0 ** rng.uniform(-2, 3, (1, shape[0], *(1,) * (len(shape) - 1)))
    level = rng.normal(0, 3, size.shape) * size
    values = rng.standard_normal((len(kinds), *shape))
    if len(shape) == 1:
        values += kinds[:, None] * rng.normal(0, 2, shape)
    else:
        time = np.arange(shape[1])
        phases = rng.uniform(0, 6, (len(kinds), 1, 1))
        values = 0.3 * values + np.sin(time * (0.3 + 0.4 * kinds)[:, None, None] + phases)
    samples = np.asarray(values * size + level, np.float32)
    if rng.random() < 0.5:
        samples[rng.random(samples.shape) < 0.02] = np.nan
    return samples


def _steps(rng: Rng, shape: tuple[int, ...]) -> list[tuple[str, Any]]:
    steps: list[tuple[str, Any]] = [("impute", Impute(str(rng.choice(["mean", "median"]))))]
    scale = ("scale", Scale(str(rng.choice(["standard", "minmax", "robust"]))))
    dense = [{"kind": "dense", "units": int(rng.integers(3, 17))} for _ in range(int(rng.integers(1, 3)))]
    layers: list[dict[str, Any]] = list(dense)
    if len(shape) == 2:
        way = rng.random()
        if way < 0.35:
            steps.append(("spectral", Spectral(edges=(0.0, 3.0, 6.0, 12.5), rate=25.0)))
        elif way < 0.6:
            names = ["mean", "std", "min", "max", "rms", "zero_crossings", "mean_abs_diff", "energy"]
            steps.append(("statistics", Statistics(features=tuple(rng.permutation(names)[:4].tolist()))))
        elif way < 0.7:
            steps.append(("flatten", Flatten()))
        else:
            kind = str(rng.choice(["conv1d", "depthwise_separable"]))
            layers = [
                {"kind": kind, "filters": int(rng.integers(3, 9)), "kernel": int(rng.choice([3, 5]))},
                {"kind": "max_pool", "kernel": 2, "stride": 2},
                {"kind": "gru", "units": 4} if rng.random() < 0.3 else {"kind": "global_average_pool"},
            ]
    steps.append(scale)
    return [*steps, ("model", NetworkClassifier(tuple(layers), epochs=4, batch=16, learning_rate=0.02))]
