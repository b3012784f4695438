"""Sound is cut into windows by itself, for the ladder and for the check, and times are read by one function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cli_runner import Cli
from edgewright.core.clocks.rates import pace
from edgewright.core.input.riff import wav_bytes
from edgewright.data.clock import measured_rate
from edgewright.data.decision import sound_window
from edgewright.data.load import load_data
from edgewright.pipeline.check import check_data
from edgewright.schema.config import WindowConfig
from edgewright.search.advise.contract import AdviceRequest as AdviceAsked
from edgewright.search.advise.framings import labelled
from edgewright.search.advise.inspection import inspect
from edgewright.search.advise.rungs import commands
from edgewright.search.ladder.measurement import Ladder
from edgewright.search.ladder.setup import problem_and_config
from ladder_problems import silent
from small_pipeline import write_rows

Capture = pytest.CaptureFixture[str]
RATE = 8000


def _tones(folder: Path, seconds: float, count: int = 20) -> Path:
    """Return files of a low and a high tone, of about so many seconds, each louder or quieter than the next."""
    rng = np.random.default_rng(0)
    for label, hertz in (("low", 300.0), ("high", 1500.0)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for n in range(count):
            rows = int(RATE * seconds * (0.8 + 0.2 * n / count))
            wave = rng.uniform(0.1, 0.8) * np.sin(2 * np.pi * hertz * np.arange(rows) / RATE + rng.uniform(0, 6))
            wave += 0.05 * rng.normal(size=rows)
            (folder / label / f"{n:02}.wav").write_bytes(wav_bytes(wave.astype(np.float32)[:, None], RATE))
    return folder


def test_short_sounds_are_windows_of_their_own_and_long_ones_are_cut(tmp_path: Path) -> None:
    words = load_data({"kind": "folder", "path": str(_tones(tmp_path / "words", 0.5))}, seed=0)
    window, why = sound_window(words)
    assert window is not None
    assert window.pad
    assert 0.9 * 0.5 * RATE <= window.samples <= 0.5 * RATE + 256
    assert "8000 rows a second are sound: nine of ten of 40 sounds fit in" in why
    machines = load_data({"kind": "folder", "path": str(_tones(tmp_path / "long", 4.0, 2))}, seed=0)
    assert sound_window(machines)[0] == WindowConfig(samples=7936, pad=True)
    rows = [[f"{n / 100}", f"{n % 7}", "ab"[n // 50 % 2]] for n in range(200)]
    slow = write_rows(tmp_path / "slow.csv", rows, header="time,x,y")
    table: dict[str, object] = {"kind": "csv", "path": str(slow), "target": "y", "time": "time"}
    assert sound_window(load_data(table, seed=0)) == (None, "")


@pytest.mark.slow
def test_the_ladder_and_the_check_judge_sounds_and_not_their_samples(tmp_path: Path) -> None:
    folder = str(_tones(tmp_path / "words", 0.2))
    problem, config, _ = problem_and_config(folder, {})
    assert len(problem.y) == 40
    assert config.window == problem.window
    assert "change it with --window N" in problem.notes[0]
    record = Ladder(problem, config, silent, rungs=("majority", "threshold")).climb()
    assert record.rungs[1].score is not None
    assert record.rungs[1].score.value > 0.95
    assert record.notes[0] == problem.notes[0]
    data_report = check_data(folder)
    assert data_report.framed.startswith("8000 rows a second are sound")
    assert data_report.inflation is not None
    assert data_report.inflation.samples == 40
    shorter, _, _ = problem_and_config(folder, {}, window=WindowConfig(samples=4000))
    assert len(shorter.y) == 40


@pytest.mark.slow
def test_check_and_advice_say_the_same_pace(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    rows = []
    for n in range(300):
        day, minute = divmod(n * 28, 1440)
        on = (n // 20) % 3 == 0
        stamp = f"2024-05-{1 + day:02} {minute // 60:02}:{minute % 60:02}:00"
        rows.append([stamp, f"{on * 2 + rng.normal():.3f}", "yes" if on else "no"])
    write_rows(tmp_path / "room.csv", rows, header="date,light,occupied")
    assert "a row every 1680 s" in cli("check", "room.csv", "--target", "occupied")
    request = AdviceAsked(data="room.csv", target="occupied")
    setup = labelled._setup(inspect("room.csv"), request)
    assert setup.why[0].startswith("the column date holds the times of rows")
    assert setup.why[1].startswith("a row every 1680 s")
    assert (setup.problem.by, int(setup.problem.units.max()) + 1) == ("day", 6)
    assert "--target occupied --time date --run rules" in commands(setup, request, "rules")[0]


def test_a_rate_is_the_median_of_the_recordings() -> None:
    times = [np.arange(50) / 10.0, None, np.arange(50) / 10.2, np.arange(50) / 10.4]
    assert measured_rate(times) == pytest.approx(10.2)
    assert measured_rate([None]) is None
    assert (pace(50.0), pace(1 / 60)) == ("50 rows a second", "a row every 60 s")
