"""Cards of the data flow: what a stage received, did and gave on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.pipeline.cost.measure import Cost
from edgewright.schema.data import Column
from edgewright.schema.trace import StageRecord, Statistics

_SHOWN_ROWS = 3
_SHOWN_VALUES = 20
_SHOWN_COLUMNS = 32
# Values that are looked at together.
_PIECE = 2**20


def statistics(X: NDArray[Any], columns: Sequence[Column]) -> tuple[Statistics, ...]:
    """Summary of each column (or channel) of samples of shape (n, columns) or (n, channels, samples)."""
    records = []
    for index, column in enumerate(columns[:_SHOWN_COLUMNS]):
        values = X[:, index].ravel()
        known = np.isfinite(values)
        some = values if known.all() else values[known]
        missing = values.size - some.size
        some = some if some.size else np.zeros(1)
        mean, deviation = _mean_and_deviation(some)
        records.append(
            Statistics(
                name=column.name,
                unit=column.unit,
                minimum=float(some.min()),
                mean=mean,
                maximum=float(some.max()),
                deviation=deviation,
                missing=int(missing),
            )
        )
    return tuple(records)


def _mean_and_deviation(values: NDArray[Any]) -> tuple[float, float]:
    """Return mean and standard deviation in float64, without a copy of all values."""
    pieces = range(0, values.size, _PIECE)
    mean = sum(values[at : at + _PIECE].astype(np.float64).sum() for at in pieces) / values.size
    squares = (np.square(values[at : at + _PIECE].astype(np.float64) - mean).sum() for at in pieces)
    return float(mean), float(np.sqrt(sum(squares) / values.size))


def sample_rows(X: NDArray[Any]) -> tuple[tuple[float | None, ...], ...]:
    """Three samples as numbers, None where missing; of a window or picture the first values of its first channel."""
    shown = X[:_SHOWN_ROWS]
    flat = shown if shown.ndim == 2 else shown[:, 0].reshape(len(shown), -1)
    return tuple(tuple(number(v) for v in row[:_SHOWN_VALUES]) for row in flat)


def number(value: float) -> float | None:
    """Return a value as JSON knows it: six significant digits, None where it is missing."""
    return float(f"{float(value):.6g}") if np.isfinite(value) else None


def card(
    *,
    name: str,
    kind: str,
    why: str,
    before: NDArray[Any] | None,
    after: NDArray[Any],
    shape_in: tuple[int, ...],
    shape_out: tuple[int, ...],
    columns: Sequence[Column],
    cost: Cost,
    fitted_on: int = 0,
    dropped: tuple[tuple[str, str], ...] = (),
    scores: tuple[tuple[str, float], ...] = (),
    settings: dict[str, object] | None = None,
    notes: tuple[str, ...] = (),
    formula: str = "",
) -> StageRecord:
    """Return a card from the samples before and after a stage.

    Args:
        name: of the stage.
        kind: of the stage.
        why: reason for the stage, in a sentence.
        before: samples before the stage (all, or the first when it streams).
        after: samples after the stage.
        shape_in: with the true number of samples.
        shape_out: with the true number of samples.
        columns: schema of what comes out.
        cost: of fitting and transforming.
        fitted_on: number of samples.
        dropped: name and reason of each dropped column.
        scores: name and score of each column that came in, by which some were chosen.
        settings: of the stage.
        notes: for the reader.
        formula: of the stage.
    """
    filled = 0
    if before is not None and before.shape == after.shape:
        filled = max(0, int(np.isnan(before).sum()) - int(np.isnan(after).sum()))
    return StageRecord(
        name=name,
        kind=kind,
        shape_in=shape_in,
        shape_out=shape_out,
        why=why,
        dtype=str(after.dtype),
        formula=formula,
        fitted_on=fitted_on,
        filled=filled,
        dropped=dropped,
        scores=scores or msgspec.UNSET,
        names_after=tuple(column.name for column in columns),
        sample_before=sample_rows(before) if before is not None else (),
        sample_after=sample_rows(after),
        columns_after=statistics(after, columns),
        settings=settings or {},
        notes=notes,
        **msgspec.structs.asdict(cost),
    )
