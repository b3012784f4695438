"""Rounds of learning in a simulation, with the real steps of a device and the real control plane.

Keys, masks and the draw of groups come from the operating system as in operation, not from the seed.
"""
# ruff: noqa: D102 - `Fault` describes its methods

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Generator
from functools import partial

import msgspec
import numpy as np
import sqlalchemy as sa

from edgewright.core.adaptation.factory import Numbers, arrays_of
from edgewright.core.federation.layer import Layer, factory_layer, parse_layer
from edgewright.core.federation.messages import Begin, Join, parse_request
from edgewright.fleet.device.federation import Answer, Participation, Step, participation
from edgewright.fleet.protocol.ports import Unreachable
from edgewright.fleet.server import federations
from edgewright.fleet.simulator.behaviour import GOOD, WORN, Behaviour
from edgewright.fleet.simulator.device import POLL, Device
from edgewright.fleet.simulator.fault import GETS_THERE, Fault, chosen
from edgewright.fleet.simulator.faults.releases import CALLED_BACK
from edgewright.fleet.simulator.fleet import SimulatedFleet
from edgewright.fleet.simulator.learning import Learning
from edgewright.fleet.simulator.network import LinkedControl
from edgewright.fleet.simulator.result import LearningResult
from edgewright.fleet.simulator.served_fleet import PRODUCT
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.federation import FactoryFiles, FederationSeen, StartFederation

WORSE = 0.1
"""A learned layer is a bad release where it answers so much less of the people's samples right, as a share of all."""
_NAME = "f" * 32


class Traffic(msgspec.Struct):
    """What one device exchanged in one round: requests, and bytes of the messages."""

    requests: int = 0
    up: int = 0
    down: int = 0


class Learner:
    """A device's part in the rounds, in simulated time.

    Args:
        fleet: the simulated fleet.
        device: the device.
        identity: of the factory layer.
        change: what the device sends in a round.

    Attributes:
        complete: traffic of rounds that the device took part in to the end.
        given_up: number of other rounds it began, by reason.
        over: no more rounds follow.
    """

    def __init__(
        self, fleet: SimulatedFleet, device: Device, identity: int, change: Callable[[Begin], Numbers]
    ) -> None:  # fmt: skip
        self._fleet, self._device, self._identity, self._change = fleet, device, identity, change
        self.complete: list[Traffic] = []
        self.given_up: Counter[str] = Counter()
        self.over = False
        self._cuts, self._ran = 0, 0
        self._traffic, self._counted, self._member = Traffic(), (0, 0), False

    def begin(self) -> None:
        """Ask the fleet for a round, as the process of a device does after every poll."""
        device = self._device
        if self.over:
            return
        if device.off or device.dead or device.state is None or not device.device_state.active or not self._confirmed:
            self._later(POLL, self.begin)
            return
        self._cuts, self._ran = device.cuts, device.device_state.counter
        self._traffic, self._counted, self._member = Traffic(), (0, 0), False
        control = LinkedControl(self._fleet.served, device.link, lambda report: report, lambda _: None)
        control.device = device.id
        done = Participation()
        steps = participation(self._identity, self._change, done)
        self._go(control, done, steps, partial(next, steps))

    @property
    def _confirmed(self) -> bool:
        current = self._device.device_state
        return current.trial is None and not current.quarantined

    def _go(
        self, control: LinkedControl, done: Participation, steps: Generator[Step, Answer, None],
        go_on: Callable[[], Step],
    ) -> None:  # fmt: skip
        """Run the steps of a participation up to the next wait."""
        while True:
            if self._interrupted():
                steps.close()
                self._later(POLL, self.begin)
                return
            try:
                step = go_on()
            except StopIteration:
                self._count(done)
                self._later(POLL, self.begin)
                return
            except EdgewrightError:  # the fleet has retired this device
                self.over = True
                return
            self._count(done)
            if isinstance(step, float):
                self._later(step, partial(self._go, control, done, steps, partial(steps.send, None)))
                return
            self._restart(isinstance(parse_request(step), Join))
            self._traffic.requests += 1
            self._traffic.up += len(step)
            try:
                answer = control.federation(step)
            except (EdgewrightError, Unreachable) as error:
                go_on = partial(steps.throw, error)
            else:
                self._traffic.down += len(answer)
                go_on = partial(steps.send, answer)

    def _interrupted(self) -> bool:
        """Return whether the process that takes part has ended: the power was cut, or another release answers."""
        device = self._device
        if device.off or device.cuts != self._cuts:
            self.given_up["power cut"] += 1
            return True
        if not self._confirmed or device.device_state.counter != self._ran:
            self.given_up["another release"] += 1
            return True
        return False

    def _restart(self, joins: bool) -> None:
        """Begin to count anew where the device joins again, because its group ended before it did."""
        if joins and self._member:
            self.given_up["the group ended first"] += 1
            self._traffic = Traffic()
        self._member = not joins

    def _count(self, done: Participation) -> None:
        """Close the traffic of a round that has just ended."""
        if (done.rounds, done.left) == self._counted:
            return
        if done.left > self._counted[1]:
            self.given_up[done.why] += 1
        else:
            self.complete.append(self._traffic)
        self._counted, self._traffic, self._member = (done.rounds, done.left), Traffic(), False

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self._fleet.events.after(seconds, act)


