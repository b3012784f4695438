"""`episodes`: rows of a simulated environment with the action of a planner that looks ahead, an episode a group."""

from __future__ import annotations

import copy
import csv
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from edgewright.core.formatting import percent, plural
from edgewright.jobs.simulation import Environment, read_environment
from edgewright.jobs.steps import Step, StepConfig, Work, in_processes
from edgewright.schema.job import JobFigure, StepRecord


class Labelled(NamedTuple):
    """Rows of one episode: what was perceived, and the action that the planner would take."""

    columns: tuple[str, ...]
    rows: list[list[float]]
    actions: list[str]
    crashed: bool


class PlanTask(NamedTuple):
    """An episode to label: its environment's table, its seed, decisions to look ahead, and how often chance acts."""

    environment: Path
    seed: int
    ahead: int
    explore: float


def look_ahead(environment: Environment, ahead: int) -> int:
    """Return the action that gathers most reward when it is held for so many decisions; the earlier one of equals.

    It copies the simulator, so it knows what no sensor tells; a policy is to do nearly as well from what it perceives.
    """
    totals = []
    for action in range(len(environment.spec.actions)):
        future, total = copy.deepcopy(environment.env.unwrapped), 0.0
        for _ in range(ahead):
            _, reward, terminated, truncated, _ = future.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        totals.append(total)
    return int(np.argmax(totals))


def label(task: PlanTask) -> Labelled:
    """Play an episode as the planner does, sometimes by chance, and label every decision."""
    environment = Environment(read_environment(task.environment), task.environment.name)
    draw = np.random.default_rng(task.seed)
    seen, rows, actions = environment.reset(task.seed), [], []
    while True:
        action = look_ahead(environment, task.ahead)
        rows.append(seen.tolist())
        actions.append(environment.spec.actions[action])
        if draw.random() < task.explore:
            action = int(draw.integers(len(environment.spec.actions)))
        seen, _, crashed, ended = environment.step(action)
        if ended:
            return Labelled(environment.columns, rows, actions, crashed)


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
    folder = work.new_folder(config)
    rows = crashed = 0
    counts: dict[str, int] = {}
    with (folder / ROWS).open("w", newline="", encoding="utf-8") as file:
        writer, played = csv.writer(file), zip(tasks, in_processes(label, tasks), strict=True)
        for task, episode in work.each("Planning", played, len(tasks)):
            if not rows:
                writer.writerow([*episode.columns, TARGET, GROUP])
            for values, action in zip(episode.rows, episode.actions, strict=True):
                writer.writerow([*(f"{value:.6g}" for value in values), action, f"seed {task.seed}"])
                counts[action] = counts.get(action, 0) + 1
            rows, crashed = rows + len(episode.rows), crashed + episode.crashed
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
        figures=(JobFigure.of("rows", "labelled decisions", rows, "1"),),
        folder=folder.name,
    )


STEP = Step(Config, "Episodes labelled by a planner", _episodes)
