"""Search space: the axes of a pipeline and their points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgewright.core.catalogue import listing
from edgewright.models.architecture import PACKAGE, layer_of
from edgewright.schema.config import PipelineConfig, SearchConfig
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.search.architecture.point_pipeline import (
    Axis,
    Point,
    Value,
    has_kernel,
    layer_kind,
    on_pictures,
    on_windows,
    own_bits,
    own_widths,
    pipeline_of,
    rebuilt,
    search_of,
)
from edgewright.training.augment import copying

# Channels and units vary in steps of four, because generated SIMD kernels process four values at a time.
STEP = 4
# Unions with more parts are not varied, because they would dominate the search.
MOST_PARTS = 16


@dataclass(frozen=True)
class Space:
    """All axes of a pipeline, and the conversion from a point to a pipeline.

    Attributes:
        config: pipeline of the search.
        axes: axes of the search.
        parts: index of the union among the stages and its number of parts; (-1, 0) without a union.
    """

    config: PipelineConfig
    axes: tuple[Axis, ...]
    parts: tuple[int, int]

    def own(self) -> Point:
        """Return the point nearest to the pipeline itself."""
        return {axis.name: axis.nearest(_own(self, axis.name)) for axis in self.axes}

    def corners(self) -> tuple[Point, ...]:
        """Return the smallest points: minimal widths and depth, with one part of the features each."""
        smallest: Point = {axis.name: axis.minimum() for axis in self.axes}
        parts = [axis.name for axis in self.axes if axis.name.startswith("part.")]
        singles = [{**smallest, **{name: name == one for name in parts}} for one in parts] or [smallest]
        found: list[Point] = []
        for name in ("input", "window", "layer"):
            axis = next((axis for axis in self.axes if axis.name == name), None)
            if axis is not None:
                singles = [{**single, name: choice} for single in singles for choice in axis.choices]
        for single in singles:
            if self.key(single) not in {self.key(other) for other in found}:
                found.append(single)
        return tuple(found)

    def key(self, point: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
        """Return the identity of a point without axes that have no effect on it."""
        dead = set()
        windows = on_windows(self.config, point)
        pictures = on_pictures(self.config)
        kernel = pictures or (windows and has_kernel(layer_kind(self.config, point)))
        depth = int(point.get("depth", 99))
        for name in point:
            head, _, tail = name.partition(".")
            if (head == "width" and tail.isdecimal() and int(tail) > depth) or (head in ("part", "select") and windows):
                dead.add(name)
            if name == "layer" and not (windows or (pictures and depth > 1)):
                dead.add(name)
            if name == "kernel" and not kernel:
                dead.add(name)
        return tuple(sorted((name, value) for name, value in point.items() if name not in dead))

    def pipeline(self, point: Mapping[str, Value], name: str = "") -> PipelineConfig:
        """Return the pipeline of a point, with the name `name` unless it is empty.

        Raises:
            InputError: the pipeline does not accept a value of `[search] choices`.
        """
        return pipeline_of(self.config, self.parts, point, name)


def space_of(config: PipelineConfig) -> Space:
    """Return the search space: `[search]` with defaults derived from the pipeline (`docs/search.md`).

    Raises:
        InputError: a range is invalid, or the model is not a network.
    """
    if config.model.kind != "network":
        raise InputError(
            "a network", repr(config.model.kind), f"{config.name} [model] kind", "A search needs a network"
        )
    search_config = search_of(config)
    index, count = _union(config)
    axes: list[Axis] = []
    features = search_config.features and set(search_config.inputs) != {"windows"}
    if features and 1 < count <= MOST_PARTS:
        axes += [Axis(f"part.{number}", (True, False)) for number in range(1, count + 1)]
    selecting = next((stage for stage in config.stages if stage.get("kind") == "select"), None)
    if features and selecting is not None:
        k = int(selecting.get("k", 1))
        axes.append(Axis("select.k", tuple(sorted({max(1, k // 4), max(1, k // 2), max(1, 3 * k // 4), k}))))
    if config.window is not None and len(search_config.windows) > 1:
        axes.append(Axis("window", tuple(sorted(set(search_config.windows)))))
    axes += _network_axes(config, search_config)
    if len(search_config.bits) > 1:
        axes.append(Axis("bits", tuple(sorted(set(search_config.bits)))))
    axes += _training_axes(config, search_config)
    axes += [Axis(f"set:{key}", tuple(values)) for key, values in search_config.choices.items()]
    for axis in axes:
        if not axis.choices and not 0 < axis.low <= axis.high:
            raise InputError(
                "two numbers above 0, the smaller first", f"{axis.low:g}, {axis.high:g}", f"[search] {axis.name}"
            )
    return Space(config, tuple(axes), (index, count))


def _layer_axes(config: PipelineConfig, search_config: SearchConfig) -> list[Axis]:
    """Return what varies in the kinds of layers of a network on windows or over pictures; nothing on features."""
    on = "pictures" if config.window is None else "windows"
    chosen = search_config.layers != SearchConfig().layers if on == "pictures" else on in search_config.inputs
    if not chosen:
        return []
    if not search_config.layers:
        raise InputError("at least one layer", "none", "[search] layers", "Name some, or omit the key")
    uses = ("pictures",) if on == "pictures" else ("windows", "states")
    able = [kind for kind in listing(PACKAGE, "LAYER") if layer_of({"kind": kind}).search in uses]
    for kind in search_config.layers:
        if kind not in able:
            raise UnknownNameError(f"layer on {on}", kind, able, "[search] layers")
    axes = []
    if on == "windows" and len(search_config.inputs) > 1:
        axes.append(Axis("input", tuple(dict.fromkeys(search_config.inputs))))
    if len(search_config.layers) > 1:
        axes.append(Axis("layer", tuple(dict.fromkeys(search_config.layers))))
    if on == "pictures":
        axes.append(Axis("kernel", (3, 5)))
    elif any(map(has_kernel, search_config.layers)):
        axes.append(Axis("kernel", (3, 5, 9)))
    return axes


def _network_axes(config: PipelineConfig, search_config: SearchConfig) -> list[Axis]:
    if config.window is None and set(search_config.inputs) == {"windows"}:
        raise InputError("a [window]", "none", "[search] inputs", 'Add the table, or omit inputs = ["windows"]')
    axes = _layer_axes(config, search_config)
    widths = [(n, int(w)) for n, w in enumerate(own_widths(config), 1)]
    if rebuilt(config):
        own = max(1, len(widths))
        shallow, deep = search_config.depth or (1, max(2, own))
        if deep > shallow:
            axes.append(Axis("depth", tuple(range(shallow, deep + 1))))
        elif deep < shallow:
            raise InputError("two numbers, the smaller first", f"{shallow}, {deep}", "[search] depth")
        widest = max((width for _, width in widths), default=32)
        widths = [(n, widest) for n in range(1, deep + 1)]
    for number, width in widths:
        low, high = search_config.widths or (
            max(STEP, width // 4 // STEP * STEP),
            max(2 * STEP, -(-3 * width // STEP) * STEP),
        )
        axes.append(Axis(f"width.{number}", (), low, high, STEP if low % STEP == 0 else 1))
    return axes


def _training_axes(config: PipelineConfig, search_config: SearchConfig) -> list[Axis]:
    own = config.training
    rate = search_config.learning_rate or (own.learning_rate / 3, own.learning_rate * 3)
    axes = [Axis("learning_rate", (), *rate)] if own.optimiser != "prodigy" else []
    if own.weight_decay or search_config.weight_decay:
        axes.append(
            Axis("weight_decay", (), *(search_config.weight_decay or (own.weight_decay / 3, own.weight_decay * 3)))
        )
    epochs = search_config.epochs or (max(1, own.epochs * 2 // 3), max(2, own.epochs * 3 // 2))
    axes.append(Axis("epochs", (), *epochs, 1))
    if maximum := max((made.copies for _, made in copying(own.augment)), default=0):
        copies = search_config.copies or tuple(sorted({max(1, maximum // 3), max(1, 2 * maximum // 3), maximum}))
        axes.append(Axis("copies", copies))
    return [axis for axis in axes if len(axis.choices) > 1 or axis.low < axis.high]


def _union(config: PipelineConfig) -> tuple[int, int]:
    for index, stage in enumerate(config.stages):
        if stage.get("kind") == "union":
            return index, len(stage.get("parts", ()))
    return -1, 0


def _own(space: Space, name: str) -> Value:
    """Return the pipeline's own value of an axis."""
    config, (head, _, tail) = space.config, name.partition(".")
    widths = own_widths(config) or [32]
    found: dict[str, Value] = {
        "depth": len(widths),
        "window": config.window.samples if config.window is not None else 1,
        "input": "features",
        "kernel": 3 if on_pictures(config) else 5,
        "bits": own_bits(config),
        "learning_rate": config.training.learning_rate,
        "weight_decay": config.training.weight_decay,
        "epochs": config.training.epochs,
        "copies": max((made.copies for _, made in copying(config.training.augment)), default=1),
    }
    if head == "part":
        return True
    if head == "width":
        return widths[min(int(tail), len(widths)) - 1]
    if name == "select.k":
        return next(int(stage["k"]) for stage in config.stages if stage.get("kind") == "select")
    return found.get(name, "")
