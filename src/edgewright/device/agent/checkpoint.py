"""What the agent remembers: its place in the source, and the state of each stream there; a new start goes on from both.

The states are those of detectors, of drift, and of all that follows the rows themselves (`stream_checkpoint.py`). They
become durable with the place and with all events of the rows before it, in one transaction of the store.
"""

from __future__ import annotations

import hashlib
import math
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from edgewright.device.agent.packages import Answerer
from edgewright.device.agent.plan import DetectorPlan
from edgewright.device.sources import Stream
from edgewright.device.store import startup, stream_state
from edgewright.device.store.records import SourcePlace
from edgewright.device.store.store import Store
from edgewright.device.store.stream_state import PLACE_VERSION, STATE_FILE

_FILE_VERSION = 2
_ARRAY = 1
_KINDS = "biuf"
_SEPARATOR = "\n"
_CLEAR, _SEALED = b"\x00", b"\x01"
MOST_STARTS = 3
"""Starts that ended before the first rows behind a place were stored: the next one leaves these rows out."""
_OURS = (ValueError, TypeError, KeyError, msgspec.MsgspecError)


class SavedState(msgspec.Struct, frozen=True, array_like=True):
    """One watch of one stream.

    Attributes:
        time: of the last row it has seen, in seconds of the stream; NaN for none.
        state: as the watch gave it, encoded.
        rest: rows and answers that it has taken and that are not in `state` yet, encoded.
    """

    time: float
    state: bytes
    rest: bytes = b""


class _File(msgspec.Struct, frozen=True, array_like=True):
    """Where older versions kept the states: they knew no place in the source."""

    version: int
    # Boot and number of the last event that was stored before.
    last_event: tuple[int, int]
    kept: dict[str, SavedState]


class Remembered(NamedTuple):
    """What is stored together with what came of the rows: arguments of `Store.remember`."""

    states: Mapping[str, bytes | None]
    now: SourcePlace
    scope: str
    done: Callable[[], None]
    at_once: bool


