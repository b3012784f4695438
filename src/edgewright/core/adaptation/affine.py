"""A turned or mirrored sensor: a device compares moments of its labelled windows with those of the training data.

Of the 48 ways to swap and mirror three axes it takes the one that brings the mean and the logarithm of the variance of
each class and axis nearest to the factory's. Integers only: C and Python make the same bytes of the same windows.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import from_npy, to_npy
from edgewright.core.errors import AdaptationError, InputError, LabelUnknownError, OutputError
from edgewright.core.files import lock, open_private, os_errors, private_folder, write_atomic
from edgewright.core.records.data import Floats
from edgewright.core.records.package import AdaptSpec, AffineSpec

_MARK = 0x31415745  # EWA1
_HEADER = struct.Struct("<5I")
S = TypeVar("S", bound="KeptState")


class KeptState(Protocol):
    """Numbers that a device has learned; `KINDS` names its fields with their types, in the order of their bytes."""

    KINDS: ClassVar[tuple[tuple[str, str], ...]]


class Origin(Protocol[S]):
    """What a package holds of what its devices learn."""

    @property
    def identity(self) -> int:
        """Checksum of the factory's numbers."""

    def fresh(self) -> S:
        """Return the state of a device that has learned nothing."""

    def holds(self, state: S) -> bool:
        """Return whether a state that was read can be one of this model."""


class Medium(Protocol):
    """Where two slots are kept."""

    def read(self, slot: int) -> bytes:
        """Return the bytes of a slot; none where nothing was written."""

    def write(self, slot: int, data: bytes) -> None:
        """Replace the bytes of a slot."""


class Files:
    """Two files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, slot: int) -> bytes:
        """Return the bytes of a slot; none where there is no file."""
        path = self.path(slot)
        with os_errors(InputError, "a learned state", str(path)):
            return path.read_bytes() if path.is_file() else b""

    def write(self, slot: int, data: bytes) -> None:
        """Replace the file of a slot once the new one is durable."""
        private_folder(self._folder)
        write_atomic(self.path(slot), data, 0o600)

    def path(self, slot: int) -> Path:
        """Return the file of a slot."""
        return self._folder / f"adapt.{slot}"

    @contextmanager
    def locked(self, *, wait: bool = True) -> Iterator[bool]:
        """Let nobody else learn or undo meanwhile; false without `wait` where somebody does.

        Raises:
            OutputError: the folder cannot be written.
        """
        with os_errors(OutputError, "to keep what was learned", self._folder):
            private_folder(self._folder)
            file = open_private(self._folder / "lock", "ab")
        with file:
            yield lock(file, wait=wait)


class Slots(Generic[S]):
    """The two slots of one model.

    Args:
        medium: where they are kept.
        factory: of the package; a state of another one does not count.
    """

    def __init__(self, medium: Medium, factory: Origin[S]) -> None:
        self._medium, self._factory = medium, factory
        states = [(self._parse(medium.read(slot)), slot) for slot in (0, 1)]
        valid = [(sequence, slot, state) for (sequence, state), slot in states if state is not None]
        newest: tuple[int, int, S | None] = max(valid, key=lambda entry: entry[0], default=(0, 1, None))
        self._sequence, self._slot, self._state = newest

    def load(self) -> S:
        """Return the newest whole state; a fresh one where there is none."""
        return self._factory.fresh() if self._state is None else self._state

    def save(self, state: S) -> None:
        """Write a state into the slot that does not hold the newest one."""
        body = state_bytes(state)
        head = (self._sequence + 1, self._factory.identity, len(body))
        crc = zlib.crc32(struct.pack("<3I", *head) + body)
        slot = 1 - self._slot
        self._medium.write(slot, _HEADER.pack(_MARK, *head, crc) + body)
        self._sequence, self._slot, self._state = head[0], slot, state

    def undo(self) -> S:
        """Forget all that was learned: the factory's layer answers from now on, after a restart too."""
        state = self._factory.fresh()
        self.save(state)
        return state

    def _parse(self, data: bytes) -> tuple[int, S | None]:
        if len(data) < _HEADER.size:
            return 0, None
        mark, sequence, identity, length, crc = _HEADER.unpack_from(data)
        body = data[_HEADER.size : _HEADER.size + length]
        whole = zlib.crc32(struct.pack("<3I", sequence, identity, length) + body) == crc
        if mark != _MARK or identity != self._factory.identity or not whole:
            return 0, None
        return sequence, _parsed(body, self._factory)


