"""`edgewright predict`: values, files and streams in; sentences or JSON lines out."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.cli.command import BadRows
from edgewright.cli.commands.predict import _sentence
from edgewright.cli.main import run
from edgewright.core import engines
from small_pipeline import rows, run_small, write_rows, write_toml

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    toml = write_toml(folder / "small.toml", write_rows(folder / "rows.csv"))
    changes = ("training.epochs=30", "training.learning_rate=0.02", "compression.max_drop=0.2")
    return run_small(toml, folder / "runs", *changes).folder


@pytest.mark.slow
def test_values_give_a_label_and_a_confidence(model: Path, cli: Cli) -> None:
    out = cli("predict", model, "--values", "2.5, 2.5")
    assert out.startswith("on, ")
    assert out.endswith(" %\n")
    assert cli("predict", model / "small.edge", "--values", "-2.5,-2.5").startswith("off, ")


def test_one_sample_is_said_to_be_one_and_a_file_many(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    """The engine is chosen by it: a single answer does not wait for a large import."""
    requested: list[float] = []
    choose = engines.choose

    def seen(preferred: str | None = None, model: bytes | None = None, rows: float = 0) -> engines.Engine:
        requested.append(rows)
        return choose("numpy")

    monkeypatch.setattr(engines, "choose", seen)
    cli.rows("predict", model, "--values", "2.5,")
    cli.rows("predict", model, "--csv", write_rows(tmp_path / "new.csv"))
    assert requested == [1, engines.MANY_ROWS]


def test_json_holds_every_probability(model: Path, cli: Cli) -> None:
    (answer,) = cli.rows("predict", model, "--values", "2.5,")
    assert set(answer["probabilities"]) == {"off", "on"}
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert answer["confidence"] == max(answer["probabilities"].values())
    assert answer["unsure"] is False


def test_a_file_is_answered_row_by_row_whatever_its_columns_order(model: Path, tmp_path: Path, cli: Cli) -> None:
    given = rows()[:20]
    file = write_rows(tmp_path / "new.csv", given, header="a,b,label")
    turned = write_rows(tmp_path / "turned.csv", [["text", b, a] for a, b, _ in given], header="note,b,a", by=";")
    answers = cli.rows("predict", model, "--csv", file)
    assert [answer["place"] for answer in answers] == [f"line {number}" for number in range(2, 22)]
    assert answers == cli.rows("predict", model, "--csv", turned)
    right = [answer["label"] == row[2] for answer, row in zip(answers, given, strict=True)]
    assert sum(right) >= 17


def test_a_stream_is_answered_as_it_comes(model: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (["-"], ["--csv", "-"]):
        monkeypatch.setattr("sys.stdin", io.StringIO("a,b\n1,2\n,\n-1,-2"))
        rows = cli.rows("predict", model, *arguments)
        assert [answer["label"] for answer in (rows[0], rows[2])] == ["on", "off"]
        assert len(rows) == 3


def test_a_stream_goes_on_behind_wrong_rows(
    model: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a,b\n1,2\ninf,inf\nx,nan\n5\n-1,-2\n"))
    assert run(["predict", str(model), "-"]) == 0
    captured = capsys.readouterr()
    answers = [json.loads(line) for line in captured.out.splitlines()]
    assert [answer["label"] for answer in answers] == ["on", None, None, None, "off"]
    assert [answer.get("missing", False) for answer in answers] == [answer["unsure"] for answer in answers]
    for line, text in ((3, "'inf'"), (4, "'x'"), (5, "2 cells")):
        assert any(
            f"line {line}" in line_of_error and text in line_of_error for line_of_error in captured.err.splitlines()
        ), captured.err


def test_all_wrong_rows_of_a_file_are_in_one_error(model: Path, tmp_path: Path, cli: Cli) -> None:
    file, good = tmp_path / "new.csv", [f"{a},{b}" for a, b, _ in rows()[:50]]
    bad = {3: "inf,1", 9: "1,x", 10: "5", 20: "1,2,3", 30: '1,"2'}
    file.write_text("\n".join(["a,b", *(bad.get(line, text) for line, text in enumerate(good, 2))]) + "\n")
    error = cli("predict", model, "--csv", file, code=2)
    assert [int(line) for line in re.findall(r"line (\d+)", error)] == list(bad)
    assert "--skip-bad-rows" in error
    answers = cli.rows("predict", model, "--csv", file, "--skip-bad-rows")
    assert [answer["place"] for answer in answers if answer.get("missing")] == ["line 10", "line 20", "line 30"]


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_the_error_about_wrong_rows_is_bounded(model: Path, tmp_path: Path, cli: Cli, count: int) -> None:
    file = tmp_path / "new.csv"
    file.write_text("a,b\n" + "x,1\n" * count + "1,2\n")
    error = cli("predict", model, "--csv", file, code=2)
    assert len(re.findall(r"line \d+", error)) == min(count, 40)
    assert len(error) < 2000
    assert ("960 more lines" in error) == (count == 1000)


def test_many_wrong_rows_are_counted(capsys: Capture) -> None:
    bad_rows = BadRows()
    for number in range(1000):
        bad_rows(f"row {number}")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "row 0; treated as missing" and len(lines) == 12
    assert lines[-1] == "1,000 invalid cells or lines so far, treated as missing"


def test_values_that_are_not_finite_are_missing(model: Path, cli: Cli) -> None:
    assert cli.rows("predict", model, "--values", "1,inf") == cli.rows("predict", model, "--values", "1,")
    assert cli("predict", model, "--values", "inf,nan") == "no answer, because too many values are missing\n"


def test_engines_and_forms_agree(model: Path, cli: Cli) -> None:
    record = {
        (engine, form): cli.rows("predict", model, "--values", "0.3,0.4", "--engine", engine, "--form", form)[0]
        for engine in ("numpy", "onnxruntime")
        for form in ("float", "int8")
    }
    one = record["numpy", "float"]["confidence"]
    assert record["onnxruntime", "float"]["confidence"] == pytest.approx(one, abs=1e-5)
    for engine in ("numpy", "onnxruntime"):
        assert record[engine, "int8"]["confidence"] == pytest.approx(one, abs=0.08)


def test_an_unsure_answer_says_so(tmp_path: Path, cli: Cli) -> None:
    toml = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv"))
    folder = run_small(toml, tmp_path / "runs", "device.confidence=1").folder
    assert cli("predict", folder, "--values", "0,0").endswith(" % (unsure)\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected one of --csv FILE, --pictures PATH, --values 1,2,... or -, got none"),
        (["--values", "1,2", "-"], "got - and --values"),
        (["--values", "1"], "expected 2 values (a, b), got 1 - at --values"),
        (["--values", "1,x"], "expected a number, got 'x' - at --values place 2, column b"),
        (["--values", "1,2", "--engine", "tpu"], "no engine 'tpu'. Known: extension, litert"),
        (["--values", "1,2", "--form", "int4"], "expected one of the forms float, int8, got 'int4'"),
        (["--csv", "none.csv"], "got no such file - at none.csv"),
    ],
)
def test_wrong_values_are_one_line(model: Path, arguments: list[str], message: str, capsys: Capture) -> None:
    assert run(["predict", str(model), *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


def test_columns_that_are_not_there_are_named(model: Path, tmp_path: Path, cli: Cli) -> None:
    file = write_rows(tmp_path / "other.csv", [["1", "2"]], header="a,c")
    assert "Add b" in cli("predict", model, "--csv", file, code=2)


def altered(package: bytes, where: float) -> bytes:
    at = int(len(package) * where)
    return package[:at] + bytes([package[at] ^ 1]) + package[at + 1 :]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b: b[:2000], "cut short"),
        (lambda b: b[:-1], "cut short"),
        (lambda b: b + b"x", "cut short|other bytes"),
        (lambda b: altered(b, 0.01), "other bytes|another kind"),
        (lambda b: altered(b, 0.5), "other bytes"),
        (lambda b: altered(b, 0.99), "other bytes|cut short"),
        (lambda b: b"", "another kind"),
        (lambda b: b"a,b\n1,2\n", "another kind"),
    ],
)
def test_a_damaged_package_is_refused(
    model: Path, tmp_path: Path, damage: Callable[[bytes], bytes], message: str, capsys: Capture
) -> None:
    import re

    package = tmp_path / "damaged.edge"
    package.write_bytes(damage((model / "small.edge").read_bytes()))
    assert run(["predict", str(package), "--values", "1,2"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert re.search(message, err)
    assert "damaged.edge" in err


@pytest.mark.parametrize(
    ("confidence", "message"),
    [(0.854, "85 %"), (0.9951, "99.5 %"), (0.999377, "99.9 %"), (0.9999, "> 99.9 %"), (1.0, "100 %"), (0.0, "0 %")],
)
def test_what_is_not_quite_sure_is_not_called_sure(confidence: float, message: str) -> None:
    assert _sentence({"place": "line 2", "label": "low", "confidence": confidence}) == f"line 2: low, {message}"
