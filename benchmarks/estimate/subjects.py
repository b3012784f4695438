"""Pipelines like the shipped `hapt` with parts left out, and networks on raw windows: untrained, made-up windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks import HAPT
from edgewright.compression.int8 import quantise
from edgewright.core.errors import EdgewrightError
from edgewright.core.records.footprint import Footprint, Program
from edgewright.core.records.network import Graph, IntegerNetwork
from edgewright.export import contract
from edgewright.export.write import program_of
from edgewright.graph.stage import Context
from edgewright.models.network import NetworkClassifier
from edgewright.pipeline.cost import as_integers
from edgewright.pipeline.fitting import graph_of, next_context
from edgewright.pipeline.plan import build, parts
from edgewright.profiles.footprint import program_footprint
from edgewright.profiles.records import Profile
from edgewright.workflows.estimation import Truth, truth_of

CHANNELS = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
UNITS = ("g", "g", "g", "rad/s", "rad/s", "rad/s")
RATE, FITTED = 50.0, 48
LABELS = ("laying", "sitting", "standing", "walking", "walking_down", "walking_up")


@dataclass(frozen=True)
class Subject:
    """A pipeline: its name, its float graph, its int8 graph (None where it stays as it is), and a row to count on.

    With `portable` it is written without a core's own instructions.
    """

    name: str
    graph: Graph
    small: Graph | None
    row: NDArray[np.float32]
    portable: bool = False

    @property
    def integers(self) -> IntegerNetwork | None:
        """The network that is compiled; None for a float one."""
        return contract.Subject("model", self.small or self.graph).integers

    def exactly(self, core: str) -> Program:
        """Return the program of the form that is compiled, as it is written for a core."""
        return program_of(self.small or self.graph, self.integers, core=self._written_for(core))

    def before(self, core: str) -> Program:
        """Return the program as it is counted from the float graph, before anything was calibrated."""
        small = self.small
        graph = self.graph if small is None else small if _by_bytes(small) else as_integers(self.graph)
        return program_of(graph, contract.Subject("model", graph).integers, core=self._written_for(core))

    def estimate(self, profile: Profile) -> Footprint:
        """Return the estimate of that program."""
        form = "float" if self.small is None else "int8"
        return program_footprint(profile, self.before(profile.core), form=form)

    def truth(self, core: str) -> Truth:
        """Return what it takes, compiled and counted."""
        graph = self.small or self.graph
        return truth_of(graph, self.integers, core, self.row, written_for=self._written_for(core))

    def _written_for(self, core: str) -> str:
        return "" if self.portable else core


def _by_bytes(graph: Graph) -> bool:
    """Return whether the softmax, too, works on bytes, which `as_integers` leaves to floats."""
    softmax = {name for node in graph.nodes if node.op == "Softmax" for name in node.outputs}
    return any(node.op == "QuantizeLinear" and node.inputs[0] in softmax for node in graph.nodes)


def windows(samples: int, seed: int) -> NDArray[np.float32]:
    """Made-up windows of six channels, (FITTED, 6, samples): gravity, a gait of some pace, noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / RATE
    pace = rng.uniform(1.0, 3.0, (FITTED, 6, 1))
    strength = rng.uniform(0.02, 0.6, (FITTED, 6, 1))
    swing = strength * np.sin(2 * np.pi * (pace * time + rng.uniform(0, 1, (FITTED, 6, 1))))
    swing += 0.4 * strength * np.sin(4 * np.pi * pace * time)
    level = np.concatenate([rng.normal(0, 0.4, (FITTED, 3, 1)), rng.normal(0, 0.05, (FITTED, 3, 1))], axis=1)
    level[:, 0] += 0.8
    signals: NDArray[np.float32] = (level + swing + rng.normal(0, 0.02, (FITTED, 6, samples))).astype(np.float32)
    return signals


def hapt_stages() -> list[dict[str, Any]]:
    """Return the `[[stages]]` of the shipped pipeline."""
    text = Path(HAPT).read_bytes()
    stages: list[dict[str, Any]] = msgspec.toml.decode(text)["stages"]
    return stages