def slot_bytes(spec: AdaptSpec) -> int:
    """Return the bytes of a state with the header of its slot: what each of two slots of flash takes."""
    sums = spec.classes * spec.width if spec.layer == "prototypes" else 0
    words, halfwords = spec.classes + sums + 2, spec.classes * spec.width + spec.classes + 3
    return _HEADER.size + 4 * words + 2 * halfwords + 2 + spec.pool * (1 + spec.width)


def memory_bytes(spec: AdaptSpec) -> int:
    """Return the bytes of RAM of a board: the state, and what the last layer received and gave."""
    size = slot_bytes(spec) - _HEADER.size + spec.width + spec.classes + 1
    return -(-size // 4) * 4


def state_bytes(state: KeptState) -> bytes:
    """Return the bytes of a state, as they lie in a slot and in the memory of a board."""
    return b"".join(np.asarray(getattr(state, name)).astype(kind).tobytes() for name, kind in state.KINDS)


def _parsed(body: bytes, factory: Origin[S]) -> S | None:
    state, at = factory.fresh(), 0
    if len(body) != len(state_bytes(state)):
        return None
    for name, kind in state.KINDS:
        value = getattr(state, name)
        array = np.frombuffer(body, kind, np.size(value), at).astype(np.int64)
        setattr(state, name, int(array[0]) if isinstance(value, int) else array.reshape(value.shape))
        at += np.size(value) * np.dtype(kind).itemsize
    return state if factory.holds(state) else None


Numbers = NDArray[np.int64]
PREFIX = "affine/"
ARRAYS = ("means", "logs", "mean_scales", "log_scales")
PERMUTATIONS = tuple(itertools.permutations(range(3)))
PARITIES = tuple(round(float(np.linalg.det(np.eye(3)[list(axes)]))) for axes in PERMUTATIONS)
WAYS = 8 * len(PERMUTATIONS)
LIMIT = 4095
"""Largest integer of a sample: a sum of 16,384 squares and 128 variances stay within their bits."""
MEAN_BITS, LOG_BITS, EPSILON = 4, 8, 8
# Counts are halved with their sums before a sum could leave 32 bits.
MOST_COUNTED, FEWEST, DISTANCE_BITS = 128, 8, 4
_MOST_CLASSES, _MOST_SAMPLES, _MOST_Z = 64, 16384, 4095


@dataclass
class AffineState:
    """What a device knows of its axes; every field is a fixed number of bytes.

    Attributes:
        sums: of the windows' means, in sixteenths, int32, (classes, channels).
        powers: sums of their variances, int32, (classes, channels).
        counts: windows of each class, uint16.
        examples: learned so far.
        way: number of the nearest way to swap and mirror; 0 is as it is.
        used: 1 where it is applied.
    """

    KINDS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("sums", "<i4"), ("powers", "<i4"), ("examples", "<u4"), ("counts", "<u2"), ("way", "u1"), ("used", "u1"),
    )  # fmt: skip
    sums: Numbers
    powers: Numbers
    counts: Numbers
    examples: int = 0
    way: int = 0
    used: int = 0


