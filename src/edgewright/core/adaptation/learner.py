"""One device's learned layer: integers only, so that C and Python make the same bytes of the same examples.

'output' descends the cross-entropy of the softmax by one step for the new example and one for each of a few kept ones:
without those a calibration that shows class after class forgets all but the last (experience replay; Lin, 1992). Where
many examples have none of a class, test vectors of the package stand in for it.
'prototypes' computes a linear discriminant from the means of the classes, each mixed with the factory's mean, and the
factory's scatter within people and classes (Fisher, 1936); the order of the examples does not matter to it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.affine import check_limits, read_arrays
from edgewright.core.archive import to_npy
from edgewright.core.errors import AdaptationError, LabelUnknownError
from edgewright.core.records.package import AdaptSpec

__all__ = ["Learner", "State", "discriminant", "fresh"]


Numbers = NDArray[np.int64]
_MOST_CLASSES, _MOST_WIDTH, _MOST_POOL, _MOST_REPLAYS = 64, 1024, 255, 64
_PREFIX = "adapt/"
# A mean of a class is kept in sixteenths of a step of the hidden layer.
MEAN_BITS = 4


@dataclass
class State:
    """What a device has learned; every field is a fixed number of bytes.

    Attributes:
        weights: int16, (classes, width); bias: int32, (classes,).
        counts: examples of each class, uint16; sums: of their hidden bytes, int32, (classes, width), 'prototypes' only.
        owners: class of each kept example, plus 128 where the factory's layer answered it right; uint8, (pool,).
        pool: their hidden bytes less the zero point, uint8, (pool, width).
        seed: of the generator; cursor: class of the last replay; kept: examples in the pool.
        examples: learned so far.
        lead: examples that only the learned layer answered right, before it learned from them, less those that only
            the factory's layer did; never below 0 nor above 8 (12 of 'prototypes'), so that it forgets; uint16.
        behind: 0; a state of version 0.2 has a count here that is taken off `lead` at the next example; uint16.
        used: 1 where the learned layer answers, 0 where the factory's does.
    """

    # Fields with their types, wide ones first: a C struct in this order has no holes.
    KINDS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("bias", "<i4"), ("sums", "<i4"), ("seed", "<u4"), ("examples", "<u4"), ("weights", "<i2"), ("counts", "<u2"),
        ("kept", "<u2"), ("lead", "<u2"), ("behind", "<u2"), ("cursor", "u1"), ("used", "u1"), ("owners", "u1"),
        ("pool", "u1"),
    )  # fmt: skip
    weights: Numbers
    bias: Numbers
    counts: Numbers
    sums: Numbers
    owners: Numbers
    pool: Numbers
    seed: int = 0
    cursor: int = 0
    kept: int = 0
    examples: int = 0
    lead: int = 0
    behind: int = 0
    used: int = 0


@dataclass(frozen=True)
class Factory:
    """The factory's layer.

    Attributes:
        spec: limits and scales.
        weights: int16, shape (classes, width).
        bias: int32, shape (classes,).
        exponentials: exp(-k * step of an output byte) in 1/2**15, int32, shape (256,).
        vectors: hidden bytes of the package's test vectors less the zero point, uint8, shape (n, width).
        expected: label that the factory gives to each, uint8, shape (n,).
        prototypes: means of the classes in sixteenths, int16, shape (classes, width); of 'prototypes' only, as are
        center: their mean, int16, shape (width,), and
        precision: inverse of the scatter within people and classes, int16, shape (width, width).
    """

    spec: AdaptSpec
    weights: NDArray[np.int16]
    bias: NDArray[np.int32]
    exponentials: NDArray[np.int32]
    vectors: NDArray[np.uint8]
    expected: NDArray[np.uint8]
    prototypes: NDArray[np.int16]
    center: NDArray[np.int16]
    precision: NDArray[np.int16]

    @property
    def identity(self) -> int:
        """Checksum of the factory's numbers: a learned state of another model is refused."""
        return zlib.crc32(b"".join(data for _, data in sorted(arrays_of(self).items())))

    def fresh(self) -> State:
        """Return the state of a device that has learned nothing."""
        spec = self.spec
        classes = spec.classes if spec.layer == "prototypes" else 0
        return State(
            weights=self.weights.astype(np.int64),
            bias=self.bias.astype(np.int64),
            counts=np.zeros(spec.classes, np.int64),
            sums=np.zeros((classes, spec.width), np.int64),
            owners=np.zeros(spec.pool, np.int64),
            pool=np.zeros((spec.pool, spec.width), np.int64),
        )

    def holds(self, state: State) -> bool:
        """Return whether a state that was read can be one of this model."""
        if state.kept > self.spec.pool or state.cursor >= self.spec.classes:
            return False
        return not ((state.owners[: state.kept] & 127) >= self.spec.classes).any()


