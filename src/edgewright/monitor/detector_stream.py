"""A detector file, and its detector on a stream: for each row or window its score, whether it is odd, the channel."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import pack_parts, read_file, unpack_arrays, unpack_parts
from edgewright.core.clocks.units import GAP
from edgewright.core.errors import DetectorSettingsError, SampleShapeError, TooFewRowsError
from edgewright.core.files import write_atomic
from edgewright.core.records.data import Floats
from edgewright.monitor.detectors import kind
from edgewright.monitor.records import DETECTOR_VERSION, DetectorSpec

SPEC = "detector.json"
IN_PACKAGE = "detectors/{name}.detector"
_DAMAGED = "Download the file again; it was damaged or changed"


@dataclass(frozen=True)
class DetectorFile:
    """A detector that was read and checked: what it says of itself, and what it learnt as arrays and JSON."""

    spec: DetectorSpec
    learnt: dict[str, Any]


def detector_bytes(spec: DetectorSpec, learnt: dict[str, Any]) -> bytes:
    """Return the bytes of a detector's file; the same detector gives the same bytes.

    Args:
        spec: its `learnt` and `arrays` are filled in here.
        learnt: what `DetectorKind.fit` gave.
    """
    arrays = {name: value for name, value in learnt.items() if isinstance(value, np.ndarray)}
    whole = msgspec.structs.replace(
        spec,
        learnt={name: value for name, value in learnt.items() if name not in arrays},
        arrays=tuple(sorted(arrays)),
    )
    return pack_parts(SPEC, whole, arrays)


def write_detector(path: Path, spec: DetectorSpec, learnt: dict[str, Any]) -> int:
    """Write a detector's file and give its length in bytes.

    Raises:
        OutputError: it cannot be written.
    """
    return write_atomic(path, detector_bytes(spec, learnt))


def read_detector(path: Path) -> DetectorFile:
    """Read and check a detector's file.

    Raises:
        InputError: missing, damaged, altered, too large, or of a newer format.
    """
    return parse_detector(
        read_file(path, "a detector's file", absent="Make one with: edgewright detect fit"), str(path)
    )


def parse_detector(data: bytes, where: str) -> DetectorFile:
    """Read a detector from bytes; `where` names them in messages."""
    spec, files = unpack_parts(data, where, SPEC, DetectorSpec, DETECTOR_VERSION, "detector", _DAMAGED)
    _check(spec, where)
    arrays = unpack_arrays(files, spec.arrays, where, _DAMAGED)
    return DetectorFile(spec, {**spec.learnt, **arrays})


def detectors_in(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of the detectors that travel in a package, by name; `parse_detector` reads them."""
    begin, _, end = IN_PACKAGE.partition("{name}")
    return {
        name[len(begin) : -len(end)]: content
        for name, content in files.items()
        if name.startswith(begin) and name.endswith(end)
    }


def _check(spec: DetectorSpec, where: str) -> None:
    window = spec.window
    if window is not None and not (0 < window.samples <= 1 << 20 and 0 < window.step <= 1 << 20):
        raise DetectorSettingsError("a window of sensible size", f"{window.samples}, {window.step}", f"{where}, {SPEC}")
    if not 0 <= spec.refractory <= 1 << 31 or (window is not None and 0 < spec.refractory < 1):
        raise TooFewRowsError(
            "rows (or windows) without another alarm, or a share of rows", f"{spec.refractory:g}", where
        )
    if not spec.columns or len(spec.columns) > 1 << 16 or not math.isfinite(spec.threshold.value):
        raise DetectorSettingsError("columns and a threshold", "none", f"{where}, {SPEC}")


# What stands for a channel of a window, in this order.
FEATURES = ("mean", "deviation", "step", "range")
# Rows of which a pause may be a share.
MOST_SEEN = 20_000
# What NumPy and the detectors raise for arrays that do not go together: a forged file must not end in a traceback.
_MISFIT = (KeyError, ValueError, TypeError, IndexError, AttributeError, ArithmeticError, MemoryError)


@dataclass(frozen=True)
class RowVerdict:
    """What a detector says of a row, or of the window that ends with it.

    Attributes:
        row: counted from 0 since the beginning.
        time: of the row, seconds.
        score: NaN while the detector is learning.
        odd: whether the score reached the threshold.
        alarm: whether it begins an alarm: odd, and not within the refractory rows of the last alarm, nor right after
            another odd one.
        channel: column that is to blame, -1 where none is odd.
    """

    row: int
    time: float
    score: float
    odd: bool
    alarm: bool
    channel: int


