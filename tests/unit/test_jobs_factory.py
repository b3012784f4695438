"""Pieces of the job `factory`: intervals of an amount by group, maintenance windows, and detectors of an own start."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.package import around, read_package
from edgewright.data.polars import pl
from edgewright.device.agent.settings import read_settings
from edgewright.device.agent.startup import run_agent
from edgewright.device.sources import short_source
from edgewright.features import bearing
from edgewright.features.bearing import orders
from edgewright.jobs.catalogue import examples, read_job
from edgewright.jobs.simulation.bearings import PARTS, Condition, Geometry, Specimen, contacts, vibration
from edgewright.jobs.steps.plan import clock_of
from edgewright.jobs.workflow import _steps
from edgewright.models.rules import Rules
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.schema.device import Event
from edgewright.schema.device_config import PackageEntry
from edgewright.schema.errors import InputError
from edgewright.schema.package import IntervalSpec
from edgewright.workflows.detection import own_start
from edgewright.workflows.detection.rows import Stretch
from edgewright.workflows.intervals import (
    Fold,
    Folds,
    Policy,
    Side,
    band_of,
    group_factor,
    plans_of,
    widened,
)
from edgewright.workflows.intervals import by_age as plans_by_age
from edgewright.workflows.maintenance import Booking, Costs, Lives, Upkeep, by_age, by_forecast, keep_up, lives_of
from plant import OpcuaPlant, free_port
from stage_examples import unfitted
from support import shared_data

RUN = """
name = "wear"
task = "regression"
[data]
kind = "csv"
target = "left"
group = "machine"
[split]
by = "group"
[model]
kind = "linear"
[device]
profile = "cortex-m4"
"""
JOB = """
title = "How long does it last?"
shows = "Intervals and windows."
minutes = 0.1
[[steps]]
kind = "run"
[[steps]]
kind = "intervals"
folds = 3
inner = 2
bins = 3
[[steps]]
kind = "plan"
risk = 0.1
notice = 3
length = 3
[[steps]]
kind = "line"
machines = 4
notice = 3
costs = { failure = 3.0, standing = 0.1, planned_rows = 2, failure_rows = 4 }
rows = 300
draws = 5
[[steps]]
kind = "bearings"
balls = 8
ball = 5.0
pitch = 20.0
speeds = [1200]
loads = [1.0]
judge_speeds = [1800]
judge_loads = [0.5]
specimens = 2
samples = 1024
rate = 8000.0
"""


def test_an_interval_holds_as_often_as_was_asked_whatever_the_size_of_the_forecast() -> None:
    rng = np.random.default_rng(2)

    def sample(count: int) -> tuple[np.ndarray, np.ndarray]:
        forecasts = rng.uniform(0, 100, count)
        # Far forecasts are wrong by more, and too low.
        return forecasts, forecasts + rng.normal(forecasts / 20, 1 + forecasts / 10)

    band = band_of(*sample(8000), 0.05, 0.05)
    forecasts, truth = sample(8000)
    low, high = around(band, forecasts)
    covered = (low <= truth) & (truth <= high)
    for part in (forecasts < 30, forecasts > 70):
        assert covered[part].mean() == pytest.approx(0.9, abs=0.03)
    assert (high - low)[forecasts > 70].mean() > 2 * (high - low)[forecasts < 30].mean()
    one_side, nothing = around(band_of(*sample(4000), 0.05, 0.0), forecasts)
    assert np.isinf(nothing).all()
    assert (truth < one_side).mean() == pytest.approx(0.05, abs=0.015)


def test_an_interval_needs_samples_that_took_no_part() -> None:
    with pytest.raises(InputError, match="at least 100"):
        band_of(np.zeros(5), np.zeros(5), 0.05, 0.05)


def lives(names: list[str], error: float, seed: int) -> tuple[Side, dict[str, int]]:
    """Return machines that wear out, with forecasts that are wrong by so much."""
    rng = np.random.default_rng(seed)
    rows = {name: int(rng.integers(60, 200)) for name in names}
    flat = [(name, row, rows[name] - 1 - row) for name in names for row in range(rows[name])]
    groups, when, left = (tuple(column) for column in zip(*flat, strict=True))
    truth = np.array(left, float)
    forecasts = truth + rng.normal(0, error, len(truth))
    return Side(groups=groups, rows=when, truth=tuple(truth), forecasts=tuple(forecasts)), rows


def test_a_window_keeps_the_risk_and_gives_away_less_than_an_age() -> None:
    calibration, others = lives([f"a{n}" for n in range(40)], 3.0, 1)
    test, mine = lives([f"b{n}" for n in range(40)], 3.0, 2)
    fold, rows = Fold(calibration=calibration, test=test), {**others, **mine}
    plans = plans_of(fold, rows, Policy(risk=0.05, notice=5, length=10))
    assert len(plans) == 40
    assert all(plan.decided is not None and plan.opens == plan.decided + 5 for plan in plans)
    assert sum(plan.too_late for plan in plans) <= 6
    assert np.mean([plan.unused for plan in plans]) < 12
    ages = plans_by_age(fold, rows, 0.05)
    assert len({plan.closes for plan in ages}) == 1
    assert np.mean([plan.unused for plan in ages]) > 30


def test_a_plan_speaks_of_the_time_that_the_data_have() -> None:
    def words(rate: float | None, unit: str = "rows") -> tuple[str, float]:
        return clock_of(Folds(folds=(), rows={"a": 400, "b": 500, "c": 600}, rate=rate, unit=unit))

    assert words(None, "cycles") == ("cycles", 1)
    # 500 rows, one in five minutes, are 42 hours; one an hour 21 days; one a second 8 minutes.
    assert words(1 / 300) == ("hours", 12)
    assert words(1 / 3600) == ("days", 24)
    assert words(1.0) == ("minutes", 60)
    assert words(1000.0) == ("seconds", 1000)


def test_a_family_is_judged_by_what_is_best_on_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_start, "KINDS", (("pca", {"variance": 0.9}),))
    monkeypatch.setattr(own_start, "MEANS", (1, 5))
    rng = np.random.default_rng(4)
    given = []
    for name in ("pump/1", "pump/2", "fan/1", "fan/2"):
        values = rng.normal(0, 1, (460, 3)).astype(np.float32)
        odd = np.zeros(460, np.bool_)
        odd[380:420] = True
        values[odd, 1] += 6
        given.append(Stretch(name, values, np.arange(460.0), odd))
    whole, each = own_start.left_out(given, 300)
    assert set(each) == {"pump", "fan"}
    assert whole.f1 > 0.8
    assert given[0].odd is not None
    flags, blamed = each["pump"][1].watch(given[0], 300)
    assert not flags[:300].any()
    assert np.bincount(blamed[flags & given[0].odd]).argmax() == 1
    with pytest.raises(InputError, match="two families"):
        own_start.left_out(given[:2], 300)
    with pytest.raises(InputError, match="more than 500 rows"):
        own_start.left_out(given, 500)


def streams(folder: Path, families: tuple[str, ...], rows: int = 1500) -> Path:
    """Write streams of a channel that swings, each with a jump of some rows, as NAB lies in a folder."""
    rng = np.random.default_rng(6)
    windows = {}
    for number, name in enumerate(families):
        values = np.sin(np.arange(rows) / 20) + rng.normal(0, 0.1, rows)
        times = [
            str(moment).replace("T", " ") for moment in np.datetime64("2014-04-01T00:00:00") + 300 * np.arange(rows)
        ]
        first = 900 + 50 * number
        values[first : first + 60] += 8
        windows[f"{name}/a.csv"] = [[times[first], times[first + 59]]]
        (folder / "data" / name).mkdir(parents=True)
        lines = ["timestamp,value", *(f"{time},{value:.4f}" for time, value in zip(times, values, strict=True))]
        (folder / "data" / name / "a.csv").write_text("\n".join(lines))
    (folder / "combined_windows.json").write_bytes(msgspec.json.encode(windows))
    return folder


STREAMS = """
title = "What is odd?"
shows = "Streams."
minutes = 0.1
[[steps]]
kind = "streams"
data = { kind = "nab" }
"""


@pytest.mark.slow
def test_streams_are_judged_by_the_choice_of_other_families(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "hall").mkdir()
    (tmp_path / "hall" / "job.toml").write_text(STREAMS)
    data = streams(tmp_path / "data", ("pump", "fan"))
    record = cli.json("jobs", "run", tmp_path / "hall", "--data", data, "--out", tmp_path / "runs")
    (step,) = record["steps"]
    figures = {one["name"]: one for one in step["figures"]}
    assert figures["score"]["value"] > 60
    assert figures["score"]["interval"]["low"] <= figures["score"]["value"]
    assert figures["worst"]["value"] <= figures["score"]["value"]
    assert "2 streams with 2 windows" in step["says"][0]
    alone = streams(tmp_path / "alone", ("pump",))
    message = cli("jobs", "run", tmp_path / "hall", "--data", alone, "--out", tmp_path / "runs", code=2)
    assert "streams of two families" in message


@pytest.fixture(scope="module")
def wear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a job on fifteen machines whose sensor tells how much is left."""
    folder = tmp_path_factory.mktemp("wear")
    rng, lines = np.random.default_rng(5), ["heat,noise,left,machine"]
    for machine in range(15):
        life = int(rng.integers(40, 90))
        for row in range(life):
            left = life - 1 - row
            lines.append(f"{100 - left + rng.normal(0, 2):.3f},{rng.normal():.3f},{left},m{machine}")
    (folder / "rows.csv").write_text("\n".join(lines))
    (folder / "pipeline.toml").write_text(RUN)
    (folder / "job.toml").write_text(JOB)
    return folder


