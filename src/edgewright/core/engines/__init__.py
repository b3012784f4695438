"""Engines that run a model, a file each. The fastest engine is chosen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core import catalogue, files
from edgewright.core.errors import EdgewrightError, MissingExtraError, UnknownNameError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.objects import machine_tag, model_key

# Calls are repeated for this long, and the shortest counts: whatever else runs here only makes one longer.
_SECONDS, _MIN_CALLS, _MAX_CALLS = 0.002, 3, 200


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of an engine over a model.

    Attributes:
        version: version of the engine, or of what was compiled for it.
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
    """Return the engine that has answered so many rows first, its start included.

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
    path = files.cache_folder("engines") / machine_tag() / f"{key}.json"
    times = _times(path)
    versions = {engine.name: engine.version(key) for engine in engines}
    known = {name for name, version in versions.items() if name in times and times[name].version == version}
    best, minimum, new = engines[0], float("inf"), False
    # What is known first, then what starts fast.
    for engine in sorted(engines, key=lambda engine: (engine.name not in known, engine.start)):
        if engine.start + rows * engine.call >= minimum:
            continue
        if engine.name not in known:
            times[engine.name], new = measure(engine, model, versions[engine.name]), True
        seconds = times[engine.name]
        if seconds.row is not None and max(seconds.start, engine.start) + rows * seconds.row < minimum:
            best, minimum = engine, max(seconds.start, engine.start) + rows * seconds.row
    if new:
        files.write_own(path, msgspec.json.encode(_Record(engines=times)))
    return best


def measure(engine: Engine, model: bytes, version: str) -> Times:
    """Load a model into an engine and answers one row over and over, for some milliseconds."""
    started = time.perf_counter()
    try:
        answer = engine.load(model)
        row = _row(model)
        answer(row)
    except EdgewrightError:
        return Times(version=version, start=0.0, row=None)
    begun = last = time.perf_counter()
    start, shortest = begun - started, float("inf")
    for count in range(_MAX_CALLS):
        if count >= _MIN_CALLS and last - begun > _SECONDS:
            break
        answer(row)
        now = time.perf_counter()
        shortest, last = min(shortest, now - last), now
    return Times(version=version, start=start, row=shortest)


def _row(model: bytes) -> NDArray[np.float32]:
    """One row for a model; its values hardly change the time."""
    shape = read_onnx(model).inputs[0].shape
    return np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(1, *shape)


def _times(path: Path) -> dict[str, Times]:
    """Return what is known; nothing where the file is damaged or could be somebody else's."""
    key = str(path)
    if key not in _known:
        data = files.read_own(path)
        try:
            _known[key] = dict(msgspec.json.decode(data, type=_Record).engines) if data else {}
        except (msgspec.DecodeError, UnicodeDecodeError):
            _known[key] = {}
    return _known[key]


# Rows of a process that goes on: a second to start is worth a microsecond a row.
MANY_ROWS = 1e6
Answer = Callable[[NDArray[np.float32]], dict[str, NDArray[Any]]]


def _is_onnx(model: bytes) -> bool:
    return model[4:8] != b"TFL3"


def _no_version(key: str) -> str:
    return ""


@dataclass(frozen=True)
class Engine:
    """An engine: the object `ENGINE` of its file.

    Attributes:
        name: as in `--engine`.
        available: whether it can run here.
        load: the bytes of a model -> a function of the input (n, *shape), float32, that gives the outputs by name. It
            raises `InputError` for a model it cannot run and for an input that does not fit.
        start: seconds that importing it and opening a small model takes at least.
        call: seconds that one answer takes at least; engines are listed in this order.
        extra: the extra of the distribution that installs it, empty when the base install has it.
        suits: whether it can run a model of these bytes here; looks at the kind of file, or for what was built of it.
        version: of what is installed, or of what was built of the model of a key (`prediction.objects.model_key`);
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
    engines = [catalogue.offered(__name__, name, "ENGINE") for name in catalogue.listing(__name__, "ENGINE")]
    return tuple(sorted(engines, key=lambda engine: engine.call))


def is_installed(library: str) -> bool:
    """Return whether a library is installed, without importing it."""
    return find_spec(library) is not None


def installation_time(library: str) -> str:
    """Return when a library was installed: importing it for its version would take longer than an answer."""
    spec = find_spec(library)
    return str(Path(spec.origin).stat().st_mtime_ns) if spec and spec.origin else ""


def get(name: str) -> Engine:
    """Return the engine of a name.

    Raises:
        UnknownNameError: listing the known ones.
    """
    engine: Engine | None = catalogue.offered(__name__, name, "ENGINE")
    if engine is None:
        raise UnknownNameError("engine", name, sorted(other.name for other in known()))
    return engine


def choose(preferred: str | None = None, model: bytes | None = None, rows: float = MANY_ROWS) -> Engine:
    """Return the named engine, or the fastest that is installed for this model on this machine (`engine_timing`).

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
