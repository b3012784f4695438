"""`drive`: a package as policy in episodes that nothing was chosen on, without and with a shield, and with faults."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from itertools import groupby, islice
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np

from edgewright.core.formatting import plural
from edgewright.core.predictor import Predictor, load, package_path
from edgewright.core.state_machine.validation import CheckedTable, read_table
from edgewright.jobs.simulation import Environment, EnvironmentSpec, read_environment
from edgewright.jobs.simulation.lidar import scan
from edgewright.jobs.simulation.perceptions import Around
from edgewright.jobs.simulation.sight import Sight
from edgewright.jobs.steps import Step, StepConfig, Work, in_processes
from edgewright.jobs.steps.calibrate import SEEN
from edgewright.jobs.steps.shield import TABLE, Envelope, Shield, read_envelope
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.schema.errors import InputError
from edgewright.schema.job import Choice, JobFigure, LaneFrame, LaneView, Mark, StepRecord, Stretch, Timeline
from edgewright.training.metrics import mean_interval, wilson

# Name of a fault -> in two words, and in a sentence.
FAULTS = {
    "dropout": ("sensor drops out", "perception fails for one to four decisions at a time"),
    "latency": ("sensor is late", "every turn comes a decision late, and nobody says so"),
    "calibration": ("ranges too long", "every range is told 10 % too long"),
    "cut_in": ("somebody cuts in", "somebody 2 to 15 m ahead in another lane is sent into the own one"),
}
# Share of decisions at which perception drops out, by how much ranges are too long, and the first decision that
# somebody cuts in at.
_DROPOUT, _TOO_LONG, _CUT_IN_FROM = 0.05, 1.1, 2
# Decisions that the road is drawn at.
_FRAMES = 6


class DriveTask(NamedTuple):
    """An episode to drive.

    Attributes:
        environment: its table.
        seed: seed of the episode.
        policy: package that decides; None for the environment's own driver.
        sight: packages of the networks that see gaps and closing speeds; None for the simulator's numbers.
        envelope, table: files of the shield; None for none.
        fault: one of `FAULTS`; empty for none.
        unsure: confidence below which the policy is not sure.
        watched: whether it is kept who drives around the car.
    """

    environment: Path
    seed: int
    policy: Path | None = None
    sight: tuple[Path, Path] | None = None
    envelope: Path | None = None
    table: Path | None = None
    fault: str = ""
    unsure: float = 0.0
    watched: bool = False


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
        doubted: decisions whose perception contradicts what was perceived before.
        stopped: whether so many of both came that the car stopped for good.
        cut_in: whether somebody was sent into the own lane.
        around: who drives around the car at each decision; empty where that is not kept.
    """

    crashed: bool
    preventable: bool = False
    wanted: tuple[int, ...] = ()
    done: tuple[int, ...] = ()
    states: tuple[str, ...] = ()
    seconds: tuple[float, ...] = ()
    speed: float = 0.0
    exposed: int = 0
    lost: int = 0
    doubted: int = 0
    stopped: bool = False
    cut_in: bool = False
    around: tuple[Around, ...] = ()


@cache
def _loaded(package: Path) -> Predictor:
    return load(package)


@cache
def _shield(envelope: Path, table: Path) -> tuple[Envelope, CheckedTable]:
    return read_envelope(envelope), read_table(table)


@cache
def _environment(path: Path) -> Environment:
    return Environment(read_environment(path), path.name)


