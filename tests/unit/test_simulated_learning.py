"""Rounds of learning in a simulated fleet: losses and power cuts, what is reported, and the rollout of the result."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
import numpy as np
import pytest

from adaptation_example import blocks, factory
from edgewright.core.adaptation.factory import State
from edgewright.core.adaptation.learner import Learner
from edgewright.core.federation.messages import Begin
from edgewright.core.federation.rounds import suspects
from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.simulator.fault import check_days
from edgewright.fleet.simulator.fleet import Settings
from edgewright.fleet.simulator.learning import Learning, Person
from edgewright.fleet.simulator.result import Result, lines
from edgewright.fleet.simulator.simulation import simulate
from edgewright.schema.errors import InputError
from edgewright.schema.federation import FederationSettings
from edgewright.workflows.adaptation.local_fleet import ATTACKS, Examples
from simulated_plan import plan

pytestmark = pytest.mark.slow
FACTORY = factory("output")
SETTINGS = FederationSettings(rounds=3, clip=0.5)


@functools.cache
def person(number: int) -> Person:
    """Return somebody whose second class lies elsewhere than the factory believes."""
    hidden, labels = blocks(shifted=True, seed=number)
    learner = Learner(FACTORY)
    given = learner.outputs(hidden).argmax(axis=1)
    for index in range(len(labels)):
        learner.keep(hidden[index], int(given[index]), int(labels[index]))
    return Person(learner.state, hidden, labels)


def sent_by(attack: str, state: State, begin: Begin) -> Any:  # noqa: ANN401 - an array
    examples = Examples(state.pool[: state.kept], state.owners[: state.kept] & 127)
    return ATTACKS[attack](FACTORY, begin, examples, np.random.default_rng(len(begin.context)))


def settings(
    settings: FederationSettings = SETTINGS, mislabelled: float = 0.0, devices: int = 10, poisoners: float = 0.0,
    attack: str = "flip",
) -> Settings:  # fmt: skip
    people = [person(number) for number in range(5)]
    learning = Learning(
        FACTORY, settings, people, lambda _: b"what was learned " * 64, mislabelled, poisoners,
        functools.partial(sent_by, attack),
    )  # fmt: skip
    return Settings(devices=devices, plan=plan(), learning=learning)


def promises_kept(result: Result) -> dict[str, bool]:
    return {one.name: one.holds for one in result.verdicts}


def test_what_devices_learn_is_rolled_out() -> None:
    result = simulate(msgspec.structs.replace(settings(), days=0.45))
    learning = result.learning
    assert learning is not None
    assert result.good, promises_kept(result)
    assert result.finished
    assert promises_kept(result)["the fleet learned"]
    assert [(one.devices, one.counted, one.failed) for one in learning.rounds] == [(10, 10, 0)] * 3
    assert (learning.complete, learning.given_up) == (30, {})
    # Weights, biases and keys in four messages a round; more while a device waits.
    assert 500 < learning.bytes_up[0] <= learning.bytes_up[1] < 3000
    assert 500 < learning.bytes_down[0] <= learning.bytes_down[1] < 3000
    assert 5 <= learning.requests[0] <= learning.requests[1] < 40
    assert learning.factory < 0.75 < 0.9 < learning.learned
    assert 0.1 < learning.moved < 0.5
    text = "\n".join(lines(result))
    assert "Learning: 3 of 3 rounds gave a sum" in text
    assert max(map(len, text.splitlines())) <= 80


def test_owners_who_label_everything_alike_are_halted_in_the_canary() -> None:
    result = simulate(msgspec.structs.replace(settings(mislabelled=1.0), until_halted=True))
    assert result.learning is not None
    assert result.learning.learned < 0.5
    assert result.halted is not None
    assert any("HALTED" in line.text and "classes" in line.text for line in result.story)
    assert promises_kept(result)["exposed"]
    assert 0 < result.exposed <= result.canary


@pytest.mark.parametrize("attack", ["flip", "random"])
def test_attackers_in_the_rounds_are_counted_and_what_is_learned_stays_good(attack: str) -> None:
    rounds = msgspec.structs.replace(SETTINGS, rounds=5, group=3)
    result = simulate(msgspec.structs.replace(settings(rounds, 0.0, 15, 0.1, attack), days=0.6))
    assert result.learning is not None
    assert "10 % of the devices attack" in result.broken
    assert promises_kept(result)["the fleet learned"]
    assert result.learning.learned > 0.9 > result.learning.factory
    beyond = [one.beyond for one in result.learning.rounds]
    assert all(beyond) if attack == "random" else not any(beyond)
    assert bool(suspects(result.learning.rounds[-1].suspicion)) == (attack == "random")


def test_losses_and_power_cuts_cost_messages_and_members_but_no_device() -> None:
    broken = msgspec.structs.replace(settings(), fault="lossy", rate=0.25, also=(("power-cuts", 0.15),), days=0.1)
    faulty, calm = simulate(broken), simulate(msgspec.structs.replace(settings(), days=0.1))
    assert faulty.learning is not None
    assert calm.learning is not None
    assert promises_kept(faulty)["no device is bricked"]
    assert sum(faulty.learning.given_up.values()) > 0
    # Groups are drawn anew each time: who gave up may be whole again before the round ends.
    assert faulty.learning.complete <= calm.learning.complete
    assert faulty.learning.requests[0] > calm.learning.requests[0]
    assert len(faulty.learning.rounds) <= 3


def test_rounds_that_take_too_long_are_stopped_and_release_nothing() -> None:
    # The control plane hears of nobody.
    never = FederationSettings(rounds=1, clip=0.5, join_s=60.0, answer_s=10.0)
    lonely = msgspec.structs.replace(settings(never, devices=4), fault="lossy", rate=1.0, days=0.6)
    result = simulate(lonely)
    assert result.learning is not None
    assert (result.learning.rounds, result.learning.complete) == ((), 0)
    assert not promises_kept(result)["the fleet learned"]
    assert result.exposed == 0


def test_the_days_of_the_rounds_are_added() -> None:
    alone, together = msgspec.structs.replace(settings(), learning=None, days=0.41), settings()
    check_days(alone)
    assert 0.0 <= together.learning_days - 3 * (600 + 5 * 120) / DAY < 0.01
    with pytest.raises(InputError, match="at least"):
        check_days(msgspec.structs.replace(together, days=0.41))
