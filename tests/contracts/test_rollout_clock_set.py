"""A server whose clock was ahead and is set back: silence is noticed again, and that nothing can be signed is said."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from edgewright.fleet.server.database.tables import devices
from rollout_example import HOUR, Example

AHEAD = 20 * 24 * HOUR
UNSIGNED = 10 * HOUR  # too little for anything to be signed anew meanwhile


def report_all(example: Example, names: list[str]) -> None:
    """Each of them has reported now, by the server's clock."""
    with example.database.writing.begin() as connection:
        connection.execute(sa.update(devices).where(devices.c.id.in_(names)).values(last_report_at=example.now))


@pytest.mark.parametrize("restarted", [False, True])
def test_a_release_that_dies_silently_is_noticed_after_the_clock_was_ahead(example: Example, restarted: bool) -> None:
    names = example.enrol(20)
    example.started()
    example.allow(names[:10])
    example.now += UNSIGNED
    example.scheduler.tick()
    report_all(example, names)
    example.now -= UNSIGNED
    if restarted:
        example.close()
        example.open()
    happened = set()
    for _ in range(100):
        example.now += 100.0
        report_all(example, names[10:])
        happened |= {one.kind for one in example.scheduler.tick()}
    assert "halted" in happened


def test_a_clock_behind_the_last_signature_is_said_before_anything_expires(example: Example) -> None:
    example.started()
    for behind in (30 * 24 * HOUR, HOUR):
        example.now -= behind
        (stale,) = [one for one in example.scheduler.tick() if one.kind == "stale"]
        assert "nothing can be signed; set the clock" in stale.why
        assert "key rotate timestamp" in stale.why
        example.now += behind
        assert example.scheduler.tick() == []
    example.now -= 10.0  # trimmed
    assert example.scheduler.tick() == []


def test_a_clock_that_was_ahead_long_enough_to_sign_is_said_too(example: Example) -> None:
    example.started()
    example.now += AHEAD
    assert "renewed" in {one.kind for one in example.scheduler.tick()}
    example.now -= AHEAD
    assert ["20 d in the future" in one.why for one in example.scheduler.tick()] == [True]
