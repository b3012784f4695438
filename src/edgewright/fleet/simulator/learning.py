"""What the devices of a simulation learn together before the rollout: people's examples, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgewright.core.adaptation.factory import Factory, Numbers, State
from edgewright.core.adaptation.learner import Learner
from edgewright.core.federation.layer import Layer
from edgewright.core.federation.messages import Begin
from edgewright.core.federation.rounds import contribution
from edgewright.schema.federation import FederationSettings

_STEPS = 5
"""A round takes at most the time of joining and of its four steps; one more for devices that come late."""


@dataclass(frozen=True)
class Person:
    """A person who wears a device, as the last layer of the package receives it.

    Attributes:
        state: of a device that keeps labelled examples of this person.
        hidden: of all samples, less the zero point, shape (n, width).
        truth: right classes, shape (n,).
    """

    state: State
    hidden: Numbers
    truth: Numbers


@dataclass(frozen=True)
class Learning:
    """What is learned in a simulation.

    Attributes:
        factory: of the package that the devices run.
        settings: of the rounds.
        people: device n belongs to person n modulo their number.
        package: returns the bytes of the package with a learned layer.
        mislabelled: share of the devices whose owner labels everything as the first class.
        poisoners: share of the devices that send what `attack` returns for their examples in a round.
    """

    factory: Factory
    settings: FederationSettings
    people: Sequence[Person]
    package: Callable[[Layer], bytes]
    mislabelled: float = 0.0
    poisoners: float = 0.0
    attack: Callable[[State, Begin], Numbers] | None = None

    def contribution(self, state: State, begin: Begin) -> Numbers:
        """Return what an honest device with these examples sends in a round."""
        return contribution(self.factory, begin, state.pool[: state.kept], state.owners[: state.kept] & 127)

    @property
    def longest_s(self) -> float:
        """Seconds after which an operator stops the rounds."""
        return self.settings.rounds * (self.settings.join_s + _STEPS * self.settings.answer_s)

    def answers(self, layer: Layer) -> list[Numbers]:
        """Return the labels that a layer gives to the samples of each person, each of shape (n,)."""
        learner = Learner(self.factory)
        learner.state.weights, learner.state.bias = layer.weights, layer.bias
        return [learner.outputs(person.hidden).argmax(axis=1) for person in self.people]

    def accuracy(self, layer: Layer) -> float:
        """Return the share of right answers as the mean over people, 0 to 1."""
        pairs = zip(self.answers(layer), self.people, strict=True)
        return float(np.mean([(given == person.truth).mean() for given, person in pairs]))

    def moved(self, layer: Layer, before: Layer) -> list[float]:
        """Return the distance between the shares of the classes in two layers' answers, 0 to 1, for each person."""
        classes = self.factory.spec.classes
        pairs = zip(self.answers(layer), self.answers(before), strict=True)
        shares = [[np.bincount(predicted, minlength=classes) / len(predicted) for predicted in pair] for pair in pairs]
        return [float(np.abs(after - then).sum()) / 2.0 for after, then in shares]
