"""`drive`: a package as policy in episodes that nothing was chosen on, without and with a shield, and with faults."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from edgewright.core.formatting import plural
from edgewright.core.predictor import Predictor, load, package_path
from edgewright.core.state_machine.validation import CheckedTable, read_table
from edgewright.jobs.simulation import Environment, EnvironmentSpec, read_environment
from edgewright.jobs.simulation.perceptions import Around
from edgewright.jobs.steps import Step, StepConfig, Work, in_processes
from edgewright.jobs.steps.shield import TABLE, Envelope, Shield, read_envelope
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.schema.errors import InputError
from edgewright.schema.job import Choice, JobFigure, LaneFrame, LaneView, Mark, StepRecord, Stretch, Timeline
from edgewright.training.metrics import wilson


class DriveTask(NamedTuple):
    """An episode to drive.

    Attributes:
        environment, package: files.
        seed: seed of the episode.
        envelope, table: files of the shield; None for none.
        faults: share of decisions at which perception stops for one to four decisions, or comes too late.
        unsure: confidence below which the policy is not sure.
        watched: whether it is kept who drives around the car.
    """

    environment: Path
    package: Path
    seed: int
    envelope: Path | None = None
    table: Path | None = None
    faults: float = 0.0
    unsure: float = 0.0
    watched: bool = False


# Decisions that the road is drawn at.
_FRAMES = 6


class Drive(NamedTuple):
    """What an episode was like.

    Attributes:
        crashed: whether it ended in a collision.
        preventable: with a shield, whether hardest braking from the first sign of that danger prevents it.
        wanted, done: actions by decision: of the policy (-1 where it perceived nothing), and what was done.
        states: of the shield by decision.
        seconds: of the processor that each decision took, from what is perceived to the action.
        speed: mean of the first column.
        exposed: decisions without perception in time or without a sure answer whose state was not the safe one.
        lost: decisions without perception in time.
        around: who drives around the car at each decision; empty where that is not kept.
    """

    crashed: bool
    preventable: bool
    wanted: tuple[int, ...]
    done: tuple[int, ...]
    states: tuple[str, ...]
    seconds: tuple[float, ...]
    speed: float
    exposed: int
    lost: int
    around: tuple[Around, ...] = ()


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
    actions: list[int] = []
    states: list[str] = []
    seconds: list[float] = []
    speeds: list[float] = []
    around: list[Around] = []
    exposed = lost = 0
    while not ended:
        blind = blind - 1 if blind else int(draw.integers(1, 5)) if draw.random() < task.faults else 0
        began = time.thread_time()
        answer, sure = -1, False
        if not blind:
            answers = policy.predict(seen.astype(np.float32)[None])
            answer, sure = words.get(str(answers.labels[0]), -1), bool(answers.confidence[0] >= task.unsure)
        action = answer
        if shield is not None:
            names = None if blind else dict(zip(environment.columns, seen.tolist(), strict=True))
            limit = shield.limit(number * environment.spec.period, names, sure=sure and answer >= 0)
            action = min(answer, limit) if answer >= 0 else limit
        elif action < 0:
            # Without a watchdog a program goes on with what it did last.
            action = actions[-1] if actions else 0
        seconds.append(time.thread_time() - began)
        if shield is not None:
            states.append(shield.state)
            exposed += int((blind > 0 or not sure) and shield.state != safe)
        lost += int(blind > 0)
        wanted.append(answer)
        actions.append(action)
        speeds.append(float(seen[0]))
        if task.watched and (scene := environment.around()) is not None:
            around.append(scene)
        seen, _, crashed, ended = environment.step(action)
        number += 1
    preventable = shield is not None and crashed and _avoidable(environment, task.seed, actions, states, free)
    return Drive(
        crashed, preventable, tuple(wanted), tuple(actions), tuple(states), tuple(seconds), float(np.mean(speeds)),
        exposed, lost, tuple(around),
    )  # fmt: skip


def _avoidable(environment: Environment, seed: int, actions: list[int], states: list[str], everything: str) -> bool:
    """Return whether the same episode ends without a collision when one brakes hardest from the last danger on.

    A danger begins with the last decision at which the shield allowed everything before it no longer did; that decision
    is braked, too.
    """
    number = len(states) - 1
    while number > 0 and states[number] != everything:
        number -= 1
    environment.reset(seed)
    crashed = ended = False
    for action in (*actions[:number], *[0] * (len(actions) - number)):
        _, _, crashed, ended = environment.step(action)
        if ended:
            break
    return not crashed


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Episodes that judge.

    Attributes:
        run: step whose package decides; the newest when empty.
        environment, envelope: tables of the job's folder.
        shield: step that wrote the shield's table.
        episodes: how many, each once without and once with the shield.
        faulty: how many of them once more with faults of perception, with the shield.
        faults: share of decisions at which perception stops for one to four decisions.
        unsure: confidence below which the policy is not sure.
        seed: of the first episode; none of them may have been learned from.
    """

    run: str = ""
    environment: str = "environment.toml"
    envelope: str = "envelope.toml"
    shield: str = "shield"
    episodes: Annotated[int, msgspec.Meta(ge=1)] = 1000
    faulty: Annotated[int, msgspec.Meta(ge=0)] = 100
    faults: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    unsure: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    seed: Annotated[int, msgspec.Meta(ge=0)] = 1_000_000