@pytest.mark.slow
def test_a_job_forecasts_with_intervals_and_plans(wear: Path, tmp_path: Path, cli: Cli) -> None:
    record = cli.json("jobs", "run", wear, "--data", wear / "rows.csv", "--out", tmp_path)
    steps = {step["name"]: {one["name"]: one["value"] for one in step["figures"]} for step in record["steps"]}
    assert steps["intervals"]["groups"] == 15
    assert steps["intervals"]["coverage"] == pytest.approx(0.9, abs=0.08)
    assert steps["intervals"]["rmse"] < 4
    assert steps["plan"]["unused"] < steps["plan"]["unused_by_age"]
    line = steps["line"]
    assert line["cost_forecast"] < line["cost_age"] < line["cost_failure"]
    assert line["by_age"] == pytest.approx(line["cost_forecast"] / line["cost_age"])
    assert line["failed_forecast"] < line["failed_failure"] == 1
    assert steps["intervals"]["worst"] <= steps["intervals"]["coverage"]
    bearings = pl.read_parquet(tmp_path / wear.name / "bearings" / "bearings.parquet")
    assert len(bearings) == steps["bearings"]["windows"] * 1024 == 2 * 5 * 2 * 1024
    assert set(bearings["group"]) == {"1200/min at 1", "1800/min at 0.5"}
    assert bearings.group_by("group").agg(pl.col("speed").mean()).sort("group")["speed"].to_list() == pytest.approx(
        [1200, 1800], rel=0.01
    )
    life = next(step["timeline"] for step in record["steps"] if step["name"] == "plan")
    decided, failed = ({mark["kind"]: mark["time"] for mark in life["marks"]}[kind] for kind in ("event", "missed"))
    (window,) = life["answers"]
    assert decided < window["start"] < window["end"] < failed == life["seconds"]
    forecast, sure = (dict(map(tuple, curve["points"])) for curve in life["signals"][0])
    assert all(sure[age] <= forecast[age] for age in forecast)
    page = (tmp_path / wear.name / "job.html").read_text()
    assert page.count('<figure><p class="legend"') == 3
    assert (tmp_path / wear.name / "intervals" / "intervals.json").is_file()
    package = read_package(tmp_path / wear.name / "intervals" / "wear.edge")
    assert package.manifest.provenance["interval"] == "90 %, calibrated on 15 groups left out"
    (answer,) = cli.rows("predict", tmp_path / wear.name / "intervals", "--values", "50,0")
    assert answer["interval"]["low"] < answer["prediction"] < answer["interval"]["high"]
    assert answer["interval"]["level"] == 0.9
    assert "(90 %: " in cli("predict", tmp_path / wear.name / "intervals", "--values", "50,0")
    assert "interval" not in cli.rows("predict", tmp_path / wear.name / "wear", "--values", "50,0")[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("folds = 3", 'judge = ["m0", "mm"]'), "no group 'mm'"),
        (("folds = 3", "folds = 30"), "more groups than 30 folds need"),
        (('kind = "intervals"', 'kind = "prove"'), "no key 'folds'"),
        (("risk = 0.1", "risk = 0.9"), "risk"),
        (("risk = 0.1", 'intervals = "nothing"'), "a step 'nothing' of kind 'intervals' before"),
    ],
)
def test_what_cannot_be_planned_is_refused(
    wear: Path, tmp_path: Path, cli: Cli, change: tuple[str, str], words: str
) -> None:
    folder = tmp_path / "wear"
    folder.mkdir()
    for path in wear.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    assert change[0] in JOB
    (folder / "job.toml").write_text(JOB.replace(*change))
    early = words in ("no key 'folds'", "risk")
    message = cli(
        "jobs", "run", folder, "--data", folder / "rows.csv", "--out", tmp_path / "runs", code=2 if early else 1
    )
    assert words in (message if early else (tmp_path / "runs" / "wear" / "job.json").read_text())


