"""A planner that looks ahead in copies of the simulator, and the rows that it labels."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgewright.jobs.simulation.environment import Environment, read_environment


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
