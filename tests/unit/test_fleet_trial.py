"""What a trial says of its counts."""

from __future__ import annotations

import pytest
from scipy import stats

from edgewright.fleet.device.device_state import Counts, Trial
from edgewright.fleet.device.model_supervisor import CHANCE, added, count_unlikely, judge, share_unlikely
from edgewright.schema.fleet_plan import TrialLimits
from edgewright.schema.fleet_report import Vitals


def trial(limits: TrialLimits, **changes: object) -> Trial:
    return Trial(plan="p", stage=0, counter=2, previous="a", before=1, plan_before="", limits=limits, **changes)  # type: ignore[arg-type]


def test_one_alarm_in_a_minute_is_not_a_day_full_of_them() -> None:
    limits = TrialLimits(seconds=600.0, alarms=5.0)
    assert judge(trial(limits), Counts(seconds=60.0, alarms=1), Vitals()).over == ""
    assert judge(trial(limits), Counts(seconds=60.0, alarms=3), Vitals()).because == "alarms"
    # At the limit itself a whole day goes well.
    assert judge(trial(TrialLimits(seconds=1e6, alarms=5.0)), Counts(seconds=86_400.0, alarms=6), None).over == ""


@pytest.mark.parametrize("mean", [0.01, 0.3, 2.0, 40.0])
def test_the_bound_is_never_below_the_chance_itself(mean: float) -> None:
    for count in range(200):
        assert count_unlikely(count, mean) >= stats.poisson.sf(count - 1, mean) * (1 - 1e-9)
    for of, share in ((10, 0.1), (500, 0.2), (500, 0.999)):
        for count in range(0, of + 1, 7):
            assert share_unlikely(count, of, share) >= stats.binom.sf(count - 1, of, share) * (1 - 1e-9)


def test_a_rate_far_beyond_its_limit_is_seen_soon() -> None:
    for times in (10, 100):
        limit = 24.0
        seconds = next(
            s
            for s in range(60, 10**6, 60)
            if count_unlikely(int(times * limit * s / 86_400), limit * s / 86_400) < CHANCE
        )
        assert times * limit * seconds / 86_400 < 12


def test_what_is_allowed_ends_well() -> None:
    limits = TrialLimits(seconds=100.0, latency=0.5, memory=10, unsure=0.2, drift=0.5, alarms=10.0, anomalies=10.0)
    vitals = Vitals(windows=200, latency=(0.1, 0.5), memory=10, drifting=("x",), channels=2)
    verdict = judge(trial(limits), Counts(seconds=100.0, windows=200, unsure=40), vitals)
    assert (verdict.over, verdict.because) == ("confirmed", "")
    assert "100 s" in verdict.why


def test_without_limits_only_crashes_boots_and_patience_count() -> None:
    vitals = Vitals(windows=10**6, latency=(9.0, 9.0), memory=1 << 40, drifting=("x",), channels=1)
    counts = Counts(seconds=1.0, windows=10**6, unsure=10**6, alarms=10**6, anomalies=10**6)
    limits = TrialLimits(seconds=100.0, patience=0.0)
    assert judge(trial(limits, waited=1e9), counts, vitals).over == ""
    assert judge(trial(limits, crashes=3), counts, vitals).because == "crash"
    assert judge(trial(limits, boots=11), counts, vitals).because == "boots"
    assert judge(trial(TrialLimits(seconds=100.0, patience=5.0), waited=5.0), counts, None).because == "patience"


def test_few_answers_are_judged_at_the_end_alone() -> None:
    limits = TrialLimits(seconds=100.0, latency=0.1)
    few = Vitals(windows=20, latency=(0.1, 0.9))
    assert judge(trial(limits), Counts(seconds=50.0, windows=20), few).over == ""
    assert judge(trial(limits), Counts(seconds=100.0, windows=20), few).because == "latency"
    share = TrialLimits(seconds=100.0, unsure=0.2)
    assert judge(trial(share), Counts(seconds=100.0, windows=20, unsure=6), None).over == "confirmed"
    assert judge(trial(share), Counts(seconds=100.0, windows=200, unsure=45), None).because == "unsure"


def test_counts_of_all_starts_are_added() -> None:
    total = added(Counts(seconds=10.0, windows=5, alarms=1), Vitals(seconds=2.0, windows=3, unsure=2, anomalies=4))
    assert total == Counts(seconds=12.0, windows=8, unsure=2, alarms=1, anomalies=4)
