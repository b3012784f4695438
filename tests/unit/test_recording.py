"""`edgewright device record`: from a source to a folder that `run` takes; whole or not there."""

from __future__ import annotations

import importlib.util
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.cli.commands.device.record import bars
from edgewright.cli.main import run
from edgewright.core.csv.rows import read_csv
from edgewright.core.predictor import load
from frames_example import write_hello, write_rows
from support import left_out

RATE = 25.0


def source_file(file: Path, seconds: float, pace: float, seed: int, *, lose: tuple[int, int] = (0, 0)) -> Path:
    """Two channels that swing at a pace; rows from `lose[0]` to `lose[1]` are left out."""
    moments = np.arange(round(seconds * RATE)) / RATE
    rng = np.random.default_rng(seed)
    a = np.sin(2 * np.pi * pace * moments + seed) + rng.normal(0, 0.1, len(moments))
    b = pace * np.cos(2 * np.pi * pace * moments) + rng.normal(0, 0.1, len(moments))
    rows = [
        f"{t:.3f},{x:.4f},{y:.4f}"
        for i, (t, x, y) in enumerate(zip(moments, a, b, strict=True))
        if not lose[0] <= i < lose[1]
    ]
    file.write_text("time,a,b\n" + "\n".join(rows) + "\n")
    return file


def record(source: str, out: Path, label: str = "walking", person: str = "7", *more: str) -> int:
    return run(["device", "record", "--source", source, "--label", label, "--person", person, "--out", str(out), *more])


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir()) if folder.exists() else []


def test_recordings_are_numbered_labelled_and_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = source_file(tmp_path / "a.csv", 12.0, 1.0, 0), tmp_path / "rec"
    assert record(f"replay:{file}", out, "walking", "7", "--seconds", "4") == 0
    assert "walking_7_001.csv: 100 rows, 4.0 s at 25 Hz\n  no gaps, correct rate\n" in capsys.readouterr().out
    assert record(f"replay:{file}", out, "up_stairs, fast", "7", "--seconds", "2.5", "--columns", "b") == 0
    (out / "walking_7_004.csv").write_text("mine\n")
    assert record(f"replay:{file}", out, "walking", "7", "--seconds", "4", "--json") == 0
    result = json.loads(capsys.readouterr().out.partition("correct rate\n")[2])
    assert (result["rows"], result["nominal"], result["problems"]) == (100, RATE, [])
    assert names(out) == [
        "labels.csv", "pipeline.toml", "up-stairs-fast_7_001.csv", "walking_7_001.csv", "walking_7_004.csv",
        "walking_7_005.csv",
    ]  # fmt: skip
    assert (out / "walking_7_004.csv").read_text() == "mine\n"
    assert (out / "labels.csv").read_text() == (
        "file,label,group,session\nwalking_7_001.csv,walking,7,walking_7_001\n"
        'up-stairs-fast_7_001.csv,"up_stairs, fast",7,up-stairs-fast_7_001\nwalking_7_005.csv,walking,7,walking_7_005\n'
    )
    rows = read_csv(out / "walking_7_001.csv", name="x")
    given = read_csv(file, name="x")
    assert rows.names == ("time", "a", "b")
    assert np.array_equal(rows.values, given.values[:100])
    assert read_csv(out / "up-stairs-fast_7_001.csv", name="x").names == ("time", "b")


def test_gaps_are_told_and_the_exit_code_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = source_file(tmp_path / "a.csv", 12.0, 1.0, 0, lose=(100, 160))
    assert record(f"replay:{file}", tmp_path / "rec", "walking", "7", "--seconds", "8") == 1
    captured = capsys.readouterr()
    assert "problem: gap of 2.44 s at 4.0 s" in captured.out
    assert "The file was kept" in captured.err
    assert "walking_7_001.csv" in names(tmp_path / "rec")


def test_another_rate_than_expected_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = source_file(tmp_path / "a.csv", 20.0, 1.0, 0)
    assert record(f"replay:{file}", tmp_path / "rec", "walking", "7", "--seconds", "8", "--rate", "50") == 1
    assert "problem: rate 25 instead of 50 Hz" in capsys.readouterr().out


def test_a_source_that_ends_too_early_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = source_file(tmp_path / "a.csv", 3.0, 1.0, 0)
    assert record(f"replay:{file}", tmp_path / "rec", "walking", "7", "--seconds", "8") == 1
    assert "expected 8 s of rows, got 3 s: the source ended; nothing was kept" in capsys.readouterr().err
    assert names(tmp_path / "rec") == []
    assert record(f"replay:{file}", tmp_path / "rec") == 0  # without --seconds all of it


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "replay", "--label", "a", "--person", "b"], "a source such as replay:"),
        (["--source", "tape:x", "--label", "a", "--person", "b"], "no kind of source 'tape'"),
        (["--source", "replay:none.csv", "--label", "a", "--person", "b"], "no such file"),
        (["--source", "SOURCE", "--label", " ", "--person", "b"], "a label of 1 to 100 characters"),
        (["--source", "SOURCE", "--label", "a", "--person", "b", "--columns", "a,c"], "no column 'c'"),
        (["--source", "SOURCE", "--label", "a"], "--person"),
        (["--source", "SOURCE?time=-", "--label", "a", "--person", "b", "--columns", "time"], "other names"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, cli: Cli, arguments: list[str], message: str) -> None:
    file = source_file(tmp_path / "a.csv", 3.0, 1.0, 0)
    filled = [a.replace("SOURCE", f"replay:{file}") for a in arguments]
    err = cli("device", "record", "--out", tmp_path / "rec", *filled, code=2)
    assert message in err
    assert err.count("\n") == 1
    assert names(tmp_path / "rec") == []


