"""Silence halts a rollout only where the release can be its reason: not an outage, not a night, not a slow loss."""

from __future__ import annotations

import pytest

from edgewright.core.records.fleet import Stage
from edgewright.fleet.protocol.plans.decision import position
from edgewright.fleet.protocol.plans.detection import BY_SIZE
from rollout_example import HOUR, NOW, STAGES, Example, go, plan, row, within

WHOLE = (Stage(name="all", percent=100.0, dwell=HOUR),)
DAY = 24 * HOUR


def in_canary_first(example: Example, everybody: list[str]) -> None:
    """Bring the release to the canary, then to half of the devices."""
    canary = within(everybody, 10.0)
    example.update(canary)
    assert go(example, HOUR + 600.0, everybody)[:1] == ["stage"]
    example.update([name for name in within(everybody, 50.0) if name not in canary])
    assert go(example, HOUR + 600.0, everybody)[:1] == ["stage"]


def in_last(example: Example, unconfirmed: float = BY_SIZE, count: int = 100) -> tuple[list[str], list[str]]:
    """Return devices of earlier stages, and those of the last one, which have the release since now."""
    everybody = example.enrol(count)
    example.started(unconfirmed=unconfirmed)
    in_canary_first(example, everybody)
    earlier = within(everybody, 50.0)
    own = [name for name in everybody if name not in earlier]
    example.update(own)
    return earlier, own


@pytest.mark.parametrize("unconfirmed", [BY_SIZE, 5.0])
def test_an_outage_of_the_whole_fleet_holds_the_last_stage_which_ends_after_it(
    example: Example, unconfirmed: float
) -> None:
    earlier, own = in_last(example, unconfirmed)
    assert go(example, 3 * HOUR, []) == []
    assert "silent too" in row(example).holds
    assert go(example, 1200.0, [*earlier, *own])[:1] == ["finished"]


def test_an_outage_of_a_site_holds_the_last_stage(example: Example) -> None:
    """A third of the devices of each stage falls silent."""
    earlier, own = in_last(example)
    reporting = [*earlier[len(earlier) // 3 :], *own[len(own) // 3 :]]
    assert go(example, 4 * HOUR, reporting) == []
    assert "devices of earlier stages are silent too" in row(example).holds
    assert go(example, 1200.0, [*earlier, *own])[:1] == ["finished"]


def test_an_outage_of_a_fleet_with_one_stage_holds_it(example: Example) -> None:
    everybody = example.enrol(12)
    example.started(stages=WHOLE, unconfirmed=BY_SIZE)
    example.update(everybody)
    assert go(example, 4 * HOUR, everybody[:1]) == []
    assert "11 of 12 devices are silent, and none are left to compare with" in row(example).holds
    assert go(example, 1200.0, everybody)[:1] == ["finished"]


@pytest.mark.parametrize("habit", ["night", "none"])
def test_devices_that_are_off_at_the_same_hours_of_the_day_before_are_not_lost(example: Example, habit: str) -> None:
    """The devices of the last stage stand in a workshop that is closed at night, those before it do not."""
    everybody = example.enrol(40)
    earlier = within(everybody, 50.0)
    own = [name for name in everybody if name not in earlier]
    stages = (Stage(name="half", percent=50.0, dwell=HOUR), *WHOLE)
    for hour in range(48, 0, -1):
        example.now = NOW - hour * HOUR
        closed = habit == "night" and 2 <= (24 - hour) % 24 < 12
        example.report(earlier if closed else everybody, 1)
    example.now = NOW
    example.started(stages=stages, unconfirmed=BY_SIZE)
    example.update(earlier)
    assert go(example, HOUR + 600.0, everybody)[:1] == ["stage"]
    example.update(own)
    assert go(example, HOUR - 1200.0, everybody) == []
    happened = go(example, 6 * HOUR, earlier)
    assert happened[:1] == ([] if habit == "night" else ["halted"])
    if habit == "night":
        assert go(example, 1200.0, everybody)[:1] == ["finished"]


@pytest.mark.parametrize("share", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(4, marks=pytest.mark.slow)])
def test_a_release_that_kills_devices_of_the_last_stage_is_halted(example: Example, share: int) -> None:
    """One device in `share` of those that it reaches last: those of earlier stages live."""
    earlier, own = in_last(example)
    living = own[len(own) // share :] if share > 1 else []
    assert go(example, 3 * HOUR, [*earlier, *living])[:1] == ["halted"]


def test_a_release_that_kills_devices_of_earlier_stages_late_is_halted(example: Example) -> None:
    earlier, own = in_last(example)
    assert go(example, 3 * HOUR, [*earlier[15:], *own])[:1] == ["halted"]


def test_a_release_that_kills_a_third_of_a_fleet_with_one_stage_is_halted(example: Example) -> None:
    everybody = example.enrol(30)
    example.started(stages=WHOLE, unconfirmed=BY_SIZE)
    example.update(everybody)
    assert go(example, 3 * HOUR, everybody[10:])[:1] == ["halted"]


def test_devices_that_began_over_hours_and_fall_silent_together_hold_a_fleet_with_one_stage(example: Example) -> None:
    everybody = example.enrol(30)
    example.started(stages=WHOLE, unconfirmed=BY_SIZE)
    for first in range(0, 30, 3):
        example.update(everybody[first : first + 3])
        assert go(example, HOUR, everybody)[:1] in ([], ["finished"])
    assert row(example).state == "finished"
    assert go(example, 3 * HOUR, everybody[15:]) == []


def test_a_single_silent_device_without_comparison_holds_and_is_never_a_verdict(example: Example) -> None:
    everybody = example.enrol(4)
    example.started(stages=WHOLE, unconfirmed=BY_SIZE)
    example.update(everybody)
    assert go(example, 6 * HOUR, everybody[1:]) == []
    assert "3 of 4 devices have reported that they are healthy" in row(example).holds


@pytest.mark.parametrize("count", [2, 5])
def test_the_first_device_of_a_small_fleet_is_compared_with_the_others(example: Example, count: int) -> None:
    everybody = example.enrol(count)
    first = sorted(everybody, key=lambda name: position(plan().salt, "first", name))[:1]
    example.started(
        stages=(Stage(name="canary", percent=position(plan().salt, "first", first[0]) + 1e-6, dwell=HOUR), *WHOLE),
        unconfirmed=BY_SIZE,
    )
    example.update(first)
    others = [name for name in everybody if name not in first]
    assert go(example, 3 * HOUR, others)[:1] == ["halted"]


@pytest.mark.slow
def test_losses_of_every_day_do_not_add_up_to_a_verdict_over_a_stage_of_days(example: Example) -> None:
    """One device in fifty breaks each day, whatever its release."""
    everybody = example.enrol(400)
    stages = (Stage(name="canary", percent=25.0, dwell=4 * DAY), *STAGES[1:])
    example.started(stages=stages, unconfirmed=BY_SIZE)
    canary = within(everybody, 25.0)
    others = [name for name in everybody if name not in canary]
    example.update(canary)
    for day in range(1, 5):
        lost = {*canary[: day * len(canary) // 50], *others[: day * len(others) // 50]}
        for _ in range(12):
            example.now += 2 * HOUR - 600.0
            assert go(example, 600.0, [name for name in everybody if name not in lost]) == []
    example.now += DAY
    living = [name for name in everybody if name not in lost]
    assert go(example, 4 * DAY, living)[:1] in ([], ["stage"])
