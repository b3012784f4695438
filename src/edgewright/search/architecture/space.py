"""What a search may vary, and the pipeline that each choice stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from edgewright.graph.layer import Layer
from edgewright.models.architecture import PACKAGE
from edgewright.pipeline.config import with_changes
from edgewright.runtime.catalogue import find, listing
from edgewright.schema.config import ModelConfig, PipelineConfig, SearchConfig
from edgewright.schema.errors import InputError

Value: TypeAlias = bool | int | float | str
Point: TypeAlias = dict[str, Value]
# Channels and units in steps of four: kernels of the instruction sets that are generated for take four at a time.
STEP = 4
INT8, FLOAT32 = 8, 32
# A union with more parts than this would be mostly a search over them.
MOST_PARTS = 16


@dataclass(frozen=True)
class Axis:
    """One thing that varies.

    Attributes:
        name: key of a point.
        choices: values; empty for a range.
        low, high: of a range, both ends in it.
        step: of whole numbers; 0 for a range of real numbers, on a logarithmic scale.
    """

    name: str
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: int = 0


@dataclass(frozen=True)
class Space:
    """All axes of a pipeline, and the way back from a point to a pipeline.

    Attributes:
        config: the pipeline that varies.
        axes: what varies, by name.
        parts: place of the union among the stages and its number of parts; (-1, 0) without one.
    """

    config: PipelineConfig
    axes: tuple[Axis, ...]
    parts: tuple[int, int]

    def own(self) -> Point:
        """The point nearest to the pipeline as it is written."""
        return {axis.name: _nearest(axis, _own(self, axis.name)) for axis in self.axes}

    def corners(self) -> tuple[Point, ...]:
        """The smallest points there are: narrowest and shallowest, with each part of the features alone."""
        least: Point = {axis.name: _least(axis) for axis in self.axes}
        parts = [axis.name for axis in self.axes if axis.name.startswith("part.")]
        singles = [{**least, **{name: name == one for name in parts}} for one in parts] or [least]
        found: list[Point] = []
        for name in ("input", "window"):
            axis = next((axis for axis in self.axes if axis.name == name), None)
            if axis is not None:
                singles = [{**single, name: choice} for single in singles for choice in axis.choices]
        for single in singles:
            if self.key(single) not in {self.key(other) for other in found}:
                found.append(single)
        return tuple(found)

    def key(self, point: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
        """What tells points apart: axes without an effect on a point are left out."""
        dead = set()
        windows = point.get("input", "features") == "windows"
        depth = int(point.get("depth", 99))
        for name in point:
            head, _, tail = name.partition(".")
            if (head == "width" and tail.isdecimal() and int(tail) > depth) or (head in ("part", "select") and windows):
                dead.add(name)
            if name in ("layer", "kernel") and not windows:
                dead.add(name)
        return tuple(sorted((name, value) for name, value in point.items() if name not in dead))

    def pipeline(self, point: Mapping[str, Value], name: str = "") -> PipelineConfig:
        """The pipeline of a point.

        Raises:
            InputError: a choice of `[search] choices` that the pipeline does not take.
        """
        config = self.config
        windows = point.get("input", "features") == "windows"
        training = _training(config, point)
        bits = int(point.get("bits", _bits(config)))
        made = msgspec.structs.replace(
            config,
            name=name or config.name,
            window=_window(config, point),
            stages=_stages(self, point, windows=windows),
            model=ModelConfig(kind=config.model.kind, layers=_layers(config, point, windows=windows)),
            architecture="",
            scaling=None,
            training=training,
            compression=msgspec.structs.replace(config.compression, int8=bits == INT8),
            search=msgspec.UNSET,
        )
        changes = tuple(f"{key[4:]}={_toml(value)}" for key, value in point.items() if key.startswith("set:"))
        return with_changes(made, changes) if changes else made


def space_of(config: PipelineConfig) -> Space:
    """What varies: the table `[search]`, and for what it leaves out what the pipeline suggests (`docs/search.md`).

    Raises:
        InputError: a range that is none, or a model that is no network.
    """
    if config.model.kind != "network":
        raise InputError(
            "a network", repr(config.model.kind), f"{config.name} [model] kind", "A search is over networks"
        )
    asked = config.search if isinstance(config.search, SearchConfig) else SearchConfig()
    place, count = _union(config)
    axes: list[Axis] = []
    if asked.features and 1 < count <= MOST_PARTS:
        axes += [Axis(f"part.{number}", (True, False)) for number in range(1, count + 1)]
    selecting = next((stage for stage in config.stages if stage.get("kind") == "select"), None)
    if asked.features and selecting is not None:
        k = int(selecting.get("k", 1))
        axes.append(Axis("select.k", tuple(sorted({max(1, k // 4), max(1, k // 2), max(1, 3 * k // 4), k}))))
    if config.window is not None and len(asked.windows) > 1:
        axes.append(Axis("window", tuple(sorted(set(asked.windows)))))
    axes += _network_axes(config, asked)
    if len(asked.bits) > 1:
        axes.append(Axis("bits", tuple(sorted(set(asked.bits)))))
    axes += _training_axes(config, asked)
    axes += [Axis(f"set:{key}", tuple(values)) for key, values in asked.choices.items()]
    for axis in axes:
        if not axis.choices and not 0 < axis.low <= axis.high:
            raise InputError(
                "the smaller number first, above 0", f"{axis.low:g}, {axis.high:g}", f"[search] {axis.name}"
            )
    return Space(config, tuple(axes), (place, count))


def dense_only(config: PipelineConfig) -> bool:
    """Whether the network has hidden layers of the kind dense alone, apart from dropout and flatten."""
    return all(layer.get("kind") in ("dense", "dropout", "flatten") for layer in config.model.layers)


def _network_axes(config: PipelineConfig, asked: SearchConfig) -> list[Axis]:
    axes = []
    if config.window is not None and "windows" in asked.inputs:
        if len(asked.inputs) > 1:
            axes.append(Axis("input", tuple(dict.fromkeys(asked.inputs))))
        if len(asked.layers) > 1:
            axes.append(Axis("layer", tuple(dict.fromkeys(asked.layers))))
        axes.append(Axis("kernel", (3, 5, 9)))
    widths = [(n, int(w)) for n, w in enumerate(_widths(config), 1)]
    if dense_only(config):
        own = max(1, len(widths))
        shallow, deep = asked.depth or (1, max(2, own))
        if deep > shallow:
            axes.append(Axis("depth", tuple(range(shallow, deep + 1))))
        elif deep < shallow:
            raise InputError("the smaller number first", f"{shallow}, {deep}", "[search] depth")
        widest = max((width for _, width in widths), default=32)
        widths = [(n, widest) for n in range(1, deep + 1)]
    for number, width in widths:
        low, high = asked.widths or (max(STEP, width // 4 // STEP * STEP), max(2 * STEP, -(-3 * width // STEP) * STEP))
        axes.append(Axis(f"width.{number}", (), low, high, STEP if low % STEP == 0 else 1))
    return axes


def _training_axes(config: PipelineConfig, asked: SearchConfig) -> list[Axis]:
    own = config.training
    rate = asked.learning_rate or (own.learning_rate / 3, own.learning_rate * 3)
    axes = [Axis("learning_rate", (), *rate)] if own.optimiser != "prodigy" else []
    if own.weight_decay or asked.weight_decay:
        axes.append(Axis("weight_decay", (), *(asked.weight_decay or (own.weight_decay / 3, own.weight_decay * 3))))
    epochs = asked.epochs or (max(1, own.epochs * 2 // 3), max(2, own.epochs * 3 // 2))
    axes.append(Axis("epochs", (), *epochs, 1))
    if own.augment:
        most = max(int(table.get("copies", 1)) for table in own.augment)
        copies = asked.copies or tuple(sorted({max(1, most // 3), max(1, 2 * most // 3), most}))
        axes.append(Axis("copies", copies))
    return [axis for axis in axes if len(axis.choices) > 1 or axis.low < axis.high]


def _bits(config: PipelineConfig) -> int:
    return INT8 if config.compression.int8 else FLOAT32


def _union(config: PipelineConfig) -> tuple[int, int]:
    for place, stage in enumerate(config.stages):
        if stage.get("kind") == "union":
            return place, len(stage.get("parts", ()))
    return -1, 0


def _widths(config: PipelineConfig) -> list[int]:
    """Width of every layer that has one."""
    found = []
    for table in config.model.layers:
        key = _width_key(table)
        if key in table:
            found.append(int(table[key]))
    return found


def _width_key(table: Mapping[str, Any]) -> str:
    layer: Layer[Any] = find(PACKAGE, str(table.get("kind", "")), "LAYER", "layer", "model.layers")
    return layer.width


def _window(config: PipelineConfig, point: Mapping[str, Value]) -> Any:  # noqa: ANN401 - a window or none
    if config.window is None or "window" not in point:
        return config.window
    samples, before = int(point["window"]), config.window
    step = None if before.step is None else max(1, round(before.step * samples / before.samples))
    return msgspec.structs.replace(before, samples=samples, step=step)


def _stages(space: Space, point: Mapping[str, Value], *, windows: bool) -> tuple[dict[str, Any], ...]:
    place, count = space.parts
    stages = [dict(stage) for stage in space.config.stages]
    if windows:
        features = listing("edgewright.features", "STAGE")
        return tuple(stage for stage in stages if stage.get("kind") not in features)
    if f"part.{count}" in point:
        kept = [part for n, part in enumerate(stages[place]["parts"], 1) if point[f"part.{n}"]]
        # A point without any feature cannot be built; it stands for the first part alone.
        stages[place]["parts"] = kept or [stages[place]["parts"][0]]
    if "select.k" in point:
        next(stage for stage in stages if stage.get("kind") == "select")["k"] = int(point["select.k"])
    return tuple(stages)


def _layers(config: PipelineConfig, point: Mapping[str, Value], *, windows: bool) -> tuple[dict[str, Any], ...]:
    """Layers of a point: dense ones made anew, the pipeline's own layers with other widths, or some on windows."""
    count = int(point.get("depth", len([name for name in point if name.startswith("width.")]) or 1))
    if windows and dense_only(config):
        kind, kernel = str(point.get("layer", _first_layer(config))), int(point.get("kernel", 5))
        made = []
        for number in range(1, count + 1):
            layer = {"kind": kind, "filters": int(point[f"width.{number}"]), "kernel": kernel, "stride": 2}
            made.append({**layer, "padding": "same"})
        return (*made, {"kind": "global_average_pool"})
    if dense_only(config):
        flat = [dict(layer) for layer in config.model.layers if layer.get("kind") == "flatten"][:1]
        dense = [
            {"kind": "dense", "units": int(point[f"width.{n}"]), "activation": "relu"} for n in range(1, count + 1)
        ]
        return (*flat, *dense)
    number, kept = 0, []
    for table in config.model.layers:
        key = _width_key(table)
        if key in table:
            number += 1
            table = {**table, key: int(point[f"width.{number}"])}
        kept.append(dict(table))
    return tuple(kept)