def drive(task: DriveTask) -> Drive:
    """Drive one episode: perceive, decide, limit, act."""
    environment = _environment(task.environment)
    if task.policy is None:
        return _drive_by_rule(environment, task)
    policy, lidar = _loaded(task.policy), np.random.default_rng([task.seed, 7])
    shield = Shield(*_shield(task.envelope, task.table)) if task.envelope and task.table else None
    safe, free = (shield.machine.table.safe, shield.machine.table.states[-1]) if shield else ("", "")
    sight = None
    if task.sight is not None:
        brake = _shield(task.envelope, task.table)[0].lead_brake if task.envelope and task.table else 0.0
        gap, closing = map(_loaded, task.sight)
        sight = Sight(gap, closing, brake)
    words = {word: index for index, word in enumerate(environment.spec.actions)}
    draw, dropout = np.random.default_rng(task.seed), _DROPOUT if task.fault == "dropout" else 0.0
    seen, blind, crashed, ended, cut = environment.reset(task.seed), 0, False, False, False
    rows = environment.observation
    wanted: list[int] = []
    actions: list[int] = []
    states: list[str] = []
    seconds: list[float] = []
    speeds: list[float] = []
    around: list[Around] = []
    exposed = lost = doubted = 0
    while not ended:
        number, speed = len(actions), float(seen[0])
        now = number * environment.spec.period
        blind = blind - 1 if blind else int(draw.integers(1, 5)) if draw.random() < dropout else 0
        names, fits = dict(zip(environment.columns, seen.tolist(), strict=True)), True
        late, rows = rows, environment.observation
        turn = scan(late if task.fault == "latency" else rows, lidar,
                    _TOO_LONG if task.fault == "calibration" else 1.0) if sight is not None else None  # fmt: skip
        began = time.thread_time()
        answer, sure = -1, False
        if not blind:
            if sight is not None and turn is not None:
                seen, names, fits = sight.look(turn, speed, now)
            answers = policy.predict(seen.astype(np.float32)[None])
            answer, sure = words.get(str(answers.labels[0]), -1), bool(answers.confidence[0] >= task.unsure)
        action = answer
        if shield is not None:
            limit = shield.limit(now, None if blind else names, sure=sure and answer >= 0, fits=fits)
            action = min(answer, limit) if answer >= 0 else limit
        elif action < 0:
            # Without a watchdog a program goes on with what it did last.
            action = actions[-1] if actions else 0
        seconds.append(time.thread_time() - began)
        if shield is not None:
            states.append(shield.state)
            exposed += int((blind > 0 or not (sure and fits)) and shield.state != safe)
        lost += int(blind > 0)
        doubted += int(not fits)
        wanted.append(answer)
        actions.append(action)
        speeds.append(speed)
        if task.watched and (scene := environment.around()) is not None:
            around.append(scene)
        cut = cut or _cut_in(task, number, environment)
        seen, _, crashed, ended = environment.step(action)
    preventable = shield is not None and crashed and _avoidable(environment, task, actions, states, free)
    return Drive(
        crashed, preventable, tuple(wanted), tuple(actions), tuple(states), tuple(seconds), float(np.mean(speeds)),
        exposed, lost, doubted, shield is not None and shield.stopped, cut, tuple(around),
    )  # fmt: skip


def _cut_in(task: DriveTask, number: int, environment: Environment) -> bool:
    """Send somebody into the own lane where the task has this fault; return whether somebody was sent."""
    return task.fault == "cut_in" and number >= _CUT_IN_FROM and environment.cut_in()


def _drive_by_rule(environment: Environment, task: DriveTask) -> Drive:
    """Drive one episode as the environment's own driver does."""
    seen, crashed, ended, cut = environment.reset(task.seed), False, False, False
    environment.give_to_rule()
    speeds: list[float] = []
    while not ended:
        cut = cut or _cut_in(task, len(speeds), environment)
        speeds.append(float(seen[0]))
        seen, _, crashed, ended = environment.step(0)
    return Drive(crashed, speed=float(np.mean(speeds)), cut_in=cut)