def _drive(config: Config, work: Work) -> StepRecord:
    path, envelope = work.folder / config.environment, work.folder / config.envelope
    table = work.file_of(config.shield, "shield", TABLE)
    spec = read_environment(path)
    _fits(spec, path, envelope)
    package = package_path(judged_of(work.run_of(config.run).folder))
    bare = [DriveTask(path, package, config.seed + i, unsure=config.unsure) for i in range(config.episodes)]
    limited = [task._replace(envelope=envelope, table=table) for task in bare]
    faulty = [task._replace(faults=config.faults) for task in limited[: config.faulty]]
    tasks = [*bare, *limited, *faulty]
    driven = list(work.each("Driving", in_processes(drive, tasks), len(tasks)))
    count = config.episodes
    last = range(2 * count if faulty else count, len(tasks))
    weakened = max(last, key=lambda index: (driven[index].lost > 0, _weakened(driven[index])))
    # Who drives around is kept of one episode alone, so it is driven again.
    shown = drive(tasks[weakened]._replace(watched=True))
    arms = (driven[:count], driven[count : 2 * count], driven[2 * count :])
    return _record(config, spec, work.folder.name, arms, shown)


def _weakened(episode: Drive) -> int:
    return sum(a > b >= 0 for a, b in zip(episode.wanted, episode.done, strict=True))


def _fits(spec: EnvironmentSpec, path: Path, envelope: Path) -> None:
    """Refuse a shield for other actions, another period, or columns that are not perceived."""
    assumptions = read_envelope(envelope)
    if assumptions.states != spec.actions or assumptions.period != spec.period:
        expected = f"the actions {', '.join(spec.actions)} every {spec.period:g} s, as in {path.name}"
        raise InputError(expected, f"{', '.join(assumptions.states)} every {assumptions.period:g} s", envelope.name)
    columns = Environment(spec, path.name).columns
    if missing := {"speed", "lead", "gap"} - set(columns):
        expected = f"a perception with {', '.join(sorted(missing))}"
        raise InputError(expected, ", ".join(columns), path.name, 'Set perception = "lane", or add one')


