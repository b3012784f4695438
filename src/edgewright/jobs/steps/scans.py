"""`scans`: turns of a simulated lidar in traffic, with the true gap and closing speed in each lane."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.formatting import plural
from edgewright.jobs.simulation import Environment, read_environment
from edgewright.jobs.simulation.lidar import LANES, REACH, of_lane, scan
from edgewright.jobs.steps import Step, StepConfig, Work, in_processes
from edgewright.schema.job import JobFigure, StepRecord

LEARN, CALIBRATE = "scans.npz", "calibrate.npz"
# How often a driver by chance does something else.
_CHANGES = 0.3


class ScanTask(NamedTuple):
    """An episode to look at: its environment's table, one of its conditions, and its seed."""

    environment: Path
    condition: str
    seed: int


class Scans(NamedTuple):
    """Turns of an episode as asked about each lane, shape (n, 3, beams), true gaps and closing speeds, shape (n,)."""

    turns: NDArray[np.float32]
    gaps: NDArray[np.float64]
    closings: NDArray[np.float64]


def look(task: ScanTask) -> Scans:
    """Drive an episode by chance, which comes close to others, and look at every decision."""
    environment = Environment(read_environment(task.environment), task.environment.name, task.condition)
    draw = np.random.default_rng(task.seed)
    actions = len(environment.spec.actions)
    seen, ended, action = environment.reset(task.seed), False, int(draw.integers(actions))
    turns, truths = [], []
    while not ended:
        turn = scan(environment.observation, draw)
        turns += [of_lane(turn, lane) for lane in LANES]
        ahead = [(gap, lead - seen[0]) for gap, lead in seen[1:].reshape(len(LANES), 2)]
        # Nobody within reach: a gap as long as that, which nothing changes.
        truths += [(gap, change) if gap < REACH else (REACH, 0.0) for gap, change in ahead]
        if draw.random() < _CHANGES:
            action = int(draw.integers(actions))
        seen, _, _, ended = environment.step(action)
    gaps, closings = np.array(truths).T
    return Scans(np.array(turns), gaps, closings)


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Episodes to look at.

    Attributes:
        environment: table of the job's folder.
        conditions: of traffic to learn from.
        judge: of traffic that only judges.
        episodes: of each condition.
        calibrate: further episodes of each condition to learn from, which say how wrong a network may be.
        seed: of the first episode; the next ones follow.
    """

    environment: str = "environment.toml"
    conditions: Annotated[tuple[str, ...], msgspec.Meta(min_length=2)]
    judge: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    episodes: Annotated[int, msgspec.Meta(ge=1)] = 40
    calibrate: Annotated[int, msgspec.Meta(ge=1)] = 20
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


def _scans(config: Config, work: Work) -> StepRecord:
    path = work.folder / config.environment
    spec = read_environment(path)
    for condition in (*config.conditions, *config.judge):
        # A wrong name is one error here, not one of every process.
        spec.changes(condition, path.name)
    folder = work.new_folder(config)
    learn = [name for name in (*config.conditions, *config.judge) for _ in range(config.episodes)]
    further = [name for name in config.conditions for _ in range(config.calibrate)]
    tasks = [ScanTask(path, name, config.seed + number) for number, name in enumerate((*learn, *further))]
    looked = list(work.each("Looking at traffic", in_processes(look, tasks), len(tasks)))
    for file, part in ((LEARN, slice(len(learn))), (CALIBRATE, slice(len(learn), None))):
        counts = [len(scans.gaps) for scans in looked[part]]
        np.savez(
            folder / file,
            X=np.concatenate([scans.turns for scans in looked[part]]),
            gap=np.concatenate([scans.gaps for scans in looked[part]]),
            closing=np.concatenate([scans.closings for scans in looked[part]]),
            groups=np.repeat([task.condition for task in tasks[part]], counts),
            sessions=np.repeat([f"{task.condition} {task.seed}" for task in tasks[part]], counts),
        )
    turns = sum(len(scans.gaps) for scans in looked) // len(LANES)
    work.data = folder / LEARN
    return StepRecord(
        command=f"edgewright jobs run {work.folder.name}",
        says=(
            f"{turns:,} turns of a lidar in {plural(len(tasks), 'episode')}, driven by chance; each is "
            f"asked about {len(LANES)} lanes. Only these judge: {', '.join(config.judge)}.",
        ),
        figures=(JobFigure.of("turns", "turns of the lidar", turns, "1"),),
        folder=folder.name,
    )


STEP = Step(Config, "Turns of a lidar in traffic", _scans)