def paced(tmp_path: Path, *more: str) -> tuple[subprocess.Popen[bytes], int]:
    """Return a recording of a file at its own pace, on a terminal of its own; the other end of the terminal."""
    file = source_file(tmp_path / "a.csv", 60.0, 1.0, 0)
    far, near = pty.openpty()
    command = [sys.executable, "-m", "edgewright", "device", "record", "--source", f"replay:{file}?speed=1"]
    command = [sys.executable, "-c", "from edgewright.cli.main import main; main()", *command[3:]]
    more = ("--label", "walking", "--person", "7", "--out", str(tmp_path / "rec"), *more)
    process = subprocess.Popen([*command, *more], stdout=subprocess.PIPE, stderr=near)
    os.close(near)
    return process, far


def seen(far: int, word: str, seconds: float = 20.0) -> str:
    text, until = "", time.monotonic() + seconds
    while word not in text and time.monotonic() < until:
        try:
            text += os.read(far, 1 << 16).decode()
        except OSError:
            break
    return text


@pytest.mark.slow
@pytest.mark.parametrize(("more", "code", "kept"), [(("--seconds", "30"), 130, False), ((), 0, True)])
def test_ctrl_c_keeps_nothing_of_a_set_length_and_ends_one_without(
    tmp_path: Path, more: tuple[str, ...], code: int, kept: bool
) -> None:
    process, far = paced(tmp_path, *more)
    screen = seen(far, "   1.")
    assert "walking in 1 ..." in screen
    assert any(bar in screen for bar in "▁▂▃▄▅▆▇█")
    process.send_signal(signal.SIGINT)
    rest = seen(far, "\0", 5.0)
    out, _ = process.communicate(timeout=20)
    os.close(far)
    assert process.returncode == code, (out, rest)
    assert ("walking_7_001.csv" in names(tmp_path / "rec")) == kept
    assert not [name for name in names(tmp_path / "rec") if name.startswith(".")]


@pytest.mark.slow
def test_a_board_on_a_line_is_recorded_from_the_moment_the_count_down_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgewright.cli.commands.device.record.count_down", lambda seconds, label: time.sleep(1.0))
    if importlib.util.find_spec("serial") is None:
        left_out("pyserial is not installed")
    far, near = pty.openpty()
    tty.setraw(near)
    stop = threading.Event()

    def board() -> None:
        begun, sent = time.monotonic(), 0
        while not stop.wait(0.005):
            while sent < (time.monotonic() - begun) * 100:
                hello = write_hello(["x [g]", "y [g]"], 100.0) if sent % 50 == 0 else b""
                row = np.array([[sent, np.sin(sent / 10)]], np.float32)
                os.write(far, hello + write_rows(row, sequence=sent, time=sent * 10_000))
                sent += 1

    sender = threading.Thread(target=board)
    sender.start()
    try:
        source = f"serial:{os.ttyname(near)}?form=framed"
        assert record(source, tmp_path / "rec", "shaking", "rig 1", "--seconds", "1.5") == 0
    finally:
        stop.set()
        sender.join()
        os.close(near)
        os.close(far)
    assert "150 rows, 1.5 s at 100 Hz" in capsys.readouterr().out
    rows = read_csv(tmp_path / "rec" / "shaking_rig-1_001.csv", name="x")
    assert rows.names == ("time", "x [g]", "y [g]")
    assert np.diff(rows.values[:, 1]).tolist() == [1.0] * 149
    assert rows.values[0, 1] >= 100  # the second of the count-down is not in it
    assert "rate = 100" in (tmp_path / "rec" / "pipeline.toml").read_text()


def test_bars_show_the_least_and_the_most() -> None:
    assert bars([0.0, 0.5, 1.0, float("nan")]) == "▁▅█ "
    assert bars([2.0, 2.0]) == "▁▁"
    assert bars([]) == ""


@pytest.mark.slow
def test_recordings_become_a_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rec"
    for person in range(5):
        for label, pace in (("still", 0.0), ("walking", 1.0), ("running", 3.0)):
            file = source_file(tmp_path / "a.csv", 25.0, pace, person)
            assert record(f"replay:{file}", out, label, str(person), "--seconds", "20") == 0
    assert run(["run", str(out / "pipeline.toml"), "--out", str(tmp_path / "runs")]) == 0
    assert (tmp_path / "runs" / "rec" / "rec.edge").is_file()
    assert load(tmp_path / "runs" / "rec" / "rec.edge", engine="numpy") is not None
    capsys.readouterr()
