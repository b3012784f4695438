"""Checks of the target: balance of the classes, and columns that give it away."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewright.data.checks_columns import column_of
from edgewright.data.findings import Finding, Severity, few, percent
from edgewright.data.targets import as_text, labelled, task_of
from edgewright.schema.data import DataSet

# Below this many rows a column separates classes by chance.
FEWEST_ROWS = 20
# Beyond this many values 'each value belongs to one class' says little.
MOST_VALUES = 50


def target_of(dataset: DataSet) -> Any:  # noqa: ANN401 - text or float64
    """The target of all rows, shape (rows,); None when no recording is labelled."""
    targets = [r.target for r in dataset.recordings]
    known = [np.asarray(t) for t in targets if t is not None]
    if not known:
        return None
    text = any(t.dtype.kind == "U" for t in known)
    parts: list[Any] = []
    for recording in dataset.recordings:
        rows = len(recording.values)
        if recording.target is None:
            parts.append(np.full(rows, "") if text else np.full(rows, np.nan))
        else:
            parts.append(as_text(recording.target) if text else np.asarray(recording.target, dtype=np.float64))
    return np.concatenate(parts)


def balance(dataset: DataSet) -> list[Finding]:
    """Unlabelled rows, rare classes, and how evenly classes are spread."""
    y = target_of(dataset)
    if y is None:
        return [Finding(kind="no-target", severity="note", sentence="no target is named: rows are unlabelled")]
    known = labelled(y)
    findings = []
    if not known.all():
        absent = int((~known).sum())
        sentence = f"{absent} rows are unlabelled ({percent(absent / len(y))}) and are left out of training"
        numbers = {"rows": float(absent), "share": absent / len(y)}
        findings.append(Finding(kind="unlabelled", severity="note", sentence=sentence, numbers=numbers))
    if not known.any() or task_of(y) == "regression":
        return findings
    names, counts = np.unique(as_text(y[known]), return_counts=True)
    shares = counts / counts.sum()
    if len(names) == 1:
        sentence = f"every labelled row is of the class {str(names[0])!r}: there is nothing to tell apart"
        return [*findings, Finding(kind="one-class", severity="error", sentence=sentence, numbers={"classes": 1.0})]
    evenness = float(-(shares * np.log(shares)).sum() / np.log(len(names)))
    rare = [str(n) for n, s, c in zip(names, shares, counts, strict=True) if s < 0.25 / len(names) or c < 10]
    severity: Severity = "warning" if rare else "note"
    least = int(counts.argmin())
    sentence = (
        f"{len(names)} classes, the rarest is {str(names[least])!r} with {int(counts[least]):,} rows "
        f"({percent(shares[least])}); evenness {evenness:.2f} (1 is even)"
    )
    if rare:
        sentence += f"; rare: {few(rare)}"
    numbers = {"classes": float(len(names)), "smallest_share": float(shares.min()), "evenness": evenness}
    return [*findings, Finding(kind="balance", severity=severity, sentence=sentence, numbers=numbers)]


def predictors(dataset: DataSet) -> list[Finding]:
    """Columns that equal the target or tell it alone without a mistake."""
    y = target_of(dataset)
    if y is None:
        return []
    known = labelled(y)
    classes = task_of(y) == "classification" if known.any() else False
    findings = []
    for index, column in enumerate(dataset.columns):
        values = column_of(dataset, index)
        rows = known & ~np.isnan(values)
        if rows.sum() < FEWEST_ROWS or rows.sum() < 0.5 * known.sum():
            continue
        how = _gives_away(values[rows], y[rows], classes)
        if how:
            findings.append(
                Finding(
                    kind="target-leak", severity="error" if how.startswith("equals") else "warning",
                    column=column.name,
                    sentence=f"{column.name} {how}: is it known before the target is?",
                    numbers={"rows": float(rows.sum())},
                )
            )  # fmt: skip
    return findings


def _gives_away(values: NDArray[np.float32], y: Any, classes: bool) -> str:  # noqa: ANN401 - text or float64
    """How a column gives the target away; empty when it does not."""
    if values.min() == values.max():
        return ""
    if not classes:
        if np.array_equal(values, y.astype(np.float32)):
            return "equals the target"
        if y.min() == y.max():
            return ""
        r = float(np.corrcoef(values.astype(np.float64), y)[0, 1])
        return f"tells the target alone (correlation {r:.6f})" if abs(r) > 0.99999 else ""
    names, codes = np.unique(as_text(y), return_inverse=True)
    if len(names) < 2 or np.bincount(codes).min() < 2:
        return ""
    order = np.argsort(values, kind="stable")
    values, codes = values[order], codes[order]
    new, turn = values[1:] != values[:-1], codes[1:] != codes[:-1]
    if (turn & ~new).any():
        return ""  # some value belongs to two classes
    firsts = np.concatenate(([0], np.flatnonzero(new) + 1))
    if len(firsts) == len(names) and np.array_equal(as_text(values[firsts]), names[codes[firsts]]):
        return "equals the target"
    if len(firsts) <= min(MOST_VALUES, len(values) // 4):
        return "tells the class alone: each of its values belongs to one class"
    if int(turn.sum()) == len(names) - 1:
        return "tells the class alone: each class has a range of its own"
    return ""
