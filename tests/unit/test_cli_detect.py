"""`edgewright detect`: fit, run and model, what `score` says of a detector, and what they refuse."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from cli_runner import Cli
from detector_example import rows
from edgewright.cli.main import run
from edgewright.core.package import read_package
from edgewright.core.records.data import Floats
from edgewright.export.write import LIST
from edgewright.monitor.detector_stream import IN_PACKAGE, read_detector
from small_pipeline import run_small, write_rows, write_toml
from support import shared_data

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """good.csv without labels, faulty.csv with two events labelled in `fault`."""
    path = tmp_path_factory.mktemp("detect")
    _write(path / "good.csv", *rows(600))
    values, time = rows(600, seed=1)
    fault = np.zeros(600, np.int64)
    for start in (200, 450):
        values[start : start + 20, 1] += 8
        fault[start : start + 20] = 1
    _write(path / "faulty.csv", values, time, fault)
    return path


def _write(path: Path, values: Floats, time: NDArray[np.float64], fault: NDArray[np.int64] | None = None) -> None:
    head = "time_s,a,b,c" + (",fault" if fault is not None else "")
    lines = [head]
    for index, row in enumerate(values):
        cells = [f"{time[index]:g}", *(f"{x:.6g}" for x in row)]
        lines.append(",".join(cells if fault is None else [*cells, str(fault[index])]))
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def detector(folder: Path) -> Path:
    path = folder / "good.detector"
    arguments = ["detect", "fit", str(folder / "good.csv"), "--time", "time_s", "--detector", "pca", "--out", str(path)]
    assert run([*arguments, "--set", "variance=0.8"]) == 0
    return path


def _lines(cli: Cli, *arguments: str) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in cli("detect", *arguments).splitlines()]


def test_fit_says_threshold_and_sizes(folder: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "a.detector"
    arguments = ["detect", "fit", str(folder / "good.csv"), "--time", "time_s", "--detector", "var", "--out", str(out)]
    record = cli.json(*arguments)
    assert (record["kind"], record["rows"], record["rate"]) == ("var", 600, 0.1)
    assert record["threshold"]["per"] == "day"
    assert record["bytes"] == out.stat().st_size
    assert record["columns"] == ["a", "b", "c"]
    assert read_detector(out).spec.threshold.value == record["threshold"]["value"]
    assert "--force" in cli(*arguments, code=2)
    assert "false alarms" in cli(*arguments, "--force")


def test_run_gives_score_flag_and_channel(folder: Path, detector: Path, cli: Cli) -> None:
    answers = _lines(cli, "run", str(detector), "--csv", str(folder / "faulty.csv"))
    assert len(answers) == 600
    assert set(answers[0]) == {"place", "time", "score", "odd", "alarm", "channel"}
    assert (answers[0]["place"], answers[210]["time"]) == ("line 2", 2100.0)
    assert answers[210]["odd"]
    assert answers[210]["channel"] == "b"
    alarms = _lines(cli, "run", str(detector), "--csv", str(folder / "faulty.csv"), "--alarms")
    assert [a["place"] for a in alarms if a["channel"] == "b"] == ["line 202", "line 452"]


def test_standard_input_gives_the_same_lines(
    folder: Path, detector: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = _lines(cli, "run", str(detector), "--csv", str(folder / "faulty.csv"))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((folder / "faulty.csv").read_bytes())))
    assert _lines(cli, "run", str(detector), "-") == expected


def test_score_counts_events_with_intervals(folder: Path, detector: Path, cli: Cli) -> None:
    arguments = ["score", str(detector), "--data", str(folder / "faulty.csv"), "--target", "fault"]
    record = cli.json(*arguments)
    report = record["details"]
    assert report["events"] == 2
    assert report["recall"]["value"] == 1
    assert 0 < report["recall"]["low"] < 1
    assert report["false_alarms"]["per"] == "day"
    assert report["row_f1"] > 0.5
    assert "recall                 1 (" in cli(*arguments)
    recall, precision = report["recall"]["value"], report["precision"]["value"]
    assert report["f1"]["value"] == pytest.approx(2 * recall * precision / (recall + precision))
    assert (report["judged"], report["found"]) == ("rows", 2)
    assert "--target" in cli(*arguments[:-2], code=2)
    assert "edgewright score DETECTOR" in cli("detect", *arguments, code=2), "where the command went"


def test_an_alarm_that_never_ends_is_said_to_be_one(folder: Path, tmp_path: Path, cli: Cli) -> None:
    always = str(tmp_path / "always.detector")
    fit = ["detect", "fit", str(folder / "good.csv"), "--time", "time_s", "--detector", "robust", "--out", always]
    assert run([*fit, "--threshold", "0"]) == 0
    text = cli("score", always, "--data", folder / "faulty.csv", "--target", "fault")
    assert "an alarm that never ends" in text
    assert "2 events, 0 found; 1 alarms, 1 false" in text
    assert "row_false              1" in text


def test_a_pause_is_a_number_of_rows_or_a_share_of_those_seen(
    folder: Path, tmp_path: Path, cli: Cli, capsys: Capture
) -> None:
    out = tmp_path / "paused.detector"
    fit = ["detect", "fit", str(folder / "good.csv"), "--time", "time_s", "--detector", "own_past", "--threshold", "1"]
    for requested, kept in (("150", 150.0), ("5%", 0.05), ("0", 0.0)):
        assert run([*fit, "--out", str(out), "--force", "--refractory", requested]) == 0
        assert read_detector(out).spec.refractory == kept
    capsys.readouterr()
    for wrong in ("0.05", "100%", "-3", "inf", "nan", "many"):
        assert "a number of rows, or 0.1% to 99.9% of the rows seen" in " ".join(
            cli(*fit, "--out", out, "--force", "--refractory", wrong, code=2).split()
        )
    windows = [*fit[:-4], "--detector", "k_means", "--window", "20", "--refractory", "5%"]
    assert "a number of windows" in " ".join(cli(*windows, "--out", out, "--force", code=2).split())


def test_labels_set_the_threshold(folder: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "b.detector"
    arguments = ["fit", str(folder / "faulty.csv"), "--time", "time_s", "--target", "fault", "--detector", "robust"]
    assert re.search(r"^ +by +labels$", cli("detect", *arguments, "--out", out), re.MULTILINE)
    assert [c.name for c in read_detector(out).spec.columns] == ["a", "b", "c"]
    assert cli.json("score", out, "--data", folder / "faulty.csv", "--target", "fault")["figures"]["f1"]["value"] == 1


def test_windows_and_units_of_alarms(folder: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "w.detector"
    arguments = [
        "detect",
        "fit",
        str(folder / "good.csv"),
        "--time",
        "time_s",
        "--detector",
        "k_means",
        "--window",
        "20",
    ]
    cli(*arguments, "--out", out)
    answers = _lines(cli, "run", str(out), "--csv", str(folder / "faulty.csv"))
    assert [a["place"] for a in answers[:2]] == ["line 21", "line 31"]
    odd = [a for a in answers if a["odd"]]
    assert odd
    assert {a["channel"] for a in odd} == {"b"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "{f}/good.csv", "--out", "{t}/x.detector", "--detector", "pcaa"], "no detector 'pcaa'. Known:"),
        (["fit", "{f}/none.csv", "--out", "{t}/x.detector"], "no such file"),
        (["fit", "{f}/good.csv", "--out", "{t}/no/x.detector"], "a folder to write into"),
        (["fit", "{f}/good.csv", "--out", "{t}/x.detector", "--detector", "pca", "--set", "mean"], "KEY=VALUE"),
        (["fit", "{f}/good.csv", "--out", "{t}/x.detector", "--detector", "pca", "--set", "means=2"], "Did you mean"),
        (["fit", "{f}/good.csv", "--out", "{t}/x.detector", "--column", "d"], "no column 'd'"),
        (["fit", "{f}/faulty.csv", "--out", "{t}/x.detector", "--target", "fault", "--normal", "no"], "--normal LABEL"),
        (["fit", "{f}/x.edge", "--out", "{t}/x.detector"], "a package, which has none"),
        (["fit", "{f}/good.csv", "--out", "{t}/x.detector", "--detector", "pca", "--into", "{t}/y.edge"], "--package"),
        (["run", "{f}/good.csv", "--csv", "{f}/good.csv"], "a detector's file"),
        (["run", "{f}/good.detector"], "either --csv FILE or -"),
        (["run", "{f}/none.detector", "--csv", "{f}/good.csv"], "no such file"),
    ],
)
def test_mistakes_end_in_one_line(
    arguments: list[str], message: str, folder: Path, detector: Path, tmp_path: Path, cli: Cli
) -> None:
    assert detector.exists()
    error = cli("detect", *(a.format(f=folder, t=tmp_path) for a in arguments), code=2)
    assert message in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_missing_column_is_named(folder: Path, detector: Path, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "few.csv").write_text("time,a,b\n0,1,2\n10,1,2\n")
    assert "no c" in cli("detect", "run", detector, "--csv", tmp_path / "few.csv", code=2)


@pytest.mark.slow
def test_running_needs_the_base_install_alone(folder: Path, detector: Path) -> None:
    code = (
        "import sys\nfrom edgewright.cli.main import run\n"
        f"assert run(['detect', 'run', {str(detector)!r}, '--csv', {str(folder / 'good.csv')!r}]) == 0\n"
        "heavy = {'jax', 'optax', 'sklearn', 'scipy', 'onnx', 'polars', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 600


@pytest.mark.slow
def test_a_run_gives_its_rows_and_its_package_takes_the_detector(tmp_path: Path, cli: Cli) -> None:
    toml = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv"))
    result = run_small(toml, tmp_path / "runs", "training.epochs=5", "compression.max_drop=0.9")
    out, new = tmp_path / "x.detector", tmp_path / "new.edge"
    arguments = ["detect", "fit", str(result.folder), "--detector", "k_means", "--package", str(result.folder)]
    cli(*arguments, "--out", out, "--into", new)
    files = read_package(new).files
    assert files[IN_PACKAGE.format(name="x")] == out.read_bytes()
    expected = _lines(cli, "run", str(out), "--csv", str(tmp_path / "rows.csv"))
    assert _lines(cli, "run", str(new), "--csv", str(tmp_path / "rows.csv")) == expected
    assert "--into" in cli("detect", "run", result.folder, "--csv", tmp_path / "rows.csv", code=2)
    # The package's code for a microcontroller has both.
    assert "and anomalies by x" in cli("export", new, "--to", "c99", "--out", tmp_path / "c")
    code = "".join(path.read_text() for path in (tmp_path / "c").glob("*_stream.c"))
    assert "_x_detect" in code
    assert list((tmp_path / "c").glob("*_x_detect.c"))


@pytest.mark.slow
def test_the_autoencoder_is_exported_as_any_model_and_c_answers_alike(folder: Path, tmp_path: Path, cli: Cli) -> None:
    out, model = tmp_path / "ae.detector", tmp_path / "net" / "ae.onnx"
    arguments = ["detect", "fit", str(folder / "good.csv"), "--time", "time_s", "--detector", "autoencoder"]
    assert run([*arguments, "--set", "epochs=10", "--out", str(out)]) == 0
    assert run(["export", str(out), "--to", "onnx", "--out", str(model.parent)]) == 0
    assert "int8" in cli("export", model, "--to", "c99", "--out", tmp_path / "c")
    assert {p.name for p in (tmp_path / "c").iterdir()} == {LIST, "ae.c", "ae.h", "ae_self_test.c", "ae_self_test.h"}
    # `prove` compiles the C and compares it with Python and ONNX Runtime on the same rows.
    rows_file = tmp_path / "rows.csv"
    rows_file.write_text("\n".join(line.partition(",")[2] for line in (folder / "good.csv").read_text().splitlines()))
    assert "c99" in cli("prove", model, "--data", rows_file).lower()


@pytest.mark.slow
@pytest.mark.needs_data
def test_a_public_set_brings_its_own_labels(tmp_path: Path, cli: Cli) -> None:
    location, out = str(shared_data("skab")), str(tmp_path / "s.detector")
    arguments = ["detect", "fit", location, "--kind", "skab", "--detector", "k_means", "--out", out]
    assert "no column of labels 'anomaly'. Known: state" in cli(*arguments, "--target", "anomaly", code=2)
    cli(*arguments, "--target", "state")
    assert cli.json("score", out, "--data", location, "--kind", "skab", "--target", "state")["details"]["events"] == 23


def test_a_detector_becomes_c_or_says_why_not(folder: Path, detector: Path, tmp_path: Path, cli: Cli) -> None:
    arguments = ["export", str(detector), "--to", "c99", "--out", str(tmp_path / "c")]
    assert "export target of a detector 'onnx'" in cli("export", detector, "--to", "onnx", code=2)
    assert "edgewright export DETECTOR" in cli("detect", "c99", detector, code=2)
    record = cli.json(*arguments)
    assert [Path(file["path"]).name for file in record["files"]] == ["good_detect.c", "good_detect.h"]
    assert (
        "int good_detect(good_detect_context *context, const float row["
        in (tmp_path / "c" / "good_detect.h").read_text()
    )
    assert "1st" in cli(*arguments, "--name", "1st", code=2)
    windows = str(tmp_path / "w.detector")
    fit = ["detect", "fit", str(folder / "good.csv"), "--time", "time_s", "--out", windows]
    assert run([*fit, "--detector", "pca", "--window", "20"]) == 0
    assert run(["export", windows, "--to", "c99", "--out", str(tmp_path / "c")]) == 0
    assert "Windows of 20 rows, one every 10" in (tmp_path / "c" / "w_detect.h").read_text()
    assert run([*fit, "--detector", "spectral_residual", "--force"]) == 0
    cli("export", windows, "--to", "c99", "--out", tmp_path / "c", "--force")
    # A season that a counter of microseconds cannot hold is said by name, and nothing is written.
    assert run([*fit, "--detector", "robust", "--set", "season=2.0000005", "--force"]) == 0
    assert "a season of whole microseconds" in cli("export", windows, "--to", "c99", "--out", tmp_path / "d", code=2)
    assert not (tmp_path / "d").exists()


def test_the_unit_of_a_clock_is_remembered_for_rows_that_come_later(tmp_path: Path, cli: Cli) -> None:
    values, _ = rows(600)
    path, out = tmp_path / "clock.csv", tmp_path / "a.detector"
    lines = [",".join([str(10 * index), *(f"{x:.6g}" for x in row)]) for index, row in enumerate(values)]
    path.write_text("t,a,b,c\n" + "\n".join(lines) + "\n")
    fit = ["detect", "fit", path, "--detector", "robust", "--out", out]
    assert "--time-unit s" in cli(*fit, code=2)
    assert "'sec'" in cli(*fit, "--time-unit", "sec", code=2)
    assert cli.json(*fit, "--time-unit", "ms")["rate"] == 100.0
    assert _lines(cli, "run", str(out), "--csv", str(path), "--json")[210]["time"] == 2.1
