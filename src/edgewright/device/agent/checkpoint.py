"""What the agent remembers of each stream, kept beside the store: a new start goes on there.

Detectors, drift, and all that follows the rows themselves (`stream_checkpoint.py`). The file says up to which event
of the store it was written; what was decided between then and a kill is read from the store's own events, which alarms
reach before they are told.
"""

from __future__ import annotations

import hashlib
import math
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgewright.core.files import PRIVATE, write_atomic
from edgewright.device.agent.batch_prediction import Answerer
from edgewright.device.agent.plan import DetectorPlan
from edgewright.device.store import reader, startup, stream_state
from edgewright.device.store.store import Store
from edgewright.device.store.stream_state import STATE_FILE
from edgewright.schema.device import Event
from edgewright.schema.errors import OutputError

_VERSION = 2
_ARRAY = 1
_KINDS = "biuf"
_SEPARATOR = "\n"
# Events after the last save that are looked at, and that are kept of a stream: the oldest are forgotten.
_MOST = 20_000
_EACH = 200
_DECIDED = ("decision", "alarm", "state")
_OURS = (ValueError, TypeError, KeyError, msgspec.MsgspecError)


class SavedState(msgspec.Struct, frozen=True, array_like=True):
    """One watch of one stream.

    Attributes:
        time: of the last row it has seen, in seconds of the stream; NaN for none.
        state: as the watch gave it, encoded.
    """

    time: float
    state: bytes


class _File(msgspec.Struct, frozen=True, array_like=True):
    version: int
    # Boot and number of the last event that was stored before.
    place: tuple[int, int]
    kept: dict[str, SavedState]
    # Of streams that were silent since their state was kept: what was decided after that, by stream.
    decided: dict[str, list[Event]]


class Checkpoint:
    """The states of the last run, each given out once, and how those of this run are written.

    Args:
        store: open. A file that is missing, damaged or newer is as none: everything is learnt again.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._path = store, store.folder / STATE_FILE
        self._most = stream_state.share(store.config, startup.LEAST)
        stream_state.tidy(store.folder)
        found = _read(self._path, 2 * self._most)
        self._kept: dict[str, SavedState] = found.kept
        self._decided: dict[str, list[Event]] = found.decided
        for stream, events in (_since(store, found.place) if found.kept else {}).items():
            self._decided[stream] = [*self._decided.get(stream, ()), *events][-_EACH:]

    def take(self, key: str) -> SavedState | None:
        """Return what was kept under this name; it is this run's from now on."""
        return self._kept.pop(key, None)

    def decided(self, stream: str) -> Sequence[Event]:
        """Decisions, alarms and steps of tables that were stored after its state was kept, the oldest first."""
        return self._decided.pop(stream, ())

    def writing(self, states: Mapping[str, SavedState]) -> Callable[[], None]:
        """Return what writes these states, and those of streams that have not spoken yet, when it is called.

        Args:
            states: by name, those that matter most first. What is beyond the file's share of the quota is not kept.
        """
        chosen: dict[str, SavedState] = {}
        size, spoken = 0, {_stream(key) for key in states}
        waiting = {key: kept for key, kept in self._kept.items() if _stream(key) not in spoken}
        for key, kept in (*states.items(), *waiting.items()):
            size += len(kept.state) + len(key) + 32
            if size > self._most:
                break
            chosen[key] = kept
        decided = {stream: events for stream, events in self._decided.items() if stream_key(stream) in chosen}
        return lambda: self._write(chosen, decided)

    def _write(self, kept: dict[str, SavedState], decided: dict[str, list[Event]]) -> None:
        # In its turn among the events: all that these states know of was stored before.
        data = msgspec.msgpack.encode(_File(_VERSION, (self._store.boot, self._store.sequence), kept, decided))
        write_atomic(self._path, data + zlib.crc32(data).to_bytes(4, "little"), PRIVATE)


def drift_key(stream: str, answerer: Answerer) -> str:
    """Return the name of a package's drift on a stream: another package is another name."""
    return _SEPARATOR.join(("drift", answerer.name, answerer.predictor.package.sha256, stream))


def watch_key(stream: str, watched: DetectorPlan) -> str:
    """Return the name of a detector on a stream: one that learnt otherwise is another name."""
    return _SEPARATOR.join(("detector", watched.name, seal(watched.file.spec, watched.file.learnt), stream))


def stream_key(stream: str) -> str:
    """Return the name of all else that follows a stream; its parts have seals of their own."""
    return _SEPARATOR.join(("stream", stream))


def seal(*parts: Any) -> str:  # noqa: ANN401 - structures and arrays of any shape
    """Return what is the same for the same things alone."""
    return hashlib.sha256(msgspec.msgpack.encode(parts, enc_hook=_to_ext)).hexdigest()


def _stream(key: str) -> str:
    return key.rpartition(_SEPARATOR)[2]


def goes_on(kept: SavedState | None, first: float) -> bool:
    """Return whether a stream whose first row has this time follows what was kept.

    Times that start over, or rows that are read again, are another stream.
    """
    return kept is not None and not math.isnan(kept.time) and first > kept.time


def encoded(state: Any) -> bytes:  # noqa: ANN401 - arrays and JSON of any shape
    """Return a state of arrays and JSON as bytes, exact; NaN and infinities too."""
    return msgspec.msgpack.encode(state, enc_hook=_to_ext)


def decoded(data: bytes) -> Any:  # noqa: ANN401 - as it was encoded
    """Return what `encoded` took.

    Raises:
        ValueError: other bytes.
    """
    return msgspec.msgpack.decode(data, ext_hook=_from_ext)


def _to_ext(value: Any) -> Any:  # noqa: ANN401 - what msgspec does not know
    if isinstance(value, np.ndarray) and value.dtype.kind in _KINDS:
        head = msgspec.msgpack.encode((value.dtype.str, value.shape))
        return msgspec.msgpack.Ext(_ARRAY, len(head).to_bytes(2, "little") + head + value.tobytes())
    if isinstance(value, np.generic) and value.dtype.kind in _KINDS:
        return value.item()
    raise NotImplementedError(type(value).__name__)


def _from_ext(code: int, data: memoryview) -> Any:  # noqa: ANN401 - an array
    if code != _ARRAY:
        raise ValueError(f"an extension {code}")
    end = 2 + int.from_bytes(data[:2], "little")
    kind, shape = msgspec.msgpack.decode(data[2:end], type=tuple[str, tuple[int, ...]])
    dtype = np.dtype(kind)
    if dtype.kind not in _KINDS:
        raise ValueError(f"an array of {kind}")
    return np.frombuffer(bytes(data[end:]), dtype).reshape(shape).copy()


def _read(path: Path, maximum: int) -> _File:
    nothing = _File(_VERSION, (0, 0), {}, {})
    try:
        if path.stat().st_size > maximum:
            return nothing
        data = path.read_bytes()
    except OSError:
        return nothing
    if len(data) < 4 or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        return nothing
    try:
        found = msgspec.msgpack.decode(data[:-4], type=_File)
    except _OURS:
        return nothing
    return found if found.version == _VERSION else nothing


def _since(store: Store, position: tuple[int, int]) -> dict[str, list[Event]]:
    """By stream: what was decided after a place, the oldest first."""
    found: dict[str, list[Event]] = {}
    try:
        with store.guard:
            for stored in reader.events(store.database, limit=_MOST):
                if (stored.boot, stored.sequence) <= position:
                    break
                if stored.event.kind in _DECIDED:
                    found.setdefault(stored.event.stream, []).insert(0, stored.event)
    except (sqlite3.Error, OutputError):
        return {}  # damage is found and mended by who writes
    return found
