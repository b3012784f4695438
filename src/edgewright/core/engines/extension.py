"""A module compiled for one model and this machine (`export.targets.extension`): the fastest engine where it exists."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.engines import Answer, Engine
from edgewright.core.errors import EngineError, SampleShapeError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.objects import delivered_module, find_module, load_module, model_key, module_of
from edgewright.core.records.network import Value


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a compiled module says of itself, as JSON in its `DESCRIPTION`.

    Attributes:
        input: shape of a row.
        outputs: as the graph declares them, in its order.
        values: the output that `row` and `batch` give as numbers: 'probabilities' or 'prediction'.
        network: the code of the network: 'float', 'int8', or 'portable'.
    """

    input: tuple[int, ...]
    outputs: tuple[Value, ...]
    values: str
    network: str


def _available() -> bool:
    return hasattr(os, "getuid")


def _suits(model: bytes) -> bool:
    return find_module(model) is not None


def _version(key: str) -> str:
    path = module_of(key)
    return path.name if path else ""


def _load(model: bytes) -> Answer:
    path = find_module(model) or delivered_module(model_key(model))
    if path is None:
        read_onnx(model)
        raise EngineError(
            "a model with a compiled extension",
            "none for this one",
            "engine 'extension'",
            "Build it: edgewright export --to extension, or --to native for another system",
        )
    return answer_of(load_module(path))


def describe(module: ModuleType) -> Description:
    """Return the description of a compiled module.

    Raises:
        InputError: when it is not one of ours.
    """
    try:
        return msgspec.json.decode(str(module.DESCRIPTION), type=Description)
    except (AttributeError, msgspec.DecodeError) as error:
        raise EngineError("a module that Edgewright compiled", str(error), str(module.__file__)) from None


def answer_of(module: ModuleType) -> Answer:
    """Return an engine's function over a compiled module.

    Raises:
        InputError: when the module is not one of ours.
    """
    description, batch = describe(module), module.batch
    by_name = {value.name: value for value in description.outputs}
    names, shape, rank = tuple(by_name), description.input, len(description.input) + 1
    values, width = description.values, by_name[description.values].shape
    classifies, single, empty = "label" in by_name, np.dtype(np.float32), np.empty

    def answer(x: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        if x.ndim != rank or x.shape[1:] != shape:
            raise SampleShapeError(f"input of shape (n, {', '.join(map(str, shape))})", f"shape {x.shape}")
        if x.dtype is not single or not x.flags.c_contiguous:
            x = np.ascontiguousarray(x, single)
        n = len(x)
        arrays = {values: empty((n, *width), single)}
        if not classifies:
            batch(x, arrays[values])
            return arrays
        arrays["label"], arrays["confidence"] = empty(n, np.int64), empty(n, single)
        batch(x, arrays[values], arrays["label"], arrays["confidence"])
        return {name: arrays[name] for name in names}

    return answer


ENGINE = Engine(
    name="extension", available=_available, load=_load, start=5e-4, call=1e-6, suits=_suits, version=_version
)
