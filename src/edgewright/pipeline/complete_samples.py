"""Test samples that a device answers: those that miss more values than the pipeline allows are no part of a figure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.missing_values import unanswered
from edgewright.data.row_spool import SpooledRows
from edgewright.pipeline.fitting import Flow
from edgewright.pipeline.job import Job
from edgewright.pipeline.material import Material
from edgewright.pipeline.whole_graph import limit_of
from edgewright.schema.errors import InputError

_PIECE = 65_536


def answerable(job: Job, material: Material, flow: Flow) -> Material:
    """The material with those test samples that have an answer; a warning says how many have none.

    Raises:
        InputError: no test sample has an answer.
    """
    test = material.sides.test
    limit = limit_of(flow.steps)
    none = _unanswered(material, test, limit)
    count = int(none.sum())
    if not count:
        return material
    of = "a channel's readings" if material.samples.X.ndim > 2 else "a row's values"
    told = f"{count:,} of {len(test):,} test samples miss more than {100 * limit:g} % of {of} and have no answer"
    if count == len(test):
        raise InputError(
            "test samples that have an answer", told, f"{job.config.name} [[stages]]",
            "Leave sparse columns out, or raise the `limit` of the stage 'fill' or 'impute'",
        )  # fmt: skip
    job.warnings.append(f"{told}: figures are of the others; the stage that fills missing values sets the limit")
    return replace(material, sides=msgspec.structs.replace(material.sides, test=test[~none]))


def _unanswered(material: Material, rows: NDArray[np.int64], limit: float) -> NDArray[np.bool_]:
    X: Any = material.samples.X  # an array, or rows in a file
    step = _PIECE if isinstance(X, SpooledRows) else max(1, len(rows))
    found = [unanswered(np.asarray(X[rows[i : i + step]], np.float32), limit) for i in range(0, len(rows), step)]
    return np.concatenate(found) if found else np.zeros(0, np.bool_)
