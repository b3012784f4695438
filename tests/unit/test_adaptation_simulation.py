"""A package with `[adapt]`: what it holds, what its predictor learns, and what a simulation says beforehand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from adaptation_data import ODD, write_worn
from cli_runner import Cli
from edgewright.core.adaptation.predictor import AdaptedPredictor, factory_of
from edgewright.core.errors import (
    AdaptationError,
    AdaptationUnavailableError,
    LabelUnknownError,
    UnknownNameError,
)
from edgewright.core.package import package_bytes, parse_package, read_package
from edgewright.core.predictor import Predictor
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline


@pytest.fixture(scope="module", params=["output", "prototypes"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    return run_pipeline(read_config(str(write_worn(folder, request.param))), out=folder / "runs").folder


def rows_of(run: Path, person: str) -> tuple[np.ndarray, list[str]]:
    lines = [line.split(",") for line in (run.parents[1] / "worn.csv").read_text().splitlines()[1:]]
    mine = [line for line in lines if line[0] == person]
    return np.array([[float(cell) for cell in line[2:]] for line in mine], np.float32), [line[1] for line in mine]


def test_a_simulation_names_gain_and_people(cli: Cli, run: Path) -> None:
    report = cli.json("adapt", "simulate", run, "--examples", "15")
    odd, other = sorted(report["people"], key=lambda one: one["name"], reverse=True)
    assert (odd["name"], odd["examples"], odd["samples"], odd["used"]) == (ODD, 45, 75, True)
    assert odd["before"] < 0.8 < 0.9 < odd["after"]
    assert other["before"] == other["after"]
    assert report["losing"] == []
    assert report["gain"]["value"] == pytest.approx((odd["after"] - odd["before"]) / 2)
    assert report["state_bytes"] <= 2048
    assert report["gain_without_best"]["value"] == 0.0
    walk = next(one for one in report["classes"] if one["label"] == "walk")
    assert walk["gain"]["value"] == pytest.approx(walk["after"]["value"] - walk["before"]["value"])
    assert report["shipped"] is None
    printed = cli("adapt", "simulate", run, "--examples", "15")
    assert re.search(r"^gain without best +0 \(", printed, re.MULTILINE)
    assert re.search(rf"^ +{ODD} +45 ", printed, re.MULTILINE)


@pytest.mark.slow
def test_the_package_that_ships_is_judged_and_its_losers_are_named(cli: Cli, tmp_path: Path) -> None:
    config = read_config(str(write_worn(tmp_path, "output")), ("refit=true",))
    folder = run_pipeline(config, out=tmp_path / "runs").folder
    assert (folder / "judged").is_dir()
    report = cli.json("adapt", "simulate", folder, "--examples", "15")
    assert sorted(one["name"] for one in report["people"]) == ["p6", ODD]
    shipped = report["shipped"]
    assert 0 < shipped["before"] <= 1
    assert shipped["losing"] == []
    printed = cli("adapt", "simulate", folder, "--examples", "15")
    assert "the package that ships was fitted on them too" in printed
    head, *lines = (tmp_path / "worn.csv").read_text().splitlines()
    cells = [line.split(",") for line in lines]
    moved = [",".join([*row[:2], *(f"{float(cell) + 0.001:.4f}" for cell in row[2:])]) for row in cells]
    (tmp_path / "new.csv").write_text("\n".join([head, *moved]) + "\n", encoding="utf-8")
    other = cli.json("adapt", "simulate", folder, "--data", tmp_path / "new.csv", "--examples", "15")
    assert other["shipped"] is None
    assert len(other["people"]) == 8
    # The package has learned of everybody, the odd one among them: it is better than the fit that had not seen them.
    mean = sum(one["before"] for one in other["people"] if one["name"] in ("p6", ODD)) / 2
    assert mean == pytest.approx(shipped["before"], abs=0.02)


def test_a_first_stretch_of_time_is_labelled_and_later_rows_are_judged(cli: Cli, run: Path) -> None:
    lines = (run.parents[1] / "worn.csv").read_text().splitlines()
    # The rows of the last two people, idle, run and walk in turn, one a second.
    rows = [line.split(",") for line in lines[1:] if line.startswith(("p6", ODD))]
    order = [person * 120 + kind * 40 + number for person in range(2) for number in range(40) for kind in range(3)]
    file = run.parents[1] / "later.csv"
    timed = [f"{second},{','.join(rows[row])}" for second, row in enumerate(order)]
    file.write_text("\n".join([f"time,{lines[0]}", *timed]) + "\n", encoding="utf-8")
    words = ("adapt", "simulate", run, "--data", file, "--set", "time=time", "--first", "45s")
    report = cli.json(*words)
    odd = next(one for one in report["people"] if one["name"] == ODD)
    assert (report["examples"], odd["examples"], odd["samples"], odd["used"]) == ("first 45s", 45, 75, True)
    assert odd["before"] < 0.8 < 0.9 < odd["after"]
    walk = next(one for one in report["classes"] if one["label"] == "walk")
    assert (walk["samples"], walk["people"]) == (50, 2)
    assert walk["before"]["value"] < 0.8 < 0.9 < walk["after"]["value"]
    assert walk["after"]["low"] <= walk["after"]["value"] <= walk["after"]["high"]
    assert "2 people are few: the intervals hold for people like them" in report["notes"]
    assert re.search(r"^examples +first 45s$", cli(*words), re.MULTILINE)
    assert "one of --examples and --first" in cli(*words, "--examples", "15", code=2)
    assert "samples with times or a rate" in cli("adapt", "simulate", run, "--first", "45s", code=2)


def test_people_whom_the_model_was_fitted_on_are_left_out(cli: Cli, run: Path) -> None:
    report = cli.json("adapt", "simulate", run, "--data", run.parents[1] / "worn.csv", "--examples", "15")
    assert sorted(one["name"] for one in report["people"]) == ["p6", ODD]
    assert "6 people whom the model was fitted on are left out" in report["notes"]


def test_the_predictor_learns_what_the_simulation_says(cli: Cli, run: Path) -> None:
    X, labels = rows_of(run, ODD)
    first = np.concatenate([np.arange(k * 40, k * 40 + 15) for k in range(3)])
    later = np.setdiff1d(np.arange(120), first)
    predictor = AdaptedPredictor(read_package(run / "worn.edge"))
    before = (predictor.predict(X[later]).labels == np.array(labels)[later]).mean()
    done = predictor.learn(X[first], [labels[i] for i in first])
    answers = predictor.predict(X[later])
    after = (answers.labels == np.array(labels)[later]).mean()
    person = cli.json("adapt", "simulate", run, "--examples", "15", "--people", ODD)["people"][0]
    assert (done.learned, done.refused, done.used) == (45, 0, True)
    assert (before, after) == (person["before"], person["after"])
    assert np.allclose(answers.probabilities.sum(axis=1), 1, atol=1e-5)


def test_nothing_learned_answers_as_before(run: Path) -> None:
    X, _ = rows_of(run, "p6")
    package = read_package(run / "worn.edge")
    plain, adapted = Predictor(package, form="int8", engine="numpy").predict(X), AdaptedPredictor(package).predict(X)
    assert np.array_equal(plain.probabilities, adapted.probabilities)


def test_examples_out_of_range_or_missing_are_counted_and_refused(run: Path) -> None:
    predictor = AdaptedPredictor(read_package(run / "worn.edge"))
    X, labels = rows_of(run, ODD)
    X[0], X[1, 0] = np.nan, 500.0
    done = predictor.learn(X[:4], labels[:4])
    assert (done.learned, done.refused) == (2, 2)
    assert predictor.state.examples == 2


def test_a_simulation_learns_from_no_example_that_the_device_refuses(cli: Cli, run: Path) -> None:
    head, *lines = (run.parents[1] / "worn.csv").read_text().splitlines()
    file = run.parents[1] / "saturated.csv"
    saturated = [",".join([*line.split(",")[:2], "500", *line.split(",")[3:]]) for line in lines]
    file.write_text("\n".join([head, *saturated]) + "\n", encoding="utf-8")
    report = cli.json("adapt", "simulate", run, "--data", file, "--examples", "15", "--people", ODD)
    (odd,) = report["people"]
    assert (odd["examples"], odd["used"], odd["after"]) == (0, False, odd["before"])
    assert any(note.startswith("45 examples teach nothing") for note in report["notes"])


def test_labels_that_the_package_does_not_have_are_refused(run: Path) -> None:
    predictor = AdaptedPredictor(read_package(run / "worn.edge"))
    X, _ = rows_of(run, ODD)
    with pytest.raises(UnknownNameError, match="Did you mean 'walk'"):
        predictor.learn(X[:1], ["wal"])
    with pytest.raises(LabelUnknownError):
        predictor.learn(X[:2], ["walk"])
    assert predictor.state.examples == 0


def test_the_limits_are_sealed_with_the_package(run: Path) -> None:
    package = read_package(run / "worn.edge")
    files = {name: data for name, data in package.files.items() if name != "adapt/weights.npy"}
    with pytest.raises(AdaptationError):
        factory_of(parse_package(package_bytes(package.manifest, files), "x"))


def test_refusals_are_one_line(cli: Cli, run: Path, small: Path) -> None:
    plain = run_pipeline(read_config(str(small)), out=small.parent / "runs").folder
    for words, text in (
        ((plain, "--examples", "15"), "without [adapt]"),
        ((run, "--examples", "15s"), "a number of samples"),
        ((run, "--examples", "0"), "at least one sample"),
        ((run, "--examples", "500"), "too few samples"),
        ((run, "--people", "p9", "--examples", "5"), "p9"),
    ):
        message = cli("adapt", "simulate", *words, code=2)
        assert text in message
        assert message.count("\n") == 1


def test_a_model_that_cannot_learn_says_so(small: Path) -> None:
    config = read_config(str(small), ("adapt.layer=output",))
    with pytest.raises(AdaptationUnavailableError):
        run_pipeline(config, out=small.parent / "runs")


def example_files(run: Path, folder: Path, person: str) -> Path:
    X, labels = rows_of(run, person)
    folder.mkdir()
    for label in sorted(set(labels)):
        mine = X[np.array(labels) == label][:15]
        text = "\n".join(["c0,c1,c2,c3", *(",".join(str(cell) for cell in row) for row in mine)])
        (folder / f"{label}.csv").write_text(text + "\n", encoding="utf-8")
    return folder


def test_a_device_learns_from_files_and_undoes_it(cli: Cli, run: Path, tmp_path: Path) -> None:
    files, state = example_files(run, tmp_path / "examples", ODD), tmp_path / "state"
    assert "the learned layer answers" in cli("adapt", "learn", run, "--examples", files, "--state", state)
    report = cli.json("adapt", "status", run, "--state", state)
    assert (report["examples"], report["labels"], report["used"]) == (45, {"idle": 15, "run": 15, "walk": 15}, True)
    newest = max(state.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:-1])
    assert cli.json("adapt", "status", run, "--state", state)["examples"] == 0
    cli("adapt", "learn", run, "--examples", files, "--state", state)
    cli("adapt", "status", run, "--state", newest, code=2)
    assert cli.json("adapt", "undo", run, "--state", state)["used"] is False
    assert cli.json("adapt", "status", run, "--state", state)["examples"] == 0


def test_a_wrong_label_teaches_nothing(cli: Cli, run: Path, tmp_path: Path) -> None:
    files = example_files(run, tmp_path / "examples", ODD)
    (files / "walk.csv").rename(files / "wal.csv")
    assert "Did you mean 'walk'" in cli("adapt", "learn", run, "--examples", files, "--state", tmp_path / "s", code=2)
    assert not (tmp_path / "s").exists()
