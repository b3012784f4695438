"""What runs a model. The file name is the engine's name; the fastest for the model on this machine answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.core import catalogue
from edgewright.core.engine_timing import fastest
from edgewright.schema.errors import MissingExtraError

# Rows of a process that goes on: a second to start is worth a microsecond a row.
MANY_ROWS = 1e6
Answer = Callable[[NDArray[np.float32]], dict[str, NDArray[Any]]]


def _is_onnx(model: bytes) -> bool:
    """Not one of the files that say what else they are."""
    return model[4:8] != b"TFL3"


def _no_version(key: str) -> str:
    """Of an engine that no choice is made of."""
    return ""


@dataclass(frozen=True)
class Engine:
    """The one object `ENGINE` of an engine's file.

    Attributes:
        name: as the file.
        available: whether it can run here.
        load: the bytes of a model -> a function of the input (n, *shape), float32, that gives the outputs by name. It
            raises `InputError` for a model it cannot run and for an input that does not fit.
        start: seconds that importing it and opening a small model takes at least.
        call: seconds that one answer takes at least; engines are listed in this order.
        extra: the extra of the distribution that installs it, empty when the base install has it.
        suits: whether it can run a model of these bytes here; looks at the kind of file, or for what was built of it.
        version: of what is installed, or of what was built of the model of a key (`native_modules.model_key`);
            times that were measured hold for this version.
        note: what a user should know of how it runs a model of these bytes; empty for nothing.
    """

    name: str
    available: Callable[[], bool]
    load: Callable[[bytes], Answer]
    start: float
    call: float
    extra: str = ""
    suits: Callable[[bytes], bool] = _is_onnx
    version: Callable[[str], str] = _no_version
    note: Callable[[bytes], str] = lambda _model: ""


def known() -> tuple[Engine, ...]:
    """All engines, that of the shortest call first, installed or not."""
    engines = [get(name) for name in catalogue.listing(__name__, "ENGINE")]
    return tuple(sorted(engines, key=lambda engine: engine.call))


def get(name: str) -> Engine:
    """The engine of a name.

    Raises:
        UnknownNameError: listing the known ones.
    """
    engine: Engine = catalogue.find(__name__, name, "ENGINE", "engine")
    return engine


def choose(preferred: str | None = None, model: bytes | None = None, rows: float = MANY_ROWS) -> Engine:
    """The named engine, or the fastest that is installed for this model on this machine (`engine_timing`).

    Args:
        preferred: name of an engine.
        model: its bytes; without them, the first that runs any ONNX model, whatever the machine: what is built by
            asking it comes out the same each time.
        rows: how many rows the process is going to answer; few do not pay an import.

    Raises:
        UnknownNameError: when there is no engine of that name.
        MissingExtraError: when it is not installed, with the command that installs it, or none here can run the model.
    """
    if preferred is None:
        suited = [engine for engine in known() if engine.available() and engine.suits(model or b"")]
        if not suited:
            raise MissingExtraError("engines", "running this kind of model")
        if model is None:
            return suited[0]
        return fastest(suited, model, rows)
    engine = get(preferred)
    if not engine.available():
        raise MissingExtraError(engine.extra, f"the engine {engine.name!r}")
    return engine
