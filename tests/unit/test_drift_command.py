"""`edgewright drift`: a table a channel, events as they come, a state to go on from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from cli_runner import Cli
from edgewright.cli.drift_input import rows_of
from edgewright.cli.main import run
from edgewright.core.errors import ColumnMissingError, TimeFormatError
from edgewright.core.package import read_package, write_package
from edgewright.core.records.package import ReferenceColumn
from edgewright.monitor.drift.reference_test import LENGTHS
from edgewright.monitor.drift.stream_monitor import DriftConfig, watch_of
from runtime_example import numbers, parts

Capture = pytest.CaptureFixture[str]
SHARES = (0, 1, 5, 25, 50, 75, 95, 99, 100)
ASK = ("--rhythm", "800")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    trained = numbers(4000, 10, seed=1)
    reference = tuple(
        ReferenceColumn(
            name=f"c{i}", mean=float(column.mean()), deviation=float(column.std()), missing=0.0,
            quantiles=tuple(float(q) for q in np.percentile(column, SHARES)),
        )
        for i, column in enumerate(trained.T)
    )  # fmt: skip
    manifest, files = parts(reference=reference)
    path = tmp_path / "activity.edge"
    write_package(path, manifest, files)
    return path


def csv(path: Path, *, moved: bool, rows: int = 3000, dates: bool = False) -> Path:
    values = numbers(rows, 10, seed=2).copy()
    if moved:
        values[rows // 2 :, 3] += 2
    head = [f"c{i}" for i in range(10)]
    lines = [",".join([*(["when"] if dates else []), *head])]
    for index, row in enumerate(values):
        day = f"2026-01-{1 + index // 1440:02d}T{index % 1440 // 60:02d}:{index % 60:02d}:00"
        lines.append(",".join([*([day] if dates else []), *(f"{v:.5f}" for v in row)]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.slow
def test_the_channel_that_moved_is_named_with_its_time(package: Path, tmp_path: Path, capsys: Capture) -> None:
    data = csv(tmp_path / "rows.csv", moved=True, dates=True)
    assert run(["drift", str(package), "--csv", str(data), "--time", "when", *ASK]) == 1
    text = capsys.readouterr().out
    assert "c3 drifts, shape" in text
    assert "since 2026-01-02 01:00:00" in text  # row 1,500 of one a minute
    assert text.count("as trained") == 9


def test_a_time_that_is_an_input_is_watched_and_dates_the_rows(package: Path, tmp_path: Path) -> None:
    manifest = read_package(package).manifest
    watch, path = watch_of(manifest, DriftConfig(rhythm=800.0, false_alarms=0.1)), tmp_path / "rows.csv"
    head = ",".join(f"c{i}" for i in range(10))
    path.write_text(f"{head}\n1714564800.125{',2' * 9}\n1714564801.25{',2' * 9}\n")
    ((values, times, _),) = rows_of(str(path), manifest, "c0", watch)
    assert times.tolist() == [1714564800.125, 1714564801.25]
    assert values.tolist() == [[float(np.float32(1714564800)), *[2.0] * 9]] * 2
    path.write_text(f"{head}\n{',2' * 9}\n")
    with pytest.raises(TimeFormatError):
        list(rows_of(str(path), manifest, "c0", watch))
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ColumnMissingError, match=r"expected the columns c0, .* - at rows\.csv\."):
        list(rows_of(str(path), manifest, "", watch))


def test_a_rhythm_of_rows_that_are_series_is_so_many_readings(package: Path) -> None:
    manifest = read_package(package).manifest
    plain = watch_of(manifest)
    names = [f"t{index}" for index in range(40)]
    one = manifest.reference[0]
    series = msgspec.structs.replace(
        manifest, reference=tuple(msgspec.structs.replace(one, name=name) for name in names), joint=None
    )
    assert (plain.block, watch_of(series).block) == (3600 // LENGTHS[0], round(3600 / 40 / LENGTHS[0]))
    assert watch_of(series, rate=1.0).block == plain.block


@pytest.mark.slow
def test_the_same_rows_again_drift_nowhere_and_few_rows_are_not_judged(package: Path, tmp_path: Path, cli: Cli) -> None:
    data = csv(tmp_path / "rows.csv", moved=False)
    assert cli("drift", package, "--csv", data, "--confidence", *ASK).count("as trained") == 10
    assert "not tested yet: 3,000 of the 3,600 rows of one rhythm" in cli("drift", package, "--csv", data)


@pytest.mark.slow
def test_a_state_goes_on_where_it_stopped(package: Path, tmp_path: Path, capsys: Capture) -> None:
    whole = csv(tmp_path / "rows.csv", moved=True)
    assert run(["drift", str(package), "--csv", str(whole), *ASK, "--json"]) == 1
    expected = capsys.readouterr().out.splitlines()
    lines = whole.read_text().splitlines()
    events: list[str] = []
    for part in (lines[1:1234], lines[1234:]):
        (tmp_path / "part.csv").write_text("\n".join([lines[0], *part]) + "\n")
        state = ["--state", str(tmp_path / "drift.bin")]
        run(["drift", str(package), "--csv", str(tmp_path / "part.csv"), *ASK, "--json", *state])
        events += [line for line in capsys.readouterr().out.splitlines() if "kind" in line or part[-1] == lines[-1]]
    assert events == expected
    assert msgspec.json.decode(expected[0])["label"] == "c3"
    assert (tmp_path / "drift.bin").stat().st_size < 10 * 1000


def test_the_state_of_another_rhythm_or_package_is_told_from_a_file_that_is_none(
    package: Path, tmp_path: Path, cli: Cli, capsys: Capture
) -> None:
    data = csv(tmp_path / "rows.csv", moved=False, rows=200)
    state = tmp_path / "drift.bin"
    base = ["drift", str(package), "--csv", str(data), "--state", str(state)]
    assert run([*base, "--rhythm", "80"]) == 0
    kept = state.read_bytes()
    capsys.readouterr()
    text = cli(*base, "--rhythm", "160", code=2)
    assert "expected a state in blocks of 20 rows, got blocks of 10 - at --state" in text
    assert "drift.bin. Give the rhythm it was made with" in text
    assert state.read_bytes() == kept


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--rhythm", "soon"], "a length of time such as 30min"),
        (["--time", "clock"], "got no clock"),
        (["--false-alarms", "0"], "false alarms above 0"),
        (["--state", "STATE"], "STATE. Pass a file from an earlier `edgewright drift --state`, or a new one"),
    ],
)
def test_mistakes_are_said(package: Path, tmp_path: Path, cli: Cli, more: list[str], message: str) -> None:
    state = tmp_path / "STATE"
    state.write_bytes(b"something else")
    more = [str(state) if word == "STATE" else word for word in more]
    data = csv(tmp_path / "rows.csv", moved=False, rows=50)
    assert message in cli("drift", package, "--csv", data, *more, code=2)


@pytest.mark.slow
def test_the_base_install_is_enough(package: Path, tmp_path: Path) -> None:
    data = csv(tmp_path / "rows.csv", moved=False, rows=50)
    code = (
        "import sys; from edgewright.cli.main import run; "
        f"assert run(['drift', {str(package)!r}, '--csv', {str(data)!r}, '--confidence', '--rhythm', '20']) in (0, 1); "
        "extra = {'jax', 'sklearn', 'scipy', 'rich', 'jinja2', 'polars', 'onnx', 'optax'} & set(sys.modules); "
        "assert not extra, extra"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
