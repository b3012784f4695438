"""Pictures of good parts and odd ones: the odd ones evaluate, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.prediction.objects import GOOD
from edgewright.data.leakage import digests
from edgewright.data.splits import split
from edgewright.data.targets import as_text
from edgewright.schema.config import SplitConfig
from edgewright.schema.data import Samples, Split
from edgewright.schema.errors import InputError

FEWEST = 10
_SHOWN = 5


def is_odd(y: Any) -> NDArray[np.bool_]:  # noqa: ANN401 - text or numbers
    """Return which labels are not 'good', shape (n,)."""
    return np.asarray(as_text(y) != GOOD)


def split_goods(samples: Samples, config: SplitConfig, seed: int) -> Split:
    """Split the good pictures, and let all odd ones evaluate.

    Raises:
        InputError: fewer than 10 good pictures, good pictures that are all the same, or samples that are no pictures.
    """
    good = np.flatnonzero(~is_odd(samples.y))
    if samples.X.ndim != 4:
        raise InputError("pictures", f"samples of shape {samples.X.shape[1:]}", "task = 'anomaly'",
                         "Use: [data] kind = 'pictures'")  # fmt: skip
    if len(good) < FEWEST:
        labels = ", ".join(sorted({str(label) for label in samples.y})[:_SHOWN])
        raise InputError(f"at least {FEWEST} pictures with the label 'good'", f"{len(good)} (labels: {labels})",
                         "the target", "Put good pictures in a folder 'good', odd ones in others")  # fmt: skip
    if len(np.unique(digests(np.asarray(samples.X[good])))) == 1:
        raise InputError("good pictures that differ", f"{len(good)} equal pictures", "the label 'good'")
    part = msgspec.structs.replace(
        samples, X=samples.X[good], y=samples.y[good], sessions=samples.sessions[good], starts=samples.starts[good],
        groups=None if samples.groups is None else samples.groups[good],
    )  # fmt: skip
    sides = split(part, config, seed=seed, window=None)
    if not len(sides.validation):
        raise InputError("validation pictures, which choose the threshold", "none", "[split]", "Set split.validation")
    test = np.sort(np.concatenate([good[sides.test], np.flatnonzero(is_odd(samples.y))]))
    return Split(train=good[sides.train], validation=good[sides.validation], test=test, by=sides.by)