def _avoidable(
    environment: Environment, task: DriveTask, actions: list[int], states: list[str], everything: str
) -> bool:
    """Return whether the same episode ends without a collision when one brakes hardest from the last danger on.

    A danger begins with the last decision at which the shield allowed everything before it no longer did; that decision
    is braked, too.
    """
    start = len(states) - 1
    while start > 0 and states[start] != everything:
        start -= 1
    environment.reset(task.seed)
    crashed = ended = cut = False
    for number, action in enumerate((*actions[:start], *[0] * (len(actions) - start))):
        cut = cut or _cut_in(task, number, environment)
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
        sight: step of kind 'calibrate' whose packages see gaps and closing speeds; the simulator's numbers when empty.
        episodes: how many with the shield.
        bare: how many of them once more without the shield.
        rule: how many of them once more by the environment's own driver.
        faulty: how many of them once more with each of `faults`.
        faults: of 'dropout', 'latency', 'calibration' and 'cut_in'.
        unsure: confidence below which the policy is not sure.
        seed: of the first episode; none of them may have been learned from.
    """

    run: str = ""
    environment: str = "environment.toml"
    envelope: str = "envelope.toml"
    shield: str = "shield"
    sight: str = ""
    episodes: Annotated[int, msgspec.Meta(ge=1)] = 1000
    bare: Annotated[int, msgspec.Meta(ge=1)] = 200
    rule: Annotated[int, msgspec.Meta(ge=0)] = 0
    faulty: Annotated[int, msgspec.Meta(ge=1)] = 100
    faults: tuple[Literal["dropout", "latency", "calibration", "cut_in"], ...] = ("dropout",)
    unsure: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    seed: Annotated[int, msgspec.Meta(ge=0)] = 1_000_000


def _drive(config: Config, work: Work) -> StepRecord:
    path, envelope = work.folder / config.environment, work.folder / config.envelope
    table = work.file_of(config.shield, "shield", TABLE)
    spec = read_environment(path)
    _fits(spec, path, envelope)
    sight = None
    if config.sight:
        names = (package_path(judged_of(work.run_of(name).folder)).name for name in SEEN)
        gap, closing = (work.file_of(config.sight, "calibrate", name) for name in names)
        sight = gap, closing
    package = package_path(judged_of(work.run_of(config.run).folder))
    limited = [
        DriveTask(path, config.seed + i, package, sight, envelope, table, unsure=config.unsure)
        for i in range(config.episodes)
    ]
    bare = [task._replace(envelope=None, table=None) for task in limited[: config.bare]]
    rule = [DriveTask(path, task.seed) for task in limited[: config.rule]]
    arms = {"with": limited, "without": bare, "rule": rule}
    arms |= {fault: [task._replace(fault=fault) for task in limited[: config.faulty]] for fault in config.faults}
    if rule and "cut_in" in config.faults:
        arms["rule_cut_in"] = [task._replace(fault="cut_in") for task in rule[: config.faulty]]
    tasks = [task for arm in arms.values() for task in arm]
    driven = list(work.each("Driving", in_processes(drive, tasks), len(tasks)))
    iterator = iter(driven)
    results = {name: list(islice(iterator, len(arm))) for name, arm in arms.items()}
    last = [index for index, task in enumerate(tasks) if task.table and task.fault in ("", "dropout")]
    weakened = max(last, key=lambda index: (driven[index].lost > 0, _weakened(driven[index])))
    # Who drives around is kept of one episode alone, so it is driven again.
    shown = drive(tasks[weakened]._replace(watched=True))
    return _record(config, spec, work.folder.name, results, shown)


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


def _record(config: Config, spec: EnvironmentSpec, name: str, arms: dict[str, list[Drive]], shown: Drive) -> StepRecord:
    limited, bare, rule = (arms[key] for key in ("with", "without", "rule"))
    shielded = [episode for key in ("with", *config.faults) for episode in arms[key]]
    seconds = np.array([second for episode in shielded for second in episode.seconds])
    lowered = np.array(
        [action < wanted for episode in limited for wanted, action in zip(episode.wanted, episode.done, strict=True)]
    )
    crashes = {key: _crashes(arm) for key, arm in arms.items()}
    without, with_shield = _collisions("without", "no shield", bare), _collisions("with", "with the shield", limited)
    figures = [
        without, with_shield,
        JobFigure.of("ratio", "collisions with the shield to those without",
                     with_shield.value / without.value if without.value else 0.0),
        JobFigure.of("preventable", "collisions that braking in time prevents",
                     sum(episode.preventable for episode in limited), "1"),
        JobFigure.of("p99", "processor time of a decision, 99 of 100 within",
                     float(np.percentile(seconds, 99)) * 1000, "ms"),
        JobFigure.of("limited", "decisions that the shield weakened", float(lowered.mean())),
        JobFigure.of("exposed", "decisions whose perception is missing or in doubt, outside the safe state",
                     sum(episode.exposed for episode in shielded), "1"),
        _doubts("doubted", "decisions whose perception contradicts the one before", limited),
        _share("stopped", "episodes that end in a safe stop", [episode.stopped for episode in limited]),
        _speed("speed_without", "mean speed, no shield", bare),
        _speed("speed_with", "mean speed, with the shield", limited),
    ]  # fmt: skip
    if rule:
        figures += [
            _collisions("rule", "the environment's own driver", rule),
            _speed("speed_rule", "mean speed, the environment's own driver", rule),
            _mean("speed_gain", "mean speed with the shield, over that of the environment's own driver",
                  [mine.speed - other.speed for mine, other in zip(limited, rule, strict=False)], "m/s"),
            _more("more", "episodes with a collision, more than of the environment's own driver", limited, rule),
        ]  # fmt: skip
    for fault in config.faults:
        arm, (words, _) = arms[fault], FAULTS[fault]
        figures += [
            _collisions(fault, words, arm),
            _share(f"{fault}_stopped", f"{words}: episodes that end in a safe stop",
                   [episode.stopped for episode in arm]),
            _doubts(f"{fault}_doubted", f"{words}: decisions whose perception contradicts the one before", arm),
        ]  # fmt: skip
    if other := arms.get("rule_cut_in"):
        words = f"{FAULTS['cut_in'][0]}, the environment's own driver"
        more = f"{FAULTS['cut_in'][0]}: episodes with a collision, more than of that driver"
        figures += [
            _collisions("rule_cut_in", words, other),
            _more("cut_in_more", more, arms["cut_in"], other),
        ]
    prevented = sum(episode.preventable for episode in limited)
    says = [
        f"{plural(len(limited), 'episode')} with the shield, seeds from {config.seed:,} on: "
        f"{plural(crashes['with'], 'collision')}. The first {len(bare):,} of them without it: "
        f"{plural(crashes['without'], 'collision')}. Each collision with the shield is driven again with the hardest "
        f"braking from the first sign of its danger on; that prevents {prevented}.",
    ]
    if rule:
        says.append(
            f"The environment's own driver gets the simulator's numbers and may change lanes: "
            f"{plural(crashes['rule'], 'collision')} in the first {len(rule):,} episodes."
        )
    for fault in config.faults:
        arm, met = arms[fault], sum(episode.cut_in for episode in arms[fault])
        where = f"{met} of {plural(len(arm), 'episode')}" if fault == "cut_in" else plural(len(arm), "episode")
        says.append(f"{FAULTS[fault][1].capitalize()}, in {where}: {plural(crashes[fault], 'collision')}.")
    return StepRecord(
        command=f"edgewright jobs run {name}", says=tuple(says), figures=tuple(figures),
        timeline=_timeline(spec, shown), lane_view=_lane_view(spec, shown),
        choice=Choice(
            question="Does the policy act alone?", options=(without, with_shield), chosen="no, behind the shield",
            why=f"{plural(crashes['without'], 'collision')} in {len(bare):,} episodes without it, "
                f"{crashes['with']} in {len(limited):,} with it",
        ),
    )  # fmt: skip


def _crashes(arm: Sequence[Drive]) -> int:
    return sum(episode.crashed for episode in arm)


def _share(name: str, title: str, hits: Sequence[bool]) -> JobFigure:
    return JobFigure.of_interval(name, title, wilson(sum(hits), len(hits)))


def _collisions(name: str, title: str, arm: Sequence[Drive]) -> JobFigure:
    return _share(name, f"episodes with a collision, {title}", [episode.crashed for episode in arm])


def _mean(name: str, title: str, values: Sequence[float], unit: str = "") -> JobFigure:
    return JobFigure.of_interval(name, title, mean_interval(np.array(values), "episode"), unit)


def _speed(name: str, title: str, arm: Sequence[Drive]) -> JobFigure:
    return _mean(name, title, [episode.speed for episode in arm], "m/s")


def _doubts(name: str, title: str, arm: Sequence[Drive]) -> JobFigure:
    decisions = sum(len(episode.done) for episode in arm)
    return JobFigure.of(name, title, sum(episode.doubted for episode in arm) / decisions)


def _more(name: str, title: str, mine: Sequence[Drive], other: Sequence[Drive]) -> JobFigure:
    return _mean(name, title, [float(a.crashed) - b.crashed for a, b in zip(mine, other, strict=False)])


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
