"""Every kind of bad input: one line that names what was expected, exit code 2, and nothing half-written left."""

from __future__ import annotations

import io
import json
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgewright.cli.main import run
from small_pipeline import names, rows, write_rows, write_toml

Capture = pytest.CaptureFixture[str]
Table = list[list[str]]


def changed(row: int, column: int, cell: str) -> Table:
    table = rows()
    table[row][column] = cell
    return table


def csv(table: Table, header: str = "a,b,label", by: str = ",") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        write_rows(path, table, header=header, by=by)

    return write


def raw(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def absent(path: Path) -> None:
    """No file."""


# One row each: what is wrong, the file, `--set` changes, and what the line must say.
CASES: dict[str, tuple[Callable[[Path], None], tuple[str, ...], tuple[str, ...]]] = {
    "empty file": (raw(b""), (), ("expected a header line and rows, got an empty file - at bad.csv",)),
    "blank lines only": (raw(b"\n\n"), (), ("bad.csv",)),
    "missing file": (absent, (), ("got no such file - at", "bad.csv")),
    "header only": (csv([]), (), ("expected at least one row, got only a header line - at bad.csv",)),
    "wrong delimiter": (
        csv(rows(), by=";"),
        ('data.delimiter=","',),
        ("no column 'label'. Known: a;b;label", "bad.csv line 1"),
    ),
    "text in a number column": (
        csv(changed(15, 0, "abc")),
        (),
        ("expected a number, got 'abc' - at bad.csv line 17, column a",),
    ),
    "infinite value": (
        csv(changed(15, 1, "inf")),
        (),
        ("expected a finite number", "got 'inf' - at bad.csv line 17, column b"),
    ),
    "a number float32 cannot hold": (csv(changed(3, 1, "1e300")), (), ("1e300", "bad.csv line 5, column b")),
    "all-missing column": (
        csv([[a, "", label] for a, _, label in rows()]),
        (),
        ("expected a value in column b, got an all-missing column - at", "bad.csv"),
    ),
    "one class": (
        csv([[a, b, "on"] for a, b, _ in rows()]),
        (),
        ("expected at least two different values in the target, got only 'on'",),
    ),
    "target absent": (csv(rows()), ("data.target=lable",), ("no column 'lable'", "Did you mean 'label'?")),
    "fewer rows than classes": (csv([["1", "2", "x"], ["2", "3", "y"]]), (), ("expected at least two", "got one")),
    "three rows, three classes": (
        csv([["1", "2", "x"], ["2", "3", "y"], ["3", "4", "z"]]),
        (),
        ("expected every class of the test samples also in training",),
    ),
    "one row": (csv([["1", "2", "x"]]), (), ("expected",)),
    "a row that is too short": (
        csv([*rows()[:30], ["1", "2"], *rows()[30:]]),
        (),
        ("expected 3 cells, got 2 - at bad.csv line 32",),
    ),
    "not text": (
        raw(b"a,b,label\n\x81\xfe,1,on\n"),
        (),
        ("expected text in UTF-8, UTF-16 or cp1252", "bad.csv line 2"),
    ),
    "two units in a column": (raw(b"a,b,label\n20 C,1,on\n70 F,1,off\n"), (), ("got C and F", "bad.csv, column a")),
    "zero bytes": (raw(bytes(64)), (), ("bad.csv",)),
}


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return write_toml(tmp_path / "small.toml", tmp_path / "bad.csv")


def refused(capsys: Capture, out: Path, arguments: list[str], parts: tuple[str, ...]) -> None:
    """Check that the command ends with one line and leaves the folder of runs empty."""
    assert run(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("edgewright: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err
    assert names(out) == []


@pytest.mark.parametrize("case", CASES, ids=lambda name: str(name).replace(" ", "-"))
def test_bad_tables(case: str, toml: Path, tmp_path: Path, capsys: Capture) -> None:
    write, changes, lines = CASES[case]
    write(tmp_path / "bad.csv")
    options = [option for change in changes for option in ("--set", change)]
    refused(capsys, tmp_path / "runs", ["run", str(toml), "--out", str(tmp_path / "runs"), *options], lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("trainig.epochs=3", "no key 'trainig'"),
        ("stages.scale.methd=x", "Did you mean 'method'?"),
        ("model.layers.0.unit=3", "no key 'unit'. Known: activation, units. Did you mean 'units'?"),
        ("split.by=persons", "persons"),
        ("split.by=group", "expected a group (person or machine) for every sample, got none"),
        ("stages=[{kind='mfcc'}]", "stage"),
        ("model.layers=[{kind='max_pool',kernel=2}]", "channels"),
        ("stages.1={kind='select',k=3}", "3"),
        ("data.kind=csvv", "Did you mean 'csv'?"),
    ],
)
def test_keys_that_do_not_exist_and_impossible_shapes(
    change: str, message: str, toml: Path, tmp_path: Path, capsys: Capture
) -> None:
    write_rows(tmp_path / "bad.csv")
    arguments = ["run", str(toml), "--out", str(tmp_path / "runs"), "--set", change]
    refused(capsys, tmp_path / "runs", arguments, (message,))


def test_broken_toml_names_its_line(toml: Path, tmp_path: Path, capsys: Capture) -> None:
    toml.write_text(toml.read_text() + "\n[training\nepochs = 3\n")
    line = toml.read_text().splitlines().index("[training") + 1
    refused(
        capsys, tmp_path / "runs", ["run", str(toml), "--out", str(tmp_path / "runs")],
        ("expected valid TOML", f"line {line}", "small.toml"),
    )  # fmt: skip


def ts(path: Path) -> None:
    """BasicMotions' format with a channel that is shorter than the others."""
    head = (
        "@problemName x\n@univariate false\n@dimensions 6\n@equalLength true\n@seriesLength 4\n@classLabel true a b\n"
    )
    path.write_text(head + "@data\n" + "1,2,3,4:" * 6 + "a\n" + "1,2,3,4:" * 5 + "1,2,3:b\n")


def wav(path: Path, rate: int, channels: int) -> None:
    sheet = io.BytesIO()
    with wave.open(sheet, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.zeros(rate // 10 * channels, np.int16).tobytes())
    path.write_bytes(sheet.getvalue())


def test_channels_of_unequal_length(toml: Path, tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "motions"
    folder.mkdir()
    ts(folder / "BasicMotions_TRAIN.ts")
    out = tmp_path / "runs"
    refused(
        capsys,
        out,
        ["demo", "--data", str(folder), "--out", str(out)],
        ("expected channels of equal length", "BasicMotions_TRAIN.ts line 9"),
    )


def test_recordings_of_unequal_channels_are_mixed_down(toml: Path, tmp_path: Path, capsys: Capture) -> None:
    for label, channels in (("yes", 1), ("no", 2)):
        (tmp_path / "sounds" / label).mkdir(parents=True)
        wav(tmp_path / "sounds" / label / "a.wav", 8000, channels)
    arguments = ["run", str(toml), "--out", str(tmp_path / "runs"), "--set", "data.kind=folder"]
    text = toml.read_text().replace('target = "label"\n', "")
    toml.write_text(text)
    # Noise: the run reads both files, and no model beats chance.
    assert run([*arguments, "--data", str(tmp_path / "sounds")]) == 1
    trace = json.loads((tmp_path / "runs" / "small" / "trace.json").read_text())
    assert trace["stages"][0]["shape_out"][1] == 1, "one channel"
    assert "2 channels" in capsys.readouterr().err


def test_edge_impulse_values_of_unequal_length(toml: Path, tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    payload = {
        "device_type": "x", "interval_ms": 10, "sensors": [{"name": "x", "units": "g"}, {"name": "y", "units": "g"}],
        "values": [[1, 2], [3]],
    }  # fmt: skip
    sample = {"protected": {"ver": "v1", "alg": "none"}, "signature": "0", "payload": payload}
    (folder / "a.json").write_text(json.dumps(sample))
    labels = {
        "version": 1,
        "files": [{"path": "a.json", "category": "training", "label": {"type": "label", "label": "x"}}],
    }
    (folder / "info.labels").write_text(json.dumps(labels))
    assert run(["check", str(folder)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "a.json" in err


@pytest.mark.parametrize("name", ["bad\nname.csv", "bad name.csv", "bäd.csv"])
def test_names_of_files_cannot_break_the_line(name: str, toml: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / name).write_text("")
    arguments = ["run", str(toml), "--out", str(tmp_path / "runs"), "--data", str(tmp_path / name)]
    refused(capsys, tmp_path / "runs", arguments, ("expected a header line and rows, got an empty file",))


def test_the_folder_of_runs_is_a_file(toml: Path, tmp_path: Path, capsys: Capture) -> None:
    write_rows(tmp_path / "bad.csv")
    (tmp_path / "runs").write_text("kept")
    assert run(["run", str(toml), "--out", str(tmp_path / "runs")]) == 2
    assert "expected a folder that can be written, got File exists" in capsys.readouterr().err
    assert (tmp_path / "runs").read_text() == "kept"


def test_more_memory_than_there_is(toml: Path, tmp_path: Path, capsys: Capture) -> None:
    write_rows(tmp_path / "bad.csv")
    wide = "model.layers.0.units=100000000000000"
    assert run(["run", str(toml), "--out", str(tmp_path / "runs"), "--set", wide]) in {2, 74}
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert names(tmp_path / "runs") == []


@pytest.mark.slow
def test_a_check_that_says_no_is_exit_code_1_and_one_line(toml: Path, tmp_path: Path, capsys: Capture) -> None:
    numbers = [[a, b, f"{float(a) - float(b):.4f}"] for a, b, _ in rows()]
    write_rows(tmp_path / "bad.csv", numbers)
    harsh = ["compression.max_drop=0", "compression.method=percentile", "compression.percentile=50.1"]
    harsh += ["compression.repair=false"]
    options = [option for change in harsh for option in ("--set", change)]
    assert run(["run", str(toml), "--out", str(tmp_path / "runs"), *options]) == 1
    out, err = capsys.readouterr()
    assert err.startswith("edgewright: error[check-failed]: int8 loses ")
    assert err.count("\n") == 1
    assert "not ready" in out
    assert not list((tmp_path / "runs").rglob("*.edge"))
    assert (tmp_path / "runs" / "small" / "trace.json").exists()
    capsys.readouterr()
    assert run(["predict", str(tmp_path / "runs" / "small"), "--values", "1,2"]) == 2
    assert "got none: the run was refused" in capsys.readouterr().err


@pytest.mark.slow
def test_a_split_that_leaks_is_exit_code_1_and_names_its_price(toml: Path, tmp_path: Path, capsys: Capture) -> None:
    table = [[*row, f"p{number // 10:02}"] for number, row in enumerate(rows())]
    write_rows(tmp_path / "bad.csv", table, header="a,b,label,person")
    arguments = [
        "run",
        str(toml),
        "--out",
        str(tmp_path / "runs"),
        "--set",
        "data.group=person",
        "--set",
        "split.by=row",
    ]
    assert run(arguments) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "points" in err
    assert names(tmp_path / "runs") == []
    assert run([*arguments, "--set", "split.allow_leakage=true"]) == 0
    assert "warning: the split leaks" in capsys.readouterr().out
