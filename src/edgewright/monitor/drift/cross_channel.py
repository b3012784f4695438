"""What changes between channels: axes that are swapped, a gain or an offset that each channel alone does not show.

Products of channels keep what their own statistics lose: an accelerometer's squares add up to 1 g however it is held. A
package keeps the mean of all products in training and a few directions in which faults stand out against what differs
between its people or machines (Fisher's discriminant). Blocks of a stream are looked at in these directions.
"""

from __future__ import annotations

import base64
import itertools
import math
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import DriftReferenceError, DriftStateError
from edgewright.core.records.data import Column
from edgewright.core.records.package import JointReference
from edgewright.monitor.drift.change_detection import BLOCKS

Array = NDArray[np.float64]
RHYTHM = BLOCKS // 2
# Blocks for which a difference lasts before it is named: those that are judged then all lie behind its beginning.
LASTS = 4
_ERRORS = 2.0
# A second fault is told where it is not farther than this many times the first.
_ALIKE = 2.0
_SCALES = (0.25, 0.5, 0.75, 1.0)
_GAINS, _COMMON, _OFFSETS = (0.5, 0.8, 1.2, 1.5), (0.8, 0.9, 1.1, 1.25), (-1.0, -0.5, -0.25, 0.25, 0.5, 1.0)
_HEAD = struct.Struct("<IHH")


@dataclass(frozen=True)
class Fault:
    """A change of several channels or of one: its words, its channels, and the map of (1, channels) it is."""

    text: str
    channels: tuple[int, ...]
    change: Array


@dataclass(frozen=True)
class FaultDiagnosis:
    """What changed between channels.

    Attributes:
        faults: the likeliest first, those after it only where they are nearly as likely.
        score: 1 is as far as one unit of training in a hundred lies.
        blocks: since when.
    """

    faults: tuple[Fault, ...]
    score: float
    blocks: int


@cache
def _upper(size: int) -> tuple[NDArray[np.intp], ...]:
    return np.triu_indices(size)


def products(moments: Array) -> Array:
    """Return means and mean products, shape (..., p), of moments of (1, channels), shape (..., 1 + c, 1 + c)."""
    above = _upper(moments.shape[-1])
    pairs: Array = moments[..., above[0], above[1]][..., 1:]
    return pairs


def faults(columns: Sequence[Column], center: Array, scale: Array, deviation: Array) -> tuple[Fault, ...]:
    """Return changes that are looked for: gains and offsets, and among channels of one unit common gains and swaps.

    Args:
        columns: of the package.
        center: of each channel, which enters as (value - center) / scale.
        scale: of each channel.
        deviation: of each channel so scaled.
    """
    count, changes = len(columns), []

    def gain(which: Sequence[int], factor: float) -> Array:
        change = np.eye(1 + count)
        for i in which:
            change[1 + i, 1 + i], change[1 + i, 0] = factor, (factor - 1) * center[i] / scale[i]
        return change

    for i, column in enumerate(columns):
        changes += [Fault(f"gain of {column.name}", (i,), gain((i,), factor)) for factor in _GAINS]
        for by in _OFFSETS:
            change = np.eye(1 + count)
            change[1 + i, 0] = by * deviation[i]
            changes.append(Fault(f"offset of {column.name}", (i,), change))
    for unit in dict.fromkeys(column.unit for column in columns):
        alike = tuple(i for i, column in enumerate(columns) if column.unit == unit)
        if len(alike) < 2:
            continue
        text = f"gain of {', '.join(columns[i].name for i in alike)}"
        changes += [Fault(text, alike, gain(alike, factor)) for factor in _COMMON]
        for i, j in itertools.combinations(alike, 2):
            change = np.eye(1 + count)
            for a, b in ((i, j), (j, i)):
                change[1 + a] = 0
                change[1 + a, 1 + b] = scale[b] / scale[a]
                change[1 + a, 0] = (center[b] - center[a]) / scale[a]
            changes.append(Fault(f"{columns[i].name} and {columns[j].name} swapped", (i, j), change))
    return tuple(changes)


def moved(mean: Array, change: Array) -> Array:
    """By how much a change moves the products of training, shape (..., p) for changes of shape (..., 1 + c, 1 + c)."""
    size = change.shape[-1]
    moments = np.zeros((size, size))
    moments[_upper(size)] = np.concatenate([[1.0], mean])
    moments = moments + np.triu(moments, 1).T
    difference: Array = products(change @ moments @ change.swapaxes(-1, -2)) - mean
    return difference


