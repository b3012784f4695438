"""One device's learned layer: integers only, so that C and Python make the same bytes of the same examples.

'output' descends the cross-entropy of the softmax by one step for the new example and one for each of a few kept ones:
without those a calibration that shows class after class forgets all but the last (experience replay; Lin, 1992). Where
many examples have none of a class, test vectors of the package stand in for it.
'prototypes' computes a linear discriminant from the means of the classes, each mixed with the factory's mean, and the
factory's scatter within people and classes (Fisher, 1936); the order of the examples does not matter to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.core.adaptation.factory import MEAN_BITS, Factory, State
from edgewright.schema.errors import InputError

__all__ = ["Learner", "State", "discriminant", "fresh"]

Numbers = NDArray[np.int64]
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
# few kept examples fall by less than what is gained, and a longer memory decides instead (ADR 103).
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
            raise InputError(f"a class from 0 to {spec.classes - 1}", str(label), "label of an example")
        if hidden.shape != (spec.width,) or hidden.min() < 0 or hidden.max() > 255:
            raise InputError(f"{spec.width} bytes less their zero point", f"shape {hidden.shape}", "example")
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
