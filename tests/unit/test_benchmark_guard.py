"""The benchmark of the guard: how sensors are worn another way, and what its targets are judged by."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.guard import HEADS, SETS, Case, groups, judge
from benchmarks.table import TargetReport


def case(person: str, factory: float, learned: float, *, used: bool, shift: str = "weak") -> Case:
    guarded = learned if used else factory
    return Case("watch", person, shift, "mixed", 100, 50, factory, guarded, learned, used)


@pytest.mark.parametrize("axes", [3, 6])
def test_sensors_are_turned_and_swapped_axis_by_axis(axes: int) -> None:
    X = np.arange(1, axes + 1, dtype=np.float32)[None, :, None] * np.ones((2, axes, 4), np.float32)
    turned, swapped = (SETS["hapt"].shifts[name](X) for name in ("turned", "swapped"))
    assert turned[0, :3, 0].tolist() == [-1, -2, 3]
    assert swapped[0, :3, 0].tolist() == [2, 1, 3]
    assert turned[0, -1, 0] == swapped[0, -1, 0] == axes


def test_a_group_that_loses_and_gains_that_are_withheld_miss_the_targets() -> None:
    fine = [case("1", 0.5, 0.9, used=True), case("2", 0.6, 0.8, used=True), case("3", 0.9, 0.8, used=False)]
    report = TargetReport()
    judge(fine, report)
    assert report.reached
    for worse in ([*fine, case("1", 0.9, 0.85, used=True, shift="turned")],
                  [case("1", 0.5, 0.9, used=False), *fine[1:]]):  # fmt: skip
        report = TargetReport()
        judge(worse, report)
        assert not report.reached


def test_groups_are_means_over_people() -> None:
    rows = groups([case("1", 0.5, 0.9, used=True), case("2", 0.7, 0.8, used=False)])
    assert len(rows) == 1
    assert dict(zip(HEADS, rows[0], strict=True))["guarded"] == "0.800"
