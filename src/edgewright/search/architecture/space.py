"""What a search may vary: the axes of a pipeline, and its points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgewright.core.catalogue import listing
from edgewright.models.architecture import PACKAGE, layer_of
from edgewright.schema.config import PipelineConfig, SearchConfig
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.search.architecture.point_pipeline import Axis, Point, Value, own_bits, own_widths, pipeline_of, rebuilt

# Channels and units in steps of four: kernels of the instruction sets that are generated for take four at a time.
STEP = 4
# A union with more parts than this would be mostly a search over them.
MOST_PARTS = 16


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
        """Return the point nearest to the pipeline as it is written."""
        return {axis.name: axis.nearest(_own(self, axis.name)) for axis in self.axes}

    def corners(self) -> tuple[Point, ...]:
        """Return the smallest points there are: narrowest and shallowest, with each part of the features alone."""
        least: Point = {axis.name: axis.least() for axis in self.axes}
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
        """Return what tells points apart: axes without an effect on a point are left out."""
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
        """Return the pipeline of a point, called `name` where one is given.

        Raises:
            InputError: a choice of `[search] choices` that the pipeline does not take.
        """
        return pipeline_of(self.config, self.parts, point, name)


def space_of(config: PipelineConfig) -> Space:
    """Return what varies: `[search]`, completed by what the pipeline suggests (`docs/search.md`).

    Raises:
        InputError: a range that is none, or a model that is no network.
    """
    if config.model.kind != "network":
        raise InputError(
            "a network", repr(config.model.kind), f"{config.name} [model] kind", "A search needs a network"
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
                "two numbers above 0, the smaller first", f"{axis.low:g}, {axis.high:g}", f"[search] {axis.name}"
            )
    return Space(config, tuple(axes), (place, count))


def _network_axes(config: PipelineConfig, asked: SearchConfig) -> list[Axis]:
    axes = []
    if config.window is not None and "windows" in asked.inputs:
        able = [kind for kind in listing(PACKAGE, "LAYER") if layer_of({"kind": kind}).search == "windows"]
        for kind in asked.layers:
            if kind not in able:
                raise UnknownNameError("layer on windows", kind, able, "[search] layers")
        if len(asked.inputs) > 1:
            axes.append(Axis("input", tuple(dict.fromkeys(asked.inputs))))
        if len(asked.layers) > 1:
            axes.append(Axis("layer", tuple(dict.fromkeys(asked.layers))))
        axes.append(Axis("kernel", (3, 5, 9)))
    widths = [(n, int(w)) for n, w in enumerate(own_widths(config), 1)]
    if rebuilt(config):
        own = max(1, len(widths))
        shallow, deep = asked.depth or (1, max(2, own))
        if deep > shallow:
            axes.append(Axis("depth", tuple(range(shallow, deep + 1))))
        elif deep < shallow:
            raise InputError("two numbers, the smaller first", f"{shallow}, {deep}", "[search] depth")
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


def _union(config: PipelineConfig) -> tuple[int, int]:
    for index, stage in enumerate(config.stages):
        if stage.get("kind") == "union":
            return index, len(stage.get("parts", ()))
    return -1, 0


def _own(space: Space, name: str) -> Value:
    """Return what the pipeline has where an axis varies."""
    config, (head, _, tail) = space.config, name.partition(".")
    widths = own_widths(config) or [32]
    found: dict[str, Value] = {
        "depth": len(widths),
        "window": config.window.samples if config.window is not None else 1,
        "input": "features",
        "kernel": 5,
        "bits": own_bits(config),
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
