"""Pipelines of the race: candidates that end with a model, their whole pipelines for a problem, and their cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from edgewright.core.errors import EdgewrightError
from edgewright.core.records.config import CompressionConfig, ModelConfig, PipelineConfig, TrainingConfig
from edgewright.core.records.data import Floats
from edgewright.core.records.footprint import Budget
from edgewright.graph.stage import Emitting
from edgewright.pipeline.cost import fill_bytes, footprint
from edgewright.pipeline.fitting import graph_of
from edgewright.pipeline.plan import build_model
from edgewright.profiles.footprint import Footprint
from edgewright.profiles.records import Profile
from edgewright.race.problem import Candidate, Fitted, Indices, Part, Problem, candidates
from edgewright.race.stages import config_of, is_series

# Axes of windows: samples, channels, values; pictures have one more, rows one less.
WINDOW_AXES = 3
# Separates the name of a candidate from the number of its variant.
VARIANT_SEPARATOR = "/"
Layers = tuple[dict[str, Any], ...]
SCALE: dict[str, Any] = {"kind": "scale", "method": "standard", "clip": 8.0}


@dataclass(frozen=True)
class PipelineEnd:
    """A fitted pipeline.

    Attributes:
        part: samples of the fit, in the form that the model takes.
        model: fitted model.
    """

    part: Part
    model: Any

    def answers(self, rows: Indices) -> Floats:
        """Return probabilities in the problem's class order, or predictions; a class absent from training gets 0."""
        X = self.part.X[rows]
        if self.part.problem.task != "classification":
            return np.asarray(self.model.predict(X), np.float32).reshape(len(rows), 1)
        return self.in_order(np.asarray(self.model.predict_proba(X), np.float32))

    def in_order(self, answers: Floats) -> Floats:
        """Return probabilities of the model's classes in the problem's class order."""
        classes = np.asarray(self.part.problem.classes)
        if len(self.model.classes_) == len(classes):
            return answers
        wide = np.zeros((len(answers), len(classes)), np.float32)
        wide[:, np.searchsorted(classes, np.asarray(self.model.classes_, dtype=classes.dtype))] = answers
        return wide

    def says(self) -> str:
        """Return the model's own description, or a summary of its layers."""
        if hasattr(self.model, "says"):
            return str(self.model.says(self.part.names))
        rows = self.model.layer_records()
        units = "-".join(str(row.shape_out[0]) for row in rows)
        count = sum(row.parameters for row in rows)
        kinds = " and ".join(dict.fromkeys(str(layer["kind"]) for layer in self.model.layers))
        size, unit = (
            " x ".join(map(str, self.part.X.shape[2:])),
            "samples" if self.part.X.ndim == WINDOW_AXES else "pixels",
        )
        names = f"channels of {size} {unit}, by {kinds}" if size else "columns"
        return f"a network of {units} units, {count:,} parameters, on {len(self.part.names)} {names}"

    def steps(self) -> tuple[tuple[str, Any], ...]:
        """Return the stages and the model."""
        return (*self.part.steps, ("model", self.model))


def needs_windows(problem: Problem) -> str:
    """Return why rows and pictures cannot use features of windows; empty for windows."""
    return "" if problem.samples.X.ndim == WINDOW_AXES else "it needs windows"


def needs_shapes(problem: Problem) -> str:
    """Return why samples have no shape of a signal; empty for windows and for rows that are series."""
    return "" if is_series(problem) else needs_windows(problem)


def pipeline_candidate(
    rank: int,
    title: str,
    kind: str,
    *,
    scaled: bool = False,
    int8: bool = False,
    layers: Layers | Callable[[PipelineConfig], Layers] = (),
    training: TrainingConfig | None = None,
    **fields: Any,  # noqa: ANN401 - as `Candidate` declares them
) -> Candidate:
    """Return a rung that appends a model of the package `models` to the common stages.

    Args:
        rank: position on the ladder, lowest first.
        title: name in tables.
        kind: kind of the model.
        scaled: whether to add a scale stage, unless the common stages have one.
        int8: whether a run quantises the model to int8.
        layers: layers of a network, or a function of the pipeline with the common stages that returns them.
        training: training options of a network, unless the pipeline sets its own.
        **fields: further attributes of `Candidate`.
    """

    def tail(config: PipelineConfig) -> PipelineConfig:
        chosen = layers(config) if callable(layers) else layers
        scales = any(stage.get("kind") == "scale" for stage in config.stages)
        return msgspec.structs.replace(
            config,
            stages=(*config.stages, *([SCALE] if scaled and not scales else [])),
            model=ModelConfig(kind=kind, layers=chosen) if chosen else ModelConfig(kind=kind),
            training=config.training if config.training != TrainingConfig() else training or config.training,
            compression=msgspec.structs.replace(config.compression, int8=True)
            if int8
            else CompressionConfig(int8=False),
        )

    return Candidate(rank=rank, title=title, tail=tail, fit=fit_end, **fields)


