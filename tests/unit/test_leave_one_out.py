"""Each of few people left out once: fits that have not seen them, intervals by person, and what a run is ready for."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from edgewright.core.records.data import Split
from edgewright.core.records.trace import LeftOutRecord
from edgewright.pipeline import learning
from edgewright.pipeline import leave_one_out as tested
from edgewright.pipeline.config import checked
from edgewright.pipeline.material import Material
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.pipeline.run_folder.store import Job
from edgewright.trace.blocks.records import Facts
from edgewright.trace.html import page_html
from edgewright.trace.modes.reading import summary_blocks
from edgewright.trace.sentences.opening import opening
from edgewright.trace.sentences.readiness import NOT_READY, READY, left_out_text, state_of
from trace_printing import print_trace

pytestmark = pytest.mark.slow

ROWS = 40
Label = Callable[[np.random.Generator, float, float, int], str]


def good(generator: np.random.Generator, x: float, y: float, person: int) -> str:
    """Return what both columns tell together and neither alone."""
    return "on" if x * y > 0 else "off"


def chance(generator: np.random.Generator, x: float, y: float, person: int) -> str:
    return str(generator.choice(["on", "off"]))


def own(generator: np.random.Generator, x: float, y: float, person: int) -> str:
    """Return what the same rows mean otherwise with every other person."""
    return "on" if (x > 0) == bool(person % 2) else "off"


def poor(generator: np.random.Generator, x: float, y: float, person: int) -> str:
    """Return the corner of the plane in 41 % of rows, one of 10 labels otherwise: far above chance, mostly wrong."""
    corner = int(x > 0) + 2 * int(y > 0)
    return f"c{corner if generator.random() < 0.35 else generator.integers(0, 10)}"


def obvious(generator: np.random.Generator, x: float, y: float, person: int) -> str:
    return "on" if x > 0 else "off"


def run(tmp_path: Path, label: Label, people: int = 8, rows: int = ROWS, **changes: object) -> RunResult:
    """Run boosted trees on rows of so many people, each left out once."""
    generator = np.random.default_rng(0)
    lines = ["person,x,y,label"]
    for person in range(people):
        for x, y in generator.normal(size=(rows, 2)):
            lines.append(f"p{person},{x:.4f},{y:.4f},{label(generator, x, y, person)}")
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "my.csv").write_text("\n".join(lines) + "\n")
    table = {
        "name": "my", "data": {"kind": "csv", "path": str(tmp_path / "my.csv"), "target": "label", "group": "person"},
        "split": {"by": "group", "leave_one_out_s": 60.0, "validation": 0.0}, "stages": [{"kind": "impute"}],
        "model": {"kind": "boosting", "rounds": 10}, "refit": False, "device": {"profile": "cortex-m4"},
    }  # fmt: skip
    return run_pipeline(checked({**table, **changes}, "my"), out=tmp_path / "runs")


def left_out(result: RunResult) -> LeftOutRecord:
    assert result.trace.evaluation is not None
    assert result.trace.evaluation.left_out is not None
    return result.trace.evaluation.left_out


def test_every_person_is_scored_by_a_fit_that_has_not_seen_them(tmp_path: Path) -> None:
    evaluation = left_out(run(tmp_path, own, 2, rows=100))
    assert [(row.group, row.samples) for row in evaluation.groups] == [("p0", 100), ("p1", 100)]
    # What a fit learned of one person is wrong of the other; one that had seen a row of both would know.
    assert max(row.accuracy or 0.0 for row in evaluation.groups) < 0.1
    assert (evaluation.known, evaluation.by) == (2, "person")


def test_what_is_good_is_ready_with_its_figures_by_person(tmp_path: Path) -> None:
    result = run(tmp_path, good, 8, rows=100)
    evaluation = left_out(result)
    assert len(evaluation.groups) == 8
    assert evaluation.score.value == pytest.approx(np.mean([row.accuracy for row in evaluation.groups]))
    assert result.trace.verdict.startswith("ready, with a weakness for cortex-m4: ")
    assert " missing costs " in result.trace.verdict
    assert "on 8 groups left out in turn (95 % CI " in result.trace.verdict
    assert "by person)" in result.trace.verdict
    assert evaluation.simplest is not None
    assert evaluation.simplest.gain.low > 0.2


def test_random_labels_are_never_ready(tmp_path: Path) -> None:
    for people in (8, 15):
        result = run(tmp_path / str(people), chance, people)
        assert result.trace.verdict.startswith("no model for cortex-m4: nothing beats chance (")
        assert result.package is None
        assert not list(result.folder.glob("*.edge"))
        assert "nothing beats chance" in result.refused


def test_much_better_than_chance_and_mostly_wrong_is_not_ready(tmp_path: Path) -> None:
    """Of 20 people, so that only the test samples speak: 41 % of ten classes is far above the most frequent one."""
    result = run(tmp_path, poor, 20, rows=150)
    evaluation = result.trace.evaluation
    assert evaluation is not None
    assert evaluation.left_out is None
    assert evaluation.accuracy is not None
    assert evaluation.majority is not None
    assert evaluation.accuracy.low > evaluation.majority
    assert 0.36 < evaluation.accuracy.value < 0.46
    assert "right: as often wrong as right, or more often" in result.trace.verdict


def test_what_one_column_tells_as_well_is_not_ready(tmp_path: Path) -> None:
    result = run(tmp_path, obvious)
    simplest = left_out(result).simplest
    assert simplest is not None and simplest.gain.value <= 0
    assert state_of(result.trace.verdict) == NOT_READY
    simple = run(tmp_path, obvious, model={"kind": "threshold"})
    assert left_out(simple).simplest is None
    assert simple.trace.verdict.startswith("ready")


def test_two_people_say_little_however_right_it_is(tmp_path: Path) -> None:
    result = run(tmp_path, obvious, 2, model={"kind": "threshold"})
    assert left_out(result).score.value > 0.95
    assert result.trace.verdict.startswith("not ready")
    assert "right on 2 groups says little (95 % CI " in result.trace.verdict


def test_what_every_view_says_first_is_of_the_people_left_out(tmp_path: Path) -> None:
    """Two people, of whom the split of rows says over 99 %: that figure stays in the evaluation, as one split's."""
    trace = run(tmp_path, obvious, 2, rows=300, model={"kind": "threshold"}).trace
    assert trace.evaluation is not None
    assert trace.evaluation.left_out is not None
    little = left_out_text(trace.evaluation.left_out)
    assert "right on 2 groups says little (95 % CI " in little
    assert trace.insight.sentence.split("; ")[0].endswith(little)
    assert "left-out accuracy low" in trace.insight.numbers
    assert "accuracy" not in trace.insight.numbers
    assert "On 2 people or machines, each left out of training once, " in opening(trace)
    assert "by person); that says little." in opening(trace)
    assert "test row" not in opening(trace)
    page = page_html(trace)
    assert little in html.unescape(page[page.index('class="verdict') :][:300])
    assert "test accuracy" not in page
    assert "One split: accuracy " in page
    printed = StringIO()
    print_trace(trace, Console(file=printed, width=110))
    text = " ".join(printed.getvalue().split())
    assert text.index(little) < text.index("One split: accuracy ")
    rows = [row for block in summary_blocks(trace) if isinstance(block, Facts) for row in block.rows]
    assert any(little in value for _, value in rows)
    assert not any(name == "accuracy" for name, _ in rows)