class JointMonitor:
    """The products of a stream's channels against those of training.

    Args:
        reference: of the package.
        columns: of the package.
        rhythm: seconds.

    Raises:
        InputError: a reference of other channels.
    """

    def __init__(self, reference: JointReference, columns: Sequence[Column], rhythm: float) -> None:
        count = len(columns)
        size = count + count * (count + 1) // 2
        data = base64.b64decode(reference.data)
        if len(data) != 8 * count + 6 * size + 2 * size * reference.directions:
            raise DriftReferenceError(f"a reference of {count} channels together", f"{len(data)} bytes", "the package")
        self.columns = tuple(columns)
        self._errors = _ERRORS * math.sqrt(max(0.0, 1.0 - rhythm / reference.seconds))
        self._center, self._scale = np.frombuffer(data[: 8 * count], "<f4").reshape(2, count)
        rest = data[8 * count :]
        self._mean = np.frombuffer(rest[: 4 * size], "<f4")
        self._deviation = np.frombuffer(rest[4 * size : 6 * size], "<f2")
        self._directions = np.frombuffer(rest[6 * size :], "<f2").reshape(size, reference.directions)
        self._above = tuple(index[1:] for index in np.triu_indices(1 + count))
        self._sums, self._rows = np.zeros(size), 0
        self._ring: deque[NDArray[np.float32]] = deque(maxlen=RHYTHM)
        self._since, self._blocks = np.zeros(size, np.float32), 0
        self.reported = False

    @property
    def size_bytes(self) -> int:
        """Bytes of the reference and of all that is remembered, at most."""
        arrays = (self._center, self._scale, self._mean, self._deviation, self._directions, self._sums, self._since)
        return sum(part.nbytes for part in arrays) + RHYTHM * 4 * self._directions.shape[1] + _HEAD.size

    @property
    def score(self) -> float:
        """How far the last rhythm lies from training; 1 and more is drift once it lasts, 0 before a rhythm passed.

        A unit of training that was longer than the rhythm strayed less than a rhythm does: what that leaves out of two
        standard errors of the blocks is taken off.
        """
        if len(self._ring) < RHYTHM:
            return 0.0
        blocks = np.asarray(self._ring, np.float64)
        mean = blocks.mean(axis=0)
        far = float(np.linalg.norm(mean))
        error = float((blocks @ mean).std(ddof=1)) / max(far, 1e-12) / math.sqrt(RHYTHM)
        return max(0.0, far - self._errors * error)

    def push(self, values: NDArray[np.float32]) -> None:
        """Take rows, shape (rows, channels); those that miss a value are left out."""
        whole = values[np.isfinite(values).all(axis=1)].astype(np.float64)
        if not len(whole):
            return
        extended = np.concatenate([np.ones((len(whole), 1)), (whole - self._center) / self._scale], axis=1)
        rows = extended[:, self._above[0]] * extended[:, self._above[1]]
        # Row after row, as for a channel: how rows were put into packets changes nothing.
        self._sums = np.add.accumulate(np.concatenate([self._sums[None], rows]))[-1]
        self._rows += len(whole)

    def close(self) -> FaultDiagnosis | None:
        """End a block; what changed, once it has lasted."""
        count, self._rows = self._rows, 0
        sums, self._sums = self._sums, np.zeros_like(self._sums)
        if not count:
            return None
        away = sums / count - self._mean
        self._ring.append((away @ self._directions.astype(np.float64)).astype(np.float32))
        if self.score < 1:
            self._since, self._blocks, self.reported = np.zeros_like(self._since), 0, False
            return None
        self._blocks += 1
        if self.reported:
            return None
        self._since = (self._since + away).astype(np.float32)
        if self._blocks <= LASTS:
            return None
        self.reported = True
        return FaultDiagnosis(self._nearest(self._since.astype(np.float64) / self._blocks), self.score, self._blocks)

    def _nearest(self, away: Array) -> tuple[Fault, ...]:
        """Return up to two faults whose marks resemble a difference most, by direction and product by product."""
        mean, spread = self._mean.astype(np.float64), np.maximum(self._deviation.astype(np.float64), 1e-4)
        directions = self._directions.astype(np.float64)
        size = len(mean)
        squares = mean[np.flatnonzero(self._above[0] == self._above[1])]
        own = np.sqrt(np.maximum(squares - mean[: len(self.columns)] ** 2, 1e-12))

        def distance(fault: Fault) -> float:
            mark = moved(mean, fault.change)
            left = away[None] - np.outer(_SCALES, mark)
            return float((((left @ directions) ** 2).sum(1) + ((left / spread) ** 2).sum(1) / size).min())

        best: dict[str, tuple[float, Fault]] = {}
        for fault in faults(self.columns, self._center, self._scale, own):
            best[fault.text] = min(best.get(fault.text, (np.inf, fault)), (distance(fault), fault), key=lambda b: b[0])
        first, second, *_ = sorted(best.values(), key=lambda b: b[0])
        return (first[1], second[1]) if second[0] <= _ALIKE * first[0] else (first[1],)

    def to_bytes(self) -> bytes:
        """All it remembers, exact."""
        ring = np.concatenate([np.zeros((0, self._directions.shape[1]), "<f4"), *(r[None] for r in self._ring)])
        head = _HEAD.pack(self._rows, self._blocks, len(ring) | (self.reported << 15))
        return head + self._sums.astype("<f8").tobytes() + self._since.astype("<f4").tobytes() + ring.tobytes()

    def restore(self, data: bytes) -> None:
        """Go on from `to_bytes`.

        Raises:
            InputError: another length.
        """
        size, wide = len(self._sums), self._directions.shape[1]
        rows, blocks, pending = _HEAD.unpack_from(data) if len(data) >= _HEAD.size else (0, 0, 0)
        length = pending & 0x7FFF
        if len(data) != _HEAD.size + 12 * size + 4 * wide * length or length > RHYTHM:
            raise DriftStateError("the state of a cross-channel monitor", f"{len(data)} bytes", "drift")
        at = _HEAD.size
        self._rows, self._blocks, self.reported = rows, blocks, bool(pending >> 15)
        self._sums = np.frombuffer(data, "<f8", size, at).copy()
        self._since = np.frombuffer(data, "<f4", size, at + 8 * size).copy()
        ring = np.frombuffer(data, "<f4", wide * length, at + 12 * size).reshape(length, wide)
        self._ring = deque((row.copy() for row in ring), maxlen=RHYTHM)
