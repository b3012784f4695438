"""Labels of windows or rows that are likely wrong, as `edgewright label errors` finds them, for the map."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import numpy as np

from edgewright.data.targets import class_codes
from edgewright.schema.data import Floats, Samples
from edgewright.schema.errors import EdgewrightError
from edgewright.studio.view.data_cache import Opened
from edgewright.studio.view.feature_map import chosen, statistics

_SAMPLES, _LISTED = 2000, 30
_ERRORS = "edgewright.language.labelling.label_errors"


@dataclass(frozen=True)
class Doubt:
    """A label that is likely wrong: the sample's number from 1, its label, and the likelier class."""

    number: int
    label: str
    likelier: str


@dataclass(frozen=True)
class Doubts:
    """What was found, the likeliest first.

    Attributes:
        listed: at most `_LISTED` of `found`.
        looked_at: samples.
        why: why none could be looked for; empty where they were.
        cannot: what this way does not find.
    """

    listed: tuple[Doubt, ...] = ()
    found: int = 0
    looked_at: int = 0
    why: str = ""
    cannot: str = ""


def doubts(opened: Opened, samples: Samples) -> Doubts:
    """Return labels that heads which saw nobody of the same group would not give."""
    if not opened.classes:
        return Doubts(why="these data have no classes")
    picked = chosen(np.asarray(samples.y), _SAMPLES)
    codes = class_codes(samples.y[picked], opened.classes)
    known = codes >= 0
    picked, codes = picked[known], codes[known]
    features = _standardised(statistics(np.ascontiguousarray(samples.X[picked], np.float32))[0])
    groups = None if samples.groups is None else np.unique(samples.groups[picked], return_inverse=True)[1]
    try:
        errors = import_module(_ERRORS)
        found = errors.likely_errors(features, codes, groups if groups is not None and groups.max() > 0 else None)
    except ModuleNotFoundError as error:
        return Doubts(why=f"{error.name} is not installed: pip install 'edgewright[language]'")
    except EdgewrightError as error:
        return Doubts(why=str(error))
    listed = tuple(
        Doubt(int(picked[one.place]) + 1, opened.classes[one.given], opened.classes[one.likelier])
        for one in found[:_LISTED]
    )
    return Doubts(listed, len(found), len(picked), cannot=errors.CANNOT)


def _standardised(features: Floats) -> Floats:
    """Return features of mean 0 and deviation 1; a missing one is the mean, one that never changes is 0."""
    with np.errstate(all="ignore"):
        count = np.maximum(np.isfinite(features).sum(axis=0), 1)
        mean = np.where(np.isfinite(features), features, 0).sum(axis=0) / count
        centred = np.where(np.isfinite(features), features - mean, 0)
    spread = np.sqrt((centred**2).mean(axis=0))
    return np.asarray(centred / np.where(spread > 0, spread, 1), np.float32)
