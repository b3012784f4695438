"""Reports of a search: its points in words and as pipelines, and the Pareto front as a table and as an HTML page."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from edgewright.core.files import write_atomic
from edgewright.core.formatting import some_of
from edgewright.models.architecture import width_of
from edgewright.pipeline.toml_text import toml_text
from edgewright.profiles.footprint import amount
from edgewright.schema.errors import InputError
from edgewright.schema.footprint import Budget
from edgewright.schema.lesson import Grid, Paragraph
from edgewright.search.architecture.estimates import Estimate
from edgewright.search.architecture.space import Point, Space, on_windows, own_widths
from edgewright.search.architecture.study import RULE, Identity, Study
from edgewright.search.architecture.trial import CandidateTrial, TrialScore
from edgewright.trace.blocks.charts import draw
from edgewright.trace.blocks.view_blocks import Chart, Curve
from edgewright.trace.html import blocks_html, sections_page
from edgewright.training.metrics import FEW_GROUPS, jackknife
from edgewright.training.permutation_test import of_sums, power, probabilities

POINTS = "points"


def point_text(space: Space, trial: CandidateTrial, score: TrialScore | None, data: str | None) -> str:
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
    if score is not None:
        interval = f"{score.low:.4f} to {score.high:.4f}"
        lines.append(f"# cross-validation over {score.units} units: error {score.error:.4f} ({interval})")
    return "\n".join(lines) + "\n" + toml_text(table)


def write_points(
    space: Space, study: Study, front: list[CandidateTrial], scores: dict[int, TrialScore], data: str | None
) -> None:
    """Write `points/N.toml` for every point of the front; files of earlier fronts stay."""
    folder = study.folder / POINTS
    folder.mkdir(exist_ok=True)
    for trial in front:
        write_atomic(folder / f"{trial.number}.toml", point_text(space, trial, scores.get(trial.number), data).encode())


def trial_numbered(trials: list[CandidateTrial], number: int) -> CandidateTrial:
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


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Comparison of the cross-validated points with the best of them.

    Attributes:
        best: number of the trial with the smallest error.
        enough: number of the trial with the smallest flash whose error is at most one standard error worse (Breiman et
            al., 1984); the standard error is that of the paired difference over units.
        p: p-value of an exact test against the best trial, by number of the trial; empty with many units.
        power: power of this test in one sentence; empty with many units.
    """

    best: int
    enough: int
    p: dict[int, float] = {}
    power: str = ""


def compare(front: Sequence[CandidateTrial], scores: dict[int, TrialScore], task: str) -> Comparison | None:
    """Compare the cross-validated points of a front; None where there are fewer than two.

    Args:
        front: trials of the front, smallest flash first.
        scores: cross-validation scores by number of the trial.
        task: 'classification' or 'regression'.
    """
    able = {trial.number: scores[trial.number] for trial in front if trial.number in scores}
    able = {number: score for number, score in able.items() if score.unit_sums}
    if len(able) < 2:
        return None
    best = min(able, key=lambda number: able[number].error)
    within = {number: _behind(score, able[best], task) <= 1.0 for number, score in able.items()}
    units = able[best].units
    gains: dict[int, float] = {}
    if units <= FEW_GROUPS:
        top, figure = np.array(able[best].unit_sums), _figure(task, able[best].samples)
        others = {
            str(number): of_sums(np.array(score.unit_sums), top, figure)
            for number, score in able.items()
            if number != best
        }
        gains = {int(name): p for name, p in probabilities(others, units).items()}
    return Comparison(
        best=best,
        enough=next(number for number, near in within.items() if near),
        p=gains,
        power=power(units, "unit") if units <= FEW_GROUPS else "",
    )


def _behind(other: TrialScore, best: TrialScore, task: str) -> float:
    """Return by how many standard errors of the difference a point is worse than the best."""
    own, top, counts = (np.array(values) for values in (other.unit_sums, best.unit_sums, best.unit_samples))

    def lost(units: NDArray[np.int64]) -> float:
        figure = _figure(task, int(counts[units].sum()))
        return figure(float(own[units].sum())) - figure(float(top[units].sum()))

    more, error, _ = jackknife(lost, np.arange(len(own)))
    return 0.0 if more <= 0 else more / error if error else math.inf


def _figure(task: str, samples: int) -> Callable[[float], float]:
    if task == "regression":
        return lambda total: math.sqrt(total / samples)
    return lambda total: total / samples


# Maximum width in characters of the column with trial numbers.
MOST_LETTERS = 32


class FrontPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A point of the front as `--json` prints it: memory in bytes, latency in microseconds, features from 1."""

    number: int
    choice: str
    error: float | None
    score: TrialScore | None = msgspec.field(name="judged")
    flash: float
    ram: float
    latency_us: float
    network: int
    features: tuple[int, ...] = ()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Result of a search; `features` are the names by number, `comparison` covers the cross-validated points."""

    study: str
    identity: Identity
    trials: int
    states: dict[str, int]
    rule: str
    front: tuple[FrontPoint, ...]
    features: tuple[str, ...] = ()
    comparison: Comparison | None = None


