"""Forecasters in generated C: the bits of Python, by gcc and clang with sanitizers, and on an emulated Cortex-M4."""

from __future__ import annotations

import csv
import gzip
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from c99_examples import need
from c99_streams import COMPILERS, built, output_of
from edgewright.cli.commands import export as export_module
from edgewright.export.c99_stream.detectors import write_forecaster_c99
from edgewright.export.emulator import Entry, missing_tools, run_on_device
from edgewright.export.write import LIST
from edgewright.language.forecasting.linear import Form, fit, mixture
from edgewright.language.forecasting.pool import fit_pool
from edgewright.language.forecasting.selection import ForecastRequest, adopt_pool, fit_forecaster
from edgewright.monitor.forecaster import ForecasterFile, start_state, with_test, write_forecaster
from edgewright.monitor.records import ForecasterSpec
from support import left_out, shared_data

Floats = NDArray[np.float64]
FORMS = {
    "levels": Form("levels", "level", 0, (1, 2, 23, 24, 25, 167, 168, 169), 168),
    "differences": Form("differences", "level", 1, (1, 2, 3, 24)),
    "logarithms": Form("logarithms", "log", 0, (1, 24), 24),
    "steps of logarithms": Form("steps of logarithms", "log", 1, (1, 3, 24)),
    "seasonal": Form("seasonal", "level", 0, (24,), 24, fitted=False),
    "naive": Form("naive", "level", 1, (), 0, fitted=False),
}
HORIZON = 48
_MAIN = """\
#include "f_forecast.h"
#include <stdio.h>
int main(void) {
    double value;
    static f_forecast_context context;
    f_forecast_row rows[F_FORECAST_HORIZON];
    f_forecast_init(&context);
    while (fread(&value, sizeof value, 1, stdin) == 1) {
        f_forecast_push(&context, value);
        if (f_forecast(&context, F_FORECAST_HORIZON, rows) != F_FORECAST_HORIZON
            || f_forecast(&context, 0, rows) != 0) {
            return 1;
        }
        fwrite(rows, sizeof rows, 1, stdout);
    }
    return f_forecast(&context, F_FORECAST_HORIZON + 1, rows);
}
"""


@cache
def series() -> Floats:
    """Return the first hourly series of M4: 700 rows that are all positive."""
    with gzip.open(shared_data("m4") / "Hourly-train.csv.gz", "rt") as file:
        row = next(csv.reader(file))
    return np.array([float(cell) for cell in row[1:] if cell])


@cache
def forecaster(name: str) -> ForecasterFile:
    """One of each form, fitted on the rows but the last 100."""
    values = series()[:-100]
    if name == "pooled":
        pool = fit_pool([np.roll(values, k * 100)[: 500 + k] for k in range(1, 8)], (24, 168), HORIZON)
        return adopt_pool(pool, values, ForecastRequest(HORIZON))
    shares = [(FORMS["levels"], 0.5), (FORMS["differences"], 0.2), (FORMS["seasonal"], 0.3)]
    model = mixture(shares, values) if name == "mixture" else fit(FORMS[name], values)
    widths = np.linspace(0.1, 2, 2 * HORIZON).reshape(2, HORIZON).astype(np.float32)
    spec = ForecasterSpec(name=name, column="load", horizon=HORIZON, levels=(80.0, 95.0), model=model)
    return with_test(spec, start_state(model, values), widths, values[-8:])


def stream() -> Floats:
    """Return the last 100 rows, with holes and numbers that are none."""
    values = series()[-100:].copy()
    values[[5, 6, 7, 40]] = np.nan
    values[50], values[51], values[60], values[70] = np.inf, -np.inf, -1.0, 1e300
    return values


def wanted(forecaster_file: ForecasterFile, rows: Floats) -> Floats:
    """Shape (rows, horizon, 5): middle, both lows, both highs, after each row."""
    running, answers = forecaster_file.start(), []
    for value in rows:
        running.push(float(value))
        coming = running.forecast(HORIZON)
        answers.append(np.concatenate([coming.middle[None], coming.low, coming.high]).T)
    return np.array(answers)


@pytest.mark.slow
@pytest.mark.needs_data
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", [*FORMS, "mixture", "pooled"])
def test_c_forecasts_what_python_does(name: str, compiler: str, tmp_path: Path) -> None:
    need(compiler)
    forecaster_file = forecaster(name)
    program = built(write_forecaster_c99(forecaster_file, name="f"), _MAIN, compiler, tmp_path)
    rows = stream()
    answers_in_c = np.frombuffer(output_of(program, rows.tobytes())).reshape(len(rows), HORIZON, 5)
    right = wanted(forecaster_file, rows)
    assert np.isfinite(right).all()
    if forecaster_file.spec.model.scale == "log":
        np.testing.assert_allclose(answers_in_c, right, rtol=1e-6)
    else:
        np.testing.assert_array_equal(answers_in_c, right)


@pytest.mark.slow
@pytest.mark.needs_data
def test_a_microcontroller_forecasts_what_python_does() -> None:
    if missing_tools():
        left_out(", ".join(missing_tools()))
    forecaster_file = forecaster("mixture")
    rows = stream()[:60]
    call = (
        "static f_forecast_context context; static f_forecast_row rows[F_FORECAST_HORIZON]; f_forecast_init(&context); "
        "for (int i = 0; i < 60; ++i) { f_forecast_push(&context, ((const double *)in)[i]); } "
        "f_forecast(&context, F_FORECAST_HORIZON, rows); "
        "for (int h = 0; h < F_FORECAST_HORIZON; ++h) { ((double *)out)[h] = rows[h].middle; }"
    )
    entry = Entry("f_forecast.h", call, 8 * len(rows), 8 * HORIZON)
    done = run_on_device(
        write_forecaster_c99(forecaster_file, name="f"), entry, "cortex-m4", rows.view(np.float32)[None]
    )
    answers_in_c = done.outputs.reshape(-1).view(np.float64)
    np.testing.assert_allclose(answers_in_c, wanted(forecaster_file, rows)[-1, :, 0], rtol=1e-6)


def test_export_writes_c_of_a_forecasters_file_and_no_other_form(tmp_path: Path) -> None:
    values = np.sin(np.arange(200) * 2 * np.pi / 12) + 0.1 * np.random.default_rng(0).normal(size=200)
    path = tmp_path / "wave.forecaster"
    write_forecaster(path, fit_forecaster(values, ForecastRequest(6, (12,))))
    result = CliRunner().invoke(
        export_module.command, [str(path), "--to", "c99", "--out", str(tmp_path / "c"), "--json"]
    )
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in (tmp_path / "c").iterdir()) == [LIST, "wave_forecast.c", "wave_forecast.h"]
    refused = CliRunner().invoke(export_module.command, [str(path), "--to", "onnx", "--out", str(tmp_path / "d")])
    assert "c99" in str(refused.exception)
    assert not (tmp_path / "d").exists()
