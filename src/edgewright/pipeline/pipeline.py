"""`Pipeline`: a scikit-learn pipeline that can say itself in ONNX, be stored without pickle, and be run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline as SklearnPipeline

from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.data.targets import task_of
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.stage import Context, emit
from edgewright.pipeline.config import read_config
from edgewright.pipeline.parts import build, build_model, parts
from edgewright.pipeline.store import load_fitted
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import Samples
from edgewright.schema.graph import Graph

# Stages are shaped by a look at this many samples before the real fit.
_PROBE = 2000


class Pipeline(SklearnPipeline):  # type: ignore[misc]
    """Stages in order, the model last; every scikit-learn tool takes it.

    X is (n, columns) for rows or (n, channels, samples) for windows, float32, NaN where a value is missing; a Polars
    or pandas frame is accepted for rows.
    """

    config: PipelineConfig | None = None

    @classmethod
    def from_toml(cls, name: str | Path, *, data: str | None = None, changes: tuple[str, ...] = ()) -> Self:
        """An unfitted pipeline from a TOML file or a shipped name.

        Args:
            name: file or shipped name.
            data: path that overrides the one in `[data]`.
            changes: `key=value` as with `--set`.

        Raises:
            InputError: as `edgewright run` would say it.
        """
        config = read_config(str(name), changes)
        samples = cut(load_data(config.data, seed=config.seed, path=data), config.window)
        task = task_of(samples.y, config.task)
        rows = np.random.default_rng(config.seed).permutation(len(samples.X))[:_PROBE]
        X, y = samples.X[rows], samples.y[rows]
        context = first_context(samples, task, config.seed)
        steps: list[tuple[str, Any]] = []
        for part in parts(config.stages, config.name):
            estimator = build(part, context)
            steps.append((part.name, estimator))
            fitted = clone(estimator).fit(X, y)
            X = fitted.transform(X)
            context = next_context(context, fitted, X.shape[1:])
        steps.append(("model", build_model(config, task)))
        made = cls(steps)
        made.config = config
        return made

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The fitted pipeline of a run folder."""
        index, steps = load_fitted(Path(folder) / "pipeline")
        made = cls(steps)
        made.config = index.config
        return made

    def graph(self, shape: tuple[int, ...], name: str = "pipeline") -> Graph:
        """The whole fitted pipeline in the dialect.

        Args:
            shape: of one sample, (columns,) or (channels, samples).
            name: of the graph.
        """
        return graph_of(self.steps, shape, name)

    def to_onnx(self, shape: tuple[int, ...], name: str = "pipeline") -> bytes:
        """The whole fitted pipeline as ONNX: raw sample in, label, probabilities and confidence out."""
        return to_onnx(self.graph(shape, name))


def first_context(samples: Samples, task: str, seed: int) -> Context:
    """What the first stage is built for."""
    return Context(
        shape=tuple(int(n) for n in samples.X.shape[1:]),
        names=tuple(column.name for column in samples.columns),
        units=tuple(column.unit for column in samples.columns),
        rate=samples.rate,
        task=task,
        seed=seed,
    )


def next_context(context: Context, fitted: Any, shape: tuple[int, ...]) -> Context:  # noqa: ANN401 - any estimator
    """What the stage after `fitted` is built for: new shape and names, units where a name stayed, a changed rate."""
    names = tuple(str(name) for name in fitted.get_feature_names_out(np.asarray(context.names, dtype=object)))
    units = dict(zip(context.names, context.units, strict=True))
    return Context(
        shape=tuple(int(n) for n in shape),
        names=names,
        units=tuple(units.get(name, "") for name in names),
        rate=getattr(fitted, "rate_", context.rate),
        task=context.task,
        seed=context.seed,
    )


def graph_of(steps: list[tuple[str, Any]], shape: tuple[int, ...], name: str) -> Graph:
    """Emits fitted steps, the model last; every stage's end and the float/int8 boundary are marked."""
    model = steps[-1][1]
    builder = Builder(name, tuple(shape), labels=tuple(str(label) for label in getattr(model, "classes_", ())))
    value = builder.input
    for stage, estimator in steps[:-1]:
        value = emit(estimator, builder, value)
        builder.stage(stage, value)
    builder.boundary(value)
    value = emit(model, builder, value)
    builder.stage("model", value)
    return builder.finish(model.outputs(builder, value))
