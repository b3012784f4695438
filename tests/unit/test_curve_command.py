"""`edgewright curve`: the tables, JSON, the page, checks, wrong input, Ctrl-C."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.schema.advice import CURVE_VERSION, CurveRecord, Curves
from edgewright.search.curves.rung_learner import RungLearner
from ladder_problems import table
from small_pipeline import write_rows

Capture = pytest.CaptureFixture[str]
QUICK = ["--target", "y", "--by", "row", "--rung", "tree"]


@pytest.mark.slow
def test_the_curve_is_shown_kept_and_drawn(tmp_path: Path, cli: Cli) -> None:
    file, out = str(table(tmp_path / "rows.csv", 500, "product")), tmp_path / "curve"
    shown = cli("curve", file, *QUICK, "--out", out)
    assert "predicted, 80 %" in shown
    assert "the gain from twice the data (874 samples) is unknown" in shown
    assert "falls as samples^-" in shown
    kept = msgspec.json.decode((out / "curve.json").read_bytes(), type=Curves)
    assert (kept.version, kept.data.points[-1].size) == (CURVE_VERSION, 437)
    page = (out / "curve.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "Learning curves of rows" in page
    assert "more than the 437 samples" in cli("curve", file, *QUICK, "--against", out / "curve.json", code=2)
    assert "the same data, model and metric" in cli(
        "curve", file, *QUICK, "--metric", "macro-f1", "--against", out / "curve.json", code=2
    )


@pytest.mark.slow
def test_a_check_says_whether_it_came_true(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    file = str(table(tmp_path / "rows.csv", 500, "amount"))
    code = run(["curve", file, *QUICK, "--check", "--json"])
    record = msgspec.json.decode(capsys.readouterr().out, type=Curves)
    assert record.data.measured is not None
    assert 430 < record.data.at < 440
    assert code == int(record.data.broken)
    monkeypatch.setattr(CurveRecord, "inside", property(lambda self: False))
    assert run(["curve", file, *QUICK, "--check"]) == 1
    assert "OUTSIDE the interval" in capsys.readouterr().out


@pytest.mark.slow
def test_wrong_input_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    rows = [[f"{n}", f"{n % 7}", "x" if n % 2 else "y"] for n in range(120)]
    few = str(write_rows(tmp_path / "few.csv", rows[:12], header="a,b,y"))
    one = str(write_rows(tmp_path / "one.csv", [[*r[:2], "x"] for r in rows], header="a,b,y"))
    small = str(write_rows(tmp_path / "small.csv", rows[:40], header="a,b,y"))
    reported = [[f"{n % 2}.{n % 5}", row[1], row[2]] for n, row in enumerate(rows)]
    easy = str(write_rows(tmp_path / "easy.csv", reported, header="a,b,y"))
    good = str(table(tmp_path / "good.csv"))
    none = tmp_path / "none.json"
    none.write_text("{}")
    for requested, text in (
        ([few], "at least 30 labelled samples, got 12"),
        ([one], "at least two different values in the target"),
        ([small], "enough data for three training sizes"),
        ([easy], "errors above zero"),
        ([good, "--rung", "tre"], "Did you mean 'tree'?"),
        ([good, "--step", "4"], "--window with --step"),
        ([good, "--metric", "rmse"], "no metric 'rmse'"),
        ([good, "--against", str(none)], "a record of learning curves"),
        ([good, "--against", str(tmp_path / "missing.json")], "No such file"),
        ([str(tmp_path / "none.csv")], "no such file"),
    ):
        assert run(["curve", requested[0], *QUICK, *requested[1:]]) == 2
        captured = capsys.readouterr()
        assert text in captured.err
        assert "Traceback" not in captured.err


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    file, out = str(table(tmp_path / "rows.csv")), tmp_path / "curve"

    def pressed(*_: object, **__: object) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(RungLearner, "judge", pressed)
    assert run(["curve", file, *QUICK, "--out", str(out)]) == 130
    assert not out.exists()
    assert "Traceback" not in capsys.readouterr().err
