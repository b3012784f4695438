"""Search under a budget: what varies, what is refused, what a kill leaves, and that a seed repeats a search."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.pipeline.config import parse, read_config
from edgewright.schema.config import SearchConfig
from edgewright.schema.errors import InputError
from edgewright.schema.footprint import parse_budget
from edgewright.search.architecture.coordinator import propose
from edgewright.search.architecture.estimates import Estimate
from edgewright.search.architecture.report import (
    budget_violations,
    described,
    feature_names,
    features_of_point,
    legend,
    page,
    point_text,
    result,
    sufficient_budget,
)
from edgewright.search.architecture.space import space_of
from edgewright.search.architecture.study import (
    FILE,
    Identity,
    create,
    front_of,
    open_study,
    read_identity,
    resume,
    stopped_by,
)
from edgewright.search.architecture.trial import (
    Batch,
    CandidateTrial,
    FoldError,
    Shared,
    TrialScore,
    judge,
    samples_of,
    train_batch,
)
from edgewright.trace.blocks.charts import running_axis
from search_study import PIPELINE, kept_trials, write_people
from small_pipeline import write_rows

OWN = Identity(pipeline="p", config="c", data="d", device="m4", budget="", seed=0, sampler="nsga2", folds=3, batch=16)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Write a pipeline over 240 rows of six people, and its data."""
    write_people(tmp_path / "rows.csv")
    path = tmp_path / "small.toml"
    path.write_text(PIPELINE, encoding="utf-8")
    return path


def trial_of(number: int, error: float | None, flash: float, state: str = "done") -> CandidateTrial:
    folds = () if error is None else (FoldError(mean=error, spread=0.01, samples=100),)
    estimate = Estimate(flash=flash, ram=1.0, latency_us=1.0)
    return CandidateTrial(number=number, batch=0, point={}, estimate=estimate, state=state, folds=folds, error=error)


def test_points_stand_for_pipelines_that_can_be_read() -> None:
    space = space_of(read_config("hapt"))
    own = space.own()
    assert own["width.1"] == 32 and own["copies"] == 6 and all(own[f"part.{n}"] for n in range(1, 9))
    again = space.pipeline(own)
    assert again.stages == space.config.stages and again.training == space.config.training
    fewer = space.pipeline({**own, "part.1": False, "width.1": 24, "depth": 1})
    assert len(fewer.stages[2]["parts"]) == 7
    assert fewer.model.layers == ({"kind": "dense", "units": 24, "activation": "relu"},)
    # An axis without an effect does not make another point of it.
    assert space.key({**own, "width.2": 8}) == space.key({**own, "width.2": 96})
    assert len(space.corners()) == 8


def test_numbers_of_features_are_explained() -> None:
    space = space_of(read_config("hapt"))
    names = feature_names(space)
    assert len(set(names)) == 8 and names[5] == "statistics (slope) of acc_x, acc_y, acc_z"
    assert names[0].startswith("statistics (std, rise, fall, skewness) of acc_x body, ") and names[0].endswith("2 more")
    assert feature_names(space_of(parse(PIPELINE, "small.toml"))) == ()
    own = space.own()
    few = {**own, **{f"part.{n}": n in (3, 6) for n in range(1, 9)}}
    assert described(space, own).startswith("all features, ")
    assert described(space, {**own, "part.6": False}).startswith("all features except 6, dense")
    assert described(space, few).startswith("features 3+6, dense")
    assert features_of_point(space, few) == (3, 6)
    # On the page, in the table of the terminal and in the pipeline of a point the numbers have names.
    trials = [
        msgspec.structs.replace(trial_of(0, 0.1, 10), point=few),
        msgspec.structs.replace(trial_of(1, 0.05, 20), point=own),
    ]
    search = result("s", OWN, space, trials, trials, {}, "classification")
    shown = page(search, "classification")
    assert "<svg" in shown and "Error against flash" in shown
    assert (
        "Features by number" in shown
        and "<td>6</td><td>all</td><td>statistics (slope) of acc_x, acc_y, acc_z</td>" in shown
    )
    assert legend(search)[0] == ("1", "1", names[0])
    text = point_text(space, trials[0], None, None)
    assert "#   6 statistics (slope) of acc_x, acc_y, acc_z\n" in text and names[0] not in text


def test_what_misses_a_budget_says_which_one_it_fits() -> None:
    estimate = Estimate(flash=1607.2, ram=273.0, latency_us=5.73)
    budget = parse_budget("flash=1kB,latency=1us,ram=9kB")
    assert budget_violations(estimate, budget) == [
        "flash 1.61 kB, 607 B (61 %) more than 1.00 kB",
        "latency 5.73 us, 4.73 us (473 %) more than 1.00 us",
    ]
    assert sufficient_budget(estimate, budget) == "flash=1608B,ram=9000B,latency=6us"
    assert estimate.violation(parse_budget(sufficient_budget(estimate, budget))) == 0.0


