"""Gates of a rollout and boards behind its devices: what waits, what fails, and what is a firmware update."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.core.records.fleet import BoardSeen, Gate
from edgewright.fleet.server.database.tables import devices, outcomes, written
from rollout_example import FAILED, Example, gates_of, plan

HOUR = 3600.0
FIRMWARE = Gate(measure="firmware", limit=0.1)


def behind(example: Example, names: list[str], *states: str, **more: Any) -> None:  # noqa: ANN401 - fields
    """Each device says that it runs the release and has a board in each of these states."""
    boards = tuple(
        msgspec.convert({"name": f"b{n}", "state": state, "release": 2, **more}, BoardSeen)
        for n, state in enumerate(states)
    )
    with example.database.writing.begin() as connection:
        connection.execute(
            sa.update(devices).where(devices.c.id.in_(names)).values(boards=written(boards), counter=2)
        )  # fmt: skip


def verdicts_of(example: Example, *gates: Gate) -> list[tuple[str, int]]:
    """Word of each gate, and how many were heard."""
    planned = plan(gates=gates)
    with example.database.reading() as connection:
        verdicts = gates_of(connection, planned, example.now - HOUR, example.now, listening=example.now - HOUR)
    return [(one.verdict, one.counted) for one in verdicts]


@pytest.mark.parametrize("state", ["waiting", "sending", "trial", "unreachable", "trouble"])
def test_a_device_has_no_vote_until_its_boards_came_to_an_end(example: Example, state: str) -> None:
    names = example.enrol(10)
    example.started(gates=(FAILED,))
    example.allow(names)
    example.end(names, "confirmed")
    assert verdicts_of(example, FAILED) == [("pass", 10)]
    behind(example, names[:6], "confirmed", state, seconds=60.0)
    assert verdicts_of(example, FAILED) == [("hold", 4)]
    behind(example, names[:6], "confirmed", "idle")
    assert verdicts_of(example, FAILED) == [("pass", 10)]
    # One that stays away is not waited for longer than a silent device is; nor is one of another release.
    behind(example, names[:6], "confirmed", state, seconds=plan().silence + 1.0)
    assert verdicts_of(example, FAILED) == [("pass", 10)]
    behind(example, names[:6], state, release=1)
    assert verdicts_of(example, FAILED) == [("pass", 10)]


def test_a_device_whose_board_refuses_has_failed_though_it_had_confirmed(example: Example) -> None:
    names = example.enrol(10)
    example.started(gates=(FAILED,))
    example.allow(names)
    example.end(names, "confirmed")
    behind(example, names[:8], "confirmed", "refused")
    record = {"plan": "first", "counter": 2, "detail": "b1: other answers", "clock": example.now, "at": example.now}
    example.write(
        outcomes,
        *({"device": name, "number": 2, "what": "refused", "because": "boards", **record} for name in names[:8]),
    )
    assert verdicts_of(example, FAILED) == [("fail", 10)]
    assert [h.kind for h in example.scheduler.tick()] == ["halted"]


def test_a_firmware_update_is_no_failure_unless_the_plan_says_so(example: Example) -> None:
    names = example.enrol(20)
    example.started(gates=(FAILED,))
    example.allow(names)
    example.end(names, "confirmed")
    behind(example, names[:8], "confirmed", "firmware")
    behind(example, names[8:10], "confirmed", "confirmed")
    assert verdicts_of(example, FAILED, FIRMWARE) == [("pass", 20), ("fail", 10)]
    behind(example, names[:8], "confirmed", "trial")
    assert verdicts_of(example, FIRMWARE) == [("hold", 2)]
    behind(example, names[:10], "confirmed")
    assert verdicts_of(example, FIRMWARE) == [("pass", 10)]
