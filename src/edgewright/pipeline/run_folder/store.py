"""A fitted pipeline as arrays and JSON: no pickle, readable by eye, the same bytes for the same pipeline."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgewright.graph.stage import Context
from edgewright.pipeline.plan import Plan, build, build_model, parts
from edgewright.schema.config import PipelineConfig
from edgewright.schema.data import Column
from edgewright.schema.errors import InputError
from edgewright.trace.record import as_it_was

STORE_VERSION = 1
INDEX = "pipeline.json"
Arrays = dict[str, np.ndarray[Any, Any]]


class StoredStage(msgspec.Struct, frozen=True, kw_only=True):
    """A stage: its table as in the TOML, what it was built for, and its fitted attributes."""

    name: str
    table: dict[str, Any]
    context: Context
    state: dict[str, Any]


class StoredPipeline(msgspec.Struct, frozen=True, kw_only=True):
    """`pipeline.json`: arrays are named by `{"$array": "file.npy"}`."""

    version: int = STORE_VERSION
    config: PipelineConfig
    task: str
    stages: tuple[StoredStage, ...]
    model: dict[str, Any]
    columns: tuple[Column, ...] = ()


def pack(value: Any, arrays: Arrays, name: str) -> Any:  # noqa: ANN401 - JSON of any shape
    """JSON of a fitted attribute; arrays are put aside under `name` and named in their place.

    Raises:
        TypeError: an attribute that is neither arrays nor JSON (a defect of the stage that lists it).
    """
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            raise TypeError(f"{name}: an object array would need pickle; store text or numbers")
        arrays[f"{name}.npy"] = value
        return {"$array": f"{name}.npy"}
    if isinstance(value, np.generic):
        return pack(value.item(), arrays, name)
    if isinstance(value, float) and not math.isfinite(value):
        # JSON knows no infinity and would keep null.
        return {"$number": str(value)}
    if isinstance(value, Mapping):
        return {str(key): pack(entry, arrays, f"{name}.{key}") for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [pack(entry, arrays, f"{name}.{number}") for number, entry in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{name}: {type(value).__name__} is neither an array nor JSON")


def unpack(value: Any, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Any:  # noqa: ANN401 - JSON of any shape
    """Return the attribute that `pack` put away."""
    if isinstance(value, dict):
        if set(value) == {"$array"}:
            return arrays[value["$array"]]
        if set(value) == {"$number"}:
            return float(value["$number"])
        return {key: unpack(entry, arrays) for key, entry in value.items()}
    if isinstance(value, list):
        return [unpack(entry, arrays) for entry in value]
    return value


def save_fitted(
    folder: Path,
    plan: Plan,
    task: str,
    steps: list[tuple[str, Any]],
    contexts: list[Context],
    columns: tuple[Column, ...] = (),
) -> None:
    """Write `pipeline.json` and an `.npy` file an array into `folder`, which must exist.

    Args:
        folder: to write into.
        plan: that the stages were built from.
        task: 'classification' or 'regression'.
        steps: fitted stages in order, the model last.
        contexts: what each stage but the model was built for.
        columns: that arrive, with their declared ranges.
    """
    arrays: Arrays = {}
    stored = []
    for part, context, (name, estimator) in zip(plan.stages, contexts, steps[:-1], strict=True):
        state = {key: pack(getattr(estimator, key), arrays, f"{name}.{key}") for key in part.stage.state}
        stored.append(StoredStage(name=name, table=part.table, context=context, state=state))
    name, model = steps[-1]
    state = {key: pack(getattr(model, key), arrays, f"{name}.{key}") for key in plan.model.state}
    index = StoredPipeline(config=plan.config, task=task, stages=tuple(stored), model=state, columns=columns)
    for file, array in arrays.items():
        stream = io.BytesIO()
        np.save(stream, array, allow_pickle=False)
        (folder / file).write_bytes(stream.getvalue())
    text = msgspec.json.format(msgspec.json.encode(index, order="deterministic"), indent=1)
    (folder / INDEX).write_bytes(text)


def load_fitted(folder: Path) -> tuple[StoredPipeline, list[tuple[str, Any]]]:
    """Read what `save_fitted` wrote: the stored description and the fitted steps, the model last.

    Raises:
        InputError: files missing, damaged, or of a newer version.
    """
    path = folder / INDEX
    try:
        raw = path.read_bytes()
        table = msgspec.json.decode(raw)
        version = table.get("version", 0)
        if version > STORE_VERSION:
            raise InputError(
                f"a stored pipeline of version {STORE_VERSION}", str(version), str(path), "Upgrade edgewright"
            )
        as_it_was(table.get("config", {}))
        index = msgspec.convert(table, StoredPipeline)
        arrays = {file.name: np.load(file, allow_pickle=False) for file in sorted(folder.glob("*.npy"))}
        steps: list[tuple[str, Any]] = []
        for part, stored in zip(parts(index.config.stages, str(path)), index.stages, strict=True):
            estimator = build(part, stored.context)
            for key, value in stored.state.items():
                setattr(estimator, key, unpack(value, arrays))
            steps.append((stored.name, estimator))
        model = build_model(index.config, index.task)
        for key, value in index.model.items():
            setattr(model, key, unpack(value, arrays))
    except FileNotFoundError as error:
        raise InputError("a fitted pipeline", "no such file", str(error.filename)) from None
    except (msgspec.MsgspecError, ValueError, KeyError, EOFError, AttributeError) as error:
        raise InputError("an undamaged fitted pipeline", str(error), str(path)) from None
    return index, [*steps, ("model", model)]
