"""Devices of a fleet in one process: they exchange the messages of real ones, some fall silent, some poison."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from edgewright.core.adaptation.factory import Factory, Numbers, State
from edgewright.core.adaptation.learner import Learner
from edgewright.core.federation.group import OVER, Group, advance, received
from edgewright.core.federation.layer import Layer, Rotation, bias_unit, local_change, parse_layer, rotated_length
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
from edgewright.core.federation.rounds import contribution, new_groups, next_layer, suspicion
from edgewright.schema.errors import UnknownNameError
from edgewright.schema.federation import FederationSettings, RoundOutcome

_KINDS: tuple[type[Request], ...] = (Advertise, Shares, Masked, Revealed)
_NEVER, _FAR = 1e9, 1_000_000
# A cheater sends three signs in every twelfth number; with more of them, nearly every sum would show it.
_CHEATED, _SIGNS = 12, 3


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
"""What an attacker sends in place of the signs of its change."""


def _own(factory: Factory, begin: Begin, examples: Examples, seed: int) -> Numbers:
    layer = parse_layer(begin.layer, factory)
    return local_change(factory, layer, examples.hidden, examples.labels, begin.passes, seed)


def _flip(factory: Factory, begin: Begin, examples: Examples, rng: np.random.Generator) -> Numbers:
    """Return the opposite of an honest device's signs."""
    change = _own(factory, begin, examples, int(rng.integers(1 << 32)))
    return -Rotation(begin.context, len(change)).signs(change)


def _back(factory: Factory, begin: Begin, examples: Examples, rng: np.random.Generator) -> Numbers:
    """Return what takes back all that the fleet has learned: attackers agree on it without a message."""
    layer = parse_layer(begin.layer, factory)
    weights = (factory.weights - layer.weights).ravel()
    change = np.concatenate([weights, (factory.bias - layer.bias) // bias_unit(factory)])
    if not change.any():
        return _flip(factory, begin, examples, rng)
    return Rotation(begin.context, len(change)).signs(change)


def _bounded(factory: Factory, begin: Begin, examples: Examples, rng: np.random.Generator) -> Numbers:
    """Return the opposite signs, several times where the others' most likely hide it: more than its share."""
    change = _own(factory, begin, examples, int(rng.integers(1 << 32)))
    rotation = Rotation(begin.context, len(change))
    sent = -rotation.signs(change)
    sent[np.argsort(-np.abs(rotation.forward(change)))[: len(sent) // _CHEATED]] *= _SIGNS
    return sent


def _random(factory: Factory, begin: Begin, examples: Examples, rng: np.random.Generator) -> Numbers:
    return rng.integers(-_FAR, _FAR, rotated_length(factory.weights.size + factory.bias.size))


def _labels(factory: Factory, begin: Begin, examples: Examples, rng: np.random.Generator) -> Numbers:
    """Return an honest device's signs for examples whose labels are those of the next class."""
    return contribution(factory, begin, examples.hidden, (examples.labels + 1) % factory.spec.classes)


ATTACKS: dict[str, Attack] = {
    "back": _back, "bounded": _bounded, "flip": _flip, "labels": _labels, "random": _random,
}  # fmt: skip


def check_attack(name: str) -> None:
    """Refuse an attack that does not exist.

    Raises:
        UnknownNameError: it is no name of `ATTACKS`.
    """
    if name not in ATTACKS:
        raise UnknownNameError("attack", name, ATTACKS, "--attack")


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
        self._suspicion = dict[str, int]()
        self._poisoners = set(self.rng.choice(names, count, replace=False).tolist())

    def round(self, layer: Layer, number: int) -> tuple[Layer, RoundOutcome]:
        """Return the layer after one round, and what became of it."""
        names, chance = sorted(self.devices), random.Random(int(self.rng.integers(2**32)))  # noqa: S311 - a simulation
        groups = new_groups(names, self.factory, layer, self.settings, 0.0, self._suspicion, chance)
        for group, names in groups:
            self._group(group, names)
        self._suspicion = suspicion(self._suspicion, groups)
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
