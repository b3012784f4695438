"""Pipelines written by hand: one is chosen by cross-validation without the test samples, and answers those once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from edgewright.core.records.data import Samples

FOLDS = 5

Rows = NDArray[np.int64]
Labels = NDArray[np.str_]
Table = NDArray[np.floating]


@dataclass(frozen=True)
class Candidate:
    """A pipeline.

    Attributes:
        name: as shown.
        table: features, each row computed from its sample alone, shape (n, features).
        model: of scikit-learn; a copy of it is fitted each time.
    """

    name: str
    table: Table
    model: Any

    def answers(self, y: Labels, train: Rows, queries: Rows) -> Labels:
        """Fit on some samples and answer others."""
        model = clone(self.model).fit(self.table[train], y[train])
        return np.asarray(model.predict(self.table[queries])).astype(np.str_)


def score(y: Labels, answers: Labels) -> float:
    """Return the macro F1."""
    return float(f1_score(y, answers, average="macro"))


def folds(samples: Samples, by: str, rows: Rows) -> list[tuple[Rows, Rows]]:
    """Divide samples as the split does: groups whole, stretches of time whole, or drawn with the mix of classes.

    Args:
        samples: of the run.
        by: what the run's split keeps whole.
        rows: samples that may choose: all but the test samples.
    """
    if by == "group" and samples.groups is not None:
        groups = samples.groups[rows]
        parts = GroupKFold(min(FOLDS, len(np.unique(groups)))).split(rows, groups=groups)
    elif by == "time":
        rows = rows[np.argsort(samples.starts[rows], kind="stable")]
        parts = KFold(FOLDS).split(rows)
    else:
        parts = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(rows, samples.y[rows])
    return [(rows[train], rows[test]) for train, test in parts]


def validated(candidate: Candidate, y: Labels, parts: Sequence[tuple[Rows, Rows]]) -> float:
    """Return the macro F1 of the answers of all folds together."""
    answers = [candidate.answers(y, train, test) for train, test in parts]
    return score(np.concatenate([y[test] for _, test in parts]), np.concatenate(answers))


def chosen(candidates: Sequence[Candidate], samples: Samples, by: str, rows: Rows) -> tuple[Candidate, float]:
    """Return the candidate with the highest macro F1 in cross-validation, and that macro F1.

    Args:
        candidates: the first of equals wins.
        samples: of the run.
        by: what the run's split keeps whole.
        rows: samples that may choose.
    """
    parts = folds(samples, by, rows)
    scores = [validated(one, samples.y, parts) for one in candidates]
    best = int(np.argmax(scores))
    return candidates[best], scores[best]