def test_a_rule_is_narrowed_by_what_few_samples_can_tell() -> None:
    X = np.random.default_rng(0).uniform(0, 1, (6000, 3)).astype(np.float32)
    y = np.where((X[:, 0] > 0.99) & (X[:, 1] < 0.8), "fails", "runs")
    model = Rules(task="classification").fit(X, y)
    assert "and b <= 0.81" in model.says(("a", "b", "c"))
    assert (model.predict(X) == y).all()


def test_the_gateway_of_the_job_can_be_run(cli: Cli) -> None:
    assert "source: opcua" in cli("device", "check", examples() / "factory" / "device.toml")


def test_the_job_names_engines_that_chose_nothing() -> None:
    steps = {str(step.get("name", step["kind"])): step for step in read_job(examples() / "factory").steps}
    chose = np.random.default_rng(81).permutation(100)[:50] + 1
    assert len(steps["intervals"]["judge"]) == 50
    assert not {f"engine-{number}" for number in chose} & set(steps["intervals"]["judge"])


@pytest.mark.slow
@pytest.mark.needs_data
def test_the_intervals_of_engines_hold_on_engines_never_trained_on(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "engines"
    folder.mkdir()
    (folder / "turbofan.toml").write_bytes((examples() / "factory" / "turbofan.toml").read_bytes())
    (folder / "job.toml").write_text(
        JOB.replace('kind = "run"', 'kind = "run"\npipeline = "turbofan.toml"\nset = ["refit=false"]').replace(
            "bins = 3", f"judge = {[f'engine-{n}' for n in range(1, 31)]}"
        )
    )
    record = cli.json("jobs", "run", folder, "--data", shared_data("cmapss"), "--out", tmp_path)
    figures = {one["name"]: one["value"] for step in record["steps"] for one in step["figures"]}
    assert 0.84 <= figures["coverage"] <= 0.95
    folds = json.loads(next(tmp_path.rglob("folds.json")).read_text())
    test = folds["folds"][0]["test"]
    rows = [row for name, row in zip(test["groups"], test["rows"], strict=True) if name == test["groups"][0]]
    assert rows == list(range(folds["rows"][test["groups"][0]])), "a forecast a cycle, from the first on"
    assert figures["failed"] <= 0.2
    assert figures["unused"] < figures["unused_by_age"] / 2


@pytest.mark.slow
@pytest.mark.needs_data
def test_the_rules_answer_for_a_machine_whose_control_is_read_over_opcua(tmp_path: Path) -> None:
    config = read_config(str(examples() / "factory" / "failures.toml"))
    run = run_pipeline(config, data=str(shared_data("ai4i2020")), out=tmp_path)
    well = {"air_temperature": 298.0, "process_temperature": 308.5, "rotational_speed": 1500.0, "torque": 40.0,
            "tool_wear": 20.0, "quality": 1.0}  # fmt: skip
    plant = OpcuaPlant(free_port(), **well)
    configured = read_settings(examples() / "factory" / "device.toml")
    assert configured.settings.source is not None
    entry = PackageEntry(path=str(run.package), name="failures")
    settings = msgspec.structs.replace(configured.settings, packages=(entry,))
    configured = msgspec.structs.replace(configured, settings=settings)
    decided: list[str] = []
    end = monotonic() + 60

    def answer_events(events: Sequence[Event]) -> None:
        decided.extend(event.label for event in events if event.kind == "decision")
        if decided and decided[-1] == "no":
            # More than the 9 kW that the spindle stands.
            plant.set(torque=70.0, rotational_speed=1400.0)

    run_agent(
        configured,
        short_source(f"opcua:{plant.url}?rate=20&nodes={plant.nodes}"),
        tmp_path / "store",
        stop=lambda: "yes" in decided or monotonic() > end,
        say=lambda _: None,
        publish=answer_events,
        begin=lambda _: None,
    )
    plant.stop()
    assert decided == ["no", "yes"]


def test_a_band_is_widened_until_it_holds_for_single_machines() -> None:
    def side(names: list[str], seed: int) -> Side:
        rng = np.random.default_rng(seed)
        # A machine in three is forecast badly; its rows are wrong in the same direction.
        off = {name: rng.normal(0, 9 if number % 3 == 0 else 1) for number, name in enumerate(names)}
        groups = tuple(name for name in names for _ in range(60))
        forecasts = rng.uniform(0, 100, len(groups))
        truth = forecasts + np.array([off[name] for name in groups]) + rng.normal(0, 1, len(groups))
        return Side(groups=groups, rows=(0,) * len(groups), truth=tuple(truth), forecasts=tuple(forecasts))

    def kept(band: IntervalSpec, side: Side) -> float:
        low, high = around(band, np.array(side.forecasts))
        inside = (low <= np.array(side.truth)) & (np.array(side.truth) <= high)
        return float(np.mean([inside[np.array(side.groups) == name].mean() >= 0.75 for name in set(side.groups)]))

    seen, new = side([f"a{n}" for n in range(60)], 1), side([f"b{n}" for n in range(300)], 2)
    band = band_of(np.array(seen.forecasts), np.array(seen.truth), 0.1, 0.1, 1)
    assert kept(band, new) < 0.86
    factor = group_factor(seen, 0.1, 1, within=0.75, of_groups=0.9)
    assert 1 < factor < 2.5
    assert kept(widened(band, factor), new) >= 0.88
    # The widest of eight holds for eight further ones of nine, which is less than nine of ten.
    with pytest.raises(InputError, match="of_groups"):
        group_factor(side([f"a{n}" for n in range(8)], 1), 0.1, 1, within=0.75, of_groups=0.9)
    assert group_factor(side([f"a{n}" for n in range(9)], 1), 0.1, 1, within=0.75, of_groups=0.9) >= 1


def simple_lives() -> Lives:
    """Return machines that last 20 and 40 rows, and know how long."""
    sure = np.full((2, 41), np.inf)
    sure[0, :20], sure[1, :40] = 20.0 - np.arange(20), 40.0 - np.arange(40)
    return Lives(np.array([20, 40]), sure)


def test_a_life_is_sure_between_two_forecasts_too() -> None:
    rows = np.tile(np.arange(4, 80, 5), 10)
    groups, truth = tuple(f"m{number}" for number in range(10) for _ in range(16)), tuple(79.0 - rows)
    side = Side(groups=groups, rows=tuple(rows.tolist()), truth=truth, forecasts=truth)
    lives = lives_of(side, side, 0.1)
    assert np.isinf(lives.sure[:, :4]).all()
    np.testing.assert_allclose(lives.sure[:, 4:80], np.tile(79.0 - np.arange(4, 80), (10, 1)))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("machines = 4", "machines = 4\nrisks = [1.5]", "risks"),
        ("failure = 3.0", "failure = -3.0", "failure"),
        ("speeds = [1200]", "speeds = [0]", "speeds"),
        ("judge_loads = [0.5]", "judge_loads = [-0.5]", "judge_loads"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(wear: Path, tmp_path: Path, old: str, new: str, expected: str) -> None:
    (tmp_path / "job.toml").write_text((wear / "job.toml").read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=expected):
        _steps(read_job(tmp_path), tmp_path)


def test_a_line_pays_for_what_is_done() -> None:
    lives, costs = simple_lives(), Costs(failure=5, standing=0.5, planned_rows=2, failure_rows=4)

    def run(booking: Booking, machines: int = 3, crews: int = 3) -> Upkeep:
        return keep_up(lives, booking, costs, machines=machines, crews=crews, notice=1, rows=400, draws=6, seed=1)

    never, forecast, early = run(by_age(0)), run(by_forecast(lives)), run(by_age(19))
    assert never.planned.sum() == forecast.failures.sum() == early.failures.sum() == 0
    for line in (never, forecast, early):
        np.testing.assert_allclose(line.cost, line.planned + 5 * line.failures + 0.5 * line.standing)
        assert line.course[-1] == pytest.approx(line.cost.mean())
        assert (np.diff(line.course) >= 0).all()
    # Two rows for each planned maintenance, but for those that the end cuts off.
    assert (np.abs(forecast.standing - 2 * forecast.planned) <= 3).all()
    assert forecast.cost.mean() < early.cost.mean() < never.cost.mean()
    # A crew for ten machines that all fail cannot follow: machines stand and wait.
    waiting = run(by_age(0), machines=10, crews=1)
    assert waiting.standing.mean() > 2 * 4 * waiting.failures.mean()
    planned = run(by_forecast(lives), machines=6, crews=1)
    assert planned.failures.sum() == 0, "machines are booked early enough to take their turns"


def test_a_ball_as_large_as_its_circle_is_refused(wear: Path) -> None:
    config, step = next(pair for pair in _steps(read_job(wear), wear) if pair[0].kind == "bearings")
    work: Any = SimpleNamespace(folder=wear)
    with pytest.raises(InputError, match="smaller than the pitch"):
        step.run(msgspec.structs.replace(config, ball=20.0), work)


def test_bearings_that_judge_have_speeds_and_loads_of_their_own() -> None:
    step: Any = next(step for step in read_job(examples() / "factory").steps if step["kind"] == "bearings")
    assert not {*step["speeds"]} & {*step["judge_speeds"]} and not {*step["loads"]} & {*step["judge_loads"]}
    named = {f"{speed:g}/min at {load:g}" for speed in step["judge_speeds"] for load in step["judge_loads"]}
    split = read_config(str(examples() / "factory" / "bearings.toml")).split
    assert split.by == "group" and {*split.test_groups} == named


BEARING = {"balls": 9, "ratio": 7.94 / 39.04}


def test_a_bearing_has_the_frequencies_of_its_data_sheet() -> None:
    # SKF 6205 as the bearing data centre of Case Western Reserve University lists it.
    known = orders(9, 7.94 / 39.04, 0.0)
    assert known["inner ring"] == pytest.approx(5.4152, abs=2e-3)
    assert known["outer ring"] == pytest.approx(3.5848, abs=2e-3)
    assert known["cage"] == pytest.approx(0.39828, abs=2e-4)
    assert known["ball"] == pytest.approx(4.7135, abs=2e-2)
    tilted = Geometry(12, 6.0, 30.0, 25.0)
    for part, strikes in orders(12, 0.2, 25.0).items():
        if part != "shaft":
            assert contacts(tilted, part)[0] == pytest.approx(strikes), part


@pytest.mark.parametrize("part", PARTS[1:])
@pytest.mark.parametrize("rpm", [1100.0, 2900.0])
def test_the_damaged_part_stands_out_at_any_speed(part: str, rpm: float) -> None:
    rng, samples = np.random.default_rng(3), 8192
    stage = unfitted(bearing.STAGE, {"speed": "speed", **BEARING}, samples, 8192.0, names=("a", "speed"))
    geometry = Geometry(9, 7.94, 39.04)
    windows = {
        name: np.array([
            vibration(geometry, Specimen(name, 2600.0, 0.04, 3.0), Condition(rpm, 1.0), samples, 8192.0, rng)
            for _ in range(6)
        ], np.float32)
        for name in ("healthy", part)
    }  # fmt: skip
    stage.fit(np.concatenate([*windows.values()]))
    names = list(stage.get_feature_names_out())
    rise = stage.transform(windows[part]).mean(axis=0) - stage.transform(windows["healthy"]).mean(axis=0)
    first = {other: rise[names.index(f"a {other} x1")] for other in PARTS[1:]}
    assert first[part] > 1.5
    # Nine balls pass the outer ring in a turn of the cage, and the cage swings what a ball strikes.
    if part.endswith("ring"):
        assert max(first, key=lambda other: first[other]) == part
