"""Activities of the wrist: statistics, spectra and rhythm of windows of acceleration."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.default.windows import correlations, statistics
from benchmarks.own_data.by_hand import _models as models
from benchmarks.own_data.choosing import Candidate
from edgewright.core.records.data import Samples


def candidates(samples: Samples, folder: Path) -> list[Candidate]:
    """Return them."""
    axes = np.nan_to_num(np.asarray(samples.X, np.float64))
    size = np.linalg.norm(axes, axis=1, keepdims=True)
    level = axes.mean(axis=2, keepdims=True)
    up = level / np.maximum(np.linalg.norm(level, axis=1, keepdims=True), 1e-9)
    vertical = ((axes - level) * up).sum(axis=1, keepdims=True)
    horizontal = np.linalg.norm(axes - level - vertical * up, axis=1, keepdims=True)
    plain = np.concatenate([statistics(axes), statistics(size), correlations(axes)], axis=1)
    turned = np.concatenate([statistics(size), statistics(vertical), statistics(horizontal), up[:, :, 0]], axis=1)
    both = np.concatenate([plain, turned], axis=1)
    trees, machine = models.extra_trees(max_features=0.2, min_samples_leaf=2), models.support_vectors(1.0)
    tables = {"axes": plain, "up and across": turned, "axes, up and across": both}
    every = {
        "extra trees": trees,
        "SVM, C 1": machine,
        "SVM, C 10, wide": models.support_vectors(10.0, 0.001),
        "logistic regression": models.logistic(0.03),
    }
    candidates_found = [
        Candidate(f"{of}, {name}", table, way) for of, table in tables.items() for name, way in every.items()
    ]
    boosted = models.boosting(max_iter=100, max_leaf_nodes=15, max_features=0.2)
    more = {
        "random forest": models.forest(min_samples_leaf=2),
        "boosted trees": boosted,
        "vote of SVM, extra trees and boosted trees": models.vote(machine=machine, trees=trees, boosted=boosted),
    }
    return [*candidates_found, *(Candidate(f"axes, up and across, {name}", both, way) for name, way in more.items())]