def test_the_error_of_an_amount_is_of_the_people_left_out_too(tmp_path: Path) -> None:
    def amount(generator: np.random.Generator, x: float, y: float, person: int) -> str:
        return f"{x * y + generator.normal(0, 0.05):.4f}"

    trace = run(tmp_path, amount, 3, rows=100).trace
    assert "On 3 people or machines, each left out of training once, its rmse is " in opening(trace)
    assert "left-out rmse" in trace.insight.numbers
    page = page_html(trace)
    first = page[page.index('class="verdict') :][:200]
    assert re.search(r"rmse 0\.\d+ on 3 groups left out in turn \(95 % CI ", first)
    assert "test mae" not in page
    assert "test rmse" not in page


def test_what_is_asked_for_is_needed(tmp_path: Path) -> None:
    result = run(tmp_path, good, 8, rows=100, need=0.999)
    assert "99.9 % was asked for" in result.trace.verdict
    assert result.trace.verdict.startswith("not ready")
    assert run(tmp_path, good, 8, rows=100, need=0.8).trace.verdict.startswith("ready")


def test_time_ends_it_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(tested, "time", SimpleNamespace(perf_counter=lambda: float(next(clock))))
    result = run(tmp_path, good, 8)
    evaluation = left_out(result)
    assert 2 <= len(evaluation.groups) < 8
    assert evaluation.known == 8
    assert any("of 8 groups were left out in turn" in text for text in result.trace.warnings)


def test_ctrl_c_ends_it_and_keeps_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = iter(range(100))

    def third(*given: Any) -> Any:  # noqa: ANN401 - a job, samples and stages in, a model out
        if next(fits) == 3:
            raise KeyboardInterrupt
        return learning.learn(*given)

    monkeypatch.setattr(tested, "learn", third)
    result = run(tmp_path, good, 8)
    assert len(left_out(result).groups) == 3
    warning = "3 of 8 groups were left out in turn: Ctrl-C came, and the run went on without the others"
    assert warning in result.trace.warnings


