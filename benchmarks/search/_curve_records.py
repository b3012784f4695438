"""Curves that were measured, kept as `curve.json`: another law can be asked without training again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from benchmarks.search._curve_cases import quiet
from edgewright.schema.advice import Curves
from edgewright.schema.trace_flow import encode_record
from edgewright.search.curves.measure import CurveRequest, Learner, measure, read_curves, record_of


def kept(arguments: list[str]) -> tuple[list[str], Path | None]:
    """Return what is named besides `--keep DIR`, and that folder."""
    if "--keep" not in arguments:
        return arguments, None
    position = arguments.index("--keep")
    folder = Path(arguments[position + 1])
    folder.mkdir(parents=True, exist_ok=True)
    return arguments[:position] + arguments[position + 2 :], folder


def curve(folder: Path | None, name: str, pool: float, make: Callable[[], Learner]) -> Curves:
    """Return the record of a curve with what was measured afterwards, weighed anew.

    Args:
        folder: where records are kept; None keeps none.
        name: of the file.
        pool: share of the data that the prediction may use; twice of it is measured.
        make: the learner, where nothing is kept.
    """
    file = None if folder is None else folder / f"{name}.json"
    if file is not None and file.exists():
        record = read_curves(file)
        data = record_of(record.data.points, record.data.at, record.data.measured, judges=record.judges)
        return msgspec.structs.replace(record, data=data)
    record = measure(make(), CurveRequest(pool=pool, check=True, parameters=False), quiet)
    if file is not None:
        file.write_bytes(encode_record(record))
    return record
