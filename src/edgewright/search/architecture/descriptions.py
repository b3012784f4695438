"""Descriptions of points and of exceeded budget limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from edgewright.core.files import write_atomic
from edgewright.core.formatting import some_of
from edgewright.models.architecture import width_of
from edgewright.pipeline.toml_text import toml_text
from edgewright.profiles.footprint import amount
from edgewright.schema.budget import Budget
from edgewright.schema.errors import InputError
from edgewright.search.architecture.estimates import Estimate
from edgewright.search.architecture.space import Point, Space, on_windows, own_widths
from edgewright.search.architecture.study import Study
from edgewright.search.architecture.trial import TrialScore, Tried

POINTS = "points"


def point_text(space: Space, trial: Tried, judged: TrialScore | None, data: str | None) -> str:
    """Return the pipeline of a trial as TOML, with its results in a comment at the top."""
    config = space.pipeline(trial.point, f"{space.config.name[:50]}-{trial.number}")
    table: dict[str, Any] = msgspec.to_builtins(config)
    if data is not None:
        table["data"] = {**table["data"], "path": str(Path(data).resolve())}
    error = "not trained" if trial.error is None else f"error {trial.error:.4f} over {len(trial.folds)} folds"
    lines = [
        f"# Trial {trial.number} of a search from the pipeline {space.config.name!r}.",
        f"# {described(space, trial.point)}",
    ]
    names = feature_names(space)
    lines += [f"#   {number} {names[number - 1]}" for number in features_of_point(space, trial.point)]
    lines.append(f"# {error}; estimated flash {trial.estimate.flash:,.0f} B, RAM {trial.estimate.ram:,.0f} B")
    if judged is not None:
        interval = f"{judged.low:.4f} to {judged.high:.4f}"
        lines.append(f"# cross-validation over {judged.units} units: error {judged.error:.4f} ({interval})")
    return "\n".join(lines) + "\n" + toml_text(table)


def write_points(
    space: Space, study: Study, front: list[Tried], judged: dict[int, TrialScore], data: str | None
) -> None:
    """Write `points/N.toml` for every point of the front; files of earlier fronts stay."""
    folder = study.folder / POINTS
    folder.mkdir(exist_ok=True)
    for trial in front:
        write_atomic(folder / f"{trial.number}.toml", point_text(space, trial, judged.get(trial.number), data).encode())


def trial_numbered(trials: list[Tried], number: int) -> Tried:
    """Return a trial by its number.

    Raises:
        InputError: there is no such trial, or its pipeline cannot be built.
    """
    if not 0 <= number < len(trials):
        raise InputError(f"a trial from 0 to {len(trials) - 1}", str(number), "--take")
    if trials[number].state == "impossible":
        raise InputError("a trial that can be built", trials[number].reason, f"--take {number}")
    return trials[number]


# Maximum number of channels that are named per stage.
MOST_NAMED = 4
_UNITS = {"flash": "B", "ram": "B", "latency_us": "us", "energy_uj": "uJ"}


def budget_violations(estimate: Estimate, budget: Budget) -> list[str]:
    """Return a line for each exceeded limit: 'flash 40.1 kB, 8.1 kB (25 %) more than 32 kB'."""
    lines = []
    for name, limit, value in estimate.limited(budget):
        short, unit = name.partition("_")[0], _UNITS[name]
        if value is None:
            lines.append(f"no {short} in the profile")
        elif value > limit:
            lines.append(
                f"{short} {amount(value, unit)}, {amount(value - limit, unit)} "
                f"({100 * (value / limit - 1):.0f} %) more than {amount(limit, unit)}"
            )
    return lines


def sufficient_budget(estimate: Estimate, budget: Budget) -> str:
    """Return the smallest sufficient budget as a value for `--budget`: 'flash=41000B,ram=16000B'."""
    return ",".join(
        f"{name.partition('_')[0]}={math.ceil(max(limit, value or 0.0))}{_UNITS[name]}"
        for name, limit, value in estimate.limited(budget)
    )


def described(space: Space, point: Point) -> str:
    """Describe a point: 'features 1+3, dense 32, 9 epochs'; `feature_names` explains the numbers."""
    config = space.pipeline(point)
    words = []
    parts = [name for name in point if name.startswith("part.")]
    if on_windows(space.config, point):
        words.append("windows")
    elif parts:
        kept = [name.partition(".")[2] for name in parts if point[name]]
        left = [name.partition(".")[2] for name in parts if not point[name]]
        if not left:
            words.append("all features")
        elif len(left) < len(kept):
            words.append(f"all features except {'+'.join(left)}")
        else:
            words.append(f"features {'+'.join(kept or ['1'])}")
    if "select.k" in point:
        words.append(f"{point['select.k']} columns")
    if "window" in point:
        words.append(f"window {point['window']}")
    wide = {str(layer["kind"]): None for layer in config.model.layers if width_of(layer) is not None}
    words.append(f"{' and '.join(wide)} {'-'.join(str(width) for width in own_widths(config))}".strip())
    if not config.compression.int8:
        words.append("float32")
    words.append(f"{config.training.epochs} epochs")
    if "copies" in point:
        words.append(f"{point['copies']} copies")
    return ", ".join(words)


def feature_names(space: Space) -> tuple[str, ...]:
    """Return the features behind the numbers of `described`, as 'statistics (slope) of acc_x'; empty without union."""
    index, count = space.parts
    if not any(axis.name.startswith("part.") for axis in space.axes):
        return ()
    return tuple(_named(part) for part in space.config.stages[index]["parts"][:count])


def features_of_point(space: Space, point: Point) -> tuple[int, ...]:
    """Return the numbers of the union parts that a point uses; empty where the search does not vary them."""
    names = () if on_windows(space.config, point) else feature_names(space)
    kept = tuple(number for number in range(1, len(names) + 1) if point.get(f"part.{number}", True))
    return kept or ((1,) if names else ())


def _named(part: Mapping[str, Any]) -> str:
    """Describe a stage by its kind, its features and its channels."""
    kinds = part.get("features", ())
    of = part.get("channels", part.get("of", ()))
    words = [str(part["kind"])]
    if isinstance(kinds, list | tuple) and kinds:
        words.append(f"({some_of(kinds, MOST_NAMED)})")
    if isinstance(of, list | tuple) and of:
        words.append(f"of {some_of(of, MOST_NAMED)}")
    return " ".join(words)