def _record(
    config: Config,
    spec: EnvironmentSpec,
    name: str,
    arms: tuple[list[Drive], list[Drive], list[Drive]],
    shown: Drive,
) -> StepRecord:
    bare, limited, faulty = arms
    crashes = [sum(episode.crashed for episode in arm) for arm in arms]
    shares = [wilson(crashed, len(arm)) if arm else None for crashed, arm in zip(crashes, arms, strict=True)]
    preventable = sum(episode.preventable for episode in limited)
    seconds = np.array([second for episode in (*limited, *faulty) for second in episode.seconds])
    lowered = np.array(
        [action < wanted for episode in limited for wanted, action in zip(episode.wanted, episode.done, strict=True)]
    )
    speeds = [float(np.mean([episode.speed for episode in arm])) for arm in (bare, limited)]
    exposed, lost = (sum(getattr(episode, word) for episode in (*limited, *faulty)) for word in ("exposed", "lost"))
    figures = [
        JobFigure(name="without", title="episodes with a collision, no shield", value=crashes[0] / len(bare),
                  interval=shares[0]),
        JobFigure(name="with", title="episodes with a collision, with the shield", value=crashes[1] / len(limited),
                  interval=shares[1]),
        JobFigure.of("ratio", "collisions with the shield to those without",
                     crashes[1] / crashes[0] if crashes[0] else 0.0),
        JobFigure.of("preventable", "collisions that braking in time prevents", preventable, "1"),
        JobFigure.of("p99", "processor time of a decision, 99 of 100 within",
                     float(np.percentile(seconds, 99)) * 1000, "ms"),
        JobFigure.of("limited", "decisions that the shield weakened", float(lowered.mean())),
        JobFigure.of("exposed", "decisions without perception outside the safe state", exposed, "1"),
        JobFigure.of("speed_without", "mean speed, no shield", speeds[0], "m/s"),
        JobFigure.of("speed_with", "mean speed, with the shield", speeds[1], "m/s"),
    ]  # fmt: skip
    if faulty:
        figures.append(
            JobFigure(name="faulty", title="episodes with a collision, shield and faults of perception",
                      value=crashes[2] / len(faulty), interval=shares[2])
        )  # fmt: skip
    says = (
        f"{plural(len(bare), 'episode')}, seeds from {config.seed:,} on, each without and with the shield: "
        f"{plural(crashes[0], 'collision')} and {crashes[1]}. Each collision with the shield is driven again with the "
        f"hardest braking from the first sign of its danger on; that prevents {preventable}.",
        f"In {plural(len(faulty), 'more episode')} perception fails for one to four decisions at a time, "
        f"{lost:,} of the decisions: {plural(crashes[2], 'collision')}.",
    )
    return StepRecord(
        command=f"edgewright jobs run {name}", says=says, figures=tuple(figures), timeline=_timeline(spec, shown),
        lane_view=_lane_view(spec, shown),
        choice=Choice(
            question="Does the policy act alone?", options=tuple(figures[:2]), chosen="no, behind the shield",
            why=f"{plural(crashes[0], 'collision')} without and {crashes[1]} with it in the same episodes",
        ),
    )  # fmt: skip


def _timeline(spec: EnvironmentSpec, episode: Drive) -> Timeline:
    """Draw what the policy wanted as truth, what was done as answer, and the shield's states."""
    wanted = ["" if number < 0 else spec.actions[number] for number in episode.wanted]
    done = [spec.actions[number] for number in episode.done]
    marks = [
        Mark(time=number * spec.period, kind="event", text="nothing perceived: braking")
        for number, word in enumerate(wanted)
        if not word and (number == 0 or wanted[number - 1])
    ]
    end = len(done) * spec.period
    if episode.crashed:
        marks.append(Mark(time=end, kind="false alarm", text="collision"))
    return Timeline(
        title=f"The episode {'with faults ' if episode.lost else ''}that the shield weakened most", seconds=end,
        labels=tuple(spec.actions), truth=stretches_of(wanted, spec.period), answers=stretches_of(done, spec.period),
        states=stretches_of(list(episode.states), spec.period), marks=tuple(marks),
        keys=("wanted by the policy", "done", "states"),
        note="At a square perception fails; a red triangle is a collision.",
    )  # fmt: skip


def _lane_view(spec: EnvironmentSpec, episode: Drive) -> LaneView | None:
    """Draw the road from one decision before the shield first weakens what the policy wants."""
    if not episode.around:
        return None
    weaker = [i for i, (a, b) in enumerate(zip(episode.wanted, episode.done, strict=True)) if a > b >= 0]
    first = max(0, (weaker[0] if weaker else 0) - 1)
    frames = tuple(
        LaneFrame(time=number * spec.period, action=_words(spec, episode, number), others=episode.around[number].others)
        for number in range(first, min(first + _FRAMES, len(episode.around)))
    )
    scene = episode.around[first]
    title = "The road from above as the shield steps in" if weaker else "The road from above"
    return LaneView(title=title, lanes=scene.lanes, lane=scene.lane, width=scene.width, frames=frames)


def _words(spec: EnvironmentSpec, episode: Drive, number: int) -> str:
    """Return what was done, and what the policy wanted where that was more."""
    wanted, done = episode.wanted[number], episode.done[number]
    return f"{spec.actions[done]}, not {spec.actions[wanted]}" if wanted > done else spec.actions[done]


def stretches_of(words: Sequence[str], period: float) -> tuple[Stretch, ...]:
    """Return stretches of equal words, one word every so many seconds; an empty word has none."""
    stretches, number = [], 0
    for word, same in groupby(words):
        count = len(list(same))
        if word:
            stretches.append(Stretch(label=word, start=number * period, end=(number + count) * period))
        number += count
    return tuple(stretches)


STEP = Step(Config, "Episodes that judge", _drive)
