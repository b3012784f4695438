"""What runs a model. The file name is the engine's name; the fastest that is here and can run the model answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.runtime import catalogue
from edgewright.schema.errors import MissingExtraError

Answer = Callable[[NDArray[np.float32]], dict[str, NDArray[Any]]]


def _is_onnx(model: bytes) -> bool:
    """Not one of the files that say what else they are."""
    return model[4:8] != b"TFL3"


@dataclass(frozen=True)
class Engine:
    """The one object `ENGINE` of an engine's file.

    Attributes:
        name: as the file.
        available: whether it can run here.
        load: the bytes of a model -> a function of the input (n, *shape), float32, that gives the outputs by name. It
            raises `InputError` for a model it cannot run and for an input that does not fit.
        rank: the lower, the faster; `choose` takes the lowest that is available and suits the model.
        extra: the extra of the distribution that installs it, empty when the base install has it.
        suits: whether it can run a model of these bytes here; looks at the kind of file, or for what was built of it.
    """

    name: str
    available: Callable[[], bool]
    load: Callable[[bytes], Answer]
    rank: int
    extra: str = ""
    suits: Callable[[bytes], bool] = _is_onnx


def known() -> tuple[Engine, ...]:
    """All engines, the fastest first, installed or not."""
    engines = [get(name) for name in catalogue.listing(__name__, "ENGINE")]
    return tuple(sorted(engines, key=lambda engine: engine.rank))


def get(name: str) -> Engine:
    """The engine of a name.

    Raises:
        UnknownNameError: listing the known ones.
    """
    engine: Engine = catalogue.find(__name__, name, "ENGINE", "engine")
    return engine


def choose(preferred: str | None = None, model: bytes | None = None) -> Engine:
    """The named engine, or the fastest that is installed and suits the model.

    Args:
        preferred: name of an engine.
        model: its bytes; without them, the fastest for an ONNX model that nothing was built for.

    Raises:
        UnknownNameError: when there is no engine of that name.
        MissingExtraError: when it is not installed, with the command that installs it, or none here can run the model.
    """
    if preferred is None:
        given = b"" if model is None else model
        for engine in known():
            if engine.available() and engine.suits(given):
                return engine
        raise MissingExtraError("engines", "running this kind of model")
    engine = get(preferred)
    if not engine.available():
        raise MissingExtraError(engine.extra, f"the engine {engine.name!r}")
    return engine
