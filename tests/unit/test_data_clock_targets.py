"""Times and targets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewright.core.clocks.units import rate_of
from edgewright.core.errors import RateDiffersError, TargetNotNumericError
from edgewright.core.records.data import TimeUnit
from edgewright.data.clock import common_rate, find_time_column, read_clock, tidy_rate
from edgewright.data.targets import (
    as_text,
    class_codes,
    class_names,
    encode_target,
    read_target,
    task_of,
    written_labels,
)
from edgewright.language.forecasting.series import read_series
from edgewright.pipeline.check import check_data
from edgewright.workflows.own_data.proposal import OwnDataRequest, look


@pytest.mark.parametrize(
    ("text", "column", "unit", "seconds"),
    [
        (["0", "0.5"], "t", "auto", [0, 0.5]),
        (["1700000000000", "1700000000020"], "t", "auto", [0, 0.02]),
        (["1700000000000000000", "1700000000020000000"], "t", "auto", [0, 0.02]),
        (["0", "20"], "time_ms", "auto", [0, 0.02]),
        (["0", "20"], "timestamp [us]", "auto", [0, 2e-5]),
        (["0", "20"], "t", "ms", [0, 0.02]),
        (["2024-05-01 12:00:00", "2024-05-01 12:01:00"], "date", "auto", [0, 60]),
        (["2024-05-01T12:00:00+02:00", "2024-05-01T10:00:01Z"], "date", "auto", [0, 1]),
    ],
)
def test_times_become_relative_seconds(text: list[str], column: str, unit: TimeUnit, seconds: list[float]) -> None:
    clock = read_clock(np.array(text), column=column, unit=unit, row_name=str)
    assert clock.seconds.dtype == np.float64
    np.testing.assert_allclose(clock.seconds, seconds, atol=2e-7)


def test_labels_that_look_like_numbers_are_text_where_they_are_named() -> None:
    cells = np.array(["01", " a", "NA", "?", "2 "])
    assert read_target(cells, ["01", " a", "NA"]).tolist() == ["01", " a", "NA", "", "2"]
    assert read_target(np.array(["1", "nan"]), ["01"]).dtype == np.float64
    texts = {"01": "'01'", "a'b": '"a\'b"', "": "''"}
    assert written_labels([*texts.values(), "ok", "'", "'a' 'b'", '"01"', "'a'.b"]) == texts


def test_rate_ignores_gaps_jitter_and_coarse_clocks() -> None:
    rng = np.random.default_rng(1)
    time = np.arange(1000) / 52 + rng.normal(0, 0.001, 1000)
    time[500:] += 7
    assert rate_of(time) == pytest.approx(52, rel=0.003)
    milliseconds = np.round(np.arange(5000) / 52, 3)  # steps of 19 and 20 ms: the median alone would say 52.6
    assert rate_of(milliseconds) == pytest.approx(52, rel=1e-3)
    assert rate_of(np.floor(np.arange(1000) / 50)) == pytest.approx(50, rel=0.06)
    assert rate_of(np.array([0.0, 1.0, 5.0])) == pytest.approx(1 / 2.5)  # no step is near the median
    assert rate_of(np.zeros(5)) is None
    assert rate_of(np.zeros(1)) is None
    assert tidy_rate(49.999) == 50.0
    assert tidy_rate(52.3) == 52.3


def test_common_rate_names_the_two_recordings() -> None:
    assert common_rate([("a", 50.0), ("b", 50.2), ("c", None)]) == pytest.approx(50.1)
    assert common_rate([("a", None)]) is None
    with pytest.raises(RateDiffersError, match=r"got 50 Hz and 52 Hz - at a and b"):
        common_rate([("a", 50.0), ("b", 52.0)])


def test_read_target() -> None:
    np.testing.assert_array_equal(read_target(np.array(["1", " 2", "NA", ""])), [1, 2, np.nan, np.nan])
    assert read_target(np.array(["1", "walk", "null"])).tolist() == ["1", "walk", ""]


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (np.array(["a", "b"]), "classification"),
        (np.array([True, False]), "classification"),
        (np.arange(20.0), "classification"),
        (np.arange(21.0), "regression"),
        (np.array([0.5, 1.0]), "regression"),
        (np.array([0.0, 1.0, np.nan]), "classification"),
    ],
)
def test_task_of(y: NDArray[Any], task: str) -> None:
    assert task_of(y, "auto") == task
    assert task_of(y, "classification") == "classification"


def test_text_cannot_be_regressed() -> None:
    with pytest.raises(TargetNotNumericError):
        encode_target(np.array(["a"]), "regression")


def test_encode_target_and_codes() -> None:
    y = encode_target(np.array([10.0, 2.0, np.nan, 2.0]), "auto")
    assert y.tolist() == ["10", "2", "", "2"]
    assert class_names(y) == ("2", "10")
    assert class_codes(y, class_names(y)).tolist() == [1, 0, -1, 0]
    assert encode_target(np.array([0, 1]), "regression").dtype == np.float64
    assert as_text(np.array([True, False])).tolist() == ["true", "false"]
    assert as_text(np.array([1.5, -2.0])).tolist() == ["1.5", "-2"]
    assert class_codes(np.array(["x"]), ()).tolist() == [-1]
    assert class_names(np.array(["walk", "run"])) == ("run", "walk")


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
               "gemessen_um": FORMS[form]}  # fmt: skip
    assert find_time_column(columns) == "gemessen_um"
    assert find_time_column({**columns, "time_ms": []}) == "time_ms"
    assert find_time_column({"born": born, "x": ["1.5"] * 120, "same": ["2024-05-01"] * 120, "none": [""]}) == ""
    assert find_time_column({"broken": [*FORMS["space"], "2024-05-01 25:61:00"]}) == ""


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_run_check_and_forecast_find_them(tmp_path: Path, form: str) -> None:
    x = np.random.default_rng(0).normal(size=120)
    lines = [f"{when},{value:.3f},{'on' if value > 0 else 'off'}" for when, value in zip(FORMS[form], x, strict=True)]
    path = tmp_path / "room.csv"
    path.write_text("\n".join(["when,x,label", *lines]) + "\n", encoding="utf-8")
    data = look(OwnDataRequest(path=str(path), target="label"))
    assert data.roles.time == "when"
    assert data.roles.readings == ("x",)
    assert check_data(str(path), target="label").quality.rate == pytest.approx(1 / 7200)
    assert read_series(str(path), column="x").time == "when"


@pytest.mark.parametrize("name", ["Zeit [ms]", "Uhrzeit", "tiempo_s", "horodatage", "time [us]"])
def test_times_have_names_in_other_languages_with_a_unit_behind_them(name: str) -> None:
    assert find_time_column({"x": [], name: []}) == name
