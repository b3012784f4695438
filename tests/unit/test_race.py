"""The race of whole pipelines: what it asks, what it chooses, and how it ends."""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from edgewright.core.errors import InputError
from edgewright.core.records.config import DeviceConfig, PipelineConfig, SplitConfig, WindowConfig
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.core.records.race import RaceRecord
from edgewright.pipeline.fitting import Flow, fit_stages
from edgewright.pipeline.material import Material, prepare
from edgewright.pipeline.plan import data_plan, parts
from edgewright.race import heats as sizes
from edgewright.race import race as engine
from edgewright.race.heats import MOST_UNITS, Heat, HeatFold, Heats
from edgewright.race.pipeline_end import candidate_name, entrants_of
from edgewright.race.problem import FEATURES, WINDOWS, Columns, Problem, problem_of_training
from edgewright.race.race import Race, Standing, shrunk
from edgewright.race.stage_outputs import StageOutputs
from edgewright.race.stages import config_of as staged
from edgewright.race.stages import is_series
from edgewright.race.variants import add_variants
from edgewright.trace.sections.race import choice, race_lines
from edgewright.trace.views.reports import shown_race
from race_problems import table
from support import shared_data

PLAIN = ("majority", "threshold", "rules", "linear", "tree", "forest", "boosting")


def config_of(path: Path) -> PipelineConfig:
    return PipelineConfig(
        name="race", data={"kind": "csv", "path": str(path), "target": "y"}, split=SplitConfig(by="row"),
        device=DeviceConfig(profile="cortex-m4"),
    )  # fmt: skip


def problem_at(path: Path) -> tuple[Problem, PipelineConfig, Material]:
    config = config_of(path)
    material = prepare(data_plan(config), None)
    return problem_of_training(material), config, material


def race_of(path: Path, names: tuple[str, ...] = PLAIN, budget_s: float | None = None) -> Race:
    problem, config, _ = problem_at(path)
    entrants = [entrant for entrant in entrants_of(problem, config) if entrant.name in names]
    return Race(problem, entrants, "cortex-m4", budget_s=budget_s)


def test_samples_that_judge_the_run_take_no_part(tmp_path: Path) -> None:
    problem, _, material = problem_at(table(tmp_path / "rows.csv"))
    test = {row.tobytes() for row in material.samples.X[material.sides.test]}
    assert len(problem.y) == len(material.sides.train) + len(material.sides.validation)
    assert not any(row.tobytes() in test for row in problem.samples.X)


@pytest.mark.parametrize(
    ("kind", "names", "chosen"),
    [("threshold", ("majority", "linear", "neighbours"), "linear"), ("product", PLAIN, "rules")],
)
def test_the_simplest_that_is_as_good_as_the_best_is_chosen(
    tmp_path: Path, kind: str, names: tuple[str, ...], chosen: str
) -> None:
    record = race_of(table(tmp_path / "rows.csv", kind=kind), names).run()
    assert record.chosen == chosen, race_lines(record)
    scores = {entrant.name: entrant.score for entrant in record.entrants if entrant.score is not None}
    assert scores[chosen].value > 0.93
    assert scores["majority"].value < 0.7
    assert record.ended == "nothing that is left could change the choice"


@pytest.mark.slow
def test_an_amount_has_a_race_too(tmp_path: Path) -> None:
    record = race_of(table(tmp_path / "rows.csv", kind="amount")).run()
    assert (record.metric, record.higher) == ("mae", False)
    scores = {entrant.name: entrant.score.value for entrant in record.entrants if entrant.score is not None}
    assert scores[record.chosen] < 0.5 * scores["majority"]
    # The best comes first, whichever way its score goes.
    assert record.entrants[0].name != "majority"


@pytest.mark.parametrize(
    ("budget", "ended"),
    [(0.0, "a budget of 0 s is for the cheapest candidates alone"), (0.01, "its 0 CPU seconds were used")],
)
def test_a_small_budget_ends_the_race_with_a_choice(tmp_path: Path, budget: float, ended: str) -> None:
    seen: list[RaceRecord] = []
    race = race_of(table(tmp_path / "rows.csv"), budget_s=budget)
    race.watch = seen.append
    record = race.run()
    assert record.ended == ended
    assert f" because {ended}." in choice(record)
    assert seen[0].entrants[0].name == "majority"  # the first that was measured
    assert record.chosen != "majority"
    assert all(entrant.heats == 1 for entrant in record.entrants if entrant.score is not None)


