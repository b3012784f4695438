"""The pipeline that a point of a search stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from edgewright.core.catalogue import find, listing
from edgewright.graph.layer import Layer
from edgewright.models.architecture import PACKAGE
from edgewright.pipeline.config import with_changes
from edgewright.schema.config import ModelConfig, PipelineConfig, SearchConfig
from edgewright.search.architecture.axis import Value

INT8, FLOAT32 = 8, 32


def pipeline_of(
    config: PipelineConfig, union: tuple[int, int], point: Mapping[str, Value], name: str = ""
) -> PipelineConfig:
    """The pipeline of a point.

    Args:
        config: of the pipeline that varies.
        union: place of the union among its stages and its number of parts; (-1, 0) without one.
        point: the choices.
        name: of what is made; that of the pipeline when empty.

    Raises:
        InputError: a choice of `[search] choices` that the pipeline does not take.
    """
    windows = point.get("input", "features") == "windows"
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


def dense_only(config: PipelineConfig) -> bool:
    """Whether the network has hidden layers of the kind dense alone, apart from dropout and flatten."""
    return all(layer.get("kind") in ("dense", "dropout", "flatten") for layer in config.model.layers)


def own_bits(config: PipelineConfig) -> int:
    """Of the weights of the form that the pipeline packages."""
    return INT8 if config.compression.int8 else FLOAT32


def own_widths(config: PipelineConfig) -> list[int]:
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


def _stages(
    config: PipelineConfig, union: tuple[int, int], point: Mapping[str, Value], *, windows: bool
) -> tuple[dict[str, Any], ...]:
    place, count = union
    stages = [dict(stage) for stage in config.stages]
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


def _toml(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
