"""Pieces of the job `factory`: intervals of an amount by group, maintenance windows, and detectors of an own start."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.package import around, read_package
from edgewright.device.agent.settings import read_settings
from edgewright.device.agent.startup import run_agent
from edgewright.device.sources import short_source
from edgewright.jobs.catalogue import examples, read_job
from edgewright.jobs.steps.plan import clock_of
from edgewright.models.rules import Rules
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.schema.device import Event
from edgewright.schema.device_config import PackageEntry
from edgewright.schema.errors import InputError
from edgewright.workflows.detection import own_start
from edgewright.workflows.detection.rows import Stretch
from edgewright.workflows.intervals import Fold, Folds, Policy, Side, band_of, by_age, plans_of
from plant import OpcuaPlant, free_port
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
    ages = by_age(fold, rows, 0.05)
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
    life = next(step["timeline"] for step in record["steps"] if step["name"] == "plan")
    decided, failed = ({mark["kind"]: mark["time"] for mark in life["marks"]}[kind] for kind in ("event", "missed"))
    (window,) = life["answers"]
    assert decided < window["start"] < window["end"] < failed == life["seconds"]
    forecast, sure = (dict(map(tuple, curve["points"])) for curve in life["signals"][0])
    assert all(sure[age] <= forecast[age] for age in forecast)
    page = (tmp_path / wear.name / "job.html").read_text()
    assert page.count('<figure><p class="legend"') == 2
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