class Checkpoint:
    """The states of the last run, each given out once, and how those of this run are stored.

    Args:
        store: open. A state that is damaged or newer is as none: everything is learnt again.
        source: its kind and what identifies it.
        recorded: whether it is a recording, whose states are apart from those of live streams.

    Attributes:
        position: of the last run in the same source; None for another source.
        exact: whether the rows that come go on at the place: then the states go on whatever the times of the rows.
    """

    def __init__(self, store: Store, source: str, *, recorded: bool = False) -> None:
        self._store, self._source, self.exact = store, source, False
        self._scope = f"recording{_SEPARATOR}" if recorded else ""
        self._max_bytes = stream_state.share(store.config, startup.MIN_BYTES)
        self._states: dict[str, bytes | None] = {}
        self._old = not recorded and (store.folder / STATE_FILE).exists()
        with store.guard:
            known, position = stream_state.load(store.database), stream_state.source_place(store.database, self._scope)
        own = {key.removeprefix(self._scope): data for key, data in known.items() if self._own(key)}
        self._kept = {key: kept for key, data in own.items() if (kept := self._opened(key, data)) is not None}
        self._sizes: OrderedDict[str, int] = OrderedDict((key, len(data)) for key, data in own.items())
        # What cannot be read, or lies in clear where columns are encrypted from now on, goes with the first save.
        self._states = dict.fromkeys(own.keys() - self._kept.keys())
        if self._old:
            older = _read(store.folder / STATE_FILE, 2 * self._max_bytes)
            if position is None or older.last_event > position.at:
                # An older version ran last: its states are newer, and nobody knows its place.
                self._states |= dict.fromkeys(own)
                position, self._kept, self._sizes = None, dict(older.kept), OrderedDict()
        self._before: dict[str, set[str]] = {}
        for key in self._sizes:
            self._before.setdefault(_stream(key), set()).add(key)
        self.position = position if position is not None and position.source == source else None

    def take(self, key: str) -> SavedState | None:
        """Return what was kept under this name; it is this run's from now on."""
        return self._kept.pop(key, None)

    def forget(self) -> None:
        """Take nothing over: what goes on ended the agent again and again."""
        self._states |= dict.fromkeys(self._kept)
        self._kept = {}

    def saved(
        self, states: Mapping[str, SavedState], position: Any, source: Stream, *,  # noqa: ANN401 - JSON of any shape
        done: Callable[[Any], None], at_once: bool, ended: bool = False, starts: int = 0,
    ) -> Remembered:  # fmt: skip
        """Return what stores the states of streams that went on, at a position of the source.

        Args:
            states: by name. What is beyond their share of the quota goes, that of the stream that was saved longest ago
                first.
            position: of the source; None where it has none.
            source: that is there.
            done: told the position once all of it is durable.
            at_once: whether it does not wait for others.
            ended: whether the agent ends with it, in order.
            starts: as of `SourcePlace`.
        """
        if self._old:
            states = {**self._kept, **states}
        for stream in {_stream(key) for key in states} & self._before.keys():
            for key in self._before.pop(stream) - states.keys():
                self._states[key] = None  # of another package or detector that followed this stream before
                self._sizes.pop(key, None)
        for key, kept in states.items():
            data = self._states[key] = self._closed(key, kept)
            self._sizes[key] = len(data) + len(key) + 32
            self._sizes.move_to_end(key)
        total = sum(self._sizes.values())
        while total > self._max_bytes and self._sizes:
            key, size = self._sizes.popitem(last=False)
            self._states[key], total = None, total - size
        source_place = SourcePlace(
            version=PLACE_VERSION, source=self._source, position=position, reached=source.reached, loses=source.loses,
            wall=time.time(), ended=ended, starts=starts,
        )  # fmt: skip
        changed, self._states = self._states, {}
        old, self._old = self._old, False

        def durable() -> None:
            done(position)
            if old:
                stream_state.remove(self._store.folder)

        scoped = {self._scope + key: data for key, data in changed.items()}
        return Remembered(scoped, source_place, self._scope, durable, at_once)

    def over(self, source: Stream) -> Remembered:
        """Return what forgets a recording that was played to its end: the next start plays it again."""
        self._states |= dict.fromkeys((*self._sizes, *self._kept))
        self._sizes.clear()
        return self.saved({}, None, source, done=lambda _: None, at_once=True, ended=True)

    def _own(self, key: str) -> bool:
        return key.startswith(self._scope) if self._scope else not key.startswith("recording")

    def _closed(self, key: str, kept: SavedState) -> bytes:
        data = msgspec.msgpack.encode(kept)
        if self._store.key is not None and self._store.config.encrypt:
            return _SEALED + self._store.key.seal(data, key.encode())
        return _CLEAR + zlib.crc32(data).to_bytes(4, "little") + data

    def _opened(self, key: str, data: bytes) -> SavedState | None:
        sealed = bool(self._store.config.encrypt)
        if data[:1] != (_SEALED if sealed else _CLEAR):
            return None
        if sealed:
            plain = self._store.key.open(data[1:], key.encode()) if self._store.key is not None else None
        else:
            plain = data[5:] if zlib.crc32(data[5:]) == int.from_bytes(data[1:5], "little") else None
        try:
            return None if plain is None else msgspec.msgpack.decode(plain, type=SavedState)
        except _OURS:
            return None


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
    nothing = _File(_FILE_VERSION, (0, 0), {})
    try:
        if path.stat().st_size > maximum:
            return nothing
        data = path.read_bytes()
    except OSError:
        return nothing
    if len(data) < 4 or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        return nothing
    try:
        content = msgspec.msgpack.decode(data[:-4], type=_File)
    except _OURS:
        return nothing
    return content if content.version == _FILE_VERSION else nothing
