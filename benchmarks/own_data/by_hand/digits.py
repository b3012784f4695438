"""Spoken digits: cepstra of the mel spectrum (MFCC), how they change, and their course over the word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from benchmarks.default.cepstra import summary_and_course
from benchmarks.own_data.by_hand import _models as models
from benchmarks.own_data.choosing import Candidate
from edgewright.core.records.data import Samples


def candidates(samples: Samples, folder: Path) -> list[Candidate]:
    """Return them."""
    summary, course = summary_and_course([window[0] for window in samples.X], float(samples.rate or 8000.0))
    both = np.concatenate([summary, course], axis=1)
    tables = {"means and spreads": summary, "course": course, "course, means and spreads": both}
    machine, trees = models.support_vectors(3.0), models.extra_trees()
    linear = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    ways = {
        "SVM, C 3": machine,
        "SVM, C 10, wide": models.support_vectors(10.0, 0.0005),
        "extra trees": trees,
        "linear discriminant": linear,
    }
    candidates_found = [
        Candidate(f"{of}, {name}", table, way) for of, table in tables.items() for name, way in ways.items()
    ]
    vote = models.vote(machine=machine, trees=trees, linear=linear)
    return [
        *candidates_found,
        Candidate("course, means and spreads, vote of SVM, extra trees and linear discriminant", both, vote),
    ]