@dataclass(frozen=True)
class AffineFactory:
    """Moments of the training data.

    Attributes:
        spec: channels and limits.
        means: int32, shape (classes, channels), in sixteenths of an integer sample; the acceleration comes first.
        logs: logarithms of the variance to base 2, int32, the same shape, in 1/256.
        mean_scales: 2**20 / spread of a mean among people, int32, the same shape.
        log_scales: the same of the logarithms.
    """

    spec: AffineSpec
    means: NDArray[np.int32]
    logs: NDArray[np.int32]
    mean_scales: NDArray[np.int32]
    log_scales: NDArray[np.int32]

    @property
    def identity(self) -> int:
        """Checksum of the moments: a state of another model is refused."""
        return zlib.crc32(b"".join(data for _, data in sorted(affine_files(self).items())))

    def fresh(self) -> AffineState:
        """Return the state of a device that has learned nothing."""
        none = np.zeros((self.spec.classes, len(axes_of(self.spec))), np.int64)
        return AffineState(none, none.copy(), np.zeros(self.spec.classes, np.int64))

    def holds(self, state: AffineState) -> bool:
        """Return whether a state that was read can be one of this model."""
        return state.way < WAYS and state.used <= 1


def axes_of(spec: AffineSpec) -> list[int]:
    """Return the numbers of the watched channels, the acceleration first."""
    return [*spec.acceleration, *spec.rotation]