@pytest.mark.slow
def test_who_leads_is_told_once_the_cheapest_are_measured_and_where_another_one_does(tmp_path: Path) -> None:
    records: list[RaceRecord] = []
    race = race_of(table(tmp_path / "rows.csv", kind="product"), budget_s=60.0)
    race.lead = records.append
    record = race.run()
    names = [one.chosen for one in records]
    assert names
    assert "majority" not in names
    assert all(before != after for before, after in pairwise(names))
    assert sum(one.score is not None for one in records[0].entrants) == 4
    assert records[-1].chosen == record.chosen


def test_no_lead_is_told_of_that_takes_long(tmp_path: Path) -> None:
    records: list[RaceRecord] = []
    race = race_of(table(tmp_path / "rows.csv", kind="product"), budget_s=1e-4)
    race.lead = records.append
    race.run()
    assert not records


def test_of_many_rows_the_heats_compare_on_more_of_them_and_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "MANY", 300)
    monkeypatch.setattr(sizes, "_ROW_HEATS", (Heat(1, 40), Heat(1, 80), Heat(1, 160)))
    leads: list[RaceRecord] = []
    race = race_of(table(tmp_path / "rows.csv", kind="product"))
    race.lead = leads.append
    record = race.run()
    assert record.heat_samples == (40, 80, 160)
    chosen = next(entrant for entrant in record.entrants if entrant.name == record.chosen)
    # The single fold tests the rows that it holds back, a fifth of 320.
    assert (chosen.heats, chosen.samples) == (3, 64)
    assert record.why.endswith(", on 160 samples")
    assert "at most 40, 80 and 160 of them" in race_lines(record)[0]
    assert any(entrant.verdict == "fell behind, on 40 samples" for entrant in record.entrants)
    assert not leads


def test_a_heat_of_all_rows_says_how_many_a_fit_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "MANY", 300)
    monkeypatch.setattr(sizes, "_ROW_HEATS", (Heat(1, 40), Heat(1, 80), Heat(1, 1000)))
    record = race_of(table(tmp_path / "rows.csv"), ("majority", "threshold")).run()
    assert record.why.endswith(", on 256 samples")  # the others of 320 are tested


def test_few_rows_race_as_they_did(tmp_path: Path) -> None:
    race = race_of(table(tmp_path / "rows.csv"), ("majority", "threshold"))
    assert race.rounds == sizes.HEATS
    assert b"heat_samples" not in msgspec.json.encode(race.run())


def test_a_heat_without_time_for_the_best_compares_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    race = race_of(table(tmp_path / "rows.csv", kind="product"), ("majority", "threshold", "linear", "tree", "rules"))
    measure, best = race.measure, ("rules", "tree", "linear")

    def slow(standing: Standing, folds: Sequence[HeatFold]) -> bool:
        """Let the best of the first heat seem to take an hour."""
        answered = measure(standing, folds)
        standing.per_sample_s = 3600.0 if standing.entrant.name in best else 0.0
        return answered

    monkeypatch.setattr(race, "measure", slow)
    record = race.run()
    assert {entrant.heats for entrant in record.entrants} == {1}
    assert record.chosen in best


def test_the_first_heat_leaves_time_for_more_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("majority", "threshold", "linear", "tree", "rules", "forest")
    race = race_of(table(tmp_path / "rows.csv", kind="product"), names, budget_s=1_000.0)
    measure = race.measure

    def slow(standing: Standing, folds: Sequence[HeatFold]) -> bool:
        """Let more than half of the budget seem to be used from the first on."""
        answered = measure(standing, folds)
        race._spent = 501.0
        return answered

    monkeypatch.setattr(race, "measure", slow)
    record = race.run()
    heats = {entrant.name: entrant.heats for entrant in record.entrants}
    assert heats["forest"] == 0
    assert heats[record.chosen] == 3
    assert record.ended == "half of its 1000 CPU seconds were used before all were measured"