def _first_layer(config: PipelineConfig) -> str:
    return config.search.layers[0] if isinstance(config.search, SearchConfig) else "depthwise_separable"


def _training(config: PipelineConfig, point: Mapping[str, Value]) -> Any:  # noqa: ANN401 - the table [training]
    own = config.training
    changed: dict[str, Any] = {}
    for key, kind in (("learning_rate", float), ("weight_decay", float), ("epochs", int)):
        if key in point:
            changed[key] = kind(point[key])
    if "copies" in point:
        changed["augment"] = tuple({**table, "copies": int(point["copies"])} for table in own.augment)
    return msgspec.structs.replace(own, **changed)


def _own(space: Space, name: str) -> Value:
    """What the pipeline has where an axis varies."""
    config, (head, _, tail) = space.config, name.partition(".")
    widths = _widths(config) or [32]
    found: dict[str, Value] = {
        "depth": len(widths),
        "window": config.window.samples if config.window is not None else 1,
        "input": "features",
        "kernel": 5,
        "bits": _bits(config),
        "learning_rate": config.training.learning_rate,
        "weight_decay": config.training.weight_decay,
        "epochs": config.training.epochs,
        "copies": max((int(table.get("copies", 1)) for table in config.training.augment), default=1),
    }
    if head == "part":
        return True
    if head == "width":
        return widths[min(int(tail), len(widths)) - 1]
    if name == "select.k":
        return next(int(stage["k"]) for stage in config.stages if stage.get("kind") == "select")
    return found.get(name, "")


def _nearest(axis: Axis, value: Value) -> Value:
    if axis.choices:
        if value in axis.choices:
            return value
        numbers = all(isinstance(choice, int | float) for choice in axis.choices)
        if not numbers or isinstance(value, str):
            return axis.choices[0]
        return min(axis.choices, key=lambda choice: abs(float(choice) - float(value)))
    inside = min(max(float(value), axis.low), axis.high)
    return inside if not axis.step else int(axis.low + round((inside - axis.low) / axis.step) * axis.step)


def _least(axis: Axis) -> Value:
    if axis.choices:
        numbers = [choice for choice in axis.choices if isinstance(choice, int | float)]
        return min(numbers) if len(numbers) == len(axis.choices) else axis.choices[0]
    return int(axis.low) if axis.step else axis.low


def _toml(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