@pytest.mark.parametrize(("people", "seconds"), [(8, 0.0), (12, 60.0)])
def test_it_can_be_turned_off_and_many_people_do_without(tmp_path: Path, people: int, seconds: float) -> None:
    split = {"by": "group", "leave_one_out_s": seconds, "validation": 0.0}
    evaluation = run(tmp_path, good, people, split=split).trace.evaluation
    assert evaluation is not None
    assert evaluation.left_out is None


def test_a_class_of_one_person_only_counts_as_wrong(tmp_path: Path) -> None:
    def alone(generator: np.random.Generator, x: float, y: float, person: int) -> str:
        return "mine" if person == 3 and x > 0 else good(generator, x, y, person)

    rows = {row.group: row.accuracy for row in left_out(run(tmp_path, alone, 5, split={
        "by": "group", "test_groups": ["p0"], "validation": 0.0, "leave_one_out_s": 60.0})).groups}  # fmt: skip
    assert (rows["p3"] or 0.0) < 0.6 < (rows["p1"] or 0.0)


def test_patience_is_ended_by_other_people_than_the_one_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[set[str], set[str], set[str]]] = []
    sides = tested._sides

    def noted(job: Job, material: Material, name: str) -> Split:
        split_sides, groups = sides(job, material, name), material.samples.groups
        assert groups is not None
        parts = (split_sides.train, split_sides.validation, split_sides.test)
        train, validation, test = ({str(g) for g in np.unique(groups[part])} for part in parts)
        seen.append((train, validation, test))
        return split_sides

    monkeypatch.setattr(tested, "_sides", noted)
    run(
        tmp_path, good, 4, split={"by": "group", "leave_one_out_s": 60.0, "validation": 0.3},
        model={"layers": [{"kind": "dense", "units": 4}]}, training={"epochs": 2, "patience": 1},
    )  # fmt: skip
    assert sorted(name for *_, test in seen for name in test) == ["p0", "p1", "p2", "p3"]
    for train, validation, test in seen:
        assert validation
        assert not train & validation
        assert not test & (train | validation)


def test_amounts_have_errors_by_person_and_need_to_beat_the_mean(tmp_path: Path) -> None:
    def amount(generator: np.random.Generator, x: float, y: float, person: int) -> str:
        return f"{x * y + generator.normal(0, 0.05):.4f}"

    def noise(generator: np.random.Generator, x: float, y: float, person: int) -> str:
        return f"{generator.normal():.4f}"

    result = run(tmp_path, amount, 8, rows=150)
    evaluation = left_out(result)
    assert evaluation.r2 is not None
    assert evaluation.r2 > 0.6
    assert math.sqrt(np.mean([row.regression["rmse"] ** 2 for row in evaluation.groups])) >= evaluation.score.value
    assert result.trace.verdict.startswith("ready for cortex-m4: rmse ")
    assert "no model for cortex-m4: nothing beats chance (R² " in run(tmp_path, noise, 8).trace.verdict


def test_few_test_samples_without_groups_are_cross_validated(tmp_path: Path) -> None:
    lines = ["x,y,label"]
    rng = np.random.default_rng(0)
    for number in range(80):
        on = number % 2
        lines.append(f"{rng.normal() + 4 * on:.4f},{rng.normal():.4f},{'on' if on else 'off'}")
    path = tmp_path / "few.csv"
    path.write_text("\n".join(lines) + "\n")
    table = {
        "name": "few", "data": {"kind": "csv", "path": str(path), "target": "label"}, "model": {"kind": "threshold"},
        "split": {"by": "row", "leave_one_out_s": 60.0},
    }  # fmt: skip
    result = run_pipeline(checked(table, "few"), out=tmp_path / "runs")
    record = left_out(result)
    assert (record.by, len(record.groups)) == ("fold", 10)
    assert sum(row.samples for row in record.groups) == 80
    assert record.score.value > 0.9
    assert state_of(result.trace.verdict) == READY


def test_many_test_samples_need_no_folds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    on = np.arange(400) % 2
    rows = [
        f"{x + 4 * label:.4f},{'on' if label else 'off'}" for x, label in zip(rng.normal(size=400), on, strict=True)
    ]
    path = tmp_path / "many.csv"
    path.write_text("\n".join(["x,label", *rows]) + "\n")
    table = {
        "name": "many", "data": {"kind": "csv", "path": str(path), "target": "label"}, "model": {"kind": "threshold"},
        "split": {"by": "row", "leave_one_out_s": 60.0},
    }  # fmt: skip
    evaluation = run_pipeline(checked(table, "few"), out=tmp_path / "runs").trace.evaluation
    assert evaluation is not None and evaluation.left_out is None