def test_windows_can_take_the_place_of_features() -> None:
    hapt = read_config("hapt")
    table = SearchConfig(inputs=("features", "windows"), widths=(8, 16))
    space = space_of(msgspec.structs.replace(hapt, search=table))
    pipeline = space.pipeline({**space.own(), "input": "windows", "kernel": 5})
    assert [stage["kind"] for stage in pipeline.stages] == ["fill", "gravity", "scale"]
    assert [layer["kind"] for layer in pipeline.model.layers] == ["depthwise_separable", "global_average_pool"]
    assert pipeline.search is msgspec.UNSET


def test_a_range_that_is_none_is_refused() -> None:
    config = parse(PIPELINE.replace("widths = [4, 16]", "widths = [16, 4]"), "small.toml")
    with pytest.raises(InputError, match="width"):
        space_of(config)


@pytest.mark.slow
def test_proposals_repeat_with_the_seed_and_differ_from_what_was_tried() -> None:
    space = space_of(read_config("hapt"))
    first = propose(space, [], seed=1, batch=0, count=16, sampler="nsga2")
    assert first == propose(space, [], seed=1, batch=0, count=16, sampler="nsga2")
    assert first[0] == space.own()
    history = []
    for number in range(48):
        point = {**first[number % 16], "learning_rate": 0.002 + 1e-5 * number}
        history.append(msgspec.structs.replace(trial_of(number, 0.1 + 0.001 * (number % 5), 1e4 + number), point=point))
    for sampler in ("nsga2", "tpe"):
        proposals = propose(space, history, seed=1, batch=3, count=16, sampler=sampler)
        assert proposals == propose(space, history, seed=1, batch=3, count=16, sampler=sampler)
        keys = {space.key(point) for point in proposals}
        assert len(keys) == 16 and not keys & {space.key(trial.point) for trial in history}


def test_the_front_holds_what_nothing_beats_and_dominated_trials_stop() -> None:
    trials = [
        trial_of(0, 0.2, 10),
        trial_of(1, 0.1, 20),
        trial_of(2, 0.3, 15),
        trial_of(3, 0.05, 5, "stopped"),
        trial_of(4, 0.1, 20),
    ]
    assert [trial.number for trial in front_of(trials)] == [0, 1]
    worse = FoldError(mean=0.25, spread=0.01, samples=100)
    near = FoldError(mean=0.205, spread=0.01, samples=100)
    assert stopped_by(worse, trial_of(5, None, 12), trials) == trials[0]
    assert stopped_by(near, trial_of(5, None, 12), trials) is None
    assert stopped_by(worse, trial_of(5, None, 9), trials) is None


def test_a_study_of_something_else_is_refused_by_name(tmp_path: Path) -> None:
    create(tmp_path / "s", OWN).close()
    small = parse(PIPELINE, "small.toml")
    with pytest.raises(InputError, match="--resume"):
        create(tmp_path / "s", OWN)
    other = msgspec.structs.replace(OWN, pipeline="q")
    with pytest.raises(InputError, match="study of the pipeline 'q', got one of 'p'"):
        resume(tmp_path / "s", other, small)
    with pytest.raises(InputError, match="study of the same data, got another"):
        resume(tmp_path / "s", msgspec.structs.replace(OWN, data="e"), small)
    with pytest.raises(InputError, match="no study in it"):
        read_identity(tmp_path)
    connection = sqlite3.connect(tmp_path / "s" / FILE)
    newer = msgspec.json.encode(msgspec.structs.replace(OWN, version=99))
    with connection:
        connection.execute("UPDATE about SET record = ?", (newer,))
    connection.close()
    with pytest.raises(InputError, match="format 99"):
        open_study(tmp_path / "s")
    (tmp_path / "s" / FILE).write_bytes(b"no database at all, but text that is long enough to be read as a header...")
    with pytest.raises(InputError, match="damaged"):
        open_study(tmp_path / "s")


def _searched(small: Path, out: Path, *more: str) -> dict[str, object]:
    arguments = ["search", str(small), "--trials", "18", "--judge", "1", "--out", str(out), "--json", *more]
    assert run(arguments) == 0
    front: dict[str, object] = json.loads((out / "front.json").read_bytes())
    return front


