"""A point of a study as the text of a pipeline that can be read, edited and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from edgewright.core.files import write_atomic
from edgewright.pipeline.toml_text import toml_text
from edgewright.schema.errors import InputError
from edgewright.search.architecture.descriptions import described, feature_names, features_of_point
from edgewright.search.architecture.space import Space
from edgewright.search.architecture.study import Study
from edgewright.search.architecture.trial import TrialScore, Tried

POINTS = "points"


def point_text(space: Space, trial: Tried, judged: TrialScore | None, data: str | None) -> str:
    """The pipeline of a trial as TOML, with what was found of it above."""
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
        lines.append(f"# leaving {judged.units} units out: error {judged.error:.4f} ({interval})")
    return "\n".join(lines) + "\n" + toml_text(table)


def write_points(
    space: Space, study: Study, front: list[Tried], judged: dict[int, TrialScore], data: str | None
) -> None:
    """Writes `points/N.toml` for every point of the front; those of before that are there already stay."""
    folder = study.folder / POINTS
    folder.mkdir(exist_ok=True)
    for trial in front:
        write_atomic(folder / f"{trial.number}.toml", point_text(space, trial, judged.get(trial.number), data).encode())


def trial_numbered(trials: list[Tried], number: int) -> Tried:
    """A trial by its number.

    Raises:
        InputError: there is none, or it cannot be run.
    """
    if not 0 <= number < len(trials):
        raise InputError(f"a trial from 0 to {len(trials) - 1}", str(number), "--take")
    if trials[number].state == "impossible":
        raise InputError("a trial that can be built", trials[number].reason, f"--take {number}")
    return trials[number]
