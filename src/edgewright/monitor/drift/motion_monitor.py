"""Names what changed of an accelerometer and a gyroscope, or says nothing: a wrong name costs a walk to the device."""

from __future__ import annotations

import itertools
import math
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import DriftStateError
from edgewright.core.records.data import Column, Floats
from edgewright.core.records.package import MotionReference
from edgewright.monitor.drift.motion_estimates import (
    AT,
    FEWEST,
    SUMS,
    TURNING,
    Pieces,
    agreement,
    empty,
    estimates,
    joined,
    pose,
    sizes,
    structures,
    turning_gains,
)

Array = NDArray[np.float64]
# Blocks that are looked at together, and looks in a row with one name: then one look at least is of the change alone.
WINDOW, LOOKS = 4, 5
# Pieces of two seconds below which nothing is said.
_FEWEST_PIECES = 60
# Limits were chosen on people 1 to 25 of HAPT, for the most part with references that held the same people.
_UNITS, _STEPS, _NOISE = 1.0, math.log(4), 2.0
_REPEATED, _TOPS, _REACHED = 0.03, 8, 0.9
_AGREES, _AHEAD = 0.7, 0.12
_UNLIKE, _USUAL, _NEXT, _SMALLEST = 5.0, 1.0, 1.25, 0.05
_REST, _DELAY = 0.05, 5.0
_TURNS_OFF, _FASTEST, _LIKELIER, _SURE = 18.0, 0.15, 4.0, 8.0
_FACTORS = np.geomspace(0.65, 1.6, 14)
_POSE, _POSE_AHEAD = 24.0, 15.0
# Texts hold three names of columns.
_HEAD = struct.Struct("<IBBHHB")


@dataclass(frozen=True)
class MotionChange:
    """What changed: in words, and its channels, counted over accelerometer and gyroscope."""

    text: str
    channels: tuple[int, ...]


def _turns() -> list[tuple[str, Array]]:
    """Return the ways that both sensors can be worn: as in training, turned by quarters, or mirrored across an axis."""
    turns = [("", np.eye(3))]
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            turn = np.eye(3)[list(order)] * np.array(signs)[:, None]
            if np.linalg.det(turn) > 0 and not np.array_equal(turn, np.eye(3)):
                turns.append(("turned", turn))
    turns += [("mirrored", np.diag(np.where(np.arange(3) == axis, -1.0, 1.0))) for axis in range(3)]
    return turns


_TURNS = _turns()


