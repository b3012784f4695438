"""What the data are like, before anything is fitted: the facts behind `edgewright check`."""

from __future__ import annotations

import numpy as np

from edgewright.data.checks_columns import constant, identifiers, missing, out_of_range, repeated, stuck
from edgewright.data.checks_target import balance, predictors
from edgewright.data.checks_time import clocks
from edgewright.data.checks_units import units
from edgewright.data.clock import measured_rate
from edgewright.data.findings import Finding, Quality, worst_first
from edgewright.data.targets import as_text, class_names, labelled, task_of
from edgewright.schema.data import DataSet


def examine(dataset: DataSet) -> Quality:
    """Examines a data set: missing and constant values, ranges, units, times, stuck sensors, copies, classes.

    Args:
        dataset: labelled or not.

    Returns:
        Counts and findings, the worst first.
    """
    findings: list[Finding] = []
    for check in (missing, constant, out_of_range, units, clocks, stuck, repeated, identifiers, balance, predictors):
        findings += check(dataset)
    known = [r.target for r in dataset.recordings if r.target is not None]
    classes: dict[str, int] = {}
    if known:
        text = any(np.asarray(t).dtype.kind == "U" for t in known)
        y = np.concatenate([as_text(t) for t in known]) if text else np.concatenate(known)
        if task_of(y) == "classification":
            names, counts = np.unique(as_text(y), return_counts=True)
            count_of = {str(n): int(c) for n, c in zip(names, counts, strict=True)}
            classes = {name: count_of[name] for name in class_names(names)}
    groups = {str(g) for r in dataset.recordings if r.groups is not None for g in np.unique(r.groups)}
    return Quality(
        rows=sum(len(r.values) for r in dataset.recordings),
        labelled=sum(int(labelled(t).sum()) for t in known),
        recordings=len(dataset.recordings),
        columns=len(dataset.columns),
        groups=len(groups),
        rate=measured_rate(r.time for r in dataset.recordings) or dataset.rate,
        classes=classes,
        findings=worst_first(findings),
    )
