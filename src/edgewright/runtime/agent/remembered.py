"""What detectors and drift have learnt of each stream, kept beside the store: a new start of the agent goes on there.

Decisions are not among it: after a start an alarm that was raised before is raised again rather than missed.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgewright.runtime.agent.answering import Answerer
from edgewright.runtime.agent.plan import Watched
from edgewright.runtime.files import write_atomic

STATE_FILE = "learnt.state"
_VERSION = 1
_ARRAY = 1
_KINDS = "biuf"
_SEPARATOR = "\n"
# Of all streams together; what is beyond is not kept, the streams that spoke last first.
LARGEST = 4 << 20
_OURS = (ValueError, TypeError, KeyError, msgspec.MsgspecError)


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """One watch of one stream.

    Attributes:
        time: of the last row it has seen, in seconds of the stream; NaN for none.
        state: as the watch gave it, encoded.
    """

    time: float
    state: bytes


class _File(msgspec.Struct, frozen=True, array_like=True):
    version: int
    kept: dict[str, Kept]


class Remembered:
    """The states of the last run, each given out once, and how those of this run are written.

    Args:
        folder: of the store. A file that is missing, damaged or newer is as none: everything is learnt anew.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / STATE_FILE
        self._kept: dict[str, Kept] = _read(self._path)

    def take(self, key: str) -> Kept | None:
        """What was kept under this name; it is this run's from now on."""
        return self._kept.pop(key, None)

    def writing(self, states: Mapping[str, Kept]) -> Callable[[], None]:
        """What writes these states, and those of streams that have not spoken yet, when it is called.

        Args:
            states: by name, those that matter most first.
        """
        chosen: dict[str, Kept] = {}
        size, spoken = 0, {_stream(key) for key in states}
        waiting = {key: kept for key, kept in self._kept.items() if _stream(key) not in spoken}
        for key, kept in (*states.items(), *waiting.items()):
            size += len(kept.state) + len(key) + 32
            if size > LARGEST:
                break
            chosen[key] = kept
        data = msgspec.msgpack.encode(_File(_VERSION, chosen))
        return lambda: write_atomic(self._path, data + zlib.crc32(data).to_bytes(4, "little"))


def drift_key(stream: str, answerer: Answerer) -> str:
    """The name of a package's drift on a stream: another package is another name."""
    return _SEPARATOR.join(("drift", answerer.name, answerer.predictor.package.sha256, stream))


def watch_key(stream: str, watched: Watched) -> str:
    """The name of a detector on a stream: one that learnt otherwise is another name."""
    spec, learnt = watched.file.spec, watched.file.learnt
    seal = hashlib.sha256(msgspec.msgpack.encode((spec, learnt), enc_hook=_to_ext)).hexdigest()
    return _SEPARATOR.join(("detector", watched.name, seal, stream))


def _stream(key: str) -> str:
    return key.rpartition(_SEPARATOR)[2]


def goes_on(kept: Kept | None, first: float) -> bool:
    """Whether a stream whose first row has this time follows what was kept.

    Times that begin anew, or rows that are read again, are another stream.
    """
    return kept is not None and not math.isnan(kept.time) and first > kept.time


def encoded(state: Any) -> bytes:  # noqa: ANN401 - arrays and JSON of any shape
    """A state of arrays and JSON as bytes, exact; NaN and infinities too."""
    return msgspec.msgpack.encode(state, enc_hook=_to_ext)


def decoded(data: bytes) -> Any:  # noqa: ANN401 - as it was encoded
    """What `encoded` took.

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


def _read(path: Path) -> dict[str, Kept]:
    try:
        if path.stat().st_size > 2 * LARGEST:
            return {}
        data = path.read_bytes()
    except OSError:
        return {}
    if len(data) < 4 or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        return {}
    try:
        found = msgspec.msgpack.decode(data[:-4], type=_File)
    except _OURS:
        return {}
    return dict(found.kept) if found.version == _VERSION else {}
