"""Cost estimates of points on a device, from the footprint of the graph with untrained weights."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from edgewright.graph.stage import Context
from edgewright.models.architecture import architecture
from edgewright.pipeline.fitting import first_context, next_context
from edgewright.pipeline.footprint import footprint
from edgewright.pipeline.plan import build, build_model, parts
from edgewright.pipeline.whole_graph import graph_of
from edgewright.schema.budget import Budget
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.schema.footprint import Footprint
from edgewright.schema.graph import Graph
from edgewright.schema.profile import Profile
from edgewright.search.architecture.cache import digest
from edgewright.search.architecture.features import Features
from edgewright.search.architecture.point_pipeline import FLOAT32, INT8

# Number of samples on which stages are fitted to determine their shapes.
PROBE = 200
QUANTITIES = ("flash", "ram", "latency_us", "energy_uj")


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """Estimated cost of a point on a device.

    Attributes:
        flash, ram: memory in bytes.
        latency_us: microseconds per answer.
        energy_uj: microjoules per answer; None where the profile has no power figures.
        network: bytes of the network's weights, biases and scales in the packaged form.
        inputs: number of inputs of the network.
        weights: number of parameters of the network.
        impossible: why the pipeline cannot be built; empty where it can.
    """

    flash: float = math.inf
    ram: float = math.inf
    latency_us: float = math.inf
    energy_uj: float | None = None
    network: int = 0
    inputs: int = 0
    weights: int = 0
    impossible: str = ""

    def violation(self, budget: Budget) -> float:
        """Return the sum of the relative excesses over the budget: 0 within it, infinite if the point is impossible."""
        if self.impossible:
            return math.inf
        total = 0.0
        for name in QUANTITIES:
            limit, value = getattr(budget, name), getattr(self, name)
            if limit is not None:
                total += max(0.0, (math.inf if value is None else value) / limit - 1.0)
        return total


class Estimator:
    """Estimates the cost of pipelines; each choice of stages is fitted once on a few samples.

    Args:
        profile: device profile.
        features: samples of the search.
    """

    def __init__(self, profile: Profile, features: Features) -> None:
        self.profile, self.features = profile, features
        self._stages: dict[str, tuple[list[tuple[str, Any]], Context]] = {}
        self._known: dict[str, Estimate] = {}

    def __call__(self, config: PipelineConfig) -> Estimate:
        """Return the estimate of a pipeline, with the reason in `impossible` where it cannot be built."""
        key = digest([config.window, config.stages, config.model, config.compression.int8])
        if key not in self._known:
            try:
                self._known[key] = self._estimate(config)
            except EdgewrightError as error:
                self._known[key] = Estimate(impossible=str(error))
        return self._known[key]

    def footprint(self, config: PipelineConfig) -> Footprint:
        """Return the full footprint with its intervals.

        Raises:
            InputError: the pipeline cannot be built.
        """
        prepared = self.features.prepared(config.window)
        # The next window is filled row by row in float32 while the previous one is processed.
        buffer = 4 * int(np.prod(prepared.context.shape)) if config.window is not None else 0
        bits = INT8 if config.compression.int8 else FLOAT32
        return footprint(self.profile, self.untrained(config)[1], bits=bits, buffer_bytes=buffer)

    def untrained(self, config: PipelineConfig) -> tuple[list[tuple[str, Any]], Graph]:
        """Return stages fitted on a few samples with an untrained network, and their graph.

        Raises:
            InputError: the pipeline cannot be built.
        """
        prepared = self.features.prepared(config.window)
        steps, context = self._fitted(config)
        model = build_model(config, prepared.problem.task)
        outputs = 1 if prepared.problem.task == "regression" or len(prepared.problem.classes) == 2 else None
        network = architecture(config.model.layers, context.shape, outputs or len(prepared.problem.classes))
        stored: dict[str, Any] = {
            "parameters": network.initialise(np.random.default_rng(config.seed)),
            "shape": list(context.shape),
            "features": context.shape[0],
        }
        if prepared.problem.task != "regression":
            stored["classes"] = np.asarray(prepared.problem.classes)
        model.fitted_ = stored
        whole = [*steps, ("model", model)]
        return whole, graph_of(whole, tuple(prepared.context.shape), config.name)

    def _estimate(self, config: PipelineConfig) -> Estimate:
        found = self.footprint(config)
        if found.latency_us is None:
            raise InputError("a program within the range of the latency model", found.notes[0], f"{config.name}")
        model = self.untrained(config)[0][-1][1]
        sizes = [(np.shape(array), name) for layer in model.parameters_ for name, array in layer.items()]
        weights = sum(math.prod(shape) for shape, _ in sizes)
        # int8 weights, int32 biases and one float32 scale per layer, as in .tflite files and generated C.
        layers = sum(bool(layer) for layer in model.parameters_)
        small = sum(math.prod(shape) * (1 if len(shape) > 1 else 4) for shape, _ in sizes) + 4 * layers
        return Estimate(
            flash=found.flash.value,
            ram=found.ram.value,
            latency_us=found.latency_us.value,
            energy_uj=None if found.energy_uj is None else found.energy_uj.value,
            network=small if config.compression.int8 else 4 * weights,
            inputs=int(np.prod(model.shape_)),
            weights=weights,
        )

    def _fitted(self, config: PipelineConfig) -> tuple[list[tuple[str, Any]], Context]:
        key = digest([config.window, config.stages])
        if key not in self._stages:
            prepared = self.features.prepared(config.window)
            samples = prepared.problem.samples
            places = np.random.default_rng(config.seed).permutation(len(samples.y))[:PROBE]
            X, y = np.asarray(samples.X[places], np.float32), np.asarray(prepared.problem.y)[places]
            context = first_context(samples, prepared.problem.task, config.seed)
            steps = []
            for part in parts(config.stages, config.name):
                try:
                    fitted = build(part, context).fit(X, y)
                    X = np.asarray(fitted.transform(X), np.float32)
                except EdgewrightError:
                    raise
                except ValueError as error:
                    text = str(error).split("\n")[0]
                    raise EdgewrightError(
                        f"samples the stage {part.name!r} can take", text, f"stage {part.name}"
                    ) from None
                context = next_context(context, fitted, X.shape[1:])
                steps.append((part.name, fitted))
            self._stages[key] = (steps, context)
        return self._stages[key]
