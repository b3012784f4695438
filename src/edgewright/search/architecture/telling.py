"""Points and what they miss, in words."""

from __future__ import annotations

from edgewright.schema.budget import Budget
from edgewright.search.architecture.axis import Point
from edgewright.search.architecture.estimating import Estimate
from edgewright.search.architecture.space import Space

_UNITS = (("flash", "kB"), ("ram", "kB"), ("latency_us", "ms"), ("energy_uj", "mJ"))


def misses(estimate: Estimate, budget: Budget) -> list[str]:
    """By how much an estimate is beyond each limit: 'flash 40.1 kB, 8.1 kB (25 %) too many'."""
    told = []
    for name, unit in _UNITS:
        limit, value = getattr(budget, name), getattr(estimate, name)
        if limit is not None and value is not None and value > limit:
            told.append(
                f"{name.partition('_')[0]} {value / 1e3:.2f} {unit}, {(value - limit) / 1e3:.2f} {unit} "
                f"({value / limit - 1:.0%}) more than allowed"
            )
        elif limit is not None and value is None:
            told.append(f"no {name.partition('_')[0]} that the profile knows")
    return told


def described(space: Space, point: Point) -> str:
    """A point in a few words: '4 of 8 features parts, dense 32, 9 epochs'."""
    config = space.pipeline(point)
    words = []
    parts = [name for name in point if name.startswith("part.")]
    if point.get("input") == "windows":
        words.append("windows")
    elif parts:
        kept = [name.partition(".")[2] for name in parts if point[name]]
        words.append("all features" if len(kept) == len(parts) else f"features {'+'.join(kept or ['1'])}")
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


def parts_by_number(space: Space) -> str:
    """What the numbers of `described` stand for: '1 statistics, 2 spectral'; empty where no part may be left out."""
    count = sum(axis.name.startswith("part.") for axis in space.axes)
    for stage in space.config.stages:
        parts = stage.get("parts")
        if count and isinstance(parts, list | tuple) and len(parts) == count:
            return ", ".join(f"{number} {part['kind']}" for number, part in enumerate(parts, 1))
    return ""
