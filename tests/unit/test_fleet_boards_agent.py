"""When boards are asked, what is kept of their answers, and what the control plane is told: with a told clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from benchmarks.faults.fleet_device import Even, HandClock

from edgewright.core.records.fleet import BoardEntry, BoardRound, BoardSeen, TrialLimits
from edgewright.fleet.device.board_updates import BoardProcess, Boards
from edgewright.fleet.device.state_database import State, Trial

ENTRIES = (
    BoardEntry(name="a", link="tcp:h:1", trial=60.0, look=300.0),
    BoardEntry(name="b", link="tcp:h:2", trial=60.0, look=300.0),
)


class Recorded(BoardProcess):
    """A hand that keeps what it was asked, and says what it is told to."""

    def __init__(self) -> None:
        self.rounds: list[BoardRound] = []
        self.said: list[BoardSeen] = []
        self.ended: str | None = None
        self.stopped = 0

    def start(self, board_round: BoardRound) -> None:
        self.rounds.append(board_round)
        self.ended = None

    def received(self) -> list[BoardSeen]:
        board_seens, self.said = self.said, []
        return board_seens

    def busy(self) -> str | None:
        return self.ended

    def stop(self) -> None:
        self.stopped += 1


class Site:
    """Boards over a real state."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.hand = folder, HandClock(), Recorded()
        self.state = State.open(folder)
        self.state.change(begun=True, product="pump", active="a", counter=1, plan="plan-1")
        self.boards = self.made()

    def made(self) -> Boards:
        return Boards(
            ENTRIES, self.state, lambda slot: self.folder / slot, self.folder / "ways", self.hand, self.clock,
            Even(),
        )  # fmt: skip

    def hear(self, name: str, state: str, counter: int = 1, **more: object) -> None:
        record = {"name": name, "state": state, "release": self.state.device_state.counter, "counter": counter, **more}
        self.hand.said.append(msgspec.convert({"layout": "c0de", **record}, BoardSeen))
        self.boards.look()

    def states(self) -> list[str]:
        return [one.state for one in self.boards.seen()]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.state.close()


def test_a_round_asks_all_and_each_has_its_own_time_after_it(site: Site) -> None:
    site.boards.look()
    board_round = site.hand.rounds[0]
    assert (board_round.release, board_round.package, board_round.trial) == (1, str(site.folder / "a"), False)
    assert [(one.entry.name, one.confirm, one.send) for one in board_round.boards] == [
        ("a", False, True),
        ("b", False, True),
    ]
    assert site.states() == ["waiting", "waiting"]
    site.hear("a", "sending", 0, why="20 %")
    assert site.states() == ["sending", "waiting"]
    assert site.boards.why == "0 of 2 boards are up to date: a on their way (20 %); b waiting"
    site.hear("a", "trial")
    site.hear("b", "unreachable", 0, layout="")
    # The trial is over after a minute; who is away is asked again in a few seconds.
    assert site.boards.due == pytest.approx(site.clock.now + 7.5)
    site.clock.now += 8.0
    site.boards.look()
    assert [one.entry.name for one in site.hand.rounds[1].boards] == ["b"]
    site.hear("b", "confirmed")
    site.clock.now += 52.0
    site.boards.look()
    assert [(one.entry.name, one.confirm) for one in site.hand.rounds[2].boards] == [("a", True)]
    site.hear("a", "confirmed")
    assert site.boards.why == ""
    assert site.boards.due == pytest.approx(site.clock.now + 248.0, abs=31.0)
    assert site.state.outcomes == ()


def test_a_refusal_is_told_once_and_not_tried_again_until_the_next_release(site: Site) -> None:
    site.boards.look()
    site.hear("a", "refused", 0, why="other answers")
    site.hear("b", "firmware", 3)
    (outcome,) = site.state.outcomes
    assert (outcome.result, outcome.because, outcome.counter, outcome.plan) == ("refused", "boards", 1, "plan-1")
    assert outcome.detail == "a: other answers"
    site.clock.now += 400.0
    site.boards.look()
    assert [(one.entry.name, one.send) for one in site.hand.rounds[1].boards] == [("a", False), ("b", True)]
    site.hear("a", "refused", 0, why="refused before")
    assert site.boards.seen()[0].why == "other answers"
    # Nor after a new start of the agent.
    site.boards = site.made()
    site.boards.look()
    assert not site.hand.rounds[2].boards[0].send
    site.hear("a", "refused", 0, why="refused before")
    assert len(site.state.outcomes) == 1
    site.state.change(counter=2, plan="plan-2", active="b")
    site.boards.look()
    assert site.hand.rounds[3].boards[0].send
    site.hear("a", "reverted", 1, wanted=2, why="it went back")
    assert [(one.result, one.plan) for one in site.state.outcomes] == [("refused", "plan-1"), ("reverted", "plan-2")]


def test_boards_wait_for_the_trial_of_their_gateway(site: Site) -> None:
    site.boards.look()
    for name in "ab":
        site.hear(name, "confirmed")
    trial = Trial(plan="plan-2", stage=0, counter=2, previous="a", before=1, plan_before="plan-1", limits=TrialLimits())
    site.state.change(counter=2, plan="plan-2", active="b", trial=trial)
    site.boards.look()
    board_round = site.hand.rounds[1]
    assert (board_round.trial, board_round.package, board_round.before) == (
        True,
        str(site.folder / "b"),
        str(site.folder / "a"),
    )
    for name in "ab":
        site.hear(name, "waiting", 0, layout="")
    # What they have is still known, and nobody is asked until the trial is over.
    assert [(one.state, one.counter, one.release) for one in site.boards.seen()] == [("waiting", 1, 2)] * 2
    assert site.boards.due == float("inf")
    site.state.change(trial=None)
    site.boards.look()
    assert not site.hand.rounds[2].trial


def test_a_process_that_ended_early_is_trouble_and_tried_again(site: Site) -> None:
    site.boards.look()
    site.hear("a", "confirmed")
    site.hand.ended = "ended with signal 9"
    site.boards.look()
    assert [(one.state, one.why) for one in site.boards.seen()] == [
        ("confirmed", ""), ("trouble", "ended with signal 9"),
    ]  # fmt: skip
    assert site.boards.due < site.clock.now + 11.0
    assert site.state.outcomes == ()


def test_what_is_said_of_another_release_is_passed_over(site: Site) -> None:
    site.boards.look()
    site.hear("a", "refused", release=7)
    assert site.states() == ["waiting", "waiting"]
    site.boards.close()
    assert site.hand.stopped == 2
