"""A machine takes the same steps for the same events, in the order of their times."""

from __future__ import annotations

import math
import tomllib

import numpy as np
import pytest

from edgewright.core.state_machine.machine import Machine, Transition
from edgewright.core.state_machine.table import StateTable, check_table, read_table
from edgewright.core.toml_tables import convert_table
from support import ROOT


def machine(text: str) -> Machine:
    head = 'name = "m"\nfallback = "stay"\n'
    return Machine(check_table(convert_table(tomllib.loads(head + text), StateTable, "m.toml"), "m.toml"))


def shown(transitions: list[Transition]) -> list[tuple[float, str, str, str]]:
    return [(step.time, step.event, step.before, step.after) for step in transitions]


DOOR = """
states = ["shut", "open", "stuck"]
initial = "shut"
steps = [
  { state = "shut", event = "push", when = "force > 2", to = "open", actions = [{ event = "opened" }] },
  { state = "open", event = "timeout", after = 5.0, to = "stuck" },
  { state = "open", event = "pull", to = "shut" },
  { state = "open", event = "push" },
  { state = "stuck", event = "*", to = "shut", actions = [{ alarm = "was stuck" }] },
]
"""


def test_the_first_row_that_fits_is_taken() -> None:
    door = machine(DOOR)
    assert door.push("push", {"force": 1.0}, 0.0) == []
    assert door.push("push", {}, 1.0) == []  # the force is still 1
    (step,) = door.push("push", {"force": 3.0}, 2.0)
    assert (step.before, step.after, step.actions[0].event, step.index) == ("shut", "open", "opened", 0)
    assert door.push("other", {}, 3.0) == []


def test_staying_lets_the_time_in_a_state_go_on() -> None:
    door = machine(DOOR)
    door.push("push", {"force": 3.0}, 2.0)
    assert shown(door.push("push", {}, 4.0)) == [(4.0, "push", "open", "open")]
    assert door.due() == 7.0
    assert shown(door.tick(100.0)) == [(7.0, "timeout", "open", "stuck")]
    assert shown(door.push("anything", {}, 101.0)) == [(101.0, "anything", "stuck", "shut")]


def test_time_outs_come_before_the_event_that_shows_that_they_were_due() -> None:
    door = machine(DOOR)
    door.push("push", {"force": 3.0}, 2.0)
    assert shown(door.push("pull", {}, 9.0)) == [(7.0, "timeout", "open", "stuck"), (9.0, "pull", "stuck", "shut")]


def test_time_that_falls_back_counts_as_the_last_one() -> None:
    door = machine(DOOR)
    door.push("push", {"force": 3.0}, 10.0)
    assert shown(door.push("pull", {}, 3.0)) == [(10.0, "pull", "open", "shut")]


RING = """
states = ["a", "b"]
initial = "a"
steps = [
  { state = "a", event = "timeout", after = 1.0, to = "b" },
  { state = "b", event = "timeout", after = 2.0, to = "a" },
]
"""


def test_a_ring_of_time_outs_takes_every_turn_that_was_due_but_not_for_ever() -> None:
    ring = machine(RING)
    ring.tick(0.0)
    assert [step.time for step in ring.tick(7.0)] == [1.0, 3.0, 4.0, 6.0, 7.0]
    assert len(ring.tick(1e9)) == 1000
    assert len(ring.tick(1e9 + 1.5)) in (0, 1)


WATCHED = """
states = ["idle", "moving", "halt"]
initial = "idle"
safe = "halt"
patience = 3.0
steps = [
  { state = "idle", event = "window", when = "walking > 0.5", to = "moving" },
  { state = "moving", event = "window", when = "walking <= 0.5", to = "idle" },
  { state = "halt", event = "window", to = "idle" },
  { state = "*", event = "late", actions = [{ alarm = "late" }] },
]
"""


def test_the_watchdog_goes_to_the_safe_state_when_the_model_is_late_or_unsure() -> None:
    watched = machine(WATCHED)
    watched.sure(0.0)
    watched.push("window", {"walking": 0.9}, 0.0)
    watched.sure(2.0)
    assert watched.push("unsure", {"walking": 0.4}, 3.0) == []
    (late,) = watched.push("unsure", {}, 6.0)
    assert shown([late]) == [(5.0, "late", "moving", "halt")]
    assert late.actions[0].alarm == "late"
    # It calls once, and again only after a sure answer.
    assert watched.tick(100.0) == []
    watched.sure(101.0)
    assert shown(watched.push("window", {"walking": 0.9}, 101.0)) == [(101.0, "window", "halt", "idle")]
    assert shown(watched.tick(105.0)) == [(104.0, "late", "idle", "halt")]


def test_the_watchdog_waits_from_the_first_moment_it_knows() -> None:
    watched = machine(WATCHED)
    assert watched.tick(1000.0) == []
    assert shown(watched.tick(1003.5)) == [(1003.0, "late", "idle", "halt")]


RATE = """
states = ["calm", "fast"]
initial = "calm"
steps = [
  { state = "calm", event = "row", when = "rate(t, 2) > 1", to = "fast" },
  { state = "fast", event = "row", when = "rate(t) < 0", to = "calm" },
]
"""


@pytest.mark.parametrize("hertz", [1.0, 10.0, 1000.0])
def test_a_rate_of_change_is_that_of_the_stretch(hertz: float) -> None:
    steep = machine(RATE)
    transitions: list[Transition] = []
    for row in range(int(10 * hertz)):
        time = row / hertz
        # Half a unit a second for five seconds, then two a second.
        value = 0.5 * min(time, 5.0) + 2.0 * max(0.0, time - 5.0)
        steep.values({"t": value}, time)
        transitions += steep.push("row", {}, time)
    (step,) = transitions
    # Over two seconds it passes 1 a second when two thirds of a second are steep.
    assert 5.0 + 2 / 3 < step.time <= 5.0 + 2 / 3 + 1 / hertz + 2 / 256


def test_a_rate_is_not_known_across_a_hole_or_without_a_value() -> None:
    steep = machine(RATE)
    for time in range(3):
        steep.values({"t": 0.0}, float(time))
    steep.values({"t": math.nan}, 3.0)
    steep.forget("other")
    steep.values({"t": 100.0}, 4.0)
    assert steep.push("row", {}, 4.0) == []
    steep.values({"t": 104.0}, 6.0)
    assert shown(steep.push("row", {}, 6.0)) == [(6.0, "row", "calm", "fast")]


def test_the_same_events_give_the_same_steps() -> None:
    def run() -> list[tuple[float, str, str, str]]:
        press = Machine(read_table(ROOT / "docs" / "examples" / "press.toml"))
        rng = np.random.default_rng(3)
        steps: list[Transition] = []
        for row in range(5000):
            time = row / 10
            press.values({"temperature": float(60 + 25 * math.sin(row / 200) + rng.normal())}, time)
            steps += press.push("row", {}, time)
            if row % 20 == 0:
                if rng.random() < 0.9:
                    steps += press.sure(time)
                on = bool(rng.random() < 0.9)
                names = {"running": float(on), "decided": "running" if on else "off"}
                steps += press.push("decision", names, time)
        return shown(steps)

    first = run()
    assert first == run()
    assert {"running", "hot", "stopped"} <= {after for *_, after in first}
