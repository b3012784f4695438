"""What would make a ladder worthless: samples of one unit on both sides, columns that know the target."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.data.checks_columns import predictors
from edgewright.data.leakage import digests
from edgewright.pipeline.leakage_inflation import inflation
from edgewright.schema.data import Samples
from edgewright.schema.errors import CheckFailedError
from edgewright.search.problem import BLOCKS, Problem

# Samples that stand in the data more than once, beyond which folds of rows test on what they were fitted on.
MOST_REPEATED = 0.05
# A value of a column that is always of one class, in at least so many samples, may be written down afterwards.
FEWEST_SURE = 20
_FEW_VALUES = 3


def refuse_random(problem: Problem, do: str = "") -> None:
    """Refuse folds of rows where neighbours in the file, or recordings, know each other.

    Rows without group or time are dealt at random. That is honest only where rows are independent: it is measured with
    a quick model, dealt at random against in blocks of the file's order.

    Args:
        problem: rows without group or time, else nothing is done.
        do: how to group instead, in the words of who asks; those of the ladder's options when empty.

    Raises:
        CheckFailedError: with what the random split flatters, and how to group instead.
    """
    if problem.by != "row":
        return
    samples = problem.samples
    found = inflation(_in_order(samples), problem.task, 0)
    if found is not None and found.difference.low > 0:
        gain = found.difference
        raise CheckFailedError(
            f"folds of single rows leak: neighbouring rows of {problem.name} are alike; a random split "
            f"inflates the score by {100 * gain.value:+.1f} points ({100 * gain.low:+.1f} to {100 * gain.high:+.1f}), "
            f"measured with {found.model}",
            do=do
            or "Set --group, --session or --time to keep related rows together; --by block keeps blocks of the file's "
            "order whole; --by row ignores this check",
        )
    _, counts = np.unique(digests(samples.X), return_counts=True)
    repeated = float(counts[counts > 1].sum() / len(samples.X))
    if repeated > MOST_REPEATED and any(
        _values(samples, place) > len(samples.y) // 10 for place in range(samples.X.shape[1])
    ):
        raise CheckFailedError(
            f"folds of rows leak: {100 * repeated:.0f} % of the samples of {problem.name} are duplicates",
            do=f"Remove the duplicates. {do}"
            if do
            else "Remove the duplicates, or set --group to keep them together; --by row ignores this check",
        )


def in_blocks(problem: Problem) -> Problem:
    """Return the problem with blocks of the file's order kept whole."""
    order = np.arange(len(problem.y), dtype=np.int64)
    return dataclasses.replace(problem, by="block", units=order * BLOCKS // len(order))


def as_rows(problem: Problem) -> Problem:
    """Return the problem with every row for itself, as asked for."""
    return dataclasses.replace(problem, by="row", units=np.arange(len(problem.y), dtype=np.int64))


def telling(problem: Problem) -> tuple[str, ...]:
    """Return columns that may know the target already, a sentence each."""
    lines = [finding.sentence for finding in predictors(problem.dataset)]
    return (*lines, *_sure(problem))


def _sure(problem: Problem) -> list[str]:
    """Return columns of few values, one of which is always of a class that is rare otherwise."""
    X, y = problem.samples.X, np.asarray(problem.y)
    if problem.task != "classification" or X.ndim > 2:
        return []
    lines = []
    for index, column in enumerate(problem.samples.columns):
        values = X[:, index]
        known = np.unique(values[np.isfinite(values)])
        if not 1 < len(known) <= _FEW_VALUES:
            continue
        for value in known:
            own = y[values == value]
            share = float((y == own[0]).mean())
            if len(own) >= FEWEST_SURE and (own == own[0]).all() and share < 0.5:
                lines.append(
                    f"{column.name} = {value:g} is {problem.dataset.target_name} {own[0]} all {len(own)} times: is it "
                    f"known before? Else --ignore {column.name!r}"
                )
    return lines


def _in_order(samples: Samples) -> Samples:
    """Return the samples as if they were rows of one recording with a rate: blocks of their order are compared."""
    return msgspec.structs.replace(
        samples, groups=None, rate=1.0, sessions=np.full(len(samples.y), "file"),
        starts=np.arange(len(samples.y), dtype=np.int64),
    )  # fmt: skip


def _values(samples: Samples, index: int) -> int:
    column: NDArray[np.float32] = np.ravel(samples.X[:, index])
    return len(np.unique(column[np.isfinite(column)]))