def board_bytes(factory: AffineFactory) -> int:
    """Return the bytes of RAM of a board: the state, and the moments of the last window."""
    size = len(state_bytes(factory.fresh())) + 8 * len(axes_of(factory.spec)) + 2
    return -(-size // 4) * 4


def affine_files(factory: AffineFactory) -> dict[str, bytes]:
    """Return the files of a package that hold the moments, by name."""
    return {f"{PREFIX}{name}.npy": to_npy(getattr(factory, name)) for name in ARRAYS}


def read_affine(spec: AffineSpec, files: Mapping[str, bytes], where: str) -> AffineFactory:
    """Return the moments of a package.

    Args:
        spec: of its manifest.
        files: of the package, by name.
        where: names the package in messages.

    Raises:
        InputError: channels or limits that no device keeps, or arrays that are missing or of another shape or type.
    """
    _check(spec, where)
    shape = (spec.classes, len(axes_of(spec)))
    arrays = read_arrays(files, PREFIX, dict.fromkeys(ARRAYS, (np.dtype(np.int32), shape)), where)
    for name, array in arrays.items():
        if np.abs(array.astype(np.int64)).max() >= 1 << 30 or ("scales" in name and array.min() < 0):
            raise AdaptationError("numbers below 2**30", "others", f"{where}, {PREFIX}{name}.npy")
    return AffineFactory(spec=spec, **arrays)


def read_arrays(
    files: Mapping[str, bytes], prefix: str, shapes: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]], where: str
) -> dict[str, NDArray[Any]]:
    """Return arrays of a package by name.

    Args:
        files: of the package, by name.
        prefix: folder of the arrays.
        shapes: type and shape by name; a length of -1 accepts any.
        where: names the package in messages.

    Raises:
        InputError: arrays that are missing or of another shape or type.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name, (dtype, shape) in shapes.items():
        file = f"{prefix}{name}.npy"
        if file not in files:
            raise AdaptationError(f"the file {file}", "none", where)
        array = arrays[name] = from_npy(files[file], f"{where}, {file}")
        fits = len(array.shape) == len(shape) and all(n in (-1, m) for n, m in zip(shape, array.shape, strict=True))
        if array.dtype != dtype or not fits:
            got = f"{array.dtype} of shape {array.shape}"
            raise AdaptationError(f"{dtype} of shape {shape}", got, f"{where}, {file}")
    return arrays


def check_limits(values: Mapping[str, Any], ranges: Mapping[str, tuple[int, int]], where: str) -> None:
    """Refuse a value outside of its range.

    Raises:
        InputError: naming the first such value.
    """
    for name, (low, high) in ranges.items():
        if not low <= values[name] <= high:
            raise AdaptationError(f"{name} from {low} to {high}", str(values[name]), where)


def _check(spec: AffineSpec, where: str) -> None:
    axes = axes_of(spec)
    if len(spec.acceleration) != 3 or len(spec.rotation) not in (0, 3) or len(set(axes)) < len(axes) or min(axes) < 0:
        raise AdaptationError("three channels of a sensor, each once", str(axes), f"{where}, affine")
    ranges = {
        "classes": (2, _MOST_CLASSES), "samples": (1, _MOST_SAMPLES), "gain": (0, 100), "limit": (0, 1 << 40),
    }  # fmt: skip
    check_limits(msgspec.structs.asdict(spec), ranges, f"{where}, affine")
    for bits in spec.bits:
        check_limits({"bits": bits}, {"bits": (-60, 60)}, f"{where}, affine")


class AffineLearner:
    """The axes of one device.

    Args:
        factory: of the package.
        state: of the device; a fresh one when None. It changes in place.
    """

    def __init__(self, factory: AffineFactory, state: AffineState | None = None) -> None:
        self.factory, self.state = factory, factory.fresh() if state is None else state

    def turned(self, samples: Floats) -> Floats:
        """Return windows of shape (n, channels, samples) as a sensor that is worn right gives them."""
        return turned(self.factory.spec, samples, self.state.way) if self.state.used else samples

    @property
    def distance(self) -> int:
        """Distance of the axes as they are to the training data."""
        state = self.state
        return int(distances(self.factory, state.counts, state.sums, state.powers)[0])

    def learn(self, window: Floats, label: int) -> None:
        """Learn from one labelled window.

        Args:
            window: as the sensor gave it, shape (channels, samples), finite on the watched axes.
            label: the right class.

        Raises:
            InputError: a class that the model does not have, or numbers that are missing.
        """
        spec, state = self.factory.spec, self.state
        if not 0 <= label < spec.classes:
            raise LabelUnknownError(f"a class from 0 to {spec.classes - 1}", str(label), "label of an example")
        mean, power = moments(spec, window[None])
        if state.counts[label] == MOST_COUNTED:
            state.counts[label] >>= 1
            state.sums[label] = _divided(state.sums[label], 2)
            state.powers[label] = _divided(state.powers[label], 2)
        state.counts[label] += 1
        state.sums[label] += mean[0]
        state.powers[label] += power[0]
        state.examples += 1
        self._decide()

    def _decide(self) -> None:
        """Choose the nearest way; it is used where it is clearly nearer than the axes as they are, and near enough."""
        spec, state = self.factory.spec, self.state
        seen = int((state.counts > 0).sum())
        costs = distances(self.factory, state.counts, state.sums, state.powers)
        state.way = int(costs.argmin())
        nearest, own = int(costs[state.way]), int(costs[0])
        enough = seen >= 2 and int(state.counts.sum()) >= FEWEST and state.way > 0
        state.used = int(enough and nearest * 100 <= own * (100 - spec.gain) and nearest <= spec.limit * seen)


def way_matrix(spec: AffineSpec, way: int) -> Numbers:
    """Return the signed permutation of the watched axes, shape (channels, channels)."""
    order, signs = PERMUTATIONS[way // 8], [-1 if way >> axis & 1 else 1 for axis in range(3)]
    sensor = np.zeros((3, 3), np.int64)
    sensor[range(3), order] = signs
    if not spec.rotation:
        return sensor
    whole = np.zeros((6, 6), np.int64)
    whole[:3, :3], whole[3:, 3:] = sensor, sensor * (PARITIES[way // 8] * int(np.prod(signs)))
    return whole


def way_text(way: int) -> str:
    """Return what the axes of a corrected sensor are of those it has, such as '-x,y,-z'."""
    return ",".join(("-" if way >> axis & 1 else "") + "xyz"[PERMUTATIONS[way // 8][axis]] for axis in range(3))


def turned(spec: AffineSpec, samples: Floats, way: int) -> Floats:
    """Return windows whose axes are swapped and mirrored, shape (n, channels, samples)."""
    matrix, axes = way_matrix(spec, way), np.array(axes_of(spec))
    order = np.abs(matrix).argmax(axis=1)
    rotated = samples.copy()
    rotated[:, axes] = samples[:, axes[order]] * matrix.sum(axis=1).astype(np.float32)[:, None]
    return rotated


def moments(spec: AffineSpec, windows: Floats) -> tuple[Numbers, Numbers]:
    """Return the mean in sixteenths and the variance of each watched axis, shape (n, channels) each.

    Raises:
        InputError: numbers that are missing.
    """
    used = windows[:, axes_of(spec)]
    if not np.isfinite(used).all():
        raise AdaptationError("finite numbers", "missing ones", "labelled window")
    scales = np.repeat(np.array([2.0**bits for bits in spec.bits], np.float32), 3)[: used.shape[1], None]
    with np.errstate(over="ignore"):
        q = np.trunc(np.clip(used * scales, -LIMIT, LIMIT)).astype(np.int64)
    sums, squares, count = q.sum(axis=2), (q * q).sum(axis=2), q.shape[2]
    return _divided(sums << MEAN_BITS, count), (squares * count - sums * sums) // (count * count)


def summary(counts: Numbers, sums: Numbers, powers: Numbers) -> tuple[Numbers, Numbers]:
    """Return means and logarithms of the variance of each class, shape (classes, channels) each."""
    many = np.maximum(counts, 1)[:, None]
    return _divided(sums, many), _log2(((powers << MEAN_BITS) // many) + (EPSILON << MEAN_BITS))


def distances(factory: AffineFactory, counts: Numbers, sums: Numbers, powers: Numbers) -> Numbers:
    """Return the distance to the training moments of each way to swap and mirror, shape (48,).

    It is a sum of squares in units of the spread among people, 1/256 each.
    """
    means, logs = summary(counts, sums, powers)
    seen = counts > 0
    group = np.arange(means.shape[1]) // 3
    costs = np.zeros((2, means.shape[1], 3), np.int64)
    for axis in range(3):
        source = 3 * group + axis
        spread = _squares(logs[:, source] - factory.logs, factory.log_scales)
        for mirrored, sign in enumerate((1, -1)):
            shift = _squares(sign * means[:, source] - factory.means, factory.mean_scales)
            costs[mirrored, :, axis] = (shift + spread)[seen].sum(axis=0)
    totals = np.zeros(WAYS, np.int64)
    for way in range(WAYS):
        matrix = way_matrix(factory.spec, way)
        order, sign = np.abs(matrix).argmax(axis=1) % 3, matrix.sum(axis=1)
        totals[way] = costs[(sign < 0).astype(np.int64), np.arange(len(order)), order].sum()
    return totals


def _squares(differences: Numbers, scales: NDArray[np.int32]) -> Numbers:
    scaled: Numbers = np.minimum((np.abs(differences) * scales) >> (20 - DISTANCE_BITS), _MOST_Z)
    return scaled * scaled


def _divided(values: Numbers, by: Numbers | int) -> Numbers:
    """Return quotients towards zero, as C divides: a mirrored sample has the mirrored mean."""
    quotients = (np.abs(values) // by).astype(np.int64)
    return np.where(values < 0, -quotients, quotients)


def _log2(values: Numbers) -> Numbers:
    """Return logarithms to base 2 of positive integers in 1/256, straight between powers of two."""
    exponents: Numbers = np.frexp(values.astype(np.float64))[1].astype(np.int64) - 1
    logarithms: Numbers = (exponents << LOG_BITS) + (((values << LOG_BITS) >> exponents) & ((1 << LOG_BITS) - 1))
    return logarithms
