"""Search space: the axes of a pipeline, their points, and the pipeline of a point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from edgewright.core.catalogue import listing
from edgewright.models.architecture import layer_of, width_of, with_width
from edgewright.models.layer_table import PACKAGE
from edgewright.pipeline.config import with_changes
from edgewright.schema.config import ModelConfig, PipelineConfig, SearchConfig
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.training.augment import copying, with_copies
from edgewright.training.program import optimiser_named

Value: TypeAlias = bool | int | float | str
Point: TypeAlias = dict[str, Value]


@dataclass(frozen=True)
class Axis:
    """One axis of the search space.

    Attributes:
        name: key in a point.
        choices: allowed values; empty for a range.
        low, high: bounds of a range, both inclusive.
        step: step of a range of integers; 0 for a range of real numbers on a logarithmic scale.
    """

    name: str
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: int = 0

    def nearest(self, value: Value) -> Value:
        """Return the allowed value that is nearest to `value`."""
        if self.choices:
            if value in self.choices:
                return value
            numbers = all(isinstance(choice, int | float) for choice in self.choices)
            if not numbers or isinstance(value, str):
                return self.choices[0]
            return min(self.choices, key=lambda choice: abs(float(choice) - float(value)))
        inside = min(max(float(value), self.low), self.high)
        return inside if not self.step else int(self.low + round((inside - self.low) / self.step) * self.step)

    def minimum(self) -> Value:
        """Return the smallest value, or the first choice where choices are not numbers."""
        if self.choices:
            numbers = [choice for choice in self.choices if isinstance(choice, int | float)]
            return min(numbers) if len(numbers) == len(self.choices) else self.choices[0]
        return int(self.low) if self.step else self.low


INT8, FLOAT32 = 8, 32


def pipeline_of(
    config: PipelineConfig, union: tuple[int, int], point: Mapping[str, Value], name: str = ""
) -> PipelineConfig:
    """Return the pipeline of a point.

    Args:
        config: pipeline of the search.
        union: index of the union among the stages and its number of parts; (-1, 0) without a union.
        point: value of each axis.
        name: name of the new pipeline; the name of `config` when empty.

    Raises:
        InputError: the pipeline does not accept a value of `[search] choices`.
    """
    windows = on_windows(config, point)
    training = _training(config, point)
    bits = int(point.get("bits", own_bits(config)))
    pipeline = msgspec.structs.replace(
        config,
        name=name or config.name,
        window=_window(config, point),
        stages=_stages(config, union, point, windows=windows),
        model=ModelConfig(kind=config.model.kind, layers=_layers(config, point, windows=windows)),
        architecture="",
        scaling=None,
        training=training,
        compression=msgspec.structs.replace(config.compression, int8=bits == INT8),
        search=msgspec.UNSET,
    )
    changes = tuple(f"{key[4:]}={_toml(value)}" for key, value in point.items() if key.startswith("set:"))
    return with_changes(pipeline, changes) if changes else pipeline


def on_windows(config: PipelineConfig, point: Mapping[str, Value]) -> bool:
    """Return whether the network of a point takes windows instead of features."""
    return config.window is not None and point.get("input", (search_of(config).inputs or ("features",))[0]) == "windows"


def on_pictures(config: PipelineConfig) -> bool:
    """Return whether `[search] layers` asks for networks over pictures, all of layers that are made for them."""
    kinds = search_of(config).layers
    return (
        config.window is None and bool(kinds) and all(layer_of({"kind": kind}).search == "pictures" for kind in kinds)
    )


def layer_kind(config: PipelineConfig, point: Mapping[str, Value]) -> str:
    """Return the kind of the layers of a point on windows or pictures."""
    return str(point.get("layer", search_of(config).layers[0]))


def has_kernel(kind: str) -> bool:
    """Return whether layers of a kind move a kernel over windows; others have a state."""
    return layer_of({"kind": kind}).search == "windows"


def search_of(config: PipelineConfig) -> SearchConfig:
    """Return `[search]` of a pipeline, or its defaults."""
    return config.search if isinstance(config.search, SearchConfig) else SearchConfig()


def rebuilt(config: PipelineConfig) -> bool:
    """Return whether a search may replace the hidden layers instead of only changing their widths.

    Where it tries networks on windows alone, layers of such a network may be replaced, too; where it names layers for
    pictures, all of them.
    """
    if on_pictures(config):
        return True
    able = {"rows", "free"} | ({"windows", "states"} if set(search_of(config).inputs) == {"windows"} else set())
    return all(layer_of(table).search in able for table in config.model.layers)


def own_bits(config: PipelineConfig) -> int:
    """Return the number of bits per weight in the packaged form of the pipeline."""
    return INT8 if config.compression.int8 else FLOAT32


def own_widths(config: PipelineConfig) -> list[int]:
    """Return the widths of all layers that have one."""
    return [width for table in config.model.layers if (width := width_of(table)) is not None]


def _window(config: PipelineConfig, point: Mapping[str, Value]) -> Any:  # noqa: ANN401 - a window or none
    if config.window is None or "window" not in point:
        return config.window
    samples, before = int(point["window"]), config.window
    step = None if before.step is None else max(1, round(before.step * samples / before.samples))
    return msgspec.structs.replace(before, samples=samples, step=step)


def _stages(
    config: PipelineConfig, union: tuple[int, int], point: Mapping[str, Value], *, windows: bool
) -> tuple[dict[str, Any], ...]:
    index, count = union
    stages = [dict(stage) for stage in config.stages]
    if windows:
        features = listing("edgewright.features", "STAGE")
        return tuple(stage for stage in stages if stage.get("kind") not in features)
    if f"part.{count}" in point:
        kept = [part for n, part in enumerate(stages[index]["parts"], 1) if point[f"part.{n}"]]
        # A point without any features cannot be built; it uses the first part instead.
        stages[index]["parts"] = kept or [stages[index]["parts"][0]]
    if "select.k" in point:
        next(stage for stage in stages if stage.get("kind") == "select")["k"] = int(point["select.k"])
    return tuple(stages)


def _layers(config: PipelineConfig, point: Mapping[str, Value], *, windows: bool) -> tuple[dict[str, Any], ...]:
    """Return the layers of a point: new layers for rows or windows, or the pipeline's own layers with new widths."""
    widths = [int(value) for name, value in sorted(point.items(), key=_by_number) if name.startswith("width.")]
    if not rebuilt(config):
        new = iter(widths)
        return tuple(dict(t) if width_of(t) is None else with_width(t, next(new)) for t in config.model.layers)
    widths = widths[: int(point.get("depth", len(widths) or 1))]
    if on_pictures(config):
        # Blocks begin behind a plain convolution: three colours are too few for one kernel a channel.
        halving = {"kernel": int(point.get("kernel", 3)), "stride": 2, "padding": "same"}
        kinds = ["conv2d", *[layer_kind(config, point)] * (len(widths) - 1)]
        blocks = [{"kind": kind, "filters": width, **halving} for kind, width in zip(kinds, widths, strict=True)]
        return (*blocks, {"kind": "global_average_pool"})
    if windows:
        kind = layer_kind(config, point)
        name = layer_of({"kind": kind}).width
        if not has_kernel(kind):
            # Every state of a layer goes to the next one, and the last state to the output layer.
            *before, last = ({"kind": kind, name: width} for width in widths)
            return (*({**table, "sequence": True} for table in before), last)
        moving = {"kernel": int(point.get("kernel", 5)), "stride": 2, "padding": "same"}
        layers = [{"kind": kind, name: width, **moving} for width in widths]
        return (*layers, {"kind": "global_average_pool"})
    # Layers without weights are kept, except those that act only in training.
    shaping = [dict(table) for table in config.model.layers if width_of(table) is None and not layer_of(table).training]
    return (*shaping[:1], *({"kind": "dense", "units": width, "activation": "relu"} for width in widths))


