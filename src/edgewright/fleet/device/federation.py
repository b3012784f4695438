"""A device takes part in learning across its fleet: its examples stay, a masked change of its last layer leaves."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from edgewright.core.adaptation.factory import Factory, Numbers
from edgewright.core.adaptation.learner import State
from edgewright.core.federation.layer import check_factory
from edgewright.core.federation.member import FEWEST, Member, RefusedByServerError
from edgewright.core.federation.messages import Begin
from edgewright.core.federation.rounds import contribution
from edgewright.fleet.device.ports import RetiredError
from edgewright.fleet.protocol.ports import NotTaken, Unreachable
from edgewright.schema.errors import EdgewrightError, InputError

# After a server that could not be reached; twice as long after each refusal, by either side.
_AGAIN_S, _DOUBLED = 5.0, 7


class FederationControl(Protocol):
    """The control plane, as `control_client.HttpControl`."""

    def federation(self, message: bytes) -> bytes:
        """Send a message of a round and return the answer."""


@dataclass
class Participation:
    """What became of a device's part.

    Attributes:
        rounds: that it took part in to the end.
        left: rounds that it left because a message was refused, by either side; `why` is the last reason.
        over: no more rounds follow.
    """

    rounds: int = 0
    left: int = 0
    why: str = ""
    over: bool = False


Step = bytes | float
"""A message to send, or seconds to wait."""
Answer = bytes | None
"""The answer to a message; None after a wait."""


def take_part(
    control: FederationControl, factory: Factory, state: State, wait: Callable[[float], bool], fewest: int = FEWEST
) -> Participation:
    """Take part in all rounds for the device's package, until they are over or the device stops.

    Args:
        control: of the fleet.
        factory: of the package (`AdaptedPredictor.factory`).
        state: of the device (`AdaptedPredictor.state`); its kept examples are learned from, and do not leave.
        wait: waits so many seconds; true ends the participation.
        fewest: members of the smallest group that the device joins.

    Raises:
        InputError: a package that cannot learn this way, or no labelled examples.
        RetiredError: the fleet has retired this device.
    """
    check_factory(factory, "package")
    if not state.kept:
        raise InputError("labelled examples on the device", "none", "learned state", "edgewright adapt learn")
    done = Participation()
    hidden, labels = state.pool[: state.kept].copy(), state.owners[: state.kept] & 127

    def change(begin: Begin) -> Numbers:
        return contribution(factory, begin, hidden, labels)

    steps = participation(factory.identity, change, done, fewest)
    go_on: Callable[[], Step] = partial(next, steps)
    while True:
        try:
            step = go_on()
        except StopIteration:
            return done
        if isinstance(step, float):
            if wait(step):
                return done
            go_on = partial(steps.send, None)
            continue
        try:
            go_on = partial(steps.send, control.federation(step))
        except (EdgewrightError, Unreachable) as error:
            go_on = partial(steps.throw, error)


def participation(
    identity: int, change: Callable[[Begin], Numbers], done: Participation, fewest: int = FEWEST
) -> Generator[Step, Answer, None]:
    """Yield what a device sends and how long it waits, without a network or a clock of its own.

    `take_part` runs these steps on a device; a simulation runs them in its own time. What sending raises is thrown in.

    Args:
        identity: of the factory layer of the package.
        change: returns what the device sends in a round, as `contribution`.
        done: records what becomes of it.
        fewest: members of the smallest group that the device joins.

    Raises:
        RetiredError: the fleet has retired this device.
    """
    refused = 0
    while not done.over:
        member = Member(identity, change, fewest)
        try:
            yield from _round(member)
        except RetiredError:
            raise
        except (RefusedByServerError, InputError, NotTaken) as error:
            done.left, done.why = done.left + 1, str(error)
            yield _AGAIN_S * 2.0 ** min(refused, _DOUBLED)
            refused += 1
            continue
        refused = 0
        assert member.finished is not None  # noqa: S101 - a round ends with it
        done.rounds += member.complete
        done.over = not member.finished.more


def _round(member: Member) -> Generator[Step, Answer, None]:
    """Yield the messages and waits of one round, to its end."""
    data: bytes | None = member.first()
    while data is not None:
        try:
            reply = yield data
        except NotTaken:
            raise
        except Unreachable as error:
            # The same message again: a server takes it once.
            yield error.wait if error.wait is not None else _AGAIN_S
            continue
        assert reply is not None  # noqa: S101 - a message has an answer
        data = member.answer(reply)
        if member.wait_s:
            yield member.wait_s