class MotionNames:
    """From sums of pieces to the name of a change.

    Args:
        reference: of the package.
        names: of the three axes of the accelerometer, and of the gyroscope where there is one.
    """

    def __init__(self, reference: MotionReference, names: Sequence[str]) -> None:
        self._reference, self._names = reference, tuple(names)
        self.pieces = Pieces(reference.rate, reference.gravity, reference.radian)
        self._mean, self._spread = np.asarray(reference.mean), np.asarray(reference.spread)
        self._turning = np.asarray(reference.turning).reshape(-1, 4)
        self._rotates = len(self._names) == 6
        self._structures = structures(self._names) if self._rotates else ()

    def name(self, sums: NDArray[np.void]) -> MotionChange | None:
        """Return the change that alone explains what is seen; None for none, and where several could."""
        if sums["rows"] < _FEWEST_PIECES * self.pieces.rows:
            return None
        seen = estimates(sums, self.pieces.lags, self._reference.mean[0])
        change, settled = self._readings(sums, seen - self._mean)
        if settled:
            return change
        if self._rotates:
            fits = [agreement(sums, structure) for structure in self._structures]
            order = np.argsort(fits)[::-1]
            if order[0] != 0:
                clear = fits[order[0]] >= _AGREES and fits[order[0]] - fits[order[1]] >= _AHEAD
                structure = self._structures[order[0]]
                return MotionChange(structure.text, structure.channels) if clear else None
            if fits[0] < _AGREES:
                return None
        change, settled = self._size(sums, seen)
        if settled or not self._rotates:
            return change
        change, settled = self._rotation(sums, seen)
        return change if settled else self._pose(sums)

    def _all(self, base: int) -> str:
        return ", ".join(self._names[base : base + 3])

    def _readings(self, sums: NDArray[np.void], away: Array) -> tuple[MotionChange | None, bool]:
        """Return what readings show by themselves: repeated rows, units, steps, noise, range, an offset at rest.

        The second value says whether that settles it.
        """
        everything = tuple(range(len(self._names)))
        if away[AT["repeated"]] > _REPEATED:
            return MotionChange("samples lost", everything), True
        steps = away[AT["step 0"] : AT["step 5"] + 1]
        floors = away[AT["floor 0"] : AT["floor 5"] + 1]
        if not np.isfinite(sums["step"][: len(self._names)]).all():
            return None, True  # a channel stands still, which `SensorHealth` says
        if abs(away[AT["norm"]]) > _UNITS:
            return MotionChange(f"units of {self._all(0)}", (0, 1, 2)), True
        if self._rotates and abs(away[AT["turning"]]) > _UNITS and away[AT["agreement"]] > -0.2:
            return MotionChange(f"units of {self._all(3)}", (3, 4, 5)), True
        coarsest = int(np.argmax(steps[: len(self._names)]))
        if steps[coarsest] > _STEPS:
            return MotionChange(f"resolution of {self._names[coarsest]}", (coarsest,)), True
        for base in range(0, len(self._names), 3):
            noise = np.sort(floors[base : base + 3])
            if noise[2] - noise[1] > _NOISE:
                channel = base + int(np.argmax(floors[base : base + 3]))
                return MotionChange(f"noise of {self._names[channel]}", (channel,)), True
            tops = np.where(
                sums["top"][:, base : base + 3] < _REACHED * self._reference.highest[base // 3],
                sums["tops"][:, base : base + 3], 0,
            ).max(0)  # fmt: skip
            if tops.max() >= _TOPS:
                channel = base + int(np.argmax(tops))
                return MotionChange(f"range of {self._names[channel]}", (channel,)), True
        rest = np.abs(away[AT["rest x"] : AT["rest z"] + 1])
        if (rest > _REST).any():
            channel = 3 + int(np.argmax(rest))
            alone = (rest > _REST).sum() == 1
            return (MotionChange(f"offset of {self._names[channel]}", (channel,)) if alone else None), True
        return None, False

    def _size(self, sums: NDArray[np.void], seen: Array) -> tuple[MotionChange | None, bool]:
        """Return the gain or offset of the accelerometer that gives gravity one size again."""
        unlike = AT["unlike"]
        if seen[unlike] <= self._mean[unlike] + _UNLIKE * self._spread[unlike]:
            return None, False
        changes, left, _ = sizes(sums, self._reference.mean[0])
        order = np.argsort(left)
        first, second = order[:2]
        # What is left in g²; a second change that leaves no more than training does explains it as well.
        remaining = seen[unlike] * np.sqrt(left)
        limits = self._mean[unlike] + np.array([_UNLIKE, _USUAL]) * self._spread[unlike]
        clear = remaining[first] <= limits[0] and remaining[second] >= max(limits[1], _NEXT * remaining[first])
        clear = clear and abs(changes[first]) >= _SMALLEST
        if not clear:
            return None, True
        kind, axis = divmod(int(first), 3)
        if kind == 2:
            return MotionChange(f"gain of {self._all(0)}", (0, 1, 2)), True
        return MotionChange(f"{('gain', 'offset')[kind]} of {self._names[axis]}", (axis,)), True

    def _rotation(self, sums: NDArray[np.void], seen: Array) -> tuple[MotionChange | None, bool]:
        """Return what the gyroscope shows: a delay, a gain of one axis or of all; and whether that settles it."""
        away = seen - self._mean
        z = away / np.maximum(self._spread, 1e-6)
        if abs(z[AT["delay"]]) > _DELAY:
            return MotionChange("delay between sensors", tuple(range(6))), True
        return self._gain(sums)

    def _gain(self, sums: NDArray[np.void]) -> tuple[MotionChange | None, bool]:
        """Return the gain of one axis of the gyroscope, or of all, that explains how gravity turns."""
        undo = np.ones((1 + 6 * len(_FACTORS), 6))
        for channel in range(6):
            undo[1 + channel * len(_FACTORS) : 1 + (channel + 1) * len(_FACTORS), channel] = 1 / _FACTORS
        rotations = (undo[:, :3, None] * undo[:, None, 3:]).reshape(-1, 9)
        both = np.concatenate([undo[:, :3], rotations], axis=1)
        away = turning_gains(sums["turning"] * both[:, :, None] * both[:, None, :]) - self._mean[TURNING]
        far = np.einsum("na,ab,nb->n", away, self._turning, away)
        if far[0] <= _TURNS_OFF:
            return None, False
        shift = float(away[0] @ self._turning[0] / self._turning[0, 0])
        common = float(far[0] - shift**2 * self._turning[0, 0])
        alone = far[1:].reshape(6, -1).min(1).tolist()
        channel = int(np.argmin(alone))
        if common + _LIKELIER < alone[channel] and common <= _TURNS_OFF and abs(shift) < _FASTEST:
            return MotionChange(f"gain of {self._all(3)}", (3, 4, 5)), True
        clear = alone[channel] + _SURE < min(common, sorted(alone)[1]) and alone[channel] <= _TURNS_OFF
        if clear and channel >= 3:
            return MotionChange(f"gain of {self._names[channel]}", (channel,)), True
        return None, True

    def _pose(self, sums: NDArray[np.void]) -> MotionChange | None:
        """Return how the sensors are worn, where turning them back makes walking look as in training."""
        if not self._reference.pose or sums["walk"][0] < FEWEST:
            return None
        mean, spread = np.asarray(self._reference.pose), np.asarray(self._reference.pose_spread)
        far = np.array([(((pose(sums, turn.T) - mean) / spread) ** 2).sum() for _, turn in _TURNS])
        texts = np.array([text for text, _ in _TURNS])
        text = str(texts[np.argmin(far)])
        clear = far[0] - far.min() >= _POSE and far[texts != text].min() - far.min() >= _POSE_AHEAD
        return MotionChange(text, tuple(range(6))) if text and clear else None


class MotionMonitor:
    """The motion sensors of a stream against those of training.

    Args:
        reference: of the package.
        columns: of the package.
    """

    def __init__(self, reference: MotionReference, columns: Sequence[Column]) -> None:
        self.channels = (*reference.acceleration, *reference.rotation)
        self.names = MotionNames(reference, [columns[channel].name for channel in self.channels])
        self._rest = np.zeros((0, len(self.channels)), np.float32)
        self._open = empty()
        self._ring: deque[NDArray[np.void]] = deque(maxlen=WINDOW)
        self._change: MotionChange | None = None
        self._looks = 0
        self.reported: MotionChange | None = None

    @property
    def blocks(self) -> int:
        """Blocks since the change that was named last began, about."""
        return WINDOW + LOOKS - 1

    def push(self, values: Floats) -> None:
        """Take rows, shape (rows, channels); a piece that misses a value is left out."""
        rows = np.concatenate([self._rest, values[:, list(self.channels)]])
        size = self.names.pieces.rows
        whole = len(rows) // size
        self._rest = rows[whole * size :].copy()
        pieces = rows[: whole * size].reshape(whole, size, len(self.channels))
        pieces = pieces[np.isfinite(pieces).all((1, 2))]
        if len(pieces):
            padded = np.zeros((*pieces.shape[:2], 6), np.float32)
            padded[..., : len(self.channels)] = pieces
            self._open = joined([self._open, self.names.pieces.sums(padded)])

    def close(self) -> MotionChange | None:
        """End a block; a change that looks in a row agree about, once."""
        self._ring.append(self._open)
        self._open = empty()
        change = self.names.name(joined(list(self._ring))) if len(self._ring) == WINDOW else None
        self._looks = min(self._looks + 1, LOOKS) if change == self._change else 1
        self._change = change
        if self._looks < LOOKS or change == self.reported:
            return None
        self.reported = change
        return change

    def to_bytes(self) -> bytes:
        """All it remembers, exact."""
        texts = [part.text.encode() if part else b"" for part in (self._change, self.reported)]
        masks = [
            sum(1 << channel for channel in part.channels) if part else 0 for part in (self._change, self.reported)
        ]
        head = _HEAD.pack(len(self._rest), len(self._ring), self._looks, len(texts[0]), len(texts[1]), 0)
        body = bytes(masks) + b"".join(texts) + self._open.tobytes() + b"".join(part.tobytes() for part in self._ring)
        return head + body + self._rest.astype("<f4").tobytes()

    def restore(self, data: bytes) -> None:
        """Go on from `to_bytes`.

        Raises:
            InputError: another length.
        """
        if len(data) < _HEAD.size:
            raise DriftStateError("the state of a motion monitor", f"{len(data)} bytes", "drift")
        rows, blocks, looks, first, second, _ = _HEAD.unpack_from(data)
        start, item, wide = _HEAD.size, SUMS.itemsize, len(self.channels)
        if len(data) != start + 2 + first + second + (1 + blocks) * item + 4 * rows * wide or blocks > WINDOW:
            raise DriftStateError("the state of a motion monitor", f"{len(data)} bytes", "drift")
        masks, texts = data[start : start + 2], data[start + 2 : start + 2 + first + second]
        changes = []
        for mask, text in zip(masks, (texts[:first], texts[first:]), strict=True):
            channels = tuple(channel for channel in range(wide) if mask >> channel & 1)
            changes.append(MotionChange(text.decode("utf-8", "replace"), channels) if text else None)
        at = start + 2 + first + second
        sums = [np.frombuffer(data, SUMS, 1, at + item * k).copy().reshape(()) for k in range(1 + blocks)]
        self._change, self.reported, self._looks = changes[0], changes[1], looks
        self._open, self._ring = sums[0], deque(sums[1:], maxlen=WINDOW)
        self._rest = np.frombuffer(data, "<f4", rows * wide, at + item * (1 + blocks)).reshape(rows, wide).copy()
