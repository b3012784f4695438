"""What a plan finds: the functions behind the preview agree with what would happen, for fleets of every size."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest

from edgewright.core.errors import PlanError
from edgewright.core.records.fleet import Plan, Release, Stage
from edgewright.fleet.protocol.plans.detection import (
    ABSENT,
    BY_SIZE,
    at_least,
    canary_percent,
    dwell_for,
    preview,
    quorum,
    sentences,
    smallest_share,
    tolerated,
    watched_s,
)  # fmt: skip
from edgewright.fleet.protocol.plans.options import PlanOptions, check_new, complete, make_plan, preview_of

HOUR = 3600.0
DAY = 24 * HOUR
RELEASE = Release(product="pump", counter=4, target="packages/pump-4.edge", sha256="a" * 64, length=3)
SIZES = (1, 2, 5, 20, 100, 1000, 10_000)
READ_BEFORE = {
    "format", "id", "release", "revert", "salt", "cohorts", "stages", "holdout", "gates", "trial", "windows", "starts",
    "expires", "enrolled", "silence", "pace", "unconfirmed", "watch", "note",
}  # fmt: skip
"""Fields that programs read before tolerances followed from the size; they refuse any other."""


def default(devices: int | None, **fields: object) -> Plan:
    options = msgspec.structs.replace(PlanOptions(), **fields)
    return make_plan(options, RELEASE, None, name="usual", salt="7" * 64, now=0.0, devices=devices)


@pytest.mark.parametrize(("sample", "missing", "share"), [(11, 0, 0.238), (29, 0, 0.098), (299, 0, 0.00997)])
def test_the_smallest_share_is_that_of_the_tables(sample: int, missing: int, share: float) -> None:
    assert smallest_share(sample, missing) == pytest.approx(share, abs=0.001)
    assert 1.0 - (1.0 - share) ** sample == pytest.approx(0.95, abs=0.002)
    assert smallest_share(missing, missing) is None


def test_probabilities_are_those_of_all_outcomes_counted_one_by_one() -> None:
    outcomes = list(itertools.product((0, 1), repeat=6))
    counted = sum(0.3 ** sum(case) * 0.7 ** (6 - sum(case)) for case in outcomes if sum(case) >= 2)
    assert at_least(2, 6, 0.3) == pytest.approx(counted)
    assert (at_least(0, 6, 0.3), at_least(3, 6, 0.0), at_least(6, 6, 1.0)) == (1.0, 0.0, 1.0)


def test_small_stages_tolerate_nobody_and_measured_absence_only_adds() -> None:
    assert [tolerated(BY_SIZE, count) for count in (1, 4, 49, 50, 1000)] == [0, 0, 0, 1, 20]
    assert [tolerated(BY_SIZE, 1000, absent) for absent in (0.0, 0.03, 0.5)] == [20, 30, 50]
    assert [tolerated(5.0, count) for count in (1, 4, 100)] == [1, 1, 5], "plans from before keep their meaning"
    assert [quorum(BY_SIZE, count) for count in (1, 19, 20, 100)] == [1, 19, 19, 95]
    assert quorum(5.0, 100) == 0


@pytest.mark.parametrize("devices", SIZES)
def test_a_stage_finds_what_its_preview_says(devices: int) -> None:
    """Draw places and deaths: a stage with as many deaths as its smallest share ends in at most 7 % of the draws."""
    plan, chance = default(devices), np.random.default_rng(devices)
    for row in preview_of(plan, [devices] * len(plan.stages)):
        if row.smallest is None:
            continue
        sizes = chance.binomial(devices, row.percent / 100.0, 4000)
        killed = chance.binomial(sizes, row.smallest)
        passed = sum(dead <= tolerated(BY_SIZE, count) for dead, count in zip(killed, sizes, strict=True))
        assert passed <= 0.07 * len(sizes), row


@pytest.mark.parametrize(("devices", "percent"), [(1, 20), (20, 20), (500, 4), (1000, 5), (10_000, 1)])
def test_the_first_stage_is_as_large_as_it_must_be(devices: int, percent: int) -> None:
    assert canary_percent(devices) == percent


@pytest.mark.parametrize(("devices", "names"), [
    (None, ["canary", "10", "50", "100"]), (0, ["canary", "10", "50", "100"]), (1, ["50", "100"]), (2, ["50", "100"]),
    (5, ["canary", "50", "100"]), (20, ["canary", "50", "100"]), (1000, ["canary", "10", "50", "100"]),
])  # fmt: skip
def test_fleets_of_every_size_have_stages_that_are_not_empty(devices: int | None, names: list[str]) -> None:
    assert [stage.name for stage in default(devices).stages] == names


def test_in_a_fleet_of_a_thousand_the_first_stage_finds_one_in_four_and_one_in_ten() -> None:
    plan = default(1000)
    text = " ".join(sentences(preview_of(plan, [1000] * 4), plan.watch))
    assert "one device in four is found in stage 1 'canary'" in text
    assert "one device in ten is found in stage 1 'canary'" in text
    assert "one device in a hundred may pass every stage" in text
    assert "shows within 1 d of the activation shows before the next stage begins" in text
    assert "takes 4.17 d at least" in text
    assert "WARNING" not in text


def test_a_plan_of_before_says_what_it_misses() -> None:
    stages = tuple(Stage(name=f"s{share:g}", percent=share, dwell=HOUR) for share in (1.0, 10.0, 50.0, 100.0))
    old = default(1000, stages=stages, unconfirmed=5.0)
    lines = list(preview(preview_of(old, [1000] * 4), old.watch))
    assert "one device in four is found only in stage 2 's10', after it began on up to 100 devices" in " ".join(lines)
    assert any(line.startswith("WARNING: a fault that shows later than in the first minutes") for line in lines)


def test_a_fleet_of_one_is_told_that_nothing_can_be_found() -> None:
    text = " ".join(sentences(preview_of(default(1), [1, 1]), 7 * DAY))
    assert text.count("may pass every stage") == 3
    assert "nobody can tell one dead device from an outage" in text


def test_a_stage_of_four_says_what_it_finds_and_one_that_may_be_empty_a_dash() -> None:
    lines = list(preview(preview_of(default(20), [20, 20, 20]), 7 * DAY))
    assert lines[1].split()[-2:] == ["69.6", "%"]
    assert not any(line.startswith(("-:", "WARNING")) for line in lines)
    lines = list(preview(preview_of(default(5), [5, 5, 5]), 7 * DAY))
    assert lines[1].split()[-1] == "-"
    assert "-: the stage may have no device, or too few to find a bad release." in lines


@pytest.mark.parametrize("within", [0.0, HOUR, DAY, 6 * DAY])
def test_stages_and_watch_last_as_long_as_the_fault_needs(within: float) -> None:
    plan = default(1000, find_within=within)
    assert {watched_s(stage.dwell, plan.silence) for stage in plan.stages} == {within}
    assert plan.watch >= dwell_for(within, plan.silence)
    check_new(plan)


def test_a_plan_that_is_too_quick_for_what_it_shall_find_is_refused() -> None:
    quick = (Stage(name="all", percent=100.0, dwell=HOUR),)
    with pytest.raises(PlanError, match=r"at least 25 h, to find faults that show within 1 d.*1 h.*stage 'all'"):
        complete(PlanOptions(stages=quick, find_within=DAY), 10)
    with pytest.raises(PlanError, match="the watch after the end"):
        complete(PlanOptions(watch=HOUR, find_within=DAY), 10)
    assert complete(PlanOptions(stages=quick), 10).stages == quick


def test_a_new_plan_is_one_that_programs_of_before_read() -> None:
    for devices in (None, 1, 1000):
        written = msgspec.json.decode(msgspec.json.encode(default(devices)))
        assert set(written) <= READ_BEFORE
        assert written.get("format", 1) == 1
        assert 1.0 < written["unconfirmed"] < 100 * ABSENT
