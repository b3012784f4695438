"""`calibrate`: how wrong networks on turns of a lidar may be, by further episodes, judged in other traffic."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.formatting import percent, plural
from edgewright.core.package import around
from edgewright.core.predictor import load
from edgewright.jobs.group_figures import share_of
from edgewright.jobs.simulation.lidar import LANES
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.jobs.steps.intervals import write_interval
from edgewright.jobs.steps.scans import CALIBRATE, LEARN
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.schema.job import JobFigure, StepRecord
from edgewright.training.metrics import group_interval
from edgewright.workflows.intervals import band_of

Array = NDArray[np.float64]
# Metres within which somebody counts.
_NEAR = 60.0
SEEN = ("gap", "closing")


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Intervals of networks on turns of a lidar.

    Attributes:
        runs: steps that trained on the amounts of the scans by the same names.
        scans: step that looked at traffic.
        level: share of the truth in the own lane that an interval is to hold.
        judge: conditions of traffic that judge, one after the other.
    """

    runs: tuple[str, ...] = SEEN
    scans: str = "scans"
    level: Annotated[float, msgspec.Meta(gt=0.5, lt=1)] = 0.95
    judge: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]


def _calibrate(config: Config, work: Work) -> StepRecord:
    whole, further = (
        dict(np.load(work.file_of(config.scans, "scans", file), allow_pickle=False)) for file in (LEARN, CALIBRATE)
    )
    judges = np.isin(whole["groups"], config.judge)
    tested = {key: values[judges] for key, values in whole.items()}
    # Rows come as turns of all lanes, the own one first.
    lane = np.arange(len(tested["groups"])) % len(LANES) == 0
    near, tail = tested["gap"] < _NEAR, (1 - config.level) / 2
    sessions, folder = tested["sessions"], work.new_folder(config)
    figures, worst = [], []
    for name in config.runs:
        run = judged_of(work.run_of(name).folder)
        network = load(run)
        own = slice(None, None, len(LANES))
        band = band_of(_answers(network.predict(further["X"][own]).predictions), further[name][own], tail, tail)
        write_interval(run, folder, band, len(np.unique(further["sessions"])))
        truth, answers = tested[name], _answers(network.predict(tested["X"]).predictions)
        low, high = around(band, answers)
        inside = (low <= truth) & (truth <= high)
        figures += [
            share_of(f"{name}_inside", f"true {name} in the own lane inside its interval", inside[lane],
                     sessions[lane], by="episode"),
            share_of(f"{name}_below", f"true {name} in the own lane under its cautious end", (truth < low)[lane],
                     sessions[lane], by="episode"),
            _error(f"{name}_mae", f"mean error of {name}, own lane, somebody within {_NEAR:g} m",
                   np.abs(truth - answers)[lane & near], sessions[lane & near]),
            JobFigure.of(f"{name}_width", f"mean width of the interval of {name}, the same",
                         float((high - low)[lane & near].mean()), "1"),
        ]  # fmt: skip
        shares = {group: float(inside[lane & (tested["groups"] == group)].mean()) for group in config.judge}
        lowest = min(shares, key=lambda group: shares[group])
        worst.append(f"of {name} {percent(shares[lowest])} in {lowest!r}")
        if name == "gap":
            right = (answers < _NEAR) == near
            figures.append(
                share_of("lanes", f"of each lane told rightly whether somebody is within {_NEAR:g} m", right, sessions,
                         by="episode")
            )  # fmt: skip
    return StepRecord(
        command="",
        says=(
            f"Widths come from {plural(len(np.unique(further['sessions'])), 'episode')} that trained nothing, of the "
            f"traffic that trained; they judge in {', '.join(config.judge)}.",
            f"Intervals of {percent(config.level)} hold least: {' and '.join(worst)}.",
        ),
        figures=tuple(figures),
        folder=folder.name,
    )


def _answers(predictions: NDArray[np.float32] | None) -> Array:
    return np.asarray(predictions, np.float64)


def _error(name: str, title: str, errors: Array, sessions: NDArray[np.str_]) -> JobFigure:
    interval = group_interval(sessions, lambda rows: float(errors[rows].mean()), by="episode", within=(0.0, np.inf))
    return JobFigure.of_interval(name, title, interval, "1")


STEP = Step(Config, "How wrong the networks may be", _calibrate)
