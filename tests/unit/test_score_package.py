"""`edgewright score` of packages: the figures of the run, files with other names, needs, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import LabelsMissingError, UnknownNameError
from edgewright.core.package import read_package
from edgewright.core.predictor import Predictor
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.core.records.trace_flow import Interval
from edgewright.data.samples import cut, cut_in_parts
from edgewright.pipeline.run import RunResult
from edgewright.workflows.scoring.rows import ScoreRequest, as_trained
from edgewright.workflows.scoring.workflow import check_needs
from score_example import refused
from small_pipeline import rows, run_small, write_rows, write_toml


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """Provide a run on two columns and two classes."""
    folder = tmp_path_factory.mktemp("score")
    data = write_rows(folder / "rows.csv")
    return run_small(write_toml(folder / "small.toml", data), folder / "runs")


@pytest.mark.slow
def test_the_test_part_of_a_run_gives_the_figures_of_its_record(finished: RunResult, cli: Cli) -> None:
    answer = cli.json("score", str(finished.folder))
    record, compression = finished.trace.evaluation, finished.trace.compression
    assert record is not None
    assert compression is not None
    assert answer["part"] == "test"
    assert answer["samples"] == record.samples
    by_name = {variant.name: variant for variant in compression.variants}
    assert [form["name"] for form in answer["forms"]] == list(by_name)
    for form in answer["forms"]:
        accuracy = by_name[form["name"]].accuracy
        assert accuracy is not None
        assert form["figure"] == pytest.approx(accuracy.value)
        assert form["flips"] == by_name[form["name"]].flips
    default = by_name["int8"].accuracy
    assert default is not None
    assert answer["figures"]["accuracy"]["low"] == pytest.approx(default.low)
    assert np.sum(answer["evaluation"]["confusion"]) == record.samples


def test_a_file_with_other_names_order_and_labels_is_the_same(finished: RunResult, tmp_path: Path, cli: Cli) -> None:
    plain = cli.json("score", str(finished.folder), "--data", str(write_rows(tmp_path / "plain.csv")))
    other = [[label.upper(), "7", b, a] for a, b, label in rows()]
    path = write_rows(tmp_path / "other.csv", other, header="Label,extra,B [V],A")
    package = str(next(finished.folder.glob("*.edge")))
    assert cli.json("score", package, "--data", str(path))["figures"] == plain["figures"]
    mapped = write_rows(tmp_path / "mapped.csv", [[b, a, "x" + label] for a, b, label in rows()], header="q,p,truth")
    words = ("--target", "truth", "--map", "p=a", "--map", "q=b", "--map", "xon=on", "--map", "xoff=off")
    assert cli.json("score", package, "--data", str(mapped), *words)["figures"] == plain["figures"]


@pytest.mark.slow
def test_the_rows_of_the_training_are_said_to_flatter(finished: RunResult, tmp_path: Path, cli: Cli) -> None:
    same = cli.json("score", str(finished.folder), "--data", str(write_rows(tmp_path / "same.csv")))
    assert any("too high" in note for note in same["notes"])
    others = [[f"{-float(a):.4f}", b, label] for a, b, label in rows()]
    other = cli.json("score", str(finished.folder), "--data", str(write_rows(tmp_path / "other.csv", others)))
    assert not other["notes"]
    assert any("too high" in note for note in cli.json("score", str(finished.folder), "--part", "train")["notes"])


@pytest.mark.slow
def test_needs_decide_the_exit_code(finished: RunResult, cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(finished.folder)
    record = cli.json("score", folder, "--need", "accuracy>=0.1,recall.on.high<=100%", "--need", "calibration_error<2")
    assert [row["met"] for row in record["needs"]] == [True, True, True]
    record = cli.json("score", folder, "--need", "accuracy>=0.1", "--need", "accuracy>1", code=1)
    assert [row["met"] for row in record["needs"]] == [True, False]
    assert run(["score", folder, "--need", "accuracy>1"]) == 1
    text = capsys.readouterr().out
    assert "need accuracy>1: missed" in text
    assert "truth \\ answer" in text
    assert "evaluated once" not in text
    assert "no figure 'acuracy'" in refused(cli, folder, "--need", "acuracy>=.5")
    assert "accuracy>=0.9" in refused(cli, folder, "--need", "accuracy=.5")


def interval(value: float, low: float, high: float) -> Interval:
    return Interval(value=value, low=low, high=high, method="")


@pytest.mark.parametrize("sign", [">=", "<=", ">", "<"])
@pytest.mark.parametrize("name", ["accuracy", "accuracy.low", "recall.high", "recall.low.low", "odd.name"])
def test_a_need_compares_the_figure_or_an_end_of_its_interval(name: str, sign: str) -> None:
    figures = {
        "accuracy": interval(0.5, 0.25, 0.75), "recall.low": interval(0.125, 0.0625, 0.5),
        "recall.high": interval(0.875, 0.5, 0.9375), "odd.name": interval(*[float("nan")] * 3),
    }  # fmt: skip
    # A figure with such a name comes before the end of an interval.
    figure = {"accuracy": 0.5, "accuracy.low": 0.25, "recall.high": 0.875, "recall.low.low": 0.0625}.get(name)
    for limit in (0.25, 0.5, 0.875, 0.0625, -1.0, 2.0):
        for text in (f"{name}{sign}{limit}", f" {name} {sign} {100 * limit:g} % "):
            (row,) = check_needs([text], figures)
            met = figure is not None and figure > limit and ">" in sign
            met = met or (figure is not None and figure < limit and "<" in sign) or (figure == limit and "=" in sign)
            assert (row.met, row.text) == (met, text.strip())
            assert row.figure == figure or figure is None
    assert [row.text for row in check_needs([f"{name}{sign}1,, {name}{sign}2", ""], figures)] == [
        f"{name}{sign}1", f"{name}{sign}2",
    ]  # fmt: skip
    with pytest.raises(UnknownNameError, match="no figure"):
        check_needs([f"{name}.middle{sign}1"], figures)


def test_data_of_one_class_are_scored(finished: RunResult, tmp_path: Path, cli: Cli) -> None:
    ones = [row for row in rows() if row[-1] == "on"]
    record = cli.json("score", str(finished.folder), "--data", str(write_rows(tmp_path / "ones.csv", ones)))
    assert record["samples"] == len(ones)
    assert record["figures"]["accuracy"]["value"] == record["figures"]["recall.on"]["value"]
    assert "recall.off" not in record["figures"]


def test_average_precision_is_a_figure_of_each_class_and_printed(finished: RunResult, tmp_path: Path, cli: Cli) -> None:
    data = write_rows(tmp_path / "rows.csv")
    figures = cli.json("score", finished.folder, "--data", data)["figures"]
    readings = np.array([[float(a), float(b)] for a, b, _ in rows()], np.float32)
    answers = Predictor(next(finished.folder.glob("*.edge")), engine="numpy").predict(readings).probabilities
    for column, label in enumerate(("off", "on")):
        expected = average_precision_score([row[-1] == label for row in rows()], answers[:, column])
        assert figures[f"average_precision.{label}"]["value"] == pytest.approx(expected, abs=1e-3)
    text = cli("score", finished.folder, "--data", data, "--need", "average_precision.on>=0.1")
    assert re.search(r"Average precision: off [01]?\.\d{3}, on [01]?\.\d{3}\.", text)


def test_a_class_can_be_left_out(finished: RunResult, tmp_path: Path, cli: Cli) -> None:
    table = [*rows(), ["0", "0", "broken"]]
    location = str(write_rows(tmp_path / "more.csv", table))
    assert "'broken'" in refused(cli, str(finished.folder), "--data", location)
    assert cli.json("score", str(finished.folder), "--data", location, "--map", "broken=")["samples"] == len(table) - 1


def test_what_cannot_be_scored_is_told(finished: RunResult, tmp_path: Path, cli: Cli) -> None:
    folder, package = str(finished.folder), str(next(finished.folder.glob("*.edge")))
    no_label = write_rows(tmp_path / "no.csv", [row[:2] for row in rows()], header="a,b")
    assert "a column with labels, such as 'label'" in refused(cli, package, "--data", str(no_label))
    no_column = write_rows(tmp_path / "column.csv", [[a, label] for a, _, label in rows()], header="a,label")
    assert "--map 'COLUMN=b'" in refused(cli, package, "--data", str(no_column))
    empty = write_rows(tmp_path / "empty.csv", [[a, b, ""] for a, b, _ in rows()])
    assert "label" in refused(cli, package, "--data", str(empty))
    assert "no such file" in refused(cli, package, "--data", str(tmp_path / "none.csv"))
    assert "Pass a file, folder or public set" in refused(cli, package)
    assert "one of train, validation, test" in refused(cli, folder, "--part", "DS2")
    assert "which has none" in refused(cli, folder, "--data", str(no_label), "--part", "test")
    good = str(write_rows(tmp_path / "good.csv"))
    assert "no column or label of the data 'foo'. Known: a, b, label, off, on" in refused(
        cli, folder, "--data", good, "--map", "foo=bar"
    )
    assert "no column or label of the model 'bar'" in refused(cli, folder, "--data", good, "--map", "a=bar")
    assert "Pass them with --data" in refused(cli, folder, "--map", "a=b")
    for words in (("--normal", "ok"), ("--encoder", "x")):
        assert f"got {words[0]} - at edgewright score" in refused(cli, folder, "--data", good, *words)
    text = tmp_path / "sentences.toml"
    text.write_text('[intents.a]\nexamples = ["b"]\n')
    assert "a file that a source reads" in refused(cli, package, "--data", str(text))
    assert f"at {no_label}" in refused(cli, package, "--data", str(no_label), "--kind", "ai4i2020")
    assert "an index of documents, a forecaster" in refused(cli, str(no_label), "--data", str(no_label))


@pytest.mark.slow
def test_a_windowed_regression_is_scored_by_its_own_windows(tmp_path: Path, cli: Cli) -> None:
    lines = ["left,v,unit"]
    for unit in range(6):
        noise = np.random.default_rng(unit).normal(size=40) / 10
        lines += [f"{40 - k},{40 - k + noise[k]:.3f},u{unit}" for k in range(40)]
    data = tmp_path / "left.csv"
    data.write_text("\n".join(lines) + "\n")
    toml = tmp_path / "left.toml"
    toml.write_text(
        'name = "left"\ntask = "regression"\n[data]\nkind = "csv"\ntarget = "left"\ngroup = "unit"\nsession = "unit"\n'
        '[window]\nsamples = 8\nstep = 2\nwithin = "recording"\ntarget = "last"\n[[stages]]\nkind = "statistics"\n'
        '[[stages]]\nkind = "scale"\n[model]\nkind = "linear"\n[split]\ntest = 0.4\n'
    )
    record = cli.json("run", toml, "--data", data, "--out", tmp_path / "runs")
    package = str(tmp_path / "runs" / "left" / "left.edge")
    answer = cli.json("score", str(tmp_path / "runs" / "left"))
    variants = {one["name"]: one["error"] for one in record["compression"]["variants"]}
    assert {form["name"]: form["figure"] for form in answer["forms"]} == pytest.approx(variants)
    assert "by group" in answer["figures"]["rmse"]["method"]
    assert answer["notes"] == [
        "these figures belong to the tested fit; the package was refitted, also on these samples"
    ]
    assert cli.json("score", str(tmp_path / "runs" / "left" / "judged"))["figures"] == answer["figures"]
    whole = cli.json("score", package, "--data", str(data), "--group", "unit", "--session", "unit")
    assert whole["samples"] == 6 * 17
    assert any("on about 100 % of these samples, so the score is too high" in note for note in whole["notes"])
    last = cli.json("score", package, "--data", str(data), "--session", "unit", "--last")
    assert last["samples"] == 6
    assert "method" in last["figures"]["mae"]


def test_parts_are_the_whole() -> None:
    values = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    target = np.repeat(np.array(["a", "b", "a", "c"]), 75)
    sessions = np.repeat(np.array(["s", "t"]), 150)
    data = DataSet(
        name="d", columns=(Column(name="x"), Column(name="y")),
        recordings=(Recording(name="r", values=values, target=target, groups=sessions, sessions=sessions),),
    )  # fmt: skip
    configs = (
        None,
        WindowConfig(samples=20, step=3),
        WindowConfig(samples=20, step=3, within="recording"),
        WindowConfig(samples=100, step=10, pad=True),
    )
    for window in configs:
        whole = cut(data, window)
        pieces = list(cut_in_parts(data, window, 7))
        assert max(len(piece.X) for piece in pieces) == min(7, len(whole.X))
        for key in ("X", "y", "groups", "sessions", "starts"):
            together = np.concatenate([getattr(piece, key) for piece in pieces])
            np.testing.assert_array_equal(together, getattr(whole, key))
    (both,) = cut_in_parts(data, WindowConfig(samples=20, step=3, within="recording"), 7, last=True)
    assert both.starts.tolist() == [130, 130]
    np.testing.assert_array_equal(both.X[1], values[280:300].T)


def _engines(folder: Path, part: str, units: range, stop: int = 0) -> list[int]:
    """Engines that wear in one reading, in the layout of C-MAPSS; how many cycles each still ran."""
    rows, left = [], []
    for number, unit in enumerate(units, 1):
        noise = np.random.default_rng(unit).normal(size=60) / 10
        readings = np.zeros((60 - stop, 26))
        readings[:, 0], readings[:, 1] = number, np.arange(1, 61 - stop)
        readings[:, 2:] = (np.arange(60) + noise)[: 60 - stop, None] * np.arange(1, 25)
        rows.append(readings)
        left.append(stop)
    folder.mkdir(exist_ok=True)
    np.savetxt(folder / f"{part}_FD003.txt", np.concatenate(rows), fmt="%.4f")
    return left


@pytest.mark.slow
def test_a_package_alone_knows_the_loader_of_its_set(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "CMAPSSData"
    _engines(folder, "train", range(8))
    (folder / "RUL_FD003.txt").write_text("\n".join(map(str, _engines(folder, "test", range(20, 24), stop=15))) + "\n")
    toml = tmp_path / "left.toml"
    toml.write_text(
        'name = "left"\ntask = "regression"\nrefit = false\n[data]\nkind = "cmapss"\nsubset = "FD003"\ncap = 50\n'
        '[window]\nsamples = 10\nstep = 5\nwithin = "recording"\n[[stages]]\nkind = "statistics"\n'
        '[[stages]]\nkind = "scale"\n[model]\nkind = "linear"\n[compression]\nint8 = false\n'
    )
    cli("run", toml, "--data", folder, "--out", tmp_path / "runs", "--json")
    package = str(tmp_path / "runs" / "left" / "left.edge")
    record = cli.json("score", package, "--data", str(folder), "--part", "test", "--last", "--need", "rmse<3")
    assert record["samples"] == 4
    assert {row["group"] for row in record["evaluation"]["groups"]} == {f"test-engine-{n}" for n in range(1, 5)}
    assert cli.json("score", package, "--data", str(folder), "--part", "test")["samples"] == 4 * 8
    assert "Known: FD001, FD002" in refused(cli, package, "--data", str(folder), "--set", "subset=FD009")


def test_mistakes_are_named_by_their_row_in_the_data(finished: RunResult, tmp_path: Path, cli: Cli) -> None:
    own = cli.json("score", str(finished.folder), "--part", "train")["evaluation"]["mistakes"]
    assert own
    assert all(rows()[row["row"]][2] == row["truth"] for row in own)
    turned = [[a, b, {"on": "off", "off": "on"}[label]] for a, b, label in rows()]
    path = write_rows(tmp_path / "turned.csv", turned)
    worst = cli.json("score", str(finished.folder), "--data", str(path))["evaluation"]["mistakes"]
    assert worst
    assert all(turned[row["row"]][2] == row["truth"] for row in worst)


def test_options_and_paths_that_cannot_be_read_are_refused(finished: RunResult, tmp_path: Path, cli: Cli) -> None:
    assert "no --target with the run's own data" in refused(cli, str(finished.folder), "--target", "nope")
    assert "no such file" in refused(cli, str(finished.folder), "--data", str(tmp_path / "none.csv"))
    columns = (Column(name="a"), Column(name="b"))
    values, target = np.zeros((0, 2), np.float32), np.zeros(0, np.str_)
    bare = DataSet(name="bare", columns=columns, recordings=(Recording(name="r", values=values, target=target),))
    package = read_package(next(finished.folder.glob("*.edge")))
    with pytest.raises(LabelsMissingError, match="without rows - at bare"):
        as_trained(bare, package.manifest, ScoreRequest())


@pytest.mark.slow
def test_a_plain_copy_of_the_set_is_read_by_its_loader_though_its_columns_fit(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "har-wisdm-watch"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for person in range(1600, 1606):
        rows = [
            [str(person), code, *(f"{one:.3f}" for one in rng.normal(5 * (code == "B"), 1, 3))]
            for code in "AB" for _ in range(60)
        ]  # fmt: skip
        write_rows(folder / f"data_{person}_accel_watch.csv", rows, header="subject,activity,x,y,z")
    toml = tmp_path / "small.toml"
    toml.write_text(
        f'name = "small"\nrefit = false\n[data]\nkind = "wisdm_watch"\npath = "{folder}"\n'
        'activities = ["walking", "jogging"]\n[model]\nkind = "tree"\n'
    )
    result = run_small(toml, tmp_path / "runs")
    assert cli.json("score", str(result.folder), "--data", str(folder))["figures"]
    assert "got 'A', 'B'" in refused(cli, str(result.folder), "--data", str(folder), "--kind", "csv")


@pytest.mark.slow
def test_renamed_headers_of_a_public_set_are_the_same(tmp_path: Path, cli: Cli) -> None:
    header = "Type,Air temperature [K],Process temperature [K],Rotational speed [rpm],Torque [Nm],Tool wear [min]"
    rng = np.random.default_rng(0)
    values = rng.uniform((295, 305, 1200, 10, 0), (305, 315, 2500, 70, 250), (200, 5))
    table = [["LMH"[n % 3], *(f"{one:.1f}" for one in row), str(int(row[3] > 40))] for n, row in enumerate(values)]
    data = write_rows(tmp_path / "ai4i2020.csv", table, header=f"{header},Machine failure")
    toml = tmp_path / "small.toml"
    toml.write_text(
        f'name = "small"\nrefit = false\n[data]\nkind = "ai4i2020"\npath = "{tmp_path}"\n[model]\nkind = "tree"\n'
    )
    result = run_small(toml, tmp_path / "runs")
    expected = cli.json("score", str(result.folder), "--data", str(data))["figures"]
    loaded = "quality,air_temperature,process_temperature,rotational_speed,torque,tool_wear,machine_failure"
    for name, names in (("snake", header.lower().replace(" ", "_") + ",machine_failure"), ("loaded", loaded)):
        other = write_rows(tmp_path / f"{name}.csv", table, header=names)
        assert cli.json("score", str(result.folder), "--data", str(other))["figures"] == expected
    warm = [[row[0], f"{float(row[1]) - 273.15:.2f}", *row[2:]] for row in table]
    celsius = write_rows(tmp_path / "celsius.csv", warm, header=f"{header},Machine failure".replace("[K]", "[°C]", 1))
    assert cli.json("score", str(result.folder), "--data", str(celsius))["figures"] == expected
    wrong = write_rows(tmp_path / "wrong.csv", table, header=f"{header},Machine failure".replace("[K]", "[bar]", 1))
    assert "Air temperature [K] in K" in refused(cli, str(result.folder), "--data", str(wrong))
