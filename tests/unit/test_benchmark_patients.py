"""The benchmark on patients left out: its figures by hand, and a real one of one fold."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.patients import PatientResult, evaluate_patients, patients, table

from support import shared_data


def one(record: str, before: list[list[int]], after: list[list[int]]) -> PatientResult:
    return PatientResult(record, ("N", "S", "V"), np.array([before, after, after]), used=True)


def test_figures_by_hand() -> None:
    wrong = [[8, 0, 0, 0], [2, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]]
    right = [[8, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]]
    fit = [one("101", wrong, right), one("106", right, wrong)]
    rows = table([fit])
    assert [row[1].split()[0] for row in rows] == ["0.917"] * 3
    assert [row[2].split()[0] for row in rows] == ["0.667"] * 3
    assert [row[3].split()[0] for row in rows] == ["1.000"] * 3
    assert [row[4] for row in rows] == ["", "1", "1"]
    assert patients([fit, fit])[0] == ["101", "0.833", "1.000", "1.000", "2"]


@pytest.mark.slow
def test_a_patient_is_answered_by_a_network_that_has_not_seen_it() -> None:
    results = evaluate_patients(shared_data("mitdb"), ["108", "119"], 1, ["training.epochs=2"])
    assert [each.record for each in results] == ["108", "119"]
    # Beats after the first five minutes, of which every answer is counted.
    assert [each.matrices[0].sum() for each in results] == [1479, 1660]
    assert results[0].right.min() > 0.5
