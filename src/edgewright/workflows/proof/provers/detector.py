"""A detector's file: scores and anomalies of rows in Python and in compiled C."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from edgewright.core.csv.rows import read_csv
from edgewright.core.errors import ColumnMissingError
from edgewright.core.records.data import Floats
from edgewright.core.records.proof import AbsentForm, ProofRecord
from edgewright.monitor.detector_stream import FEATURES, SPEC, DetectorFile, Watch, read_detector
from edgewright.proof.stream import StreamForm, StreamSubject, prove_stream
from edgewright.proof.tolerance import Stages
from edgewright.workflows.proof.anomalies import anomalies, detector_names, detector_rules, tied_rows, watched
from edgewright.workflows.proof.artifacts import compilers
from edgewright.workflows.proof.provers import ProofRequest, Prover
from edgewright.workflows.proof.stream_rows import StreamRows, natural_rows
from edgewright.workflows.proof.subject import Chosen

_NAME = "detector"
# Where detectors keep the usual level of a channel, and how much it varies.
_LEVELS, _UNITS = ("mean", "centre", "middle"), ("deviation", "unit")
_ODD = 37


def prove_detector(request: ProofRequest) -> ProofRecord:
    """Compare scores, anomalies and the channel to blame, row by row.

    Raises:
        InputError: a file that is no detector, rows without its columns, or a detector that C cannot hold.
    """
    file = read_detector(request.path)
    # Refuses arrays that do not go together.
    Watch(file)
    spec, places = file.spec, tuple(range(len(file.spec.columns)))
    files = importlib.import_module("edgewright.export.c99_detectors._source").write_detector_c99(
        spec.kind, file.learnt, name=_NAME, columns=tuple(column.name for column in spec.columns),
        threshold=spec.threshold.value, refractory=spec.refractory, window=spec.window,
    )  # fmt: skip
    files = request.changed(files)
    chosen = _rows(file, request)
    rows = natural_rows(chosen, spec.rate or 1.0, request.rows, holes=True)
    absent: list[AbsentForm] = []
    probe = importlib.import_module("edgewright.export.c99_host.probe")
    built = [(name, probe.CDetector(files, _NAME, command), note) for name, command, note in compilers(absent)]
    notes = chosen.notes
    if built:
        tied = tied_rows(rows, places, built[0][1], file)
        rows = rows if tied is None else tied
        notes += () if tied is not None else ("no row has a score exactly at the threshold",)

    def form(name: str, detector: Any, note: str) -> StreamForm:  # noqa: ANN401 - `c99_host.probe.CDetector`
        return StreamForm(f"C99 by {name}", lambda: _both(file, rows, detector), note)

    about = StreamSubject(
        name=f"{request.path.stem}, {spec.kind}",
        path=str(request.path),
        source=chosen.source,
        origins=rows.origins,
        reference="Python",
        numbers="float",
        rules=detector_rules("", spec.threshold.value),
        names=detector_names(""),
        shape=(len(places),),
        notes=notes,
        absent=tuple(absent),
    )
    return prove_stream(about, [form(*arguments) for arguments in built])


def _both(file: DetectorFile, rows: StreamRows, detector: Any) -> tuple[Stages, Stages]:  # noqa: ANN401
    record = detector.run(rows.values, rows.lost, rows.times)
    verdicts = watched(file, rows.values, rows.times, record[:, 0])
    limit = file.spec.threshold.value
    odd = np.flatnonzero(record[:, 1]).tolist()
    # Its own code names no threshold: what it calls odd has reached it.
    channels = {row: int(record[row, 2]) for row in odd}
    return anomalies("", verdicts, record[:, 0], channels, dict.fromkeys(odd, float(np.float32(limit))), limit)


def _rows(file: DetectorFile, request: ProofRequest) -> Chosen:
    columns = [column.name for column in file.spec.columns]
    if not request.data:
        return _synthetic(file, request.rows)
    path = importlib.import_module("pathlib").Path(request.data)
    rows = read_csv(path, name=request.data, only_columns=columns, trained=file.spec.columns)
    absent = [name for name in columns if name not in rows.names]
    if absent:
        raise ColumnMissingError(f"the columns {', '.join(columns)}", f"no {', '.join(absent)}", request.data)
    values = rows.values[: request.rows, [rows.names.index(name) for name in columns]]
    return Chosen(values, tuple(f"line {n}" for n in rows.lines[: request.rows]), f"rows of {request.data}")


def _synthetic(file: DetectorFile, count: int) -> Chosen:
    """Return rows around what the detector learnt to be usual, with some odd ones."""
    channels, rng = len(file.spec.columns), np.random.default_rng(0)
    level, unit = (_learnt(file, names, default) for names, default in ((_LEVELS, 0.0), (_UNITS, 1.0)))
    rows = rng.standard_normal((count, channels)) * unit + level
    rows[_ODD // 2 :: _ODD] += 8 * unit * rng.choice([-1, 1], (len(rows[_ODD // 2 :: _ODD]), channels))
    notes = ("no --data was set; these rows are random",)
    origins = tuple(f"drawn row {i}" for i in range(count))
    return Chosen(np.asarray(rows, np.float32), origins, "random rows", notes)


def _learnt(file: DetectorFile, names: tuple[str, ...], default: float) -> Floats:
    """One number a channel of what was learnt."""
    channels = len(file.spec.columns)
    each = channels * (1 if file.spec.window is None else len(FEATURES))
    for name in names:
        values = np.asarray(file.learnt.get(name, ()), np.float64).ravel()
        if len(values) >= each:
            kept = values[:each].reshape(channels, -1)
            # Of a window's features the first is the mean; the second of the means says how much it varies.
            return np.asarray(kept[:, 0], np.float32)
    return np.full(channels, default, np.float32)


PROVER = Prover(SPEC, prove_detector)