def test_the_race_is_shown_on_a_terminal_while_it_goes_on(tmp_path: Path) -> None:
    sheet = io.StringIO()
    race = race_of(table(tmp_path / "rows.csv"), ("majority", "threshold", "rules"))
    with shown_race(Console(file=sheet, width=100, force_terminal=True)) as race.watch:
        record = race.run()
    first, last = sheet.getvalue().split("pipeline")[1], sheet.getvalue().split("pipeline")[-1]
    assert "majority" in first and "threshold" not in first
    score = next(entrant.score for entrant in record.entrants if entrant.name == "threshold" and entrant.score)
    # A long reason is cut in a narrow terminal, and no figure.
    assert f"threshold  {score.value:.3f} ({score.low:.3f} to {score.high:.3f})" in last
    assert "rules can be read" in last and "into account" not in last
    assert last.index("threshold") < last.index("majority")
    assert "nothing simpler looks at the data" in last
    assert "of CPU time left" in first and "of CPU time left" not in last
    with shown_race(Console(file=io.StringIO())) as watch:
        assert watch is None


def test_an_interrupted_race_keeps_what_it_measured(tmp_path: Path) -> None:
    race = race_of(table(tmp_path / "rows.csv"))

    def interrupt(race: RaceRecord) -> None:
        if race.entrants[0].heats == 2:
            raise KeyboardInterrupt

    race.watch = interrupt
    record = race.run()
    assert record.ended == "it was interrupted"
    assert record.chosen


def test_what_the_device_cannot_hold_is_the_ceiling_and_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "beyond", lambda footprint, _: "flash" if footprint.flash.value > 2000 else "")
    record = race_of(table(tmp_path / "rows.csv", kind="product"), ("majority", "threshold", "forest")).run()
    assert record.chosen == "threshold"
    assert "forest" in record.ceiling
    assert "what fits reaches" in record.ceiling
    assert "exceeds flash" in "\n".join(race_lines(record))


def test_folds_are_the_same_objects_where_all_samples_take_part(tmp_path: Path) -> None:
    problem, _, _ = problem_at(table(tmp_path / "rows.csv"))
    heats = Heats(StageOutputs(problem), 0)
    first, second = heats.of(Heat(1, 2_000)), heats.of(Heat(2, 6_000))
    assert first[0] is second[0]
    small = heats.of(Heat(1, 50))[0]
    assert (len(small.train), len(small.queries)) == (50, 50)
    queries = problem.samples.X[small.queries]
    assert (small.problem.samples.X[small.test] == queries).all()
    assert not {row.tobytes() for row in queries} & {row.tobytes() for row in small.problem.samples.X[small.train]}


def test_folds_of_few_samples_overrule_other_data_sets_only_clearly() -> None:
    # One percent of what is known comes from the samples: the other data sets decide.
    lost, error = shrunk(0.5, 5.0, -0.4)
    assert lost < 0
    assert error < engine.PRIOR_DEVIATION
    assert shrunk(0.5, 0.05, -0.4)[0] > 0.4
    assert shrunk(0.0, 0.0, 0.3) == (0.3, engine.PRIOR_DEVIATION)
    assert shrunk(0.2, math.inf, 0.3) == (0.2, 0.0)


def test_a_pipeline_that_cannot_take_the_samples_is_left_out_with_its_reason(tmp_path: Path) -> None:
    problem, config, _ = problem_at(table(tmp_path / "rows.csv"))
    entrants = [entrant for entrant in entrants_of(problem, config) if entrant.name in ("majority", "tree")]
    broken = msgspec.structs.replace(entrants[1].config, stages=({"kind": "mfcc"},))
    object.__setattr__(entrants[1], "config", broken)
    record = Race(problem, entrants, "cortex-m4").run()
    assert record.chosen == "majority"
    assert "mfcc" in next(entrant.left_out for entrant in record.entrants if entrant.name == "tree")