def _by_number(entry: tuple[str, Value]) -> int:
    number = entry[0].rpartition(".")[2]
    return int(number) if number.isdecimal() else 0


def _training(config: PipelineConfig, point: Mapping[str, Value]) -> Any:  # noqa: ANN401 - the table [training]
    own = config.training
    changed: dict[str, Any] = {}
    for key, kind in (("learning_rate", float), ("weight_decay", float), ("epochs", int)):
        if key in point:
            changed[key] = kind(point[key])
    if "copies" in point:
        changed["augment"] = with_copies(own.augment, int(point["copies"]))
    return msgspec.structs.replace(own, **changed)


def _toml(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


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
        singles = [{**smallest, **{name: name == part for name in parts}} for part in parts] or [smallest]
        points: list[Point] = []
        for name in ("input", "window", "layer"):
            axis = next((axis for axis in self.axes if axis.name == name), None)
            if axis is not None:
                singles = [{**single, name: choice} for single in singles for choice in axis.choices]
        for single in singles:
            if self.key(single) not in {self.key(other) for other in points}:
                points.append(single)
        return tuple(points)

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
    axes = [Axis("learning_rate", (), *rate)] if optimiser_named(own.optimiser).needs_learning_rate else []
    if own.weight_decay or search_config.weight_decay:
        axes.append(
            Axis("weight_decay", (), *(search_config.weight_decay or (own.weight_decay / 3, own.weight_decay * 3)))
        )
    epochs = search_config.epochs or (max(1, own.epochs * 2 // 3), max(2, own.epochs * 3 // 2))
    axes.append(Axis("epochs", (), *epochs, 1))
    if maximum := max((settings.copies for _, settings in copying(own.augment)), default=0):
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
    values: dict[str, Value] = {
        "depth": len(widths),
        "window": config.window.samples if config.window is not None else 1,
        "input": "features",
        "kernel": 3 if on_pictures(config) else 5,
        "bits": own_bits(config),
        "learning_rate": config.training.learning_rate,
        "weight_decay": config.training.weight_decay,
        "epochs": config.training.epochs,
        "copies": max((settings.copies for _, settings in copying(config.training.augment)), default=1),
    }
    if head == "part":
        return True
    if head == "width":
        return widths[min(int(tail), len(widths)) - 1]
    if name == "select.k":
        return next(int(stage["k"]) for stage in config.stages if stage.get("kind") == "select")
    return values.get(name, "")
