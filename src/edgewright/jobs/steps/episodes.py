"""`episodes`: rows of a simulated environment with the action of a planner that looks ahead, an episode a group."""

from __future__ import annotations

import csv
from typing import Annotated

import msgspec

from edgewright.core.formatting import percent, plural
from edgewright.jobs.simulation.environment import Environment, read_environment
from edgewright.jobs.simulation.planner import PlanTask, label
from edgewright.jobs.simulation.processes import in_processes
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.schema.job import JobFigure, StepRecord

ROWS = "episodes.csv"
GROUP, TARGET = "episode", "action"


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Episodes to learn from.

    Attributes:
        environment: table of the job's folder.
        episodes: how many.
        seed: of the first; the next ones follow.
        ahead: decisions that the planner holds each action for, in copies of the simulator.
        explore: share of decisions taken by chance instead, so that a policy also sees what follows a mistake.
    """

    environment: str = "environment.toml"
    episodes: Annotated[int, msgspec.Meta(ge=2)] = 40
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    ahead: Annotated[int, msgspec.Meta(ge=1)] = 3
    explore: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.2


def _episodes(config: Config, work: Work) -> StepRecord:
    path = work.folder / config.environment
    # A wrong table is one error here, not one of every process.
    Environment(read_environment(path), path.name)
    tasks = [PlanTask(path, config.seed + i, config.ahead, config.explore) for i in range(config.episodes)]
    folder = work.out / (config.name or config.kind)
    folder.mkdir()
    rows = crashed = 0
    counts: dict[str, int] = {}
    with (
        work.listener.doing("Planning", len(tasks)) as advance,
        (folder / ROWS).open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        for task, found in zip(tasks, in_processes(label, tasks), strict=True):
            if not rows:
                writer.writerow([*found.columns, TARGET, GROUP])
            for values, action in zip(found.rows, found.actions, strict=True):
                writer.writerow([*(f"{value:.6g}" for value in values), action, f"seed {task.seed}"])
                counts[action] = counts.get(action, 0) + 1
            rows, crashed = rows + len(found.rows), crashed + found.crashed
            advance(1)
    # The steps behind read what this one wrote.
    work.data = folder / ROWS
    shares = ", ".join(f"{name} {percent(count / rows)}" for name, count in sorted(counts.items()))
    return StepRecord(
        command=f"edgewright jobs run {work.folder.name}",
        says=(
            f"{plural(rows, 'decision')} of {plural(len(tasks), 'episode')}, labelled by trying each action for "
            f"{plural(config.ahead, 'decision')} in a copy of the simulator: {shares}. "
            f"{percent(config.explore)} of decisions are taken by chance, which ended {plural(crashed, 'episode')} "
            "badly.",
        ),
        figures=(JobFigure(name="rows", title="labelled decisions", value=rows, unit="1"),),
        folder=folder.name,
    )


STEP = Step(Config, "Episodes labelled by a planner", _episodes)
