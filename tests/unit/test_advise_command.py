"""`edgewright advise` as a person uses it: the folder it leaves, questions, needs that cannot be met, wrong input."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest

from advice_example import without_times
from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.schema.advice import ADVICE_VERSION, Advice
from edgewright.search.advise import placement
from ladder_problems import table
from small_pipeline import names, write_rows

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _read(folder: Path) -> Advice:
    return msgspec.json.decode((folder / "advice.json").read_bytes(), type=Advice)


@pytest.mark.slow
def test_a_threshold_is_advised_and_the_record_is_the_same_again(here: Path, cli: Cli) -> None:
    table(here / "rows.csv", count=120)
    requested = ["advise", "rows.csv", "--target", "y", "--by", "row", "--need", "offline,latency=5ms"]
    out = cli(*requested)
    for part in ("rows: threshold, on the device", "1. Frame", "2. Constraints",
                 "Needs: offline, latency=5ms.", "Link: ble.", "3. Existing solutions",
                 "4 and 5. The simplest", "Decision", "What would change the decision",
                 "edgewright ladder rows.csv --target y --by row --run threshold"):  # fmt: skip
        assert part in out
    assert names(here / "advice" / "rows") == ["advice.html", "advice.json", "advice.md"]
    advice = msgspec.json.decode(cli(*requested, "--json"), type=Advice)
    first, second = _read(here / "advice" / "rows"), _read(here / "advice" / "rows-2")
    assert advice == second
    assert without_times(first) == without_times(second)
    assert (first.version, first.choice, first.location, first.met) == (ADVICE_VERSION, "threshold", "device", True)
    assert first.footprint is not None
    assert first.curve is not None
    assert not any(capability.needed for capability in first.frame.capabilities)


@pytest.mark.slow
def test_needs_that_nothing_meets_are_said_with_the_nearest(here: Path, capsys: Capture) -> None:
    table(here / "rows.csv", count=120)
    own = here / "board.toml"
    own.write_text('name = "board"\ninherits = "nrf52840"\n', encoding="utf-8")
    requested = ["advise", "rows.csv", "--target", "y", "--by", "row", "--no-curve", "--device", "board.toml"]
    assert run([*requested, "--need", "flash=1B,score=0.9999", "--out", "tight"]) == 1
    out = capsys.readouterr().out
    assert "Not met: Flash" in out
    assert "beyond 1 B" in " ".join(out.split())
    assert "short of 0.9999" in " ".join(out.split())
    record = _read(here / "tight")
    assert (record.met, record.device) == (False, "board")


@pytest.mark.slow
def test_questions_take_defaults_from_a_pipe(here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows(here / "u.csv", [[f"{n % 7}", f"{n % 5}"] for n in range(60)], header="u,v")
    monkeypatch.setattr("sys.stdin", io.StringIO("w\n\n\n\nnrf52\nnrf52840\n\noffline=1\noffline\n"))
    assert run(["advise", "u.csv", "--interactive", "--out", "asked"]) == 0
    err = capsys.readouterr().err
    assert "columns: u, v" in err
    assert "no column 'w'. Known: u, v" in err
    assert "Did you mean 'nrf52840'" in err
    assert "expected offline alone" in err
    record = _read(here / "asked")
    assert (record.device, record.radio, [need.text for need in record.needs]) == ("nrf52840", "ble", ["offline"])
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert run(["advise", "u.csv", "--interactive", "--out", "end"]) == 0
    assert _read(here / "end").device == "cortex-m4"


def test_wrong_input_is_one_line(here: Path, capsys: Capture) -> None:
    rows = [[f"{n}", f"{n % 9}", "x" if n % 2 else "y"] for n in range(60)]
    write_rows(here / "good.csv", rows, header="a,b,y")
    write_rows(here / "few.csv", rows[:12], header="a,b,y")
    write_rows(here / "one.csv", [[*row[:2], "x"] for row in rows], header="a,b,y")
    for requested, code, text in (
        (["none.csv"], 2, "no such file"),
        (["few.csv", "--target", "y"], 2, "at least 30 labelled samples, got 12"),
        (["one.csv", "--target", "y"], 2, "at least two different values"),
        (["good.csv", "--target", "z"], 2, "no column 'z'. Known: a, b, y"),
        (["good.csv", "--target", "y", "--step", "3"], 2, "--window with --step"),
        (["good.csv", "--target", "y", "--need", "fast"], 2, "no need 'fast'. Known: bandwidth, battery"),
        (["good.csv", "--target", "y", "--device", "pdp-11"], 2, "no device profile 'pdp-11'"),
        (["good.csv", "--target", "y", "--radio", "smoke"], 2, "no radio 'smoke'. Known: ble"),
        (["good.csv", "--task", "poetry"], 2, "no task 'poetry'. Known: anomaly"),
    ):
        assert run(["advise", *requested, "--out", "bad"]) == code
        captured = capsys.readouterr()
        assert text in captured.err
        assert "Traceback" not in captured.err
    assert not (here / "bad").exists()


@pytest.mark.slow
def test_leaks_refuse_a_random_split_and_say_how_to_group(here: Path, cli: Cli) -> None:
    rows = [[f"{n // 20 + n % 20 * 0.001:.3f}", f"{n % 3}", "pq"[n // 20 * 7 % 5 % 2]] for n in range(300)]
    write_rows(here / "leak.csv", rows, header="a,b,y")
    err = cli("advise", "leak.csv", "--target", "y", code=1)
    assert "folds of single rows leak" in err
    assert "--group, --session or --time" in err


def test_ctrl_c_leaves_nothing(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    table(here / "rows.csv", count=60)

    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(placement, "places", pressed)
    assert run(["advise", "rows.csv", "--task", "clustering", "--out", "broken"]) == 130
    assert names(here) == ["rows.csv"]
    assert "no partial files" in capsys.readouterr().err
