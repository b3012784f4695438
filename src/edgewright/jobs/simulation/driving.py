"""One episode with a policy, with or without a shield, with or without faults of perception."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgewright.core.predictor import Predictor, load
from edgewright.core.state_machine.validation import CheckedTable, read_table
from edgewright.jobs.simulation.envelope import Envelope, Shield, read_envelope
from edgewright.jobs.simulation.environment import Environment, read_environment


class DriveTask(NamedTuple):
    """An episode to drive.

    Attributes:
        environment, package: files.
        seed: of the episode.
        envelope, table: files of the shield; None for none.
        faults: share of decisions at which perception stops for one to four decisions, or comes too late.
        unsure: confidence below which the policy is not sure.
    """

    environment: Path
    package: Path
    seed: int
    envelope: Path | None = None
    table: Path | None = None
    faults: float = 0.0
    unsure: float = 0.0


class Drive(NamedTuple):
    """What an episode was like.

    Attributes:
        crashed: whether it ended in a collision.
        preventable: with a shield, whether hardest braking from the first sign of that danger prevents it.
        wanted, taken: actions by decision: of the policy (-1 where it perceived nothing), and what was done.
        states: of the shield by decision.
        seconds: of the processor that each decision took, from what is perceived to the action.
        speed: mean of the first column.
        exposed: decisions without perception in time or without a sure answer whose state was not the safe one.
        lost: decisions without perception in time.
    """

    crashed: bool
    preventable: bool
    wanted: tuple[int, ...]
    taken: tuple[int, ...]
    states: tuple[str, ...]
    seconds: tuple[float, ...]
    speed: float
    exposed: int
    lost: int


@cache
def _policy(package: Path) -> Predictor:
    return load(package)


@cache
def _shield(envelope: Path, table: Path) -> tuple[Envelope, CheckedTable]:
    return read_envelope(envelope), read_table(table)


@cache
def _environment(path: Path) -> Environment:
    return Environment(read_environment(path), path.name)


def drive(task: DriveTask) -> Drive:
    """Drive one episode: perceive, decide, limit, act."""
    environment, policy = _environment(task.environment), _policy(task.package)
    shield = Shield(*_shield(task.envelope, task.table)) if task.envelope and task.table else None
    safe, free = (shield.machine.table.safe, shield.machine.table.states[-1]) if shield else ("", "")
    words = {word: index for index, word in enumerate(environment.spec.actions)}
    draw = np.random.default_rng(task.seed)
    seen, number, blind, crashed, ended = environment.reset(task.seed), 0, 0, False, False
    wanted: list[int] = []
    taken: list[int] = []
    states: list[str] = []
    seconds: list[float] = []
    speeds: list[float] = []
    exposed = lost = 0
    while not ended:
        blind = blind - 1 if blind else int(draw.integers(1, 5)) if draw.random() < task.faults else 0
        began = time.thread_time()
        answer, sure = -1, False
        if not blind:
            found = policy.predict(seen.astype(np.float32)[None])
            answer, sure = words.get(str(found.labels[0]), -1), bool(found.confidence[0] >= task.unsure)
        action = answer
        if shield is not None:
            names = None if blind else dict(zip(environment.columns, seen.tolist(), strict=True))
            limit = shield.limit(number * environment.spec.period, names, sure=sure and answer >= 0)
            action = min(answer, limit) if answer >= 0 else limit
        elif action < 0:
            # Without a watchdog a program goes on with what it did last.
            action = taken[-1] if taken else 0
        seconds.append(time.thread_time() - began)
        if shield is not None:
            states.append(shield.state)
            exposed += int((blind > 0 or not sure) and shield.state != safe)
        lost += int(blind > 0)
        wanted.append(answer)
        taken.append(action)
        speeds.append(float(seen[0]))
        seen, _, crashed, ended = environment.step(action)
        number += 1
    preventable = shield is not None and crashed and _avoidable(environment, task.seed, taken, states, free)
    return Drive(
        crashed, preventable, tuple(wanted), tuple(taken), tuple(states), tuple(seconds), float(np.mean(speeds)),
        exposed, lost,
    )  # fmt: skip


def _avoidable(environment: Environment, seed: int, taken: list[int], states: list[str], everything: str) -> bool:
    """Return whether the same episode ends without a collision when one brakes hardest from the last danger on.

    A danger begins with the last decision at which the shield allowed everything before it no longer did; that decision
    is braked, too.
    """
    number = len(states) - 1
    while number > 0 and states[number] != everything:
        number -= 1
    environment.reset(seed)
    crashed = ended = False
    for action in (*taken[:number], *[0] * (len(taken) - number)):
        _, _, crashed, ended = environment.step(action)
        if ended:
            break
    return not crashed