def arrays_of(factory: Factory) -> dict[str, bytes]:
    """Return the files of a package that hold the layer, by name."""
    return {f"{_PREFIX}{name}.npy": to_npy(getattr(factory, name)) for name in _shapes(factory.spec)}


def read_factory(spec: AdaptSpec, files: Mapping[str, bytes], where: str) -> Factory:
    """Return the layer of a package.

    Args:
        spec: of its manifest.
        files: of the package, by name.
        where: names the package in messages.

    Raises:
        InputError: limits that no device keeps, or arrays that are missing or of another shape or type.
    """
    _check(spec, where)
    factory = Factory(spec=spec, **read_arrays(files, _PREFIX, _shapes(spec), where))
    if (
        not len(factory.vectors)
        or len(factory.vectors) != len(factory.expected)
        or (factory.expected >= spec.classes).any()
    ):
        raise LabelUnknownError("a label of a class for each test vector", "others", f"{where}, {_PREFIX}expected.npy")
    for name in ("prototypes", "center"):
        means = getattr(factory, name)
        if means.size and (means.min() < 0 or means.max() > 255 << MEAN_BITS):
            raise AdaptationError("means of bytes, in sixteenths", "others", f"{where}, {_PREFIX}{name}.npy")
    reach = min(1 << 15, int(np.abs(factory.weights.astype(np.int64)).max()) + spec.weight_limit)
    sums = spec.width * reach * 255 + int(np.abs(factory.bias.astype(np.int64)).max()) + spec.bias_limit
    if sums >= 1 << 31:
        raise AdaptationError("a layer whose scores stay within 32 bits", f"{spec.width} inputs, sums to {sums}", where)
    if (factory.exponentials < 0).any() or (factory.exponentials > 1 << 15).any() or factory.exponentials[0] != 1 << 15:
        raise AdaptationError("exponentials from 2**15 down to 0", "others", f"{where}, {_PREFIX}exponentials.npy")
    return factory


def _shapes(spec: AdaptSpec) -> dict[str, tuple[Any, tuple[int, ...]]]:
    classes, width = spec.classes, spec.width
    some = (classes, width) if spec.layer == "prototypes" else (0, 0)
    return {
        "weights": (np.dtype(np.int16), (classes, width)),
        "bias": (np.dtype(np.int32), (classes,)),
        "exponentials": (np.dtype(np.int32), (256,)),
        "vectors": (np.dtype(np.uint8), (-1, width)),
        "expected": (np.dtype(np.uint8), (-1,)),
        "prototypes": (np.dtype(np.int16), some),
        "center": (np.dtype(np.int16), some[1:]),
        "precision": (np.dtype(np.int16), (some[1], some[1])),
    }


def _check(spec: AdaptSpec, where: str) -> None:
    ranges = {
        "classes": (2, _MOST_CLASSES), "width": (1, _MOST_WIDTH), "zero": (-128, 127), "multiplier": (1, 2**31 - 1),
        "right": (1, 62), "out_zero": (-128, 127), "step": (1, 30), "bias_step": (0, 2**15 - 1),
        "weight_limit": (0, 2**15 - 1), "bias_limit": (0, 2**29), "prior": (0, 1000), "precision_right": (1, 40),
        "pool": (2, _MOST_POOL), "replays": (0, _MOST_REPLAYS), "gain": (0, 100), "drop": (0, 100),
    }  # fmt: skip
    check_limits(msgspec.structs.asdict(spec), ranges, f"{where}, adapt")


_INT16 = 1 << 15
_ONE_BITS = 15
# Counts are halved with their sums before a sum of bytes could leave 32 bits.
_MOST_COUNTED = 4096
_MULTIPLIER, _INCREMENT = 1664525, 1013904223  # of the generator (Knuth, The Art of Computer Programming 2, 3.3.4)
# A pool of fewer examples, or of one class, judges nothing.
_FEWEST = 8
# Once there were so many examples, the learned layer must lead on those that it had not learned yet: the first of a
# class are wrong before they are learned.
FEWEST_COMPARED = 64


@dataclass(frozen=True)
class LeadLimits:
    """Limits of a lead, which forgets bad first steps and good old times alike.

    A lead stays between 0 and `full` (Page's CUSUM, 1954; an e-detector of Shin, Ramdas and Rinaldo, 2023).

    Attributes:
        needed: lead that the learned layer needs.
        sure: lead from which errors on kept examples need only not grow.
        full: largest lead.
    """

    needed: int
    sure: int
    full: int


