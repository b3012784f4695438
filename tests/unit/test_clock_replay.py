"""A recording that is played on a device gives the answers of `predict`, whatever its clock counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agent_example import RATE, package, run, signal
from edgewright.core.package import read_package
from edgewright.core.prediction_input import answer_rows
from edgewright.core.predictor import Predictor
from edgewright.schema.data import TimeUnit
from edgewright.schema.package import RecordingColumns

CLOCKS: dict[str, tuple[str, TimeUnit, Callable[[float], str]]] = {
    "seconds": ("time", "s", lambda s: f"{s:.3f}"),
    "milliseconds": ("time", "ms", lambda s: str(round(1e3 * s))),
    "microseconds": ("time", "us", lambda s: str(round(1e6 * s))),
    "milliseconds in another column": ("zeit", "ms", lambda s: str(round(1e3 * s))),
    "minutes": ("time", "min", lambda s: f"{s / 60:.7f}"),
    "a counter of 16 bits": ("time", "ms", lambda s: str(round(1e3 * s) % 65_536)),
    "epochs": ("time", "auto", lambda s: f"{1_714_564_800 + s:.3f}"),
    "milliseconds of the epoch": ("time", "auto", lambda s: str(1_714_564_800_000 + round(1e3 * s))),
    "ISO": ("time", "auto", lambda s: str(np.datetime64("2024-05-01T23:59:00.000") + round(1e3 * s))),
    "times of day": ("time", "auto", lambda s: str(np.datetime64("2024-05-01T23:59:00.000") + round(1e3 * s))[11:]),
    "local dates": ("time", "auto", lambda s: f"01.05.2024 12:{int(s // 60):02d}:{s % 60:06.3f}"),
}
GAP_AT = 1503


@pytest.mark.parametrize("kind", CLOCKS)
@pytest.mark.parametrize("gap_s", [0.0, 20.0])
def test_a_replay_answers_as_predict(kind: str, gap_s: float, tmp_path: Path) -> None:
    name, unit, write = CLOCKS[kind]
    recordings = RecordingColumns(time=name, time_unit=unit)
    predictor = Predictor(read_package(package(tmp_path / "switch.edge", recordings=recordings)))
    values = np.round(signal(80.0), 4)
    seconds = np.arange(len(values)) / RATE + gap_s * (np.arange(len(values)) >= GAP_AT)
    rows = [f"{write(s)},{a},{b}\n" for s, (a, b) in zip(seconds.tolist(), values.tolist(), strict=True)]
    (tmp_path / "rows.csv").write_text(f"{name},level,heat\n" + "".join(rows))
    answers = Counter(answer["label"] for answer in answer_rows(predictor, tmp_path / "rows.csv", "rows.csv"))
    settings = {"packages": [{"path": "switch.edge"}], "agent": {"summary": 1000.0}}
    events, _ = run(tmp_path, f"replay:{tmp_path / 'rows.csv'}", settings=settings)
    (summary,) = [event for event in events if event.kind == "summary"]
    assert summary.detail["counts"] == answers
    assert answers.total() == (797 if gap_s else 799)
