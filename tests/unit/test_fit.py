"""`edgewright.fit`: a frame becomes a package, C and answers; what is wrong is said as on the command line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import edgewright as ew
from edgewright.schema.errors import InputError
from edgewright.workflows.fit import FittedModel

PEOPLE, ROWS = 8, 60


def table(seed: int = 0) -> dict[str, list[object]]:
    """Return rows of a machine whose heat and hum tell whether it is worn."""
    rng = np.random.default_rng(seed)
    worn = rng.random(PEOPLE * ROWS) < 0.4
    heat, hum = rng.normal(40.0, 2.0, len(worn)) + 6.0 * worn, rng.normal(1.0, 0.2, len(worn)) + 0.6 * worn
    return {
        "machine": [f"m{number // ROWS}" for number in range(len(worn))], "hum": hum.tolist(), "heat": heat.tolist(),
        "state": np.where(worn, "worn", "good").tolist(),
    }  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> FittedModel:
    return ew.fit(
        pl.DataFrame(table()),
        target="state",
        group="machine",
        window="row",
        need=0.9,
        out=tmp_path_factory.mktemp("runs"),
    )


@pytest.mark.slow
def test_a_frame_becomes_a_model_that_answers_by_column_name(model: FittedModel) -> None:
    new = pd.DataFrame(table(1))
    expected = np.asarray(new["state"])
    for frame in (new, new[["heat", "state", "hum"]], pl.DataFrame(table(1)).select("heat", "hum")):
        assert (model.predict(frame).labels == expected).mean() > 0.95
    with pytest.raises(InputError, match="Add hum"):
        model.predict(new[["heat"]])


@pytest.mark.slow
def test_it_reports_proves_exports_and_packages(model: FittedModel, tmp_path: Path) -> None:
    report = model.report()
    assert "Split: 8 people or machines" in report
    assert "on 8 groups left out in turn (95 % CI " in report
    assert "by machine)" in report
    assert re.search(r"Verdict: ready(, with a weakness)? for cortex-m4", report)
    assert model.prove().passed
    names = {path.name for path in model.to_c(tmp_path / "firmware", name="pump")}
    assert {"pump.c", "pump.h"} <= names
    package = model.package(tmp_path / "pump.edge")
    assert ew.load(package).predict(pd.DataFrame(table(1))).labels.tolist()
    assert (model.result.folder.parent / model.result.folder.name).is_dir()
    assert len(list(model.result.folder.parent.glob("model-*.csv"))) == 1


@pytest.mark.slow
def test_a_file_takes_its_own_name(tmp_path: Path) -> None:
    pl.DataFrame(table()).write_csv(tmp_path / "pump.csv")
    found = ew.fit(tmp_path / "pump.csv", out=tmp_path / "runs")
    assert found.result.folder == tmp_path / "runs" / "pump"
    assert "Target: state" in found.report()


def test_what_is_no_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a path, or a frame"):
        ew.fit([1, 2, 3], out=tmp_path)
    with pytest.raises(InputError, match="no such"):
        ew.fit(tmp_path / "none.csv", out=tmp_path)
    assert list(tmp_path.iterdir()) == []
