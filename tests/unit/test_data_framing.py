"""Sound is cut into windows by itself, for the ladder and for the check, and times are read by one function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.core.clocks.units import pace
from edgewright.core.input.riff import wav_bytes
from edgewright.core.records.config import WindowConfig
from edgewright.data.clock import measured_rate
from edgewright.data.load import load_data
from edgewright.data.table_proposal import sound_window
from edgewright.pipeline.check import check_data
from small_pipeline import write_rows

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
def test_the_check_judges_sounds_and_not_their_samples(tmp_path: Path) -> None:
    data_report = check_data(str(_tones(tmp_path / "words", 0.2)))
    assert data_report.framed.startswith("8000 rows a second are sound")
    assert data_report.inflation is not None
    assert data_report.inflation.samples == 40


def test_a_rate_is_the_median_of_the_recordings() -> None:
    times = [np.arange(50) / 10.0, None, np.arange(50) / 10.2, np.arange(50) / 10.4]
    assert measured_rate(times) == pytest.approx(10.2)
    assert measured_rate([None]) is None
    assert (pace(50.0), pace(1 / 60)) == ("50 rows a second", "a row every 60 s")
