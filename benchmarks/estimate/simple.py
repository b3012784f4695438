"""Programs smaller than networks: thresholds, rules, trees, forests, linear models and neighbours, on rows.

A majority is left out: it works nothing out, and takes some hundred bytes whatever the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.estimate.subjects import Subject
from edgewright.core.records.config import ModelConfig, PipelineConfig
from edgewright.core.records.network import Graph
from edgewright.graph.stage import Context
from edgewright.pipeline.fitting import graph_of, next_context
from edgewright.pipeline.plan import build, build_model, parts

# Trees and forests come twice: the ladder asks for them most often, and they differ most from each other.
MODELS = ("threshold", "rules", "tree", "forest", "linear", "neighbours", "tree", "forest", "rules", "linear")
_SCALED = ("linear", "neighbours")
_FEWEST, _MAX_ROWS = 60, 800
_LABELS = np.asarray(["a", "b", "c", "d", "e"])


def simple_subjects(count: int, seed: int) -> Iterator[Subject]:
    """So many fitted pipelines, drawn by the seed: two to five classes, one of five an amount."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        kind = MODELS[number % len(MODELS)]
        X, level = _rows(rng)
        amount = rng.random() < 0.2
        cuts = np.quantile(level, np.linspace(0, 1, int(rng.integers(2, 6)) + 1)[1:-1])
        y = level if amount else _LABELS[np.searchsorted(cuts, level)]
        stages: list[dict[str, Any]] = [{"kind": "impute"}] if rng.random() < 0.25 else []
        stages += [{"kind": "scale", "method": "standard", "clip": 8.0}] if kind in _SCALED else []
        graph = fitted_model(kind, stages, X, y, "regression" if amount else "classification", number)
        yield Subject(f"{seed}.{number} {kind}", graph, None, X[0])


def _rows(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Made-up rows, (n, columns), and the amount that some of them tell, with noise."""
    X = rng.normal(0.0, 1.0, (int(rng.integers(_FEWEST, _MAX_ROWS)), int(rng.integers(2, 13)))).astype(np.float32)
    some = rng.choice(X.shape[1], min(X.shape[1], int(rng.integers(1, 4))), replace=False)
    record = X[:, some].sum(axis=1) + (X[:, some[0]] * X[:, some[-1]] if rng.random() < 0.5 else 0.0)
    return X, record + rng.normal(0.0, rng.uniform(0.05, 0.8), len(X))


def fitted_model(
    kind: str,
    stages: list[dict[str, Any]],
    X: NDArray[np.float32],
    y: NDArray[Any],
    task: str,
    seed: int,
    *,
    rate: float | None = None,
) -> Graph:
    """Return the graph of stages and a model fitted on rows or windows, as a pipeline would have it."""
    names = tuple(f"column{n}" for n in range(X.shape[1]))
    context = Context(shape=X.shape[1:], names=names, units=("",) * len(names), rate=rate, task=task, seed=seed)
    steps: list[tuple[str, Any]] = []
    now: NDArray[Any] = X
    for part in parts(stages, "benchmarks/estimate"):
        stage = build(part, context).fit(now, y)
        now = np.asarray(stage.transform(now), np.float32)
        steps.append((part.name, stage))
        context = next_context(context, stage, now.shape[1:])
    config = PipelineConfig(name="simple", seed=seed, data={"kind": "csv"}, model=ModelConfig(kind=kind, layers=()))
    model = build_model(config, task).fit(now, y)
    return graph_of([*steps, ("model", model)], tuple(X.shape[1:]), f"simple{seed}")