class Watch:
    """A detector at work on one stream; its memory does not grow.

    Args:
        file: as read.
        state: of another `Watch` of the same file, to go on where it stopped.

    Raises:
        InputError: what was learnt does not fit the detector.
    """

    def __init__(self, file: DetectorFile, state: dict[str, Any] | None = None) -> None:
        self.spec = file.spec
        part = kind(file.spec.kind)
        try:
            # A row that is judged and forgotten shows arrays that start but do not go together.
            seen = len(file.spec.columns) * (1 if file.spec.window is None else len(FEATURES))
            part.start(file.learnt).update(np.zeros((1, seen), np.float32), np.zeros(1))
            self._running = part.start(file.learnt)
            if state is not None:
                self._running.resume(state["detector"])
        except _MISFIT as error:
            text = " ".join(str(error).split())[:120]
            raise DetectorSettingsError(
                f"what a detector {file.spec.kind} learns", text, "the detector's file"
            ) from None
        self._channels = len(file.spec.columns)
        window = file.spec.window
        self._recent: deque[NDArray[np.float32]] = deque(maxlen=window.samples if window else 1)
        self._rows, self._quiet, self._was_odd = 0, 0, False
        self._begun, self._time = 0, math.nan
        # A coarse clock gives several rows one time; its shortest step above 0 is its tick.
        self._is_coarse, self._tick = False, 0.0
        if state is not None:
            self._recent.extend(np.asarray(state["held"], np.float32).reshape(-1, self._channels))
            self._rows, self._quiet, self._was_odd = int(state["rows"]), int(state["quiet"]), bool(state["odd"])
            self._begun, self._time = int(state["begun"]), math.nan if state["time"] is None else float(state["time"])

    def push(self, values: Floats, time: NDArray[np.float64]) -> list[RowVerdict]:
        """Take rows and judges them.

        Args:
            values: shape (rows, columns), in the order of the file's columns, NaN where missing.
            time: shape (rows,), seconds; NaN where nobody knows.

        Returns:
            One for each row, or for each window that a row completes.

        Raises:
            InputError: rows of another number of columns.
        """
        if values.ndim != 2 or values.shape[1] != self._channels:
            raise SampleShapeError(f"rows of {self._channels} columns", f"shape {values.shape}", "the detector")
        verdicts = []
        for index in range(len(values)):
            seen = self._seen(np.asarray(values[index : index + 1], np.float32), float(time[index]))
            self._rows += 1
            if seen is not None:
                verdicts.append(self._judge(seen, float(time[index])))
        return verdicts

    def _seen(self, row: Floats, time: float) -> Floats | None:
        """Return what the detector looks at when this row has come: the row, a window's features, or nothing yet."""
        window = self.spec.window
        if window is None:
            return row
        step = time - self._time
        if step > 0 and self._is_coarse:
            self._tick = min(self._tick, step) if self._tick else step
        self._is_coarse |= step == 0
        if self.spec.rate is not None and step > GAP * max(1 / self.spec.rate, self._tick):
            self._recent.clear()
            self._begun = self._rows
        self._time = time
        self._recent.append(row[0].copy())
        complete = self._rows + 1 - self._begun - window.samples
        if complete < 0 or complete % window.step:
            return None
        return window_features(np.stack(self._recent, 1)[None])

    def _score(self, seen: Floats, time: float) -> float:
        """Return the score of a row, or of a window's features."""
        return float(self._running.update(seen, np.array([time]))[0])

    def _judge(self, seen: Floats, time: float) -> RowVerdict:
        score = self._score(seen, time)
        odd = score >= self.spec.threshold.value
        alarm = odd and not self._quiet and (self.spec.refractory > 0 or not self._was_odd)
        channel = self._channel() if odd else -1
        self._quiet = pause(self.spec.refractory, self._rows) if alarm else max(0, self._quiet - 1)
        self._was_odd = odd
        return RowVerdict(self._rows - 1, time, score, odd, alarm, channel)

    def _channel(self) -> int:
        shares = self._running.blame()
        if self.spec.window is not None:
            shares = shares.reshape(self._channels, len(FEATURES)).sum(1)
        return int(shares.argmax()) if shares.any() else -1

    def state(self) -> dict[str, Any]:
        """All it remembers, as arrays and JSON."""
        rows = np.stack(self._recent) if self._recent else np.zeros((0, self._channels), np.float32)
        return {
            "detector": self._running.state(), "held": rows, "rows": self._rows, "quiet": self._quiet,
            "odd": self._was_odd, "begun": self._begun, "time": None if math.isnan(self._time) else self._time,
        }  # fmt: skip


def pause(refractory: float, rows: int) -> int:
    """Return rows after an alarm in which no other is raised.

    Args:
        refractory: so many; below 1 this share of the rows seen, in whole thousandths, as C counts them.
        rows: seen, that of the alarm included; no more than `MOST_SEEN` count, or after a year a pause
            would last for weeks.
    """
    return min(rows, MOST_SEEN) * round(1000 * refractory) // 1000 if refractory < 1 else int(refractory)


def window_features(windows: Floats) -> Floats:
    """Return mean, deviation, mean absolute step and range of every channel.

    Args:
        windows: shape (n, channels, samples), NaN where missing.

    Returns:
        Shape (n, channels * 4), the four of a channel side by side; NaN for a channel without two values in a row.
    """
    wide = np.asarray(windows, np.float64)
    present = np.isfinite(wide)
    count = present.sum(2)
    there = np.maximum(count, 1)
    zeroed = np.where(present, wide, 0.0)
    mean = zeroed.sum(2) / there
    deviation = np.sqrt((np.where(present, wide - mean[:, :, None], 0.0) ** 2).sum(2) / there)
    steps = np.abs(np.diff(wide, axis=2))
    both = np.isfinite(steps)
    step = np.where(both, steps, 0.0).sum(2) / np.maximum(both.sum(2), 1)
    high = np.where(present, wide, -math.inf).max(2)
    low = np.where(present, wide, math.inf).min(2)
    span = np.where(count > 0, high - low, 0.0)
    stacked = np.stack([mean, deviation, step, span], 2)
    stacked[(count == 0) | (both.sum(2) == 0)] = math.nan
    return np.asarray(stacked.reshape(len(wide), -1), np.float32)


def state_bytes(state: Any) -> int:  # noqa: ANN401 - arrays and JSON of any shape
    """How many bytes a state takes: 8 a number, arrays as they are, text a byte a letter."""
    if isinstance(state, np.ndarray):
        return int(state.nbytes)
    if isinstance(state, dict):
        return sum(state_bytes(value) for value in state.values())
    if isinstance(state, list | tuple):
        return sum(state_bytes(value) for value in state)
    return len(state) if isinstance(state, str | bytes) else 8
