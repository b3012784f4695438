"""When a rung is climbed: intervals by unit, corrected for looks, patience, metrics by the target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from edgewright.core.state_machine.machine import Machine as StateMachine
from edgewright.core.state_machine.validation import read_table
from edgewright.race.candidates.state_machine import Machine, states
from edgewright.race.judge import ComparisonCriteria
from edgewright.race.metrics import METRICS, choose
from edgewright.schema.errors import CheckFailedError, UnknownNameError
from edgewright.search.ladder.measurement import run_rung
from edgewright.search.ladder.model_comparison import LadderState
from edgewright.search.ladder.setup import problem_and_config
from ladder_problems import ladder, table
from small_pipeline import write_rows


def _answers(right: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.eye(2, dtype=np.float32)[np.where(right, y, 1 - y)]


def test_a_weak_rung_hides_no_strong_one_and_patience_ends_it() -> None:
    rng = np.random.default_rng(0)
    y, units = rng.integers(0, 2, 2000), np.repeat(np.arange(20), 100)
    judge = ComparisonCriteria(METRICS["accuracy"], y, units, "group", comparisons=5)
    base, weak = rng.random(2000) < 0.7, rng.random(2000) < 0.65
    strong = base | (rng.random(2000) < 0.5)
    climb = LadderState(judge, patience=2)
    kept_steps = [climb.step(n, _answers(r, y))[1] for n, r in (("a", base), ("b", weak), ("c", strong))]
    assert kept_steps == [True, False, True]
    assert climb.chosen == "c"
    tired = []
    for name, right in (("d", strong), ("e", weak)):
        assert not climb.step(name, _answers(right, y))[1]
        tired.append(climb.tired)
    assert tired == [False, True]
    assert judge.level == pytest.approx(0.99)
    assert not LadderState(judge).step("too large", _answers(base, y), fits=True)[0]


def test_while_nothing_was_learned_patience_has_no_end() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 2000)
    judge = ComparisonCriteria(METRICS["accuracy"], y, np.repeat(np.arange(20), 100), "group", comparisons=5)
    none, strong = _answers(np.zeros(2000, bool) == y, y), _answers(rng.random(2000) < 0.9, y)
    climb = LadderState(judge, patience=2)
    for name in "abcd":
        climb.step(name, none)
        assert not climb.tired
    assert climb.step("network", strong)[1]
    for name in "fg":
        climb.step(name, none)
    assert (climb.chosen, climb.tired) == ("network", True)


def test_a_rung_that_the_device_cannot_hold_is_not_climbed() -> None:
    y = np.tile([0, 1], 200)
    judge = ComparisonCriteria(METRICS["accuracy"], y, np.repeat(np.arange(20), 20), "group", comparisons=2)
    climb = LadderState(judge)
    climb.step("a", _answers(np.zeros(400, bool), y))
    gain, climbed = climb.step("b", _answers(np.ones(400, bool), y), fits=False)
    assert gain is not None
    assert gain.low > 0.9
    assert not climbed
    assert climb.chosen == "a"


def test_intervals_of_equal_rungs_hold_zero_as_often_as_they_say() -> None:
    rng, covered = np.random.default_rng(1), 0
    for _ in range(200):
        y, units = np.zeros(120, np.int64), np.repeat(np.arange(8), 15)
        people = np.repeat(rng.normal(0, 0.1, (2, 8)), 15, axis=1)
        one, other = (rng.random((2, 120)) < 0.7 + people).astype(bool)
        judge = ComparisonCriteria(METRICS["accuracy"], y, units, "group", comparisons=1)
        gain = judge.gain(_answers(one, y), _answers(other, y))
        covered += gain.low <= 0 <= gain.high
    assert 180 <= covered <= 199


def test_scores_are_scikit_learns() -> None:
    rng = np.random.default_rng(3)
    y = (rng.random(500) < 0.1).astype(np.int64)
    score = np.round(rng.random(500) + 0.3 * y, 1).astype(np.float32)
    answers = np.stack([1.4 - score, score], axis=1)
    assert METRICS["average-precision"].score(y, answers) == pytest.approx(average_precision_score(y, score))
    reported = METRICS["balanced-accuracy"].score(y, answers)
    assert reported == pytest.approx(balanced_accuracy_score(y, np.argmax(answers, axis=1)))


def test_the_metric_follows_the_target(tmp_path: Path) -> None:
    rows = [[f"{n}", f"{n % 7}", "rare" if n % 20 == 0 else "often"] for n in range(200)]
    problem = ladder(write_rows(tmp_path / "rare.csv", rows, header="a,b,y")).problem
    assert choose(problem)[0].name == "average-precision"
    assert choose(problem, "macro-f1")[0].name == "macro-f1"
    with pytest.raises(UnknownNameError, match=r"no metric 'mae'.*average-precision"):
        choose(problem, "mae")
    assert ladder(table(tmp_path / "even.csv")).metric.name == "accuracy"
    assert ladder(table(tmp_path / "amount.csv", kind="amount")).metric.name == "mae"


@pytest.mark.slow
def test_a_product_is_found_and_a_threshold_is_enough(tmp_path: Path) -> None:
    requested = ("majority", "threshold", "rules", "linear", "tree")
    record = ladder(table(tmp_path / "product.csv", kind="product"), requested).climb()
    rules = record.rungs[2]
    assert rules.chosen
    assert "a x b >= 3.2" in rules.says or "b x a >= 3.2" in rules.says
    assert record.stopped == "every rung was tried"
    simple = ladder(table(tmp_path / "simple.csv"), requested).climb()
    assert simple.chosen == "threshold"
    assert simple.rungs[1].says.startswith("a >= 1.5") or simple.rungs[1].says.startswith("a <= 1.5")
    assert simple.rungs[1].gain is not None
    assert simple.rungs[1].gain.low > 0.3


@pytest.mark.slow
def test_rows_that_know_each_other_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    level, rows = 0.0, []
    for n in range(800):
        level = 0.99 * level + 0.2 * rng.normal()
        rows.append([f"{level:.4f}", f"{n / 100 + rng.normal():.4f}", "on" if (n // 50) % 3 == 0 else "off"])
    file = write_rows(tmp_path / "walk.csv", rows, header="a,b,y")
    with pytest.raises(CheckFailedError, match=r"are alike; a random split inflates the score by .*--group"):
        problem_and_config(str(file), {"target": "y"})
    problem, _, _ = problem_and_config(str(file), {"target": "y"}, by="block")
    assert (problem.by, problem.units.max()) == ("block", 9)


@pytest.mark.slow
def test_the_machine_beside_a_package_does_what_was_measured(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    on = np.repeat(np.arange(12) % 2, 40)
    value = on + np.where(rng.random(480) < 0.15, rng.choice([-1.0, 1.0], 480), 0) + 0.05 * rng.normal(size=480)
    rows = [[f"{2 * n}", f"{v:.4f}", "busy" if o else "free"] for n, (v, o) in enumerate(zip(value, on, strict=True))]
    file = write_rows(tmp_path / "busy.csv", rows, header="time_s,level,y")
    started = ladder(file, ("majority", "threshold", "state_machine"), time="time_s")
    record = started.climb()
    assert record.kept == "block"
    assert "for" in record.rungs[2].says
    assert record.rungs[2].score is not None
    assert record.rungs[1].score is not None
    assert record.rungs[2].score.value > record.rungs[1].score.value
    result = run_rung(started, "state_machine", out=tmp_path / "runs", record=record)
    assert (result.folder / "ladder.json").exists()
    checked = read_table(result.folder / "state-table.toml")
    machine, records = StateMachine(checked), []
    for n, v in enumerate(started.problem.samples.X[:, 0]):
        machine.push("row", {"level": float(v)}, 2.0 * n)
        machine.tick(2.0 * n + 1.5)
        records.append(machine.state in {"on", "perhaps_off"})
    fitted = started.standing("state_machine").fitted
    assert isinstance(fitted, Machine)
    answers = fitted.answers(np.arange(480, dtype=np.int64))
    wanted = np.argmax(answers, axis=1) == np.argmax(fitted.base.model.table.answers[0])
    assert np.mean(wanted == np.array(records)) > 0.99


def test_a_machine_waits_and_remembers() -> None:
    value = np.array([0, 3, 0, 3, 3, 1.5, 1.5, 0, 3, 0, 0, 3], np.float32)
    first = np.zeros(len(value), bool)
    first[[0, 11]] = True
    values = states(value, first, on=2.0, off=1.0, duration=2)
    assert values.tolist() == [False, False, False, False, True, True, True, True, True, True, False, True]