def heartbeats(path: Path, order: np.ndarray | None = None, stem: str = "t") -> tuple[Problem, PipelineConfig]:
    """Write outlines of heartbeats (ECG200) as a table of one row each, and return its problem."""
    rows = np.loadtxt(shared_data("ecg200") / "ECG200_TRAIN.tsv")
    values = rows[:, 1:] if order is None else rows[:, 1:][:, order]
    header = ",".join([*(f"{stem}{index}" for index in range(values.shape[1])), "y"])
    lines = [",".join([*(f"{value:.4f}" for value in row), f"class {label:.0f}"])
             for label, row in zip(rows[:, 0], values, strict=True)]  # fmt: skip
    path.write_text("\n".join([header, *lines]) + "\n")
    problem, config, _ = problem_at(path)
    return problem, config


@pytest.mark.slow
def test_a_row_of_values_in_order_races_as_a_series(tmp_path: Path) -> None:
    problem, config = heartbeats(tmp_path / "beats.csv")
    assert is_series(problem)
    entrants = {entrant.name: entrant for entrant in entrants_of(problem, config)}
    assert [stage["kind"] for stage in entrants["kernels"].config.stages] == ["impute", "series", "kernels"]
    assert "shape_convolutions" in entrants
    assert [stage["kind"] for stage in entrants["linear"].config.stages] == ["impute", "scale"]
    record = Race(problem, [entrants["majority"], entrants["kernels"]], "cortex-m4").run()
    assert record.chosen == "kernels", race_lines(record)


def test_rows_that_level_and_size_hide_are_told_by_their_slopes(tmp_path: Path) -> None:
    rng, places = np.random.default_rng(0), np.linspace(0.0, 1.0, 40)
    shares = rng.uniform(size=(160, 2))
    bands = [np.exp(-(((places - center) / width) ** 2)) for center, width in ((0.35, 0.1), (0.6, 0.15))]
    spectra = rng.uniform(0.5, 2.0, (160, 1)) * (shares @ bands + places) + rng.uniform(0.0, 3.0, (160, 1))
    header = ",".join([*(f"nm{wave}" for wave in range(850, 1050, 5)), "y"])
    lines = [
        ",".join(f"{value:.5f}" for value in (*row, share)) for row, share in zip(spectra, shares[:, 0], strict=True)
    ]
    (tmp_path / "spectra.csv").write_text("\n".join([header, *lines]) + "\n")
    problem, config, _ = problem_at(tmp_path / "spectra.csv")
    entrants = {entrant.name: entrant for entrant in entrants_of(problem, config)}
    record = Race(problem, [entrants["linear"], entrants["slopes"]], "cortex-m4").run()
    assert record.chosen == "slopes", race_lines(record)
    few, _, _ = problem_at(table(tmp_path / "rows.csv"))
    assert "slopes" not in {entrant.name for entrant in entrants_of(few, config)}


@pytest.mark.parametrize("columns", ["plain", FEATURES, WINDOWS])
def test_a_reading_that_only_a_test_sample_of_a_sound_misses_is_filled(columns: Columns) -> None:
    rng = np.random.default_rng(2)
    recordings = tuple(
        Recording(name=f"r{n}", values=rng.normal(size=(512, 1)).astype(np.float32), target=np.full(512, "ab"[n % 2]))
        for n in range(40)
    )
    dataset = DataSet(name="d", columns=(Column(name="microphone"),), recordings=recordings, rate=8000.0)
    config = PipelineConfig(name="p", data={}, window=WindowConfig(samples=512), split=SplitConfig(by="session"))
    before = prepare(data_plan(config), None, dataset)
    tested = before.samples.sessions[before.sides.test[0]]
    next(recording for recording in recordings if recording.name == tested).values[7] = np.nan
    material = prepare(data_plan(config), None, dataset)
    problem = problem_of_training(material)
    assert np.isfinite(problem.samples.X).all() and not np.isfinite(material.samples.X).all()

    def sent(stages: Sequence[dict[str, Any]]) -> Flow:
        return fit_stages(material.samples, material.fitted_on, parts(stages, "p"), "classification", 0, None, print)

    assert np.isfinite(sent(staged(config, problem, columns).stages).X).all()
    with pytest.raises(InputError, match="Put a stage of kind 'fill' before it"):
        sent(({"kind": "mfcc"},))


