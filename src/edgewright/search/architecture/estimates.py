"""Samples of a search in the folds of the race, and what its points cost on a device before they are trained."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from edgewright.models.architecture import architecture
from edgewright.pipeline.plan import build_model
from edgewright.race.contract import Part
from edgewright.race.heats import Heats
from edgewright.race.pipeline_end import PipelineEnd, price
from edgewright.race.problem import Problem, problem_of_pipeline
from edgewright.race.stage_outputs import StageOutputs
from edgewright.schema.config import PipelineConfig, WindowConfig
from edgewright.schema.errors import EdgewrightError, InputError
from edgewright.schema.footprint import Budget, Footprint
from edgewright.schema.profile import Profile

# Most folds of a judgement: up to so many units each of them is left out in turn.
MOST_FOLDS = 20
# Memory for what stages give, of all windows: a search asks for it again at every point.
MOST_BYTES = 2**30
# Samples whose shapes say what a point costs.
PROBE = 200


class SearchSamples:
    """Samples of every window of a search, and what stages give of them.

    Args:
        config: pipeline of the search.
        data: path that overrides the one in `[data]`.
    """

    def __init__(self, config: PipelineConfig, data: str | None) -> None:
        self.config, self.data = config, data
        self._outputs: dict[WindowConfig | None, tuple[StageOutputs, StageOutputs]] = {}
        self._heats: dict[tuple[WindowConfig | None, int], Heats] = {}

    def problem(self, window: WindowConfig | None) -> Problem:
        """Return the samples of a window."""
        return self._of(window)[0].problem

    def probe(self, window: WindowConfig | None) -> StageOutputs:
        """Return what stages give of a few samples."""
        return self._of(window)[1]

    def heats(self, window: WindowConfig | None, count: int) -> Heats:
        """Return folds of whole units; `count` 0 leaves one unit out per fold, with at most `MOST_FOLDS` folds."""
        if (window, count) not in self._heats:
            outputs = self._of(window)[0]
            units = len(np.unique(outputs.problem.units))
            leave_one_out = count == 0 and units <= MOST_FOLDS and outputs.problem.by != "row"
            all_heats = Heats(outputs, self.config.seed, count=count or MOST_FOLDS, leave_one_out=leave_one_out)
            self._heats[window, count] = all_heats
        return self._heats[window, count]

    def _of(self, window: WindowConfig | None) -> tuple[StageOutputs, StageOutputs]:
        if window not in self._outputs:
            problem = problem_of_pipeline(msgspec.structs.replace(self.config, window=window), self.data)
            few = np.random.default_rng(self.config.seed).permutation(len(problem.y))[:PROBE]
            whole = StageOutputs(problem, MOST_BYTES, next((whole for whole, _ in self._outputs.values()), None))
            self._outputs[window] = whole, StageOutputs(problem.subset(few), neighbour=whole)
        return self._outputs[window]


def digest(key: object) -> str:
    """Return a hash of a key that is the same in every process."""
    return hashlib.sha256(msgspec.json.encode(key)).hexdigest()[:40]


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """Estimated cost of a point on a device.

    Attributes:
        flash, ram: memory in bytes.
        latency_us: microseconds per answer.
        energy_uj: microjoules per answer; None where the profile has no power figures.
        network: bytes of the network's weights, biases and scales in the packaged form.
        impossible: why the pipeline cannot be built, which has no figures; empty where it can.
    """

    flash: float = 0.0
    ram: float = 0.0
    latency_us: float = 0.0
    energy_uj: float | None = None
    network: int = 0
    impossible: str = ""

    def violation(self, budget: Budget) -> float:
        """Return the sum of the relative excesses over the budget: 0 within it, infinite if the point is impossible."""
        if self.impossible:
            return math.inf
        values = ((limit, math.inf if value is None else value) for _, limit, value in self.limited(budget))
        return sum(max(0.0, value / limit - 1.0) for limit, value in values)

    def limited(self, budget: Budget) -> Iterator[tuple[str, float, float | None]]:
        """Yield name, limit and value of each quantity that a budget limits."""
        for name in ("flash", "ram", "latency_us", "energy_uj"):
            if (limit := getattr(budget, name)) is not None:
                yield name, limit, getattr(self, name)


def untrained_end(part: Part, config: PipelineConfig) -> PipelineEnd:
    """Return fitted stages with a network that nobody has trained.

    Raises:
        InputError: the network cannot be built behind the stages.
    """
    problem, shape = part.problem, part.X.shape[1:]
    model = build_model(config, problem.task)
    outputs = 1 if problem.task == "regression" or len(problem.classes) == 2 else len(problem.classes)
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


class Estimator:
    """Estimates the cost of pipelines; each choice of stages is fitted once on a few samples.

    Args:
        profile: device profile.
        samples: samples of the search.
    """

    def __init__(self, profile: Profile, samples: SearchSamples) -> None:
        self.profile, self.samples = profile, samples
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

    def untrained(self, config: PipelineConfig) -> PipelineEnd:
        """Return stages fitted on a few samples with an untrained network.

        Raises:
            InputError: the pipeline cannot be built.
        """
        plain = msgspec.structs.replace(config, training=msgspec.structs.replace(config.training, augment=()))
        probe = self.samples.probe(config.window)
        problem = probe.problem
        return untrained_end(probe.part(plain, np.arange(len(problem.y), dtype=np.int64)), config)

    def footprint(self, untrained: PipelineEnd, config: PipelineConfig) -> Footprint:
        """Return the full footprint of an untrained pipeline with its intervals.

        Raises:
            InputError: the pipeline cannot be built.
        """
        priced, why = price(untrained, untrained.part.problem, config, self.profile)
        if priced is None:
            raise InputError("a pipeline that can be built", why, config.name)
        return priced

    def _estimate(self, config: PipelineConfig) -> Estimate:
        untrained = self.untrained(config)
        footprint, model = self.footprint(untrained, config), untrained.model
        if footprint.latency_us is None:
            raise InputError("a program within the range of the latency model", footprint.notes[0], f"{config.name}")
        shapes = [np.shape(array) for layer in model.parameters_ for array in layer.values()]
        # int8 weights, int32 biases and one float32 scale per layer, as in .tflite files and generated C.
        layers = sum(bool(layer) for layer in model.parameters_)
        small = sum(math.prod(shape) * (1 if len(shape) > 1 else 4) for shape in shapes) + 4 * layers
        return Estimate(
            flash=footprint.flash.value,
            ram=footprint.ram.value,
            latency_us=footprint.latency_us.value,
            energy_uj=None if footprint.energy_uj is None else footprint.energy_uj.value,
            network=small if config.compression.int8 else 4 * sum(map(math.prod, shapes)),
        )
