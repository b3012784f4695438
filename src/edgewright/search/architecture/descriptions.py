"""Points and what they miss, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgewright.profiles.footprint import amount
from edgewright.schema.budget import Budget
from edgewright.search.architecture.axis import Point
from edgewright.search.architecture.estimates import Estimate
from edgewright.search.architecture.space import Space

# So many channels of a stage are named.
MOST_NAMED = 4
_UNITS = (("flash", "B"), ("ram", "B"), ("latency_us", "us"), ("energy_uj", "uJ"))


def misses(estimate: Estimate, budget: Budget) -> list[str]:
    """By how much an estimate is beyond each limit: 'flash 40.1 kB, 8.1 kB (25 %) more than 32 kB'."""
    told = []
    for name, unit in _UNITS:
        limit, value = getattr(budget, name), getattr(estimate, name)
        if limit is not None and value is not None and value > limit:
            told.append(
                f"{name.partition('_')[0]} {amount(value, unit)}, {amount(value - limit, unit)} "
                f"({100 * (value / limit - 1):.0f} %) more than {amount(limit, unit)}"
            )
        elif limit is not None and value is None:
            told.append(f"no {name.partition('_')[0]} that the profile knows")
    return told


def enough(estimate: Estimate, budget: Budget) -> str:
    """The budget, with what the estimate needs where it is beyond: 'flash=41kB,ram=16kB', as `--budget` takes it."""
    told = []
    for name, unit in _UNITS:
        limit, value = getattr(budget, name), getattr(estimate, name)
        if limit is not None:
            told.append(f"{name.partition('_')[0]}={math.ceil(max(limit, value or 0.0))}{unit}")
    return ",".join(told)


def described(space: Space, point: Point) -> str:
    """A point in a few words: 'features 1+3, dense 32, 9 epochs'; `feature_names` says what the numbers stand for."""
    config = space.pipeline(point)
    words = []
    parts = [name for name in point if name.startswith("part.")]
    if point.get("input") == "windows":
        words.append("windows")
    elif parts:
        kept = [name.partition(".")[2] for name in parts if point[name]]
        left = [name.partition(".")[2] for name in parts if not point[name]]
        if not left:
            words.append("all features")
        elif len(left) < len(kept):
            words.append(f"all features but {'+'.join(left)}")
        else:
            words.append(f"features {'+'.join(kept or ['1'])}")
    if "select.k" in point:
        words.append(f"{point['select.k']} columns")
    if "window" in point:
        words.append(f"window {point['window']}")
    wide = [layer for layer in config.model.layers if "units" in layer or "filters" in layer]
    widths = [str(layer.get("units", layer.get("filters"))) for layer in wide]
    kinds = dict.fromkeys(str(layer["kind"]) for layer in wide)
    words.append(f"{' and '.join(kinds)} {'-'.join(widths)}".strip())
    if not config.compression.int8:
        words.append("float32")
    words.append(f"{config.training.epochs} epochs")
    if "copies" in point:
        words.append(f"{point['copies']} copies")
    return ", ".join(words)


def feature_names(space: Space) -> tuple[str, ...]:
    """What the numbers of `described` stand for: 'statistics (slope) of acc_x, acc_y, acc_z'; none without a union."""
    place, count = space.parts
    if not any(axis.name.startswith("part.") for axis in space.axes):
        return ()
    return tuple(_named(part) for part in space.config.stages[place]["parts"][:count])


def features_of_point(space: Space, point: Point) -> tuple[int, ...]:
    """Numbers of the parts of a union that a point has; none where it has no choice of them."""
    names = feature_names(space) if point.get("input") != "windows" else ()
    kept = tuple(number for number in range(1, len(names) + 1) if point.get(f"part.{number}", True))
    return kept or ((1,) if names else ())


def _named(part: Mapping[str, Any]) -> str:
    """A stage by its kind, what it measures and the channels it measures it of."""
    what = part.get("features", ())
    of = part.get("channels", part.get("of", ()))
    words = [str(part["kind"])]
    if isinstance(what, list | tuple) and what:
        words.append(f"({_few(what)})")
    if isinstance(of, list | tuple) and of:
        words.append(f"of {_few(of)}")
    return " ".join(words)


def _few(names: Sequence[object]) -> str:
    shown = ", ".join(str(name) for name in names[:MOST_NAMED])
    return shown if len(names) <= MOST_NAMED else f"{shown} and {len(names) - MOST_NAMED} more"
