"""Conversion of a search point to its pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from edgewright.core.catalogue import listing
from edgewright.models.architecture import layer_of, width_of, with_width
from edgewright.pipeline.config import with_changes
from edgewright.schema.config import ModelConfig, PipelineConfig, SearchConfig
from edgewright.training.augment import with_copies

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
    made = msgspec.structs.replace(
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
    return with_changes(made, changes) if changes else made


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
        made = [{"kind": kind, name: width, **moving} for width in widths]
        return (*made, {"kind": "global_average_pool"})
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
