"""Devices of a fleet in one process: they exchange the messages of real ones, some fall silent, some poison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from edgewright.core.adaptation.factory import Factory, Numbers, State
from edgewright.core.adaptation.learner import Learner
from edgewright.core.federation.contribution import clipped
from edgewright.core.federation.group import OVER, Group, advance, received
from edgewright.core.federation.layer import Layer, local_change, parse_layer
from edgewright.core.federation.member import Member
from edgewright.core.federation.messages import (
    Advertise,
    Begin,
    Masked,
    Request,
    Revealed,
    Shares,
    encode,
    parse_request,
)
from edgewright.core.federation.rounds import contribution, new_groups, next_layer
from edgewright.schema.federation import FederationSettings, RoundOutcome

_KINDS: tuple[type[Request], ...] = (Advertise, Shares, Masked, Revealed)
_NEVER, _FAR, _TEN = 1e9, 1_000_000, 10


@dataclass(frozen=True)
class Examples:
    """Labelled examples that one device holds.

    Attributes:
        hidden: what the last layer receives, less its zero point, shape (n, width).
        labels: right classes, shape (n,).
    """

    hidden: Numbers
    labels: Numbers


@dataclass(frozen=True)
class Faults:
    """What goes wrong.

    Attributes:
        dropouts: share of the devices that fall silent in a round, each at a step by chance.
        poisoners: share of the devices that attack in every round.
        attack: a name of `ATTACKS`.
    """

    dropouts: float = 0.0
    poisoners: float = 0.0
    attack: str = "flip"


Attack = Callable[[Factory, Begin, Examples, np.random.Generator], Numbers]


def _own(factory: Factory, begin: Begin, examples: Examples, seed: int) -> Numbers:
    layer = parse_layer(begin.layer, factory)
    return local_change(factory, layer, examples.hidden, examples.labels, begin.passes, seed)


def _flip(factory: Factory, begin: Begin, examples: Examples, rng: np.random.Generator) -> Numbers:
    """Return ten times the opposite of an honest change, not clipped."""
    return -_TEN * _own(factory, begin, examples, int(rng.integers(1 << 32)))


def _bounded(factory: Factory, begin: Begin, examples: Examples, rng: np.random.Generator) -> Numbers:
    """Return the opposite of an honest change, as long as the group's sum may be without being refused."""
    change = _own(factory, begin, examples, int(rng.integers(1 << 32))).astype(np.float64)
    length = (begin.size - 1) * begin.clip / max(float(np.linalg.norm(change)), 1.0)
    return np.trunc(-length * change).astype(np.int64)


def _random(factory: Factory, begin: Begin, _: Examples, rng: np.random.Generator) -> Numbers:
    return rng.integers(-_FAR, _FAR, factory.weights.size + factory.bias.size)


def _labels(factory: Factory, begin: Begin, examples: Examples, rng: np.random.Generator) -> Numbers:
    """Return an honest device's change of examples whose labels are those of the next class."""
    wrong = Examples(examples.hidden, (examples.labels + 1) % factory.spec.classes)
    return clipped(_own(factory, begin, wrong, int(rng.integers(1 << 32))), begin.clip)


ATTACKS: dict[str, Attack] = {"flip": _flip, "bounded": _bounded, "random": _random, "labels": _labels}


def kept_state(factory: Factory, hidden: Numbers, given: Numbers, truth: Numbers) -> State:
    """Return the state of a device that keeps labelled samples in the memory of its package.

    Args:
        factory: of the package.
        hidden: what the last layer receives, less its zero point, shape (n, width).
        given: what the factory's layer answers, shape (n,).
        truth: right classes, shape (n,).
    """
    learner = Learner(factory)
    for index in range(len(truth)):
        learner.keep(hidden[index], int(given[index]), int(truth[index]))
    return learner.state


def kept_examples(factory: Factory, hidden: Numbers, given: Numbers, truth: Numbers) -> Examples:
    """Return the examples in such a state; see `kept_state`."""
    state = kept_state(factory, hidden, given, truth)
    return Examples(state.pool[: state.kept], state.owners[: state.kept] & 127)


@dataclass
class LocalFleet:
    """Devices that learn together.

    Attributes:
        factory: of the package.
        devices: examples by name.
        settings: of the learning.
        faults: what goes wrong.
        rng: draws silent and poisoning devices.
        bytes_up, bytes_down: of each device in each round.
    """

    factory: Factory
    devices: Mapping[str, Examples]
    settings: FederationSettings
    faults: Faults
    rng: np.random.Generator
    bytes_up: list[int] = field(default_factory=list)
    bytes_down: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = sorted(self.devices)
        count = round(self.faults.poisoners * len(names))
        self._poisoners = set(self.rng.choice(names, count, replace=False).tolist())

    def round(self, layer: Layer, number: int) -> tuple[Layer, RoundOutcome]:
        """Return the layer after one round, and what became of it."""
        groups = new_groups(sorted(self.devices), self.factory, layer, self.settings, 0.0)
        for group, names in groups:
            self._group(group, names)
        return next_layer(self.factory, layer, [group for group, _ in groups], self.settings, number)

    def _group(self, group: Group, names: list[str]) -> None:
        """Let the members of a group talk in turn until it is over."""
        members = [Member(self.factory.identity, self._contributor(name)) for name in names]
        silent = [_KINDS[self.rng.integers(4)] if self.rng.random() < self.faults.dropouts else None for _ in names]
        waiting: list[bytes | None] = [member.first() for member in members]
        up, down, now = [0] * len(names), [0] * len(names), 0.0
        while any(waiting) and group.step not in OVER:
            for number, data in enumerate(waiting):
                if data is None:
                    continue
                message, kind = parse_request(data), silent[number]
                if kind is not None and isinstance(message, kind):
                    waiting[number] = None
                    continue
                reply = encode(received(group, number, message, now))
                up[number], down[number] = up[number] + len(data), down[number] + len(reply)
                waiting[number] = members[number].answer(reply)
            # Those who wait ask again once all others have said what they have to say, or the step is over.
            now += self.settings.answer_s / 10
        advance(group, _NEVER)
        self.bytes_up += up
        self.bytes_down += down

    def _contributor(self, name: str) -> Callable[[Begin], Numbers]:
        examples = self.devices[name]
        if name in self._poisoners:
            return lambda begin: ATTACKS[self.faults.attack](self.factory, begin, examples, self.rng)
        return lambda begin: contribution(self.factory, begin, examples.hidden, examples.labels)
