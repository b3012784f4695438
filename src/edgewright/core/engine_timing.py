"""How long each engine takes over one model on this machine: measured once, kept in the cache between processes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core import caches
from edgewright.core.native_modules import machine_tag, model_key
from edgewright.core.onnx.reader import read_onnx
from edgewright.schema.errors import EdgewrightError

if TYPE_CHECKING:
    from edgewright.core.engines import Engine

# Calls are repeated for this long, and the shortest counts: whatever else runs here only makes one longer.
_SECONDS, _LEAST, _MOST = 0.002, 3, 200


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of an engine over a model.

    Attributes:
        version: of the engine, or of what was compiled for it.
        start: to load the model and answer for the first time, imports included.
        row: to answer one row; None where the engine cannot run the model.
    """

    version: str
    start: float
    row: float | None


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    version: Literal[1] = 1
    engines: dict[str, Times]


# What this process has measured or read, by machine and model: also where no cache can be written.
_known: dict[str, dict[str, Times]] = {}


def fastest(engines: Sequence[Engine], model: bytes, rows: float) -> Engine:
    """The engine that has answered so many rows first, its start included.

    An engine that could not be first however fast it were (`Engine.start`, `Engine.call`) is not measured: importing
    one takes longer than a small network's answers.

    Args:
        engines: those that are installed and suit the model, at least one.
        model: its bytes.
        rows: how many will be answered.

    Returns:
        An engine; the first given where none can run the model, so that its error is told.
    """
    if len(engines) == 1:
        return engines[0]
    key = model_key(model)
    place = caches.cache_folder("engines") / machine_tag() / f"{key}.json"
    times = _times(place)
    versions = {engine.name: engine.version(key) for engine in engines}
    known = {name for name, version in versions.items() if name in times and times[name].version == version}
    best, least, new = engines[0], float("inf"), False
    # What is known first, then what starts fast.
    for engine in sorted(engines, key=lambda engine: (engine.name not in known, engine.start)):
        if engine.start + rows * engine.call >= least:
            continue
        if engine.name not in known:
            times[engine.name], new = measure(engine, model, versions[engine.name]), True
        found = times[engine.name]
        if found.row is not None and max(found.start, engine.start) + rows * found.row < least:
            best, least = engine, max(found.start, engine.start) + rows * found.row
    if new:
        caches.write_own(place, msgspec.json.encode(_Record(engines=times)))
    return best


def measure(engine: Engine, model: bytes, version: str) -> Times:
    """Loads a model into an engine and answers one row over and over, for some milliseconds."""
    started = time.perf_counter()
    try:
        answer = engine.load(model)
        row = _row(model)
        answer(row)
    except EdgewrightError:
        return Times(version=version, start=0.0, row=None)
    begun = last = time.perf_counter()
    start, shortest = begun - started, float("inf")
    for count in range(_MOST):
        if count >= _LEAST and last - begun > _SECONDS:
            break
        answer(row)
        now = time.perf_counter()
        shortest, last = min(shortest, now - last), now
    return Times(version=version, start=start, row=shortest)


def _row(model: bytes) -> NDArray[np.float32]:
    """One row for a model; its values hardly change the time."""
    shape = read_onnx(model).inputs[0].shape
    return np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(1, *shape)


def _times(place: Path) -> dict[str, Times]:
    """What is known; nothing where the file is damaged or could be somebody else's."""
    key = str(place)
    if key not in _known:
        data = caches.read_own(place)
        try:
            _known[key] = dict(msgspec.json.decode(data, type=_Record).engines) if data else {}
        except (msgspec.DecodeError, UnicodeDecodeError):
            _known[key] = {}
    return _known[key]
