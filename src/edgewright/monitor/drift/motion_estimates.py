"""What an accelerometer and a gyroscope that move together say of themselves: gravity's size, and how it turns.

Gravity is 1 g however a sensor is held, and where the sensor turns, gravity turns the other way, as the gyroscope says.
Both hold for every wearer, so gains, offsets, swapped axes and signs show in them where habits hide them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.data import Floats

Array = NDArray[np.float64]
PIECE_S = 2.0
STANDARD_GRAVITY = 9.80665
# Of a piece, the part whose gravity is compared (the rest lets the gyroscope come earlier or later), and those delays.
_CORE, _LAG_S, _LAGS = 0.8, 0.2, 11
# Weights of pieces: gravity is known to 0.01 g, and less where the body moves.
_KNOWN, _SHAKEN = 1e-4, 0.1
# Squared g from which on a piece is walking or more; (rad/s)² of a piece below which the sensor rests.
_MOVING, _RESTING = 0.02, 0.01
# Steps of a sensor by which a value jumps to the end of a range, and does not creep to it.
_JUMP = 5.0
_AXES = "xyz"
_TURN = np.zeros((3, 3, 3))
for _i, _j, _k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
    _TURN[_i, _j, _k], _TURN[_i, _k, _j] = 1, -1

_EXPECTED = _TURN.reshape(3, 9)
_OWN = [np.kron(np.ones(3), np.arange(3) == axis) for axis in range(3)]
_PARTS = [(_EXPECTED * (1 - own), _EXPECTED * own) for own in _OWN]
# Of products, the squares of what is expected: of all axes, and for each axis of the others, of both and of its own.
_SQUARES = np.stack(
    [(_EXPECTED.T @ _EXPECTED).ravel()]
    + [(x.T @ y).ravel() for rest, own in _PARTS for x, y in ((rest, rest), (rest, own), (own, own))],
    axis=1,
)
_BOTH = np.stack([part.T.ravel() for parts in _PARTS for part in parts], axis=1)
# Gains further off than this factor are no gains.
_WIDEST = np.log(1e4)

SUMS = np.dtype([
    ("rows", "f8"), ("size", "f8", (7, 7)), ("turning", "f8", (12, 12)), ("lags", "f8", (_LAGS, 2)),
    ("rest", "f8", (4,)), ("walk", "f8", (4,)), ("movement", "f8", (12, 12)), ("repeated", "f8", (2,)),
    ("floor", "f8", (6,)), ("step", "f8", (6,)), ("top", "f8", (2, 6)), ("tops", "f8", (2, 6)),
])  # fmt: skip
_ADDED = ("rows", "size", "turning", "lags", "rest", "walk", "movement", "repeated")


def _log(values: Array) -> Array:
    return np.asarray(np.log(np.clip(values, 1e-9, 1e9)), np.float64)


def empty() -> NDArray[np.void]:
    """Return the sums of no rows."""
    sums = np.zeros((), SUMS)
    for name in ("floor", "step"):
        sums[name] = np.inf
    sums["top"] = -np.inf
    return sums


def joined(parts: list[NDArray[np.void]]) -> NDArray[np.void]:
    """Return the sums of stretches together."""
    whole = empty()
    for part in parts:
        for name in _ADDED:
            whole[name] = whole[name] + part[name]
        for name in ("floor", "step"):
            whole[name] = np.minimum(whole[name], part[name])
        top = np.maximum(whole["top"], part["top"])
        whole["tops"] = np.where(whole["top"] == top, whole["tops"], 0) + np.where(part["top"] == top, part["tops"], 0)
        whole["top"] = top
    return whole


class Pieces:
    """Turns pieces of two seconds into sums.

    Args:
        rate: rows a second.
        gravity: what 1 g is in the units of the accelerometer.
        radian: what 1 rad/s is in the units of the gyroscope.

    Attributes:
        rows: of a piece.
        lags: rows by which the gyroscope is tried to come later.
    """

    def __init__(self, rate: float, gravity: float, radian: float) -> None:
        self.rows = max(20, round(PIECE_S * rate))
        self._unit = np.array([gravity] * 3 + [radian] * 3)
        course = np.linspace(-1, 1, self.rows)
        # Gravity within a piece is a curve of the third degree.
        self._curve = np.linalg.qr(np.stack([course**power for power in range(4)], axis=1))[0]
        half = round(_CORE * self.rows) // 2
        first = (self.rows - 2 * half) // 2
        self._halves = slice(first, first + half), slice(first + half, first + 2 * half)
        rise = np.arange(1, half + 1) / half
        weights = np.zeros(self.rows)
        weights[self._halves[0]], weights[self._halves[1]] = rise, rise[::-1] - 1 / half
        self._weights = weights[:, None] * self._curve / rate
        self.lags = np.unique(np.round(np.linspace(-_LAG_S, _LAG_S, _LAGS) * rate).astype(int))

    def sums(self, rows: Floats) -> NDArray[np.void]:
        """Return the sums of whole pieces, shape (pieces, rows, 6), without missing values; 0 for no gyroscope."""
        sums = empty()
        values = rows.astype(np.float64) / self._unit
        acceleration, rotation = values[..., :3], values[..., 3:]
        curve = np.einsum("tm,kti->kmi", self._curve, values)
        swift = values - np.einsum("tm,kmi->kti", self._curve, curve)
        body = (swift[..., :3] ** 2).mean(1).sum(1)
        weight = 1 / (_KNOWN + _SHAKEN * body)
        level = acceleration.mean(1)
        monomials = np.concatenate([np.ones((len(level), 1)), level, level**2], axis=1)
        sums["size"] = np.einsum("k,ka,kb->ab", weight, monomials, monomials)
        turned = acceleration[:, self._halves[1]].mean(1) - acceleration[:, self._halves[0]].mean(1)
        for index, lag in enumerate(self.lags):
            shifted = self._weights if lag == 0 else np.roll(self._weights, lag, axis=0)
            products = np.einsum("kmj,tm,ktl->kjl", curve[..., :3], shifted, rotation, optimize=True)
            expected = np.einsum("ijl,kjl->ki", _TURN, products)
            sums["lags"][index] = (weight[:, None] * expected * turned).sum(), (weight[:, None] * expected**2).sum()
            if lag == 0:
                both = np.concatenate([turned, products.reshape(-1, 9)], axis=1)
                sums["turning"] = np.einsum("k,ka,kb->ab", weight, both, both)
        rests = rotation.var(1).sum(1) < _RESTING
        sums["rest"] = [rests.sum(), *rotation.mean(1)[rests].sum(0)]
        walks = body > _MOVING
        sums["walk"] = [walks.sum(), *level[walks].sum(0)]
        moves = swift[walks]
        steps = np.gradient(moves, axis=1) if len(moves) else moves
        both = np.concatenate([moves, steps], axis=2).reshape(-1, 12)
        sums["movement"] = both.T @ both
        change = np.diff(rows.astype(np.float64), axis=1)
        same = change == 0
        sums["repeated"] = [walks.sum() * (self.rows - 1), same[walks].all(2).sum()]
        sums["rows"] = len(rows) * self.rows
        sums["floor"] = np.diff(change, axis=1).std(1).min(0)
        size = np.where(same, np.inf, np.abs(change))
        sums["step"] = size.min((0, 1))
        for side, sign in enumerate((1.0, -1.0)):
            signed = sign * rows.astype(np.float64)
            top = signed.max((0, 1))
            ends = (signed[:, 2:] == top) & (signed[:, 1:-1] == top)
            jumps = ends & (sign * change[:, :-1] > _JUMP * sums["step"])
            sums["top"][side], sums["tops"][side] = top, jumps.sum((0, 1))
        return sums


@dataclass(frozen=True)
class Structure:
    """A sensor whose axes are in other places or have other signs: its words, and the matrices that undo it."""

    text: str
    channels: tuple[int, ...]
    acceleration: Array
    rotation: Array


def structures(names: tuple[str, ...]) -> tuple[Structure, ...]:
    """Return the untouched sensors, then two axes of one swapped, and one axis with the other sign.

    Args:
        names: of the three axes of the accelerometer and the three of the gyroscope.
    """
    same = np.eye(3)
    parts = [UNTOUCHED]
    for base in (0, 3):
        changes: list[tuple[str, tuple[int, ...]]] = [
            (f"{names[base + i]} and {names[base + j]} swapped", (i, j)) for i, j in ((0, 1), (0, 2), (1, 2))
        ]
        changes += [(f"sign of {names[base + i]}", (i,)) for i in range(3)]
        for text, axes in changes:
            undo = np.diag(np.where(np.isin(range(3), axes), -1.0, 1.0)) if len(axes) == 1 else same.copy()
            if len(axes) == 2:
                undo[list(axes)] = same[list(axes[::-1])]
            pair = (undo, same) if base == 0 else (same, undo)
            parts.append(Structure(text, tuple(base + axis for axis in axes), *pair))
    return tuple(parts)


def agreement(sums: NDArray[np.void], structure: Structure) -> float:
    """Return how well gravity turns as the gyroscope says once a change is undone: a correlation."""
    undo = np.zeros((12, 12))
    undo[:3, :3] = structure.acceleration
    undo[3:, 3:] = np.kron(structure.acceleration, structure.rotation)
    moments = undo @ sums["turning"] @ undo.T
    seen, predicted = float(np.trace(moments[:3, :3])), float(np.trace(_EXPECTED @ moments[3:, 3:] @ _EXPECTED.T))
    if min(seen, predicted) <= 0:
        return 0.0
    return float(np.trace(_EXPECTED @ moments[3:, :3])) / math.sqrt(seen * predicted)


def delay(sums: NDArray[np.void], lags: NDArray[np.int64]) -> float:
    """Return rows by which the gyroscope comes after the accelerometer, between two rows, too; 0 without turning."""
    # Below 25 rows a second several of the delays are the same number of rows.
    both, predicted = sums["lags"][: len(lags)].T
    if (predicted <= 0).any():
        return 0.0
    fit = both / np.sqrt(predicted)
    peak = int(np.clip(np.argmax(fit), 1, len(lags) - 2))
    left, middle, right = fit[peak - 1 : peak + 2]
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float(lags[peak] + np.clip(shift, -1, 1) * (lags[peak] - lags[peak - 1]))


_BY = np.round(np.arange(-0.6, 0.605, 0.01), 2)
SIZE_NAMES = ("gain x", "gain y", "gain z", "offset x", "offset y", "offset z", "gain")


def sizes(sums: NDArray[np.void], gravity: float) -> tuple[Array, Array, float]:
    """Return for each of `SIZE_NAMES` the change that brings gravity closest to one size, and what then is left.

    Args:
        sums: of pieces.
        gravity: logarithm of the size of gravity in training, in g: bodies that move add to it.

    Returns:
        changes, shape (7,): factor less one, or offset in g; what is left over what was there, shape (7,), and the
        root of the mean square of what was there, in squared g.
    """
    moments = sums["size"]
    base = np.array([-np.exp(2 * gravity), 0, 0, 0, 1, 1, 1])
    before = float(base @ moments @ base)
    changes, left = np.zeros(7), np.ones(7)
    if before <= 0:
        return changes, left, 0.0
    for index in range(7):
        kind, axis = divmod(index, 3)
        undone = np.tile(base, (len(_BY), 1))
        if kind == 1:
            undone[:, 1 + axis], undone[:, 0] = -2 * _BY, base[0] + _BY**2
        else:
            which = slice(4, 7) if kind == 2 else slice(4 + axis, 5 + axis)
            undone[:, which] = 1 / (1 + _BY[:, None]) ** 2
        error = np.einsum("ha,ab,hb->h", undone, moments, undone)
        # An undone gain also shrinks errors; they count in the units of the sensor.
        best = int(np.argmin(error))
        changes[index], left[index] = _BY[best], error[best] / before
    return changes, left, float(np.sqrt(before / moments[0, 0]))


def turning_gains(turning: Array) -> Array:
    """Return logarithms of the gain of turning, and of the factor of each axis of the gyroscope that agrees best.

    Args:
        turning: of sums, shape (..., 12, 12).

    Returns:
        shape (..., 4): all axes, x, y and z; 0 where nothing turns.
    """
    products = turning[..., 3:, 3:].reshape(*turning.shape[:-2], 81) @ _SQUARES
    both = turning[..., 3:, :3].reshape(*turning.shape[:-2], 27) @ _BOTH
    seen = np.trace(turning[..., :3, :3], axis1=-2, axis2=-1)
    gains = np.zeros((*turning.shape[:-2], 4))
    moves = (seen > 0) & (products[..., 0] > 0)
    gains[..., 0] = 0.5 * np.log(np.where(moves, seen, 1.0) / np.where(moves, products[..., 0], 1.0))
    for axis in range(3):
        square, cross, own = (products[..., 1 + 3 * axis + part] for part in range(3))
        rest, part = both[..., 2 * axis], both[..., 2 * axis + 1]
        above, below = part * square - rest * cross, rest * own - part * cross
        turns = (above > 0) & (below > 0)
        gains[..., 1 + axis] = np.log(np.where(turns, above, 1.0) / np.where(turns, below, 1.0))
    return np.clip(gains, -_WIDEST, _WIDEST)


def pose(sums: NDArray[np.void], turn: Array) -> Array:
    """Return how movements hang together, and where up is while the wearer walks, once both sensors are turned back.

    Args:
        sums: of pieces.
        turn: shape (3, 3), orthogonal; a mirrored gyroscope changes its sign once more, it measures a pseudovector.
    """
    rotation = np.linalg.det(turn) * turn
    both = np.kron(np.eye(2), np.block([[turn, np.zeros((3, 3))], [np.zeros((3, 3)), rotation]]))
    moments = both @ sums["movement"] @ both.T
    deviation = np.sqrt(np.maximum(np.diag(moments), 1e-12))
    correlation = moments / np.outer(deviation, deviation)
    rows, columns = np.triu_indices(6, 1)
    shares = np.log(deviation[:6]).reshape(2, 3)
    up = turn @ sums["walk"][1:] / max(sums["walk"][0], 1)
    parts = up, correlation[:6, :6][rows, columns], correlation[:6, 6:][rows, columns]
    return np.concatenate([*parts, (shares - shares.mean(1, keepdims=True)).ravel()])


ESTIMATES = (
    "norm", "unlike", "agreement", "turning", "delay", *(f"rest {axis}" for axis in _AXES),
    *(f"turning {axis}" for axis in _AXES), *(f"floor {channel}" for channel in range(6)),
    *(f"step {channel}" for channel in range(6)), "repeated",
)  # fmt: skip
AT = {name: index for index, name in enumerate(ESTIMATES)}
UNTOUCHED = Structure("", (), np.eye(3), np.eye(3))
TURNING = [AT["turning"], AT["turning x"], AT["turning y"], AT["turning z"]]
# Fewer pieces at rest, or of walking, say nothing; two seconds each.
FEWEST = 15


def estimates(sums: NDArray[np.void], lags: NDArray[np.int64], gravity: float) -> Array:
    """Return `ESTIMATES` of pieces, NaN for what they do not show.

    Args:
        sums: of pieces.
        lags: of `Pieces`.
        gravity: logarithm of the size of gravity in training, in g: what bodies add to it.
    """
    values = np.full(len(ESTIMATES), np.nan)
    moments = sums["size"]
    if not moments[0, 0]:
        return values
    norm = float(moments[0, 4:].sum() / moments[0, 0])
    values[AT["norm"]] = 0.5 * np.log(max(norm, 1e-12))
    values[AT["unlike"]] = sizes(sums, gravity)[2]
    values[AT["agreement"]] = agreement(sums, UNTOUCHED)
    values[TURNING] = turning_gains(sums["turning"])
    values[AT["delay"]] = delay(sums, lags)
    if sums["rest"][0] >= FEWEST:
        values[AT["rest x"] : AT["rest z"] + 1] = sums["rest"][1:] / sums["rest"][0]
    values[AT["floor 0"] : AT["floor 5"] + 1] = _log(sums["floor"])
    values[AT["step 0"] : AT["step 5"] + 1] = _log(sums["step"])
    if sums["walk"][0] >= FEWEST:
        values[AT["repeated"]] = sums["repeated"][1] / max(sums["repeated"][0], 1)
    return values
