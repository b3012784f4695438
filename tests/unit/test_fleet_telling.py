"""Reports of a device: when they go, what happens when nobody answers, and how items of the store ride along."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from benchmarks.faults.fleet_device import Even

from edgewright.core.errors import InputError, OutputError
from edgewright.core.records.fleet import Acknowledged, Allowed, Enrolled, Intent, Report
from edgewright.device.sinks import NotYetError
from edgewright.device.sinks.agent import SINK, AgentConfig
from edgewright.device.store.records import OutboxItem
from edgewright.fleet.device.ipc_server import IpcServer
from edgewright.fleet.device.ports import BACK, Pace
from edgewright.fleet.device.reports import Outbox, ReportSender
from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.layout import Chance, Unreachable
from edgewright.fleet.simulator.network import SeededRandom
from signed_fleet import HandClock


class Plane:
    """A control plane that keeps what it got, and can lose its answers."""

    def __init__(self) -> None:
        self.got: list[Report] = []
        self.down = self.lost = False
        self.refuse = ""
        self.wait, self.more = 0.0, 5.0
        self.later: float | None = None

    def intent(self, intent: Intent) -> Allowed:
        raise NotImplementedError

    def report(self, report: Report) -> Acknowledged:
        if self.down:
            raise Unreachable("down", self.later)
        if self.refuse:
            raise InputError("to be known", self.refuse)
        self.got.append(report)
        if self.lost:
            raise Unreachable("the answer is lost")
        durable = tuple((item["boot"], item["sequence"]) for item in map(json.loads, map(bytes, report.items)))
        last = max((one.number for one in report.outcomes), default=0)
        return Acknowledged(nonce=f"n{report.sequence}", outcomes=last, durable=durable, wait=self.wait, more=self.more)


class Box(Outbox):
    """An outbox of a test."""

    def __init__(self) -> None:
        self.items: list[dict[str, int]] = []
        self.aside: list[tuple[tuple[int, int], str]] = []
        self.alarm = self.more = False

    def urgent(self) -> bool:
        return self.alarm

    def backlog(self) -> bool:
        return self.more

    def offered(self) -> list[msgspec.Raw]:
        return [msgspec.Raw(json.dumps(item).encode()) for item in self.items]

    def settle(self, durable: object) -> None:
        self.items, self.alarm = [], False

    def refuse(self, position: tuple[int, int], why: str) -> None:
        self.aside.append((position, why))
        self.items = [one for one in self.items if (one["boot"], one["sequence"]) != position]


class Desk:
    def __init__(self, folder: Path, chance: Chance | None = None) -> None:
        self.state = State.open(folder)
        self.state.enrol(Enrolled(device="ab" * 16, tags=("site",), batch="b", at=1.0, nonce="n0"))
        self.plane, self.clock, self.box = Plane(), HandClock(), Box()
        self.teller = ReportSender(self.state, self.plane, self.clock, chance or Even(), outbox=self.box, every=900.0)

    def tell(self, urgent: bool = False, contact: bool = False, counter: int = 3) -> float:
        report = Report(nonce="", sequence=0, counter=counter, floor=2, phase="idle", why="all is well")
        return self.teller.send(report, urgent, contact)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_reports_go_at_their_pace_and_carry_what_is_true(desk: Desk) -> None:
    assert desk.tell() == pytest.approx(900.0)
    desk.clock.up += 450.0
    assert desk.tell() == pytest.approx(450.0)
    desk.clock.up += 451.0
    desk.tell(counter=4)
    assert [(r.counter, r.sequence, r.nonce) for r in desk.plane.got] == [(3, 1, "n0"), (4, 2, "n1")]


def test_what_is_urgent_goes_at_once_but_not_more_than_every_few_seconds(desk: Desk) -> None:
    desk.tell()
    desk.clock.up += 1.0
    wait = desk.tell(urgent=True)
    assert len(desk.plane.got) == 1 and 0.0 < wait <= 5.0
    desk.clock.up += wait
    desk.tell()  # what was urgent before is still owed
    assert len(desk.plane.got) == 2
    desk.clock.up += 10.0
    desk.tell()
    assert len(desk.plane.got) == 2


def test_a_report_whose_answer_was_lost_is_sent_again_as_it_was(desk: Desk) -> None:
    desk.plane.lost = True
    desk.state.change([desk.state.outcome("confirmed", 3, "plan-1", 1.0)])
    desk.tell()
    desk.plane.lost = False
    desk.clock.up += 3600.0
    wait = desk.tell(counter=9, urgent=True)
    assert desk.plane.got[0] == desk.plane.got[1] and desk.state.outcomes == ()
    desk.clock.up += wait
    desk.tell(counter=9)
    assert desk.plane.got[2].counter == 9 and desk.plane.got[2].nonce == "n1"


def test_where_nobody_answers_it_asks_less_and_less_often_and_loses_nothing(desk: Desk) -> None:
    desk.plane.down = True
    desk.state.change([desk.state.outcome("reverted", 3, "plan-1", 1.0, "crash")])
    waits = []
    for _ in range(6):
        waits.append(desk.tell(urgent=True))
        desk.clock.up += waits[-1]
    assert waits == sorted(waits) and waits[-1] <= BACK and len(desk.state.outcomes) == 1
    desk.plane.down = False
    desk.tell()
    assert desk.plane.got[0].outcomes[0].because == "crash" and not desk.state.outcomes


def test_one_lost_packet_does_not_hide_a_failed_trial_for_long(desk: Desk) -> None:
    desk.plane.down = True
    desk.state.change([desk.state.outcome("reverted", 3, "plan-1", 1.0, "crash")])
    wait = desk.tell(urgent=True)
    assert 10.0 < wait <= 60.0
    desk.plane.down = False
    desk.clock.up += wait
    desk.tell()
    assert desk.plane.got[0].outcomes[0].because == "crash"


@pytest.mark.slow
@pytest.mark.parametrize("hours", [0.1, 6.0])
def test_after_an_outage_all_are_back_within_two_minutes_and_not_in_one_moment(hours: float) -> None:
    back = []
    for seed in range(2000):
        pace = Pace(SeededRandom(0, str(seed)), 60.0, 900.0, 30.0)
        pace.due = 0.0  # everybody fails in the same moment
        while pace.due < hours * 3600.0:
            pace.away(pace.due)
        back.append(pace.due - hours * 3600.0)
    assert max(back) <= BACK
    by_second = Counter(map(int, back))
    assert max(by_second.values()) < 2000 * 0.04


def test_who_is_asked_to_come_later_does_so_and_more_seldom_each_time() -> None:
    pace, waits = Pace(Even(), 60.0, 900.0, 30.0), []
    for _ in range(8):
        pace.away(0.0, 4.0)
        waits.append(pace.due)
    assert waits == sorted(waits)
    assert 4.0 < waits[0] < 12.0
    assert waits[-1] <= BACK
    pace.away(0.0, 1e6)
    assert 3600.0 <= pace.due <= 7200.0


def test_a_sign_of_life_makes_it_try_again_but_not_before_it_was_asked_to(desk: Desk) -> None:
    desk.plane.down = True
    assert desk.tell() > 20.0
    desk.plane.down = False
    desk.clock.up += 1.0
    desk.tell(contact=True)
    assert len(desk.plane.got) == 1
    desk.clock.up += 950.0
    desk.plane.down, desk.plane.later = True, 30.0
    desk.tell()
    desk.plane.down = False
    desk.clock.up += 1.0
    assert desk.tell(contact=True) == pytest.approx(29.0)
    assert len(desk.plane.got) == 1
    desk.clock.up += 29.0
    desk.tell()
    assert len(desk.plane.got) == 2


def test_a_backlog_goes_at_the_pace_that_the_control_plane_gives(desk: Desk) -> None:
    desk.plane.more = 0.5
    desk.tell()
    desk.box.more = True
    for number in range(2, 6):
        desk.clock.up += 0.4
        assert desk.tell() == pytest.approx(0.25)
        desk.clock.up += 0.1
        assert desk.tell() == pytest.approx(0.5)
        assert len(desk.plane.got) == number
    desk.plane.more = 1e9
    desk.clock.up += 0.5
    assert desk.tell() == pytest.approx(60.0)
    desk.plane.down = True
    desk.clock.up += 60.0
    assert desk.tell() > 10.0  # nobody answers: a backlog does not make it hurry


def test_the_control_plane_may_ask_for_fewer(desk: Desk) -> None:
    desk.plane.wait = 7200.0
    assert desk.tell() == pytest.approx(7200.0)


def test_a_refusal_is_told_and_what_was_to_be_said_is_said_anew(desk: Desk) -> None:
    desk.plane.refuse = "quarantined: two devices have one key"
    with pytest.raises(InputError, match="two devices"):
        desk.tell()
    desk.plane.refuse = ""
    desk.clock.up += 3600.0
    desk.tell(counter=5)
    assert desk.plane.got[0].counter == 5


def test_items_go_only_after_they_are_durable_there(desk: Desk) -> None:
    desk.box.items = [{"boot": 1, "sequence": 7}]
    desk.box.alarm = True
    desk.plane.lost = True
    desk.tell()
    assert desk.box.items
    desk.plane.lost = False
    desk.clock.up += 3600.0
    desk.tell()
    assert desk.box.items == [] and json.loads(bytes(desk.plane.got[1].items[0])) == {"boot": 1, "sequence": 7}


def test_before_enrolment_nothing_is_said(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.state.enrol(Enrolled(device="ab" * 16, tags=(), batch="", at=1.0, nonce=""))
    new = State.open(tmp_path / "..")
    teller = ReportSender(new, desk.plane, desk.clock, Even())
    desk.teller = teller
    assert desk.tell(urgent=True) > 0.0 and desk.plane.got == []


def item(number: int, kind: str = "summary") -> OutboxItem:
    record = {
        "format": 1,
        "device": "d",
        "boot": 2,
        "sequence": number,
        "kind": "event",
        "put": 1.0,
        "body": {"kind": kind},
    }
    return OutboxItem((2, number), 0, msgspec.json.encode(record))


@pytest.fixture
def door(tmp_path: Path) -> Iterator[tuple[IpcServer, threading.Event]]:
    woken = threading.Event()
    server = IpcServer(tmp_path / "s", woken.set, patience=20.0)
    yield server, woken
    server.close()


def test_an_alarm_wakes_the_agent_and_goes_when_it_is_durable(door: tuple[IpcServer, threading.Event]) -> None:
    server, woken = door
    sink = SINK.open(AgentConfig(path=str(server.path)))
    got: list[object] = []
    sender = threading.Thread(target=lambda: got.extend(sink.send("d", [item(1), item(2, "alarm")])))
    sender.start()
    assert woken.wait(10.0) and server.urgent()
    assert [json.loads(bytes(raw))["sequence"] for raw in server.offered()] == [1, 2]
    server.settle([(2, 2), (9, 9)])
    sender.join(10.0)
    assert got == [(2, 2)] and not server.urgent() and server.offered() == []


def test_full_batches_and_the_one_behind_them_do_not_wait_for_the_next_report(
    door: tuple[IpcServer, threading.Event],
) -> None:
    server, woken = door
    sink = SINK.open(AgentConfig(path=str(server.path)))
    numbers, batches = iter(range(1, 1000)), (200, 150, 3)

    def send() -> None:
        for count in batches:
            sink.send("d", [item(next(numbers)) for _ in range(count)])

    sender = threading.Thread(target=send)
    sender.start()
    for count in batches:
        assert woken.wait(60.0)
        woken.clear()
        offered = [json.loads(bytes(raw)) for raw in server.offered()]
        assert (server.backlog(), server.urgent(), len(offered)) == (True, False, count)
        server.settle([(one["boot"], one["sequence"]) for one in offered])
    sender.join(60.0)
    assert not server.backlog()
    last = threading.Thread(target=sink.send, args=("d", [item(999)]))
    last.start()
    while not server.offered():
        last.join(0.01)
    assert not server.backlog() and not woken.is_set()
    server.settle([(2, 999)])
    last.join(60.0)


@pytest.mark.parametrize("how", ["release", "close"])
def test_who_waits_is_let_go_when_there_is_no_time(door: tuple[IpcServer, threading.Event], how: str) -> None:
    server, woken = door
    sink = SINK.open(AgentConfig(path=str(server.path)))
    got: list[object] = []

    def send() -> None:
        with pytest.raises(NotYetError):
            sink.send("d", [item(1, "alarm")])
        got.append("not yet")

    sender = threading.Thread(target=send)
    sender.start()
    assert woken.wait(10.0)
    getattr(server, how)()
    sender.join(10.0)
    assert got == ["not yet"]


def test_a_batch_that_no_report_took_in_time_is_no_batch_that_was_handed_back(tmp_path: Path) -> None:
    server = IpcServer(tmp_path / "s", lambda: None, patience=0.01)
    assert list(SINK.open(AgentConfig(path=str(server.path))).send("d", [item(1)])) == []
    server.close()


def test_without_an_agent_the_sink_says_so(tmp_path: Path) -> None:
    sink = SINK.open(AgentConfig(path=str(tmp_path / "none")))
    with pytest.raises(OutputError, match="the fleet's agent"):
        sink.send("d", [item(1)])


def test_an_alarm_does_not_wait_behind_a_batch_without_one(door: tuple[IpcServer, threading.Event]) -> None:
    server, woken = door
    sink = SINK.open(AgentConfig(path=str(server.path)))
    got: list[object] = []

    def send() -> None:
        with pytest.raises(NotYetError):
            sink.send("d", [item(1), item(2)])
        got.extend(sink.send("d", [item(3, "alarm"), item(1), item(2)]))

    sender = threading.Thread(target=send)
    sender.start()
    while not server.offered():
        sender.join(0.01)
    assert not server.urgent() and not woken.is_set()
    sink.hurry()
    assert woken.wait(60.0) and server.urgent()
    server.settle([(2, 1), (2, 2)])  # of the report that the first batch was in
    assert server.urgent() and sender.is_alive()
    assert [json.loads(bytes(raw))["sequence"] for raw in server.offered()] == [3, 1, 2]
    sink.hurry()  # another alarm: this batch goes at once anyhow
    server.settle([(2, 1), (2, 2), (2, 3)])
    sender.join(60.0)
    assert got == [(2, 1), (2, 2), (2, 3)]


def test_an_alarm_that_comes_before_its_batch_is_waited_for_takes_it_back_once(
    door: tuple[IpcServer, threading.Event],
) -> None:
    server, _ = door
    sink = SINK.open(AgentConfig(path=str(server.path)))
    sink.hurry()
    with pytest.raises(NotYetError):
        sink.send("d", [item(1)])
    sender = threading.Thread(target=sink.send, args=("d", [item(1)]))
    sender.start()
    while not server.offered():
        sender.join(0.01)
    while sender.is_alive():
        server.offered()
        server.settle([(2, 1)])
        sender.join(0.05)
