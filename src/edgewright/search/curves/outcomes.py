"""A prediction of an earlier record, held against what a later one measured with more data."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.versioned_json import decode_versioned
from edgewright.schema.curve import CURVE_VERSION, Curves
from edgewright.schema.errors import InputError
from edgewright.schema.trace import Interval
from edgewright.search.curves.noise import law_of
from edgewright.search.curves.promise import METHOD, promised, why_unanswerable
from edgewright.search.curves.verdict import verdict


def read_curves(path: Path) -> Curves:
    """The record in a file.

    Raises:
        InputError: it is none, or a newer Edgewright's.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError("a record of learning curves", error.strerror or str(error), str(path)) from None
    return decode_versioned(
        content, Curves, CURVE_VERSION, "curve", "a record of learning curves (curve.json)", str(path),
        "Name a file that edgewright curve --out wrote",
    )  # fmt: skip


def comparable(before: Curves, fingerprint: str, size: float) -> None:
    """Whether an earlier record may be held against what is measured now; can be asked before anything is trained.

    Args:
        before: the earlier record.
        fingerprint: of data, model and metric now.
        size: samples of the whole now.

    Raises:
        InputError: they are not of the same thing, or there is not more data now.
    """
    if before.fingerprint != fingerprint:
        raise InputError(
            "a record of the same data, model and metric", f"one of {before.model} on {before.name}", "--against"
        )
    if size <= before.data.points[-1].size * 1.05:
        raise InputError(
            f"more than the {before.data.points[-1].size:,.0f} samples of the earlier record",
            f"{size:,.0f}",
            "--against",
        )


def came_true(before: Curves, now: Curves) -> Curves:
    """The earlier record with its prediction of the size that is measured now.

    Raises:
        InputError: they are not of the same thing, or the later has not more data.
    """
    size, error = now.data.points[-1].size, now.data.points[-1].mean
    comparable(before, now.fingerprint, size)
    told = promised(law_of(before.data.points), size)
    here = float(np.mean(before.data.points[-1].errors))
    wrong = before.data.points[-1].mean * before.judges if before.judges else None
    data = msgspec.structs.replace(
        before.data,
        unanswerable=why_unanswerable(told, wrong),
        at=size,
        predicted=told,
        gain=Interval(value=here - told.value, low=here - told.high, high=here - told.low, method=METHOD),
        measured=error,
    )
    return verdict(msgspec.structs.replace(before, data=data, parameters=None))