@pytest.mark.slow
def test_a_search_repeats_goes_on_and_gives_pipelines_that_run(
    small: Path, tmp_path: Path, cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = _searched(small, tmp_path / "one")
    # Ended in the middle of a batch and gone on with, it finds the same.
    arguments = ["search", str(small), "--trials", "7", "--judge", "0", "--out", str(tmp_path / "two")]
    assert run(arguments) == 0
    assert "7 of 7 trials" in capsys.readouterr().err
    assert "Continue it with --resume" in cli(*arguments, code=2)
    again = _searched(small, tmp_path / "two", "--resume")
    assert whole["front"] == again["front"] and whole["trials"] == again["trials"] == 18
    page = (tmp_path / "one" / "front.html").read_text(encoding="utf-8")
    assert "Points of the front" in page
    point = whole["front"][-1]["number"]  # type: ignore[index]
    assert run(["search", str(small), "--out", str(tmp_path / "one"), "--take", str(point)]) == 0
    path = tmp_path / "one" / "points" / f"{point}.toml"
    assert read_config(str(path)).search is msgspec.UNSET
    assert run(["search", str(small), "--out", str(tmp_path / "one"), "--take", "99"]) == 2
    assert "study of" in cli("search", small, "--out", tmp_path / "one", "--resume", "--seed", "5", code=2)
    # So small a network may beat nothing: its run ends with 1 then, and with a record.
    assert run(["run", str(path), "--out", str(tmp_path / "runs"), "--json"]) in (0, 1)
    assert len(list((tmp_path / "runs").glob("*/trace.json"))) == 1


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--trials", "0"], 2, "at least one trial"),
        (["--device", "nothing"], 2, "no device profile 'nothing'"),
        (["--budget", "flash=1kB,ram=9kB"], 1, "more than 1.00 kB. It fits --budget flash="),
        (["--resume"], 2, "no study in it"),
    ],
)
def test_what_cannot_be_searched_is_said(
    small: Path, tmp_path: Path, options: list[str], code: int, message: str, cli: Cli
) -> None:
    assert message in cli("search", small, "--out", tmp_path / "s", *options, code=code)
    assert not (tmp_path / "s" / FILE).exists()


def test_a_fold_that_trains_on_one_class_answers_that_class(small: Path) -> None:
    rows = [[f"{n % 7}", f"{n % 5}", *(("p0", "up") if n % 3 else ("p1", "down"))] for n in range(60)]
    write_rows(small.parent / "rows.csv", rows, header="a,b,who,label")
    config = parse(small.read_text(encoding="utf-8"), "small")
    shared = msgspec.json.encode(Shared(config=config, data=str(small.parent / "rows.csv"), folds=2))
    batch = msgspec.json.encode(Batch(configs=(config,), folds=(0, 1)))
    (errors,) = msgspec.json.decode(train_batch(shared, batch), type=list[list[FoldError]])
    assert [(error.mean, error.samples) for error in errors] == [(1.0, 40), (1.0, 20)]
    (score,) = msgspec.json.decode(judge(shared, batch), type=list[TrialScore | None])
    assert score is not None and score.error == 1.0


def test_a_worker_with_other_samples_than_the_client_is_refused(small: Path) -> None:
    config = parse(small.read_text(encoding="utf-8"), "small")
    data = str(small.parent / "rows.csv")
    with pytest.raises(InputError, match=r"the samples of the search, got others - at .*rows\.csv on .*another --out"):
        samples_of(msgspec.json.encode(Shared(config=config, data=data, folds=2, sha256="0" * 64)))


@pytest.mark.slow
def test_a_target_of_one_value_and_a_split_that_leaks_are_refused(small: Path, tmp_path: Path, cli: Cli) -> None:
    rows = tmp_path / "rows.csv"
    text = rows.read_text(encoding="utf-8")
    small.write_text(PIPELINE.replace("[device]", "[split]\nby = 'row'\n[device]"), encoding="utf-8")
    assert "split.by = 'auto'" in cli("search", small, "--out", tmp_path / "s", code=2)
    without = PIPELINE.replace('group = "who"', 'ignore = ["who"]')
    small.write_text(without, encoding="utf-8")
    head, *lines = text.splitlines()
    rows.write_text("\n".join([head, *lines, *lines[:40]]), encoding="utf-8")
    message = cli("search", small, "--out", tmp_path / "s", code=1)
    assert "are duplicates" in message and "[split] allow_leakage = true" in message
    assert not (tmp_path / "s" / FILE).exists()
    small.write_text(PIPELINE, encoding="utf-8")
    rows.write_text(text.replace(",up", ",down"), encoding="utf-8")
    assert "at least two different values" in cli("search", small, "--out", tmp_path / "s", code=2)


@pytest.mark.slow
def test_a_killed_search_goes_on(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    code = "import sys; from edgewright.cli.main import run; sys.exit(run(sys.argv[1:]))"
    words = [sys.executable, "-c", code, "search", str(small), "--trials", "400", "--judge", "0", "--out", str(out)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))
    try:
        deadline = time.monotonic() + 120
        while not (out / FILE).exists() or not kept_trials(out):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    kept = kept_trials(out)
    assert kept % 16 == 0
    assert run(["search", str(small), "--trials", str(kept + 1), "--judge", "0", "--out", str(out), "--resume"]) == 0
    assert kept_trials(out) == kept + 1


def test_texts_below_a_chart_do_not_touch() -> None:
    for low, step in ((38_000, 2_500), (2_000, 900), (160_000, 7_000), (1, 1)):
        axis = running_axis([low + step * n for n in range(10)], 30, 384, "count")
        labels = axis.labels()
        # A figure is some 6 units wide at the size of a chart's text.
        ends = [(center - 3.1 * len(text), center + 3.1 * len(text)) for center, text in labels]
        assert all(right < left for (_, right), (left, _) in pairwise(ends)), labels