def result(
    folder: str, own: Identity, space: Space, trials: Sequence[CandidateTrial], front: Sequence[CandidateTrial],
    scores: dict[int, TrialScore], task: str,
) -> Result:  # fmt: skip
    """Return the result of a study."""
    states: dict[str, int] = {}
    for trial in trials:
        states[trial.state] = states.get(trial.state, 0) + 1
    points = [
        FrontPoint(
            number=trial.number,
            choice=described(space, trial.point),
            error=trial.error,
            score=scores.get(trial.number),
            flash=trial.estimate.flash,
            ram=trial.estimate.ram,
            latency_us=trial.estimate.latency_us,
            network=trial.estimate.network,
            features=features_of_point(space, trial.point),
        )
        for trial in front
    ]
    return Result(
        study=folder, identity=own, trials=len(trials), states=states, rule=RULE, front=tuple(points),
        features=feature_names(space), comparison=compare(front, scores, task),
    )  # fmt: skip


def headings(task: str) -> list[str]:
    """Return the headings of the table."""
    error = "RMSE" if task == "regression" else "error"
    return ["trial", error, "cross-validated", "flash", "network", "RAM", "latency", "choice"]


def rows(outcome: Result) -> tuple[tuple[str, ...], ...]:
    """Return the rows of the table, smallest flash first."""
    cells = []
    for point in outcome.front:
        left = (
            "" if point.score is None else f"{point.score.error:.4f} ({point.score.low:.4f} to {point.score.high:.4f})"
        )
        if outcome.comparison is not None and point.number in outcome.comparison.p:
            left += f", p {outcome.comparison.p[point.number]:.2g}"
        error = "" if point.error is None else f"{point.error:.4f}"
        costs = [f"{point.flash / 1e3:.1f} kB", f"{point.network / 1e3:.1f} kB", f"{point.ram / 1e3:.1f} kB"]
        cells.append((str(point.number), error, left, *costs, f"{point.latency_us / 1e3:.2f} ms", point.choice))
    return tuple(cells)


def page(search: Result, task: str) -> str:
    """Return an HTML page with charts of error against flash, RAM and latency, and the table."""
    shown = []
    for name, key, unit in (
        ("flash", "flash", "B"),
        ("RAM", "ram", "B"),
        ("latency", "latency_us", "us"),
    ):
        figures = [(getattr(p, key), p.error) for p in search.front if p.error is not None]
        points = _lower(sorted((x, y) for x, y in figures))
        if len(points) < 2:
            continue
        label = f"Error of {len(points)} points against {name} in {unit}"
        chart = Chart("Error", f"{name}, {unit}", (Curve("front", points),), label, dots=True)
        shown.append((f"by-{name.lower()}", f"Error against {name}", draw(chart)))
    shown.append(("table", "Points of the front", _html(Grid(headers=tuple(headings(task)), rows=rows(search)))))
    compared = comparison_text(search)
    if compared:
        shown.append(("compared", "Points compared", _html(Paragraph(text=compared))))
    if search.features:
        head = ("number", "trials", "features")
        shown.append(("features", "Features by number", _html(Grid(headers=head, rows=legend(search)))))
    counts = ", ".join(f"{count} {state}" for state, count in sorted(search.states.items()))
    return sections_page(
        f"Search: {search.identity.pipeline}", f"{search.trials} trials: {counts}; {search.rule}.", shown
    )


def comparison_text(outcome: Result) -> str:
    """Return a sentence on the smallest sufficient point and the power of the test; empty without a comparison."""
    comparison = outcome.comparison
    if comparison is None:
        return ""
    best = comparison.best
    enough = f"trial {comparison.enough} is the smallest that is within one standard error of the best, trial {best}"
    if comparison.enough == best:
        enough = f"no smaller point than trial {best}, the best, is within one standard error of it"
    exact = f"; p from an exact test against trial {comparison.best}: {comparison.power}" if comparison.power else ""
    return f"In cross-validation over units, {enough}{exact}."


def legend(outcome: Result) -> tuple[tuple[str, str, str], ...]:
    """Return a row for every feature: its number, the trials of the front that use it, and its name."""
    entries = []
    for number, name in enumerate(outcome.features, 1):
        users = [str(point.number) for point in outcome.front if number in point.features]
        points = "none" if not users else "all" if len(users) == len(outcome.front) else ", ".join(users)
        if len(points) > MOST_LETTERS:
            points = f"{len(users)} of {len(outcome.front)}"
        entries.append((str(number), points, name))
    return tuple(entries)


def _html(block: Grid | Paragraph) -> Markup:
    return blocks_html((block,), level=3)


def _lower(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Return the points whose error no cheaper point beats, in order of cost."""
    kept: list[tuple[float, float]] = []
    for x, y in points:
        if not kept or y < kept[-1][1]:
            kept.append((x, y))
    return tuple(kept)