def _left(rng: np.random.Generator, whole: list[dict[str, Any]], samples: int) -> list[dict[str, Any]]:
    """Return the stages with some parts of the features, some of their figures and some channels left out."""
    gravity, union, scale = (msgspec.json.decode(msgspec.json.encode(stage)) for stage in whole)
    share = rng.uniform(0.3, 1.0)
    kept: list[dict[str, Any]] = []
    for part in union["parts"]:
        if rng.random() > share and len(union["parts"]) - len(kept) > 1:
            continue
        part = dict(part)
        names = part.get("channels")
        if names and len(names) > 3 and rng.random() < 0.5:
            chosen = sorted(rng.choice(len(names), max(3, int(len(names) * rng.uniform(0.4, 1))), replace=False))
            part["channels"] = [names[i] for i in chosen]
            if isinstance(part.get("noise"), list):
                part["noise"] = [part["noise"][i] for i in chosen]
        if "autocorrelation" in part:
            lags = [lag for lag in part["autocorrelation"] if lag < samples // 2]
            part["autocorrelation"] = lags[: int(rng.integers(1, len(lags) + 1))]
            if rng.random() < 0.3:
                del part["correlations"]
        if len(part.get("features", ())) > 2:
            part["features"] = part["features"][: int(rng.integers(2, len(part["features"]) + 1))]
        if "edges" in part:
            part["edges"] = part["edges"][:: int(rng.integers(1, 3))]
        kept.append(part)
    union["parts"] = kept or [union["parts"][0]]
    return [gravity, union, scale]


def _dense(rng: np.random.Generator) -> list[dict[str, Any]]:
    return [
        {"kind": "dense", "units": int(rng.choice([8, 12, 16, 24, 32, 48, 64]))} for _ in range(int(rng.integers(1, 4)))
    ]


def _convolutions(rng: np.random.Generator) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = []
    kind = str(rng.choice(["conv1d", "depthwise_separable"]))
    for number in range(int(rng.integers(1, 4))):
        layer = {"filters": int(rng.choice([8, 12, 16, 24, 32])), "kernel": int(rng.choice([3, 5, 7]))}
        layer["stride"] = int(rng.choice([1, 2]))
        layers.append({"kind": "conv1d" if number == 0 else kind, **layer})
        if rng.random() < 0.35:
            layers.append({"kind": "max_pool" if rng.random() < 0.5 else "average_pool", "kernel": 2, "stride": 2})
    layers.append({"kind": "global_average_pool" if rng.random() < 0.7 else "global_max_pool"})
    if rng.random() < 0.4:
        layers.append({"kind": "dense", "units": int(rng.choice([8, 16, 32]))})
    return layers


def row_subjects(count: int, seed: int) -> Iterator[Subject]:
    """Dense networks on rows of some columns, scaled, now and then with gaps filled and products of columns."""
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        X = rng.normal(0.0, 1.0, (FITTED, int(rng.integers(3, 25)))).astype(np.float32)
        stages: list[dict[str, Any]] = [{"kind": "scale", "method": str(rng.choice(["standard", "minmax"]))}]
        if rng.random() < 0.4:
            stages.insert(0, {"kind": "impute"})
        if rng.random() < 0.3 and X.shape[1] < 12:
            stages.append({"kind": "polynomial"})
        graph = fitted(stages, _dense(rng), X, number, True)
        small = None if number % 8 == 7 else quantise(graph, X)
        yield Subject(f"{seed}.{number}", graph, small, X[0])


def fitted(
    stages: list[dict[str, Any]], layers: list[dict[str, Any]], X: NDArray[np.float32], seed: int, trained: bool
) -> Graph:
    """Return the float graph of fitted stages and an untrained network; `trained` draws biases at random."""
    known = X.ndim == len(("window", "channel", "sample"))
    names = CHANNELS[: X.shape[1]] if known else tuple(f"column{n}" for n in range(X.shape[1]))
    context = Context(
        shape=X.shape[1:],
        names=names,
        units=UNITS[: X.shape[1]] if known else ("",) * len(names),
        rate=RATE if known else None,
        task="classification",
        seed=seed,
    )
    y = np.asarray(LABELS)[np.arange(len(X)) % len(LABELS)]
    steps: list[tuple[str, Any]] = []
    now: NDArray[Any] = X
    for part in parts(stages, "benchmarks/estimate"):
        stage = build(part, context).fit(now, y)
        now = np.asarray(stage.transform(now), np.float32)
        steps.append((part.name, stage))
        context = next_context(context, stage, now.shape[1:])
    model = NetworkClassifier(tuple(layers), seed=seed)
    model.classes_ = np.asarray(LABELS)
    model.shape_, model.n_features_in_ = list(now.shape[1:]), int(now.shape[1])
    model.parameters_ = model.network().initialise(np.random.default_rng(seed))
    if trained:
        rng = np.random.default_rng(seed)
        for own in model.parameters_:
            own |= {name: rng.normal(0.0, 0.1, own[name].shape).astype(np.float32) for name in own if "bias" in name}
    return graph_of([*steps, ("model", model)], tuple(X.shape[1:]), f"subject{seed}")


def hapt_subjects(count: int, seed: int, *, trained: bool = True) -> Iterator[Subject]:
    """So many pipelines, drawn by the seed: three of five on features, others on raw windows; one of eight float."""
    whole = hapt_stages()
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        samples = int(rng.choice([64, 96, 128, 160, 192, 256]))
        X = windows(samples, seed * 1000 + number)
        raw = number % 5 > 2
        try:
            stages = [{"kind": "scale", "method": "standard", "clip": 5.0}] if raw else _left(rng, whole, samples)
            layers = _convolutions(rng) if raw else _dense(rng)
            graph = fitted(stages, layers, X, number, trained)
        except (EdgewrightError, ValueError):
            # Stages or kernels that such a window does not allow: the next number draws others.
            continue
        # A set of recordings reaches both limits of the scale's clip; so few made-up windows would not.
        seen = np.concatenate([X, np.full_like(X[:1], 99.0), np.full_like(X[:1], -99.0)]) if trained and raw else X
        small = None if number % 8 == 7 else quantise(graph, seen, levels=7 if number % 6 == 5 else 127)
        yield Subject(f"{seed}.{number}", graph, small, X[0])
