"""Learning curves: sizes, subsets that keep units whole, the power law, and the command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.errors import RaceError
from edgewright.core.records.race import CurveRecord
from edgewright.race.curve import REPEATS, _splits, curve_sentences, measure_curve
from edgewright.race.heats import METRICS
from edgewright.race.pipeline_end import entrants_of
from race_problems import problem_of, table
from small_pipeline import write_rows


def measured(path: Path, name: str = "linear", metric: str = "accuracy") -> CurveRecord:
    problem, config = problem_of(path, target="y")
    (entrant,) = [one for one in entrants_of(problem, config) if one.name == name]
    return measure_curve(problem, entrant, METRICS[metric])


def test_errors_fall_with_the_size_and_the_law_predicts_twice_of_it(tmp_path: Path) -> None:
    record = measured(table(tmp_path / "rows.csv", 600, "product"), "boosting")
    sizes = [point.size for point in record.points]
    assert sizes == [25, 50, 100, 200, 400]
    assert all(len(point.errors) == REPEATS for point in record.points)
    assert record.points[0].mean > record.points[-1].mean
    assert record.at == 800
    assert record.predicted.low < record.predicted.value < record.predicted.high
    assert record.predicted.value < record.points[-1].mean * 1.05
    assert record.half is not None
    assert (record.error, record.share, record.unit) == ("error rate", True, "row")
    first, second = (measured(table(tmp_path / "rows.csv", 150, "product"), "boosting") for _ in range(2))
    assert first.points == second.points


def test_an_amount_has_its_own_unit(tmp_path: Path) -> None:
    record = measured(table(tmp_path / "rows.csv", 300, "amount"), "tree", "mae")
    assert (record.error, record.share) == ("mean absolute error", False)
    assert not any(" points" in sentence for sentence in curve_sentences(record))


def test_subsets_keep_people_whole_and_no_tested_person_trains(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [[f"{a:.3f}", f"p{n % 6}", "on" if a > 0 else "off"] for n, a in enumerate(rng.normal(size=240))]
    problem, _ = problem_of(write_rows(tmp_path / "rows.csv", rows, header="a,who,y"), target="y", group="who")
    splits = list(_splits(problem, 0))
    assert len({len(train) for train, _ in splits}) == 1
    for train, test in splits:
        people = problem.units[train]
        assert (np.diff(people) != 0).sum() == len(np.unique(people)) - 1  # one person after another
        assert not set(people) & set(problem.units[test])
    assert {tuple(train) for train, _ in splits[:3]} != {tuple(train) for train, _ in splits[3:6]}


def test_too_little_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RaceError):
        measured(table(tmp_path / "rows.csv", 60))


@pytest.mark.slow
def test_the_command_prints_the_curve(tmp_path: Path, cli: Cli) -> None:
    rows = table(tmp_path / "rows.csv", 500, "product")
    shown = cli("curve", rows, "--target", "y", "--rung", "boosting")
    assert "Half of the data predicts" in shown
    record = cli.json("curve", rows, "--target", "y", "--rung", "boosting", "--times", "4")
    assert record["at"] == pytest.approx(4 * record["points"][-1]["size"])
    assert "small_network" in cli("curve", rows, "--target", "y", "--rung", "smal_network", code=2)
    assert "always compares" in cli("curve", rows, "--check", code=2)