class Rounds(Fault):
    """The rounds come before the rollout, and what they learned is the new release."""

    holds = (*GETS_THERE, *CALLED_BACK, "the fleet learned")
    did = "rounds that devices took part in to the end"

    def __init__(self, learning: Learning) -> None:
        self._learning, self.name = learning, "rounds"
        self.broken = f"{learning.settings.rounds} rounds of learning come first"
        if learning.mislabelled:
            self.broken += f"; {100.0 * learning.mislabelled:.3g} % of the owners label everything as one class"
        if learning.poisoners:
            self.broken += f"; {100.0 * learning.poisoners:.3g} % of the devices attack what is learned"
        self._learners: list[Learner] = []
        self._moved: list[float] = []
        self.seen: FederationSeen | None = None
        self._began_s = self._took_s = 0.0
        self.accuracy = 0.0

    def prepare(self, fleet: SimulatedFleet) -> None:
        """Open the first round, as `fleet federation start` does."""
        learning, events = self._learning, fleet.events
        files = FactoryFiles(adapt=learning.factory.spec, files=arrays_of(learning.factory))
        request, now = StartFederation(factory=files, settings=learning.settings), events.now
        self._submit(fleet, lambda c: federations.start(c, _NAME, PRODUCT, request, "operator", now))
        self._began_s = events.elapsed
        count = round(learning.poisoners * len(fleet.devices))
        attackers = sorted(fleet.devices, key=lambda device: device.chance.share())[:count]
        for device in fleet.devices:
            state = learning.people[device.number % len(learning.people)].state
            if chosen(device, learning.mislabelled):
                state = copy.copy(state)
                state.owners = np.zeros_like(state.owners)
            change = partial(learning.contribution, state)
            if learning.attack is not None and device in attackers:
                change = partial(learning.attack, state)
            learner = Learner(fleet, device, learning.factory.identity, change)
            self._learners.append(learner)
            events.after(POLL * device.chance.share(), learner.begin)
        events.after(POLL, partial(self._look, fleet))
        fleet.observer.say(f"the devices begin to learn together, in {learning.settings.rounds} rounds")

    def _look(self, fleet: SimulatedFleet) -> None:
        """Note the end of the rounds, as an operator sees it; after the longest time the operator stops them."""
        now, lasted_s = fleet.events.now, fleet.events.elapsed - self._began_s
        self._submit(fleet, lambda c: federations.advance_all(c, now))
        if self._seen(fleet).state == "running":
            if lasted_s < self._learning.longest_s:
                fleet.events.after(POLL, partial(self._look, fleet))
                return
            self._submit(fleet, lambda c: federations.stop(c, _NAME, "takes too long", now))
        seen = self._seen(fleet)
        self.seen, self._took_s = seen, lasted_s
        fleet.learned = seen.rounds
        for learner in self._learners:
            learner.over = True
        self.accuracy = self._learning.accuracy(self._layer(seen))
        fleet.observer.say(
            f"the rounds are {seen.state}: {self._sums} of {len(seen.rounds)} gave a sum; of the people's samples the "
            f"layer answers {self.accuracy:.1%} right, the factory's {self._before:.1%}"
        )

    def learned(self) -> bytes:
        """Return the package with the learned layer; empty where no round gave a sum."""
        assert self.seen is not None  # noqa: S101 - the rounds are over
        if not self._sums:
            return b""
        layer = self._layer(self.seen)
        self.bad = self.accuracy < self._before - WORSE
        self._moved = self._learning.moved(layer, factory_layer(self._learning.factory))
        return self._learning.package(layer)

    def behaviour(self, device: Device) -> Behaviour:
        """Return answers whose classes move as far as those of the learned layer for the device's owner."""
        moved = self._moved[device.number % len(self._moved)] if self._moved else 0.0
        return Behaviour(wrong=min(1.0, moved / (1.0 - WORN))) if moved else GOOD

    def count(self, fleet: SimulatedFleet) -> int:
        return sum(len(learner.complete) for learner in self._learners)

    def result(self, fleet: SimulatedFleet) -> LearningResult:
        """Return what became of the rounds, also of those that are not over."""
        seen = self.seen or self._seen(fleet)
        complete = [entry for learner in self._learners for entry in learner.complete]
        given_up = sum((learner.given_up for learner in self._learners), Counter[str]())
        table = np.array([[entry.requests, entry.up, entry.down] for entry in complete] or [[0, 0, 0]])
        moved = float(np.median(self._moved)) if self._moved else 0.0
        middle, largest = np.median(table, axis=0).astype(int).tolist(), table.max(axis=0).tolist()
        return LearningResult(
            settings=self._learning.settings, rounds=seen.rounds, complete=len(complete),
            given_up=dict(given_up.most_common()), seconds=self._took_s, requests=(middle[0], largest[0]),
            bytes_up=(middle[1], largest[1]), bytes_down=(middle[2], largest[2]), factory=self._before,
            learned=self._learning.accuracy(self._layer(seen)), moved=moved,
            people=len(self._learning.people),
        )  # fmt: skip

    @property
    def _sums(self) -> int:
        return 0 if self.seen is None else sum(learning_round.groups > 0 for learning_round in self.seen.rounds)

    @property
    def _before(self) -> float:
        return self._learning.accuracy(factory_layer(self._learning.factory))

    def _layer(self, seen: FederationSeen) -> Layer:
        return parse_layer(seen.layer, self._learning.factory)

    @staticmethod
    def _submit(fleet: SimulatedFleet, work: Callable[[sa.Connection], None]) -> None:
        fleet.served.plane.committer.submit(work).result()

    @staticmethod
    def _seen(fleet: SimulatedFleet) -> FederationSeen:
        with fleet.served.plane.database.reading() as connection:
            return federations.seen(connection, _NAME)