# Gradient steps learn kept examples by heart: falling errors on them say little. Means of classes do not: errors on a
# few kept examples fall by less than what is gained, and a longer memory decides instead (docs/research/adaptation.md).
LEADS = {"output": LeadLimits(4, 8, 8), "prototypes": LeadLimits(3, 7, 12)}
# After so many examples a class without one is no longer one that a calibration has yet to show: without replays of its
# test vectors it would be forgotten.
_LONG = 128


def fresh(factory: Factory) -> State:
    """Return the state of a device that has learned nothing."""
    return factory.fresh()


class Learner:
    """The learned layer at work.

    Args:
        factory: of the package.
        state: of the device; a fresh one when None. It changes in place.
    """

    def __init__(self, factory: Factory, state: State | None = None) -> None:
        self.factory, self.state = factory, fresh(factory) if state is None else state
        self._low, self._high = _limits(factory.weights, factory.spec.weight_limit, -_INT16, _INT16 - 1)
        self._bias_low, self._bias_high = _limits(factory.bias, factory.spec.bias_limit, -(1 << 31), (1 << 31) - 1)

    def outputs(self, hidden: NDArray[np.integer]) -> Numbers:
        """Return output bytes of the learned layer, shape (n, classes).

        Args:
            hidden: bytes less the zero point, shape (n, width).
        """
        spec, state = self.factory.spec, self.state
        scores = hidden.astype(np.int64) @ state.weights.T + state.bias
        scaled = (scores * spec.multiplier + (1 << (spec.right - 1))) >> spec.right
        clipped: Numbers = np.clip(scaled + spec.out_zero, -128, 127)
        return clipped

    def learn(self, hidden: Numbers, factory_label: int, label: int) -> None:
        """Learn from one labelled example.

        Args:
            hidden: bytes less the zero point, 0 to 255, shape (width,).
            factory_label: what the factory's layer answers.
            label: the right class.

        Raises:
            InputError: a class or bytes that the layer does not have.
        """
        spec, state = self.factory.spec, self.state
        hidden = np.asarray(hidden, np.int64)
        self.keep(hidden, factory_label, label)
        self._compare(int(self.outputs(hidden[None]).argmax()) == label, factory_label == label)
        if spec.layer == "output":
            self.step(hidden, label)
            for _ in range(spec.replays):
                self._replay()
        else:
            self._discriminant()
        state.examples += 1
        state.used = int(self._judge())

    def keep(self, hidden: Numbers, factory_label: int, label: int) -> None:
        """Count an example, and keep it or not, without learning from it; arguments and errors as `learn`."""
        spec = self.factory.spec
        if not 0 <= label < spec.classes:
            raise LabelUnknownError(f"a class from 0 to {spec.classes - 1}", str(label), "label of an example")
        if hidden.shape != (spec.width,) or hidden.min() < 0 or hidden.max() > 255:
            raise AdaptationError(f"{spec.width} bytes less their zero point", f"shape {hidden.shape}", "example")
        self._count(hidden, label)
        self._keep(hidden, label, factory_label == label)

    def _compare(self, right: bool, factory_right: bool) -> None:
        """Count an example that one layer alone answers right, before it is learned: afterwards every layer is good."""
        state = self.state
        lead = state.lead - state.behind + right - factory_right
        state.lead, state.behind = min(max(lead, 0), LEADS[self.factory.spec.layer].full), 0

    def _count(self, hidden: Numbers, label: int) -> None:
        state = self.state
        if state.counts[label] == _MOST_COUNTED:
            state.counts[label] >>= 1
            if len(state.sums):
                state.sums[label] >>= 1
        state.counts[label] += 1
        if len(state.sums):
            state.sums[label] += hidden

    def step(self, hidden: Numbers, label: int) -> None:
        """Descend the cross-entropy of one example; 'output' only.

        Args:
            hidden: bytes less the zero point, 0 to 255, shape (width,).
            label: the right class.
        """
        spec, state = self.factory.spec, self.state
        outputs = self.outputs(hidden[None])[0]
        powers = self.factory.exponentials.astype(np.int64)[outputs.max() - outputs]
        slope = (powers << _ONE_BITS) // powers.sum()
        slope[label] -= 1 << _ONE_BITS
        half = 1 << (spec.step - 1)
        moved = state.weights - ((slope[:, None] * hidden + half) >> spec.step)
        state.weights = np.clip(moved, self._low, self._high)
        state.bias = np.clip(
            state.bias - ((slope * spec.bias_step + half) >> spec.step), self._bias_low, self._bias_high
        )

    def _keep(self, hidden: Numbers, label: int, right: bool) -> None:
        """Put an example into the pool: in the place of one of the largest class, or of its own by reservoir."""
        state = self.state
        if state.kept < self.factory.spec.pool:
            index = state.kept
            state.kept += 1
        else:
            owners = state.owners & 127
            counts = np.bincount(owners, minlength=self.factory.spec.classes)
            largest = int(counts.argmax())
            if counts[label] < counts[largest]:
                index = self._member(largest, self._draw(int(counts[largest])))
            else:
                number = self._draw(int(state.counts[label]))
                if number >= counts[label]:
                    return
                index = self._member(label, number)
        state.owners[index] = label + (128 if right else 0)
        state.pool[index] = hidden

    def _replay(self) -> None:
        """Descend for a kept example of the next class, or for one of its test vectors where it was missing long."""
        state, factory, classes = self.state, self.factory, self.factory.spec.classes
        kept = np.bincount(state.owners[: state.kept] & 127, minlength=classes)
        shown = np.bincount(factory.expected if state.examples >= _LONG else (), minlength=classes)
        state.cursor = (state.cursor + 1) % classes
        while not kept[state.cursor] + shown[state.cursor]:
            state.cursor = (state.cursor + 1) % classes
        label = state.cursor
        if kept[label]:
            self.step(state.pool[self._member(label, self._draw(int(kept[label])))], label)
        else:
            index = np.flatnonzero(factory.expected == label)[self._draw(int(shown[label]))]
            self.step(factory.vectors[index].astype(np.int64), label)

    def _member(self, label: int, number: int) -> int:
        return int(np.flatnonzero((self.state.owners[: self.state.kept] & 127) == label)[number])

    def _draw(self, count: int) -> int:
        self.state.seed = (self.state.seed * _MULTIPLIER + _INCREMENT) & 0xFFFFFFFF
        return (self.state.seed >> 16) % count

    def _discriminant(self) -> None:
        factory, state = self.factory, self.state
        spec, own = factory.spec, state.counts[:, None]
        prototypes, center = factory.prototypes.astype(np.int64), factory.center.astype(np.int64)
        total = np.maximum(own + spec.prior, 1)
        mixed = ((state.sums << MEAN_BITS) + spec.prior * prototypes + (total >> 1)) // total
        means = np.where(own + spec.prior > 0, mixed, prototypes)
        weights, bias = discriminant(means, center, factory.precision.astype(np.int64), spec.precision_right)
        state.weights = np.clip(weights, self._low, self._high)
        state.bias = np.clip(bias, self._bias_low, self._bias_high)

    def _judge(self) -> bool:
        """Return whether errors fall by enough, and few enough test vectors change their label.

        Errors are those on kept examples, where rare classes weigh as much as others, and test vectors of classes
        without one that change their label. Of many examples they also fall on those that were not learned yet; by a
        sure lead there, those on kept examples need only not grow.
        """
        spec, state = self.factory.spec, self.state
        limits, owners = LEADS[spec.layer], state.owners[: state.kept]
        labels = owners & 127
        if state.kept < _FEWEST or (labels == labels[0]).all():
            return False
        if state.examples >= FEWEST_COMPARED and state.lead < limits.needed:
            return False
        before = int((owners < 128).sum())
        after = int((self.outputs(state.pool[: state.kept]).argmax(axis=1) != labels).sum())
        enough, vectors, expected = max(spec.gain * state.kept, 1), self.factory.vectors, self.factory.expected
        if state.lead >= limits.sure:
            enough = 0
        if (before - after) * 100 < enough:
            return False
        changed = self.outputs(vectors).argmax(axis=1) != expected
        after += int((changed & ~np.isin(expected, labels)).sum())
        return (before - after) * 100 >= enough and int(changed.sum()) * 100 <= spec.drop * len(vectors)


def discriminant(means: Numbers, center: Numbers, precision: Numbers, right: int) -> tuple[Numbers, Numbers]:
    """Return weights and bias of a linear discriminant.

    Of normal classes with one scatter, `w = (mean - center) * precision`, and the bias is `-w * (mean + center) / 2`;
    the center falls out of the softmax.

    Args:
        means: of the classes in sixteenths, shape (classes, width).
        center: subtracted from them, shape (width,).
        precision: shape (width, width).
        right: shift after the product.
    """
    weights = ((means - center) @ precision + (1 << (right - 1))) >> right
    weights = np.clip(weights, -_INT16, _INT16 - 1)
    bias = ((1 << MEAN_BITS) - (weights * (means + center)).sum(axis=1)) >> (MEAN_BITS + 1)
    return weights, bias


def _limits(values: NDArray[np.generic], limit: int, low: int, high: int) -> tuple[Numbers, Numbers]:
    wide = values.astype(np.int64)
    return np.maximum(wide - limit, low), np.minimum(wide + limit, high)
