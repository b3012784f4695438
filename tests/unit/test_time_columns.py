"""The column of times is found by its values where its name says nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from edgewright.data.clock import find_time_column
from edgewright.language.forecasting.series import read_series
from edgewright.pipeline.check import check_data
from edgewright.search.ladder.setup import problem_and_config

BEGIN = datetime(2024, 5, 1, tzinfo=UTC)
MOMENTS = [BEGIN + timedelta(hours=2 * n) for n in range(120)]
FORMS = {
    "space": [moment.strftime("%Y-%m-%d %H:%M:%S") for moment in MOMENTS],
    "zone": [moment.isoformat() for moment in MOMENTS],
    "seconds": [str(int(moment.timestamp())) for moment in MOMENTS],
    "milliseconds": [str(int(moment.timestamp() * 1000)) for moment in MOMENTS],
}


@pytest.mark.parametrize("form", FORMS)
def test_times_are_found_by_their_values(form: str) -> None:
    born = [f"19{50 + 7 * n % 45}-03-{1 + n % 28:02d}" for n in range(120)]
    day = [text[:10] for text in FORMS["space"]]
    columns = {"pressure": [f"1013250{n % 900:03d}" for n in range(0, 2400, 20)][::-1], "born": born, "Tag": day,
               "Zeitstempel": FORMS[form]}  # fmt: skip
    assert find_time_column(columns) == "Zeitstempel"
    assert find_time_column({**columns, "time_ms": []}) == "time_ms"
    assert find_time_column({"born": born, "x": ["1.5"] * 120, "same": ["2024-05-01"] * 120, "none": [""]}) == ""
    assert find_time_column({"broken": [*FORMS["space"], "2024-05-01 25:61:00"]}) == ""


@pytest.mark.parametrize("form", FORMS)
def test_the_ladder_check_and_forecast_find_them(tmp_path: Path, form: str) -> None:
    x = np.random.default_rng(0).normal(size=120)
    lines = [f"{when},{value:.3f},{'on' if value > 0 else 'off'}" for when, value in zip(FORMS[form], x, strict=True)]
    path = tmp_path / "room.csv"
    path.write_text("\n".join(["when,x,label", *lines]) + "\n", encoding="utf-8")
    problem, config, left = problem_and_config(str(path), {"target": "label"})
    assert config.data["time"] == "when"
    assert problem.by == "day"
    assert [column.name for column in problem.samples.columns] == ["x"]
    assert left == ()
    assert check_data(str(path), target="label").quality.rate == pytest.approx(1 / 7200)
    assert read_series(str(path), column="x").time == "when"
