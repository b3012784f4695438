"""A forecaster's file: forecasts, intervals and missing rows in Python and in compiled C."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path

import numpy as np

from edgewright.core.csv.rows import read_csv
from edgewright.core.errors import ColumnMissingError
from edgewright.core.records.proof import ProofRecord
from edgewright.monitor.forecaster import SPEC, Floats, ForecasterFile, read_forecaster
from edgewright.proof.stream import Rule, StreamSubject
from edgewright.proof.tolerance import Stages
from edgewright.workflows.proof.artifacts import prove_compiled
from edgewright.workflows.proof.provers import ProofRequest, Prover

_NAME = "forecaster"
FORECAST, INTERVALS, STALE = "forecast", "intervals", "rows without a value"
# Rows forecast after each one, at most.
_AHEAD = 96
_SAMPLES = 200
# Spreads of a model that readings go from its centre.
_WIDE = 40
_ODD = (np.nan, np.nan, np.inf, -np.inf, -1.0, 0.0, 1e300)
_EXACT = "one order of float32 sums: bit-exact"
_LOGARITHM = "exp and log are the library's: relative 1e-6"


def prove_forecaster(request: ProofRequest) -> ProofRecord:
    """Compare the forecasts after every row, with their intervals.

    Raises:
        InputError: a file that is no forecaster, or rows without its column.
    """
    file = read_forecaster(request.path)
    values, origins, source, notes = _values(file, request)
    files = importlib.import_module("edgewright.export.c99_stream.detectors").write_forecaster_c99(file, name=_NAME)
    files = request.changed(files)
    spec = file.spec
    probe = importlib.import_module("edgewright.export.c99_host.probe")
    ahead, levels = min(_AHEAD, spec.horizon), len(spec.levels)

    @cache
    def expected() -> Stages:
        return _stages(_forecast(file, values, ahead), levels)

    def run(command: str) -> tuple[Stages, Stages]:
        forecasts = probe.forecasts(files, _NAME, command, values, ahead, max(levels, 1))
        return expected(), _stages(forecasts, levels)

    rule = Rule(_LOGARITHM, relative=1e-6) if spec.model.scale == "log" else Rule(_EXACT)
    steps = tuple(f"{h + 1} ahead" for h in range(ahead))
    ends = tuple(f"{side} {level:g} %, {step}" for step in steps for side in ("low", "high") for level in spec.levels)
    about = StreamSubject(
        name=f"{spec.name} of {spec.column}",
        path=str(request.path),
        source=source,
        origins=origins,
        reference="Python",
        numbers="float",
        rules={STALE: Rule("the same number", numbers="label"), FORECAST: rule, INTERVALS: rule},
        names={STALE: ("rows",), FORECAST: steps, INTERVALS: ends},
        shape=(1,),
        notes=notes,
    )
    return prove_compiled(about, run)


def _forecast(file: ForecasterFile, values: Floats, ahead: int) -> Floats:
    """Shape (rows, 1 + ahead * (1 + 2 levels)): rows without a value, and of each row ahead middle, lows and highs."""
    running, forecasts = file.start(), []
    for value in values:
        running.push(float(value))
        coming = running.forecast(ahead)
        ends = np.concatenate([coming.middle[None], coming.low, coming.high]).T
        forecasts.append(np.concatenate([[coming.stale], ends.ravel()]))
    return np.array(forecasts)


def _stages(forecasts: Floats, levels: int) -> Stages:
    rows = (
        forecasts[:, 1:].reshape(len(forecasts), -1, 1 + 2 * levels)
        if levels
        else forecasts[:, 1:].reshape(len(forecasts), -1, 3)
    )
    stages: Stages = {STALE: forecasts[:, :1], FORECAST: rows[:, :, 0]}
    return {**stages, INTERVALS: rows[:, :, 1:].reshape(len(forecasts), -1)} if levels else stages


def _values(file: ForecasterFile, request: ProofRequest) -> tuple[Floats, tuple[str, ...], str, tuple[str, ...]]:
    """Values of a file's column; else those of the forecaster's own test and drawn ones, and numbers that are none."""
    if request.data:
        column = file.spec.column
        rows = read_csv(Path(request.data), name=request.data, float64_columns=[column], only_columns=[column])
        if column not in rows.wide:
            raise ColumnMissingError(f"the column {column}", f"no {column}", request.data)
        values = np.asarray(rows.wide[column][: request.rows], np.float64)
        return values, tuple(f"line {n}" for n in rows.lines[: request.rows]), f"rows of {request.data}", ()
    model, rng = file.spec.model, np.random.default_rng(0)
    simulated = model.centre + model.spread * rng.standard_normal(_SAMPLES)
    # Forecasts rise to what they are clipped to, and fall to the other end.
    simulated[-_SAMPLES // 4 :] = model.centre + np.linspace(-_WIDE, _WIDE, _SAMPLES // 4) * model.spread
    values = np.concatenate([file.test_rows, np.exp(simulated) if model.scale == "log" else simulated])
    values[-_SAMPLES // 2 :: 9][: len(_ODD)] = _ODD
    own = len(file.test_rows)
    origins = tuple(f"test row {i}" if i < own else f"drawn row {i - own}" for i in range(len(values)))
    return values, origins, "its own test rows and random rows", ()


PROVER = Prover(SPEC, prove_forecaster)
