"""`Pipeline`: a scikit-learn pipeline that can say itself in ONNX, be stored without pickle, and be run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline as SklearnPipeline
from sklearn.utils.metaestimators import available_if

from edgewright.core.errors import RunError
from edgewright.core.input.samples import unanswered
from edgewright.core.records.config import PipelineConfig
from edgewright.core.records.data import Column
from edgewright.core.records.network import Graph
from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.data.targets import task_of
from edgewright.graph.onnx_writer import to_onnx
from edgewright.pipeline.config import checked, read_config
from edgewright.pipeline.explanation.explain import pipeline_html
from edgewright.pipeline.explanation.explained_prediction import Explanation, explain_sample
from edgewright.pipeline.fitting import first_context, graph_of, limit_of, next_context, takes_missing
from edgewright.pipeline.material import Material, prepare
from edgewright.pipeline.plan import build, build_model, data_plan, parts
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.pipeline.run_folder.store import load_fitted
from edgewright.pipeline.step_tables import refuse_other
from edgewright.trace.modes.calculating import alone

# Stages are shaped by a look at this many samples before the real fit.
_PROBE = 2000


def _tells_classes(pipeline: Pipeline) -> bool:
    return hasattr(pipeline.steps[-1][1], "predict_proba")


class Pipeline(SklearnPipeline):  # type: ignore[misc]
    """Stages in order, the model last; every scikit-learn tool takes it.

    X is (n, columns) for rows or (n, channels, samples) for windows, float32, NaN where a value is missing; a Polars
    or pandas frame is accepted for rows, and its columns are taken by name.
    """

    config: PipelineConfig | None = None
    data: str | None = None
    columns: tuple[Column, ...] = ()
    # Of one sample as it arrives at each step, where that is known.
    shapes: tuple[tuple[int, ...], ...] = ()
    # Unfitted steps as the configuration builds them.
    configured: tuple[Any, ...] = ()

    @classmethod
    def from_toml(cls, name: str | Path, *, data: str | None = None, changes: tuple[str, ...] = ()) -> Self:
        """Return an unfitted pipeline from a TOML file or a shipped name.

        Args:
            name: file or shipped name.
            data: path that overrides the one in `[data]`.
            changes: `key=value` as with `--set`.

        Raises:
            InputError: as `edgewright run` would say it.
        """
        return cls._of(read_config(str(name), changes), data)

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any], *, data: str | None = None) -> Self:
        """Return an unfitted pipeline from the tables of a configuration, as a record's `config` holds them.

        Args:
            tables: as in a TOML file.
            data: path that overrides the one in `[data]`.

        Raises:
            InputError: unknown keys, wrong types and values out of range, each with its key.
        """
        return cls._of(checked(tables, "the tables"), data)

    @classmethod
    def _of(cls, config: PipelineConfig, data: str | None) -> Self:
        samples = cut(load_data(config.data, seed=config.seed, path=data, mixed_rates=True), config.window)
        task = task_of(samples.y, config.task)
        rows = np.random.default_rng(config.seed).permutation(len(samples.X))[:_PROBE]
        X, y = samples.X[rows], samples.y[rows]
        context = first_context(samples, task, config.seed)
        steps: list[tuple[str, Any]] = []
        shapes = [context.shape]
        for part in parts(config.stages, config.name):
            estimator = build(part, context)
            steps.append((part.name, estimator))
            fitted = clone(estimator).fit(X, y)
            X = fitted.transform(X)
            context = next_context(context, fitted, X.shape[1:])
            shapes.append(context.shape)
        steps.append(("model", build_model(config, task)))
        pipeline = cls(steps)
        pipeline.config, pipeline.data, pipeline.shapes = config, data, tuple(shapes)
        pipeline.configured = tuple(clone(step) for _, step in steps)
        return pipeline

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Return the fitted pipeline of a run folder."""
        index, steps = load_fitted(Path(folder) / "pipeline")
        pipeline = cls(steps)
        pipeline.config, pipeline.columns = index.config, index.columns
        pipeline.configured = tuple(clone(step) for _, step in steps)
        pipeline.shapes = (*(tuple(stage.context.shape) for stage in index.stages), tuple(steps[-1][1].shape_))
        if len(pipeline.shapes[0]) == 1:
            steps[0][1].feature_names_in_ = np.asarray([column.name for column in index.columns], dtype=object)
        return pipeline

    def run(self, *, out: str | Path = "runs", force: bool = False, listener: Listener | None = None) -> RunResult:
        """Run the configuration from its data to a run folder, as `edgewright run` does.

        Args:
            out: folder of runs.
            force: replace a run folder of this name.
            listener: hears every part of the record, `TerminalTrace` for example.

        Raises:
            InputError: the pipeline was not read from a TOML file, or its steps were changed since.
        """
        config = self._configured()
        do = "Change the configuration: Pipeline.from_toml(..., changes=('KEY=VALUE',))"
        if len(self.steps) != len(self.configured):
            raise RunError(f"{len(self.configured)} steps", str(len(self.steps)), "Pipeline.run", do)
        for (name, step), built in zip(self.steps, self.configured, strict=True):
            refuse_other(step, built, f"Pipeline.run, step {name!r}", do)
        return run_pipeline(config, data=self.data, out=out, force=force, listener=listener, command="Pipeline.run")

    @available_if(_tells_classes)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any, **params: Any) -> Any:  # noqa: ANN401 - as scikit-learn's
        """Probabilities of the classes, shape (n, k); 0 for a sample that misses too many values for an answer."""
        chance = super().predict_proba(X, **params)
        return np.where(unanswered(np.asarray(X, np.float32), limit_of(self.steps))[:, None], 0, chance)

    def material(self) -> Material:
        """Return the samples of the configuration, read, cut and split as a run does it.

        Raises:
            InputError: the pipeline was not read from a TOML file, or whatever is wrong with the data.
        """
        return prepare(data_plan(self._configured()), self.data)

    def alone(self) -> Self:
        """Return the same pipeline without its comparison over data sizes; the chosen architecture stays.

        Raises:
            InputError: the pipeline was not read from a TOML file.
        """
        return self.from_tables(alone(msgspec.to_builtins(self._configured())), data=self.data)

    def _configured(self) -> PipelineConfig:
        if self.config is None:
            raise RunError(
                "a pipeline with a configuration",
                "one made of steps",
                do="Give data to run, or use Pipeline.from_toml or edgewright.fit",
            )
        return self.config

    def explain(self, sample: Any) -> Explanation:  # noqa: ANN401 - anything that is like an array
        """One sample through the fitted pipeline, layer by layer; shows itself in a notebook.

        Args:
            sample: shape (columns,) or (channels, samples), NaN where a value is missing.

        Raises:
            InputError: for a sample of another shape, or a pipeline that is not fitted.
        """
        return explain_sample(self, sample)

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401 - scikit-learn's own type, untyped
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = takes_missing(self.steps)  # scikit-learn leaves this out
        return tags

    def _repr_html_(self) -> str | None:
        shapes = self.shapes
        if not shapes and all(hasattr(step, "shape_") for _, step in self.steps):
            shapes = tuple(tuple(step.shape_) for _, step in self.steps)
        return pipeline_html("pipeline" if self.config is None else self.config.name, self.steps, shapes)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:  # noqa: ANN401 - IPython's arguments
        """Return what a notebook shows; it asks for this first, and scikit-learn's own has another page."""
        html = self._repr_html_()
        return {"text/plain": repr(self)} | ({} if html is None else {"text/html": html})

    def graph(self, shape: tuple[int, ...] | None = None, name: str = "pipeline") -> Graph:
        """Return the whole fitted pipeline in the dialect.

        Args:
            shape: of one sample, (columns,) or (channels, samples); as it was fitted when None.
            name: of the graph.

        Raises:
            InputError: the pipeline is not fitted.
        """
        first = self.steps[0][1]
        if shape is None:
            columns = getattr(first, "n_features_in_", None)
            shape = tuple(getattr(first, "shape_", None) or (() if columns is None else (columns,)))
        if not shape:
            raise RunError("a fitted pipeline", "one that is not fitted", do="Call fit first")
        return graph_of(self.steps, shape, name, self.columns)

    def to_onnx(self, shape: tuple[int, ...] | None = None, name: str = "pipeline") -> bytes:
        """Return the whole fitted pipeline as ONNX: raw sample in, label, probabilities and confidence out."""
        return to_onnx(self.graph(shape, name))