def fit_end(part: Part, config: PipelineConfig) -> PipelineEnd:
    """Fit the model of a pipeline behind its stages."""
    model = build_model(config, part.problem.task)
    X, y = part.training
    model.fit(X, y if part.problem.task == "classification" else y.astype(np.float64))
    return PipelineEnd(part, model)


def untrained_end(part: Part, config: PipelineConfig) -> PipelineEnd:
    """Return fitted stages with an untrained network.

    Raises:
        InputError: the network cannot be built after the stages.
    """
    problem, shape = part.problem, part.X.shape[1:]
    model = build_model(config, problem.task)
    outputs = 1 if problem.task == "regression" or len(problem.classes) == 2 else len(problem.classes)
    from edgewright.models.architecture import architecture  # noqa: PLC0415 - of networks only

    network = architecture(model.layers, shape, outputs)
    stored: dict[str, Any] = {
        "parameters": network.initialise(np.random.default_rng(config.seed)),
        "shape": list(shape),
        "features": shape[0],
    }
    if problem.task != "regression":
        stored["classes"] = np.asarray(problem.classes)
    model.fitted_ = stored
    return PipelineEnd(part, model)


def fit_candidate(candidate: Candidate, part: Part, config: PipelineConfig) -> Fitted:
    """Fit a candidate; if all training samples have one class, the fitted pipeline always answers with that class."""
    if part.problem.task == "classification" and len(np.unique(part.y[part.train])) == 1:
        return fit_end(part, msgspec.structs.replace(config, model=ModelConfig(kind="majority")))
    return candidate.fit(part, config)


@dataclass(frozen=True)
class Entrant:
    """A candidate that takes part, and its whole pipeline for the problem."""

    name: str
    candidate: Candidate
    config: PipelineConfig


def candidate_name(entrant: str) -> str:
    """Return the name of the candidate that an entrant is, or is a variant of."""
    return entrant.partition(VARIANT_SEPARATOR)[0]


def entrant_of(name: str, candidate: Candidate, problem: Problem, config: PipelineConfig) -> Entrant:
    """Return a candidate with its pipeline: common stages for the problem, its own stages, model and training."""
    pipeline = candidate.tail(config_of(config, problem, candidate.columns))
    return Entrant(name, candidate, candidate.suited(pipeline, problem))


def entrants_of(
    problem: Problem, config: PipelineConfig, among: Mapping[str, Candidate] | None = None
) -> tuple[Entrant, ...]:
    """Return the candidates that fit the problem, the simplest first.

    Args:
        problem: samples that take part.
        config: pipeline with everything but model and training; stages of its own take the place of features.
        among: candidates by name; all that a pipeline describes completely when None.
    """
    if among is None:
        among = {name: candidate for name, candidate in candidates().items() if candidate.fit is fit_end}
    return tuple(
        entrant_of(name, candidate, problem, config)
        for name, candidate in among.items()
        if not candidate.unsupported_reason(problem)
    )


def beyond(footprint: Footprint | None, limits: Budget) -> str:
    """Return the limits ('flash', 'RAM', 'latency') that even the lower bound of a footprint exceeds."""
    if footprint is None:
        return ""
    pairs = (
        ("flash", footprint.flash, limits.flash),
        ("RAM", footprint.ram, limits.ram),
        ("latency", footprint.latency_us, limits.latency_us),
    )
    return " and ".join(
        name for name, spread, limit in pairs if spread is not None and limit is not None and spread.low > limit
    )


def price(fitted: Fitted, problem: Problem, config: PipelineConfig, profile: Profile) -> tuple[Footprint | None, str]:
    """Estimate the footprint of a fitted rung in the form that a run deploys; None with the reason if impossible.

    Args:
        fitted: fitted rung.
        problem: problem that defines the shape of the samples.
        config: pipeline of the run, which sets int8 or float32.
        profile: device profile.
    """
    steps = list(fitted.steps())
    if not isinstance(steps[-1][1], Emitting):
        return None, "it has no ONNX form"
    shape = tuple(int(n) for n in problem.samples.X.shape[1:])
    try:
        graph = graph_of(steps, shape, config.name, problem.samples.columns)
        bits = 8 if config.compression.int8 else 32
        return footprint(profile, graph, bits=bits, buffer_bytes=fill_bytes(profile, graph, problem.window)), ""
    except EdgewrightError as error:
        return None, str(error)
