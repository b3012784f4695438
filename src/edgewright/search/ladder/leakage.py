"""Checks for leakage: related samples in both training and test set, and columns that contain the target."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.data.checks_columns import predictors
from edgewright.data.leakage import digests
from edgewright.data.near_copies import near_copies
from edgewright.pipeline.leakage_inflation import inflation
from edgewright.race.problem import BLOCKS, Fold, Problem, are_pictures
from edgewright.schema.data import Samples
from edgewright.schema.errors import CheckFailedError

# Maximum fraction of duplicate samples; above it, folds of single rows test on training samples.
MOST_REPEATED = 0.05
# A column value that always has the same class in at least this many samples may have been recorded afterwards.
FEWEST_SURE = 20
_FEW_VALUES = 3


def refuse_random(problem: Problem, do: str = "") -> None:
    """Refuse folds of single rows where neighbouring rows are related or many rows are duplicates.

    Rows without group or time are assigned to folds at random, which is valid only for independent rows. The check
    compares the score of a quick model under a random split with that under a split in blocks of the file's order.

    Args:
        problem: problem to check; problems with groups or time pass.
        do: fix that the error suggests; the options of the ladder when empty.

    Raises:
        CheckFailedError: the random split inflates the score, or duplicates leak; the error names the fix.
    """
    if problem.by != "row":
        return
    samples = problem.samples
    # Pictures lie in folders by label: blocks of their order have one label each.
    found = None if are_pictures(samples) else inflation(_in_order(samples), problem.task, 0)
    if found is not None and found.sure:
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
    """Return the problem with `BLOCKS` blocks of consecutive rows as its units."""
    order = np.arange(len(problem.y), dtype=np.int64)
    return dataclasses.replace(problem, by="block", units=order * BLOCKS // len(order))


def as_rows(problem: Problem) -> Problem:
    """Return the problem with every row as its own unit, for --by row."""
    return dataclasses.replace(problem, by="row", units=np.arange(len(problem.y), dtype=np.int64))


def leaking_columns(problem: Problem) -> tuple[tuple[str, str], ...]:
    """Return the name of each column that may leak the target, and a sentence."""
    if are_pictures(problem.samples):
        return ()  # a channel of pixels is no column
    found = [(finding.column, finding.sentence) for finding in predictors(problem.dataset)]
    return (*found, *_pure_value_columns(problem))


def copied_pictures(problem: Problem, fold: Fold) -> tuple[str, ...]:
    """Return a sentence where test pictures of a fold are almost training pictures of the same label."""
    return tuple(finding.sentence for finding in near_copies(problem.samples, fold.train, fold.test))


def _pure_value_columns(problem: Problem) -> list[tuple[str, str]]:
    """Return name and sentence of columns with few values, one of which always has the same, overall rare class."""
    X, y = problem.samples.X, np.asarray(problem.y)
    if problem.task != "classification" or X.ndim > 2:
        return []
    lines = []
    for index, column in enumerate(problem.samples.columns):
        values = X[:, index]
        different = np.unique(values[np.isfinite(values)])
        if not 1 < len(different) <= _FEW_VALUES:
            continue
        for value in different:
            own = y[values == value]
            share = float((y == own[0]).mean())
            if len(own) >= FEWEST_SURE and (own == own[0]).all() and share < 0.5:
                text = (
                    f"{column.name} = {value:g} always has {problem.dataset.target_name} {own[0]} ({len(own)} rows): "
                )
                text += f"is it known before the target? If not, use --ignore {column.name!r}"
                lines.append((column.name, text))
    return lines


def _in_order(samples: Samples) -> Samples:
    """Return the samples as rows of one recording with a rate, so that blocks of their order can be compared."""
    return msgspec.structs.replace(
        samples, groups=None, rate=1.0, sessions=np.full(len(samples.y), "file"),
        starts=np.arange(len(samples.y), dtype=np.int64),
    )  # fmt: skip


def _values(samples: Samples, index: int) -> int:
    column: NDArray[np.float32] = np.ravel(samples.X[:, index])
    return len(np.unique(column[np.isfinite(column)]))