def test_values_at_times_are_a_series_however_they_jump(tmp_path: Path) -> None:
    jumping, _ = heartbeats(tmp_path / "jumping.csv", np.random.default_rng(0).permutation(96), stem="t")
    assert is_series(jumping)


def test_kernels_look_at_compressed_values_where_a_few_are_giants(tmp_path: Path) -> None:
    problem, config = heartbeats(tmp_path / "beats.csv")
    sizes = 10.0 ** np.random.default_rng(0).uniform(-3.0, 2.0, len(problem.samples.X))
    samples = msgspec.structs.replace(problem.samples, X=problem.samples.X * sizes[:, None].astype(np.float32))
    giants = replace(problem, samples=samples)
    stages = {entrant.name: entrant for entrant in entrants_of(giants, config)}["kernels"].config.stages
    assert [stage["kind"] for stage in stages] == ["impute", "series", "compress", "kernels"]


def test_columns_in_no_order_are_no_series(tmp_path: Path) -> None:
    shuffled, config = heartbeats(tmp_path / "shuffled.csv", np.random.default_rng(0).permutation(96), stem="s")
    assert not is_series(shuffled)
    assert not {"kernels", "shape_convolutions"} & {entrant.name for entrant in entrants_of(shuffled, config)}
    few, _, _ = problem_at(table(tmp_path / "rows.csv"))
    assert not is_series(few)


@pytest.mark.parametrize("count", [30, 50, 320])
def test_samples_of_one_person_are_compared_in_equal_parts_in_their_order(tmp_path: Path, count: int) -> None:
    race = race_of(table(tmp_path / "rows.csv"), ("majority",))
    race._groups = np.full(320, 3)
    groups = race.judge_of(np.arange(count)).groups
    sizes_of_parts = np.unique(groups, return_counts=True)[1]
    assert len(sizes_of_parts) == min(count, MOST_UNITS) and (np.diff(groups) >= 0).all()
    assert sizes_of_parts.max() - sizes_of_parts.min() <= 1
    race._groups = np.arange(320) // 7
    assert race.judge_of(np.arange(7, 21)).groups.tolist() == [0] * 7 + [1] * 7


def test_a_search_adds_variants_of_each_model(tmp_path: Path) -> None:
    problem, config, _ = problem_at(table(tmp_path / "rows.csv"))
    entrants = entrants_of(problem, config)
    searched = add_variants(entrants, 5, seed=0)
    assert searched[: len(entrants)] == entrants
    added = searched[len(entrants) :]
    counts = Counter(candidate_name(entrant.name) for entrant in added)
    assert counts == dict.fromkeys(("extra_trees", "forest", "boosting", "small_network", "large_network"), 5) | {
        "kernel_machine": 3
    }
    assert [entrant.name for entrant in add_variants(entrants, 5, seed=0)] == [entrant.name for entrant in searched]
    assert len({msgspec.json.encode((entrant.config.model, entrant.config.training)) for entrant in added}) == len(
        added
    )
    widths = {tuple(layer["units"] for layer in entrant.config.model.layers) for entrant in added
              if candidate_name(entrant.name) == "small_network"}  # fmt: skip
    assert len(widths) > 1 and all(4 <= units <= 64 for layers in widths for units in layers)


def test_variants_race_and_may_win(tmp_path: Path) -> None:
    problem, config, _ = problem_at(table(tmp_path / "rows.csv", kind="product"))
    boosting = [entrant for entrant in entrants_of(problem, config) if entrant.name == "boosting"]
    record = Race(problem, add_variants(boosting, 4, seed=0), "cortex-m4").run()
    assert len(record.entrants) == 5
    assert record.chosen.startswith("boosting/")
    chosen, usual = (next(one for one in record.entrants if one.name == name) for name in (record.chosen, "boosting"))
    assert chosen.title.startswith("boosting, rounds ")
    assert chosen.score is not None and usual.score is not None
    assert chosen.score.value > usual.score.value
