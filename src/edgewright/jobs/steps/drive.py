"""`drive`: a package as policy in episodes that nothing was chosen on, without and with a shield, and with faults."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from edgewright.core.formatting import plural
from edgewright.core.predictor import package_path
from edgewright.jobs.simulation.driving import Drive, DriveTask, drive
from edgewright.jobs.simulation.envelope import read_envelope
from edgewright.jobs.simulation.environment import Environment, EnvironmentSpec, read_environment
from edgewright.jobs.simulation.processes import in_processes
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.jobs.steps.shield import TABLE
from edgewright.pipeline.folder import judged_of
from edgewright.schema.errors import InputError
from edgewright.schema.job import Choice, JobFigure, Mark, StepRecord, Stretch, Timeline
from edgewright.training.metrics import wilson


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
    table = work.out / config.shield / TABLE
    if not table.is_file():
        raise InputError(
            f"a step of kind 'shield' before, named {config.shield!r}", "none", f"{work.folder.name} job.toml"
        )
    spec = read_environment(path)
    _fits(spec, path, envelope)
    package = package_path(judged_of(work.run_of(config.run).folder))
    bare = [DriveTask(path, package, config.seed + i, unsure=config.unsure) for i in range(config.episodes)]
    limited = [task._replace(envelope=envelope, table=table) for task in bare]
    faulty = [task._replace(faults=config.faults) for task in limited[: config.faulty]]
    tasks = [*bare, *limited, *faulty]
    driven = []
    with work.listener.doing("Driving", len(tasks)) as advance:
        for one in in_processes(drive, tasks):
            driven.append(one)
            advance(1)
    count = config.episodes
    return _record(config, spec, work.folder.name, (driven[:count], driven[count : 2 * count], driven[2 * count :]))


def _fits(spec: EnvironmentSpec, path: Path, envelope: Path) -> None:
    """Refuse a shield for other actions, another period, or columns that are not perceived."""
    found = read_envelope(envelope)
    if found.states != spec.actions or found.period != spec.period:
        expected = f"the actions {', '.join(spec.actions)} every {spec.period:g} s, as in {path.name}"
        raise InputError(expected, f"{', '.join(found.states)} every {found.period:g} s", envelope.name)
    columns = Environment(spec, path.name).columns
    if missing := {"speed", "lead", "gap"} - set(columns):
        expected = f"a perception with {', '.join(sorted(missing))}"
        raise InputError(expected, ", ".join(columns), path.name, 'Set perception = "lane", or add one')


def _record(
    config: Config, spec: EnvironmentSpec, name: str, arms: tuple[list[Drive], list[Drive], list[Drive]]
) -> StepRecord:
    bare, limited, faulty = arms
    crashes = [sum(one.crashed for one in arm) for arm in arms]
    shares = [wilson(crashed, len(arm)) if arm else None for crashed, arm in zip(crashes, arms, strict=True)]
    preventable = sum(one.preventable for one in limited)
    seconds = np.array([second for one in (*limited, *faulty) for second in one.seconds])
    lowered = np.array([taken < wanted for one in limited for wanted, taken in zip(one.wanted, one.taken, strict=True)])
    speeds = [float(np.mean([one.speed for one in arm])) for arm in (bare, limited)]
    exposed, lost = (sum(getattr(one, word) for one in (*limited, *faulty)) for word in ("exposed", "lost"))
    figures = [
        JobFigure(name="without", title="episodes with a collision, no shield", value=crashes[0] / len(bare),
                  interval=shares[0]),
        JobFigure(name="with", title="episodes with a collision, with the shield", value=crashes[1] / len(limited),
                  interval=shares[1]),
        JobFigure(name="ratio", title="collisions with the shield to those without",
                  value=crashes[1] / crashes[0] if crashes[0] else 0.0),
        JobFigure(name="preventable", title="collisions that braking in time prevents", value=preventable, unit="1"),
        JobFigure(name="p99", title="processor time of a decision, 99 of 100 within",
                  value=float(np.percentile(seconds, 99)) * 1000, unit="ms"),
        JobFigure(name="limited", title="decisions that the shield weakened", value=float(lowered.mean())),
        JobFigure(name="exposed", title="decisions without perception outside the safe state", value=exposed, unit="1"),
        JobFigure(name="speed_without", title="mean speed, no shield", value=speeds[0], unit="m/s"),
        JobFigure(name="speed_with", title="mean speed, with the shield", value=speeds[1], unit="m/s"),
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
    drawn = max(
        faulty or limited,
        key=lambda one: (one.lost > 0, sum(a > b >= 0 for a, b in zip(one.wanted, one.taken, strict=True))),
    )
    return StepRecord(
        command=f"edgewright jobs run {name}", says=says, figures=tuple(figures), timeline=_timeline(spec, drawn),
        choice=Choice(
            question="Does the policy act alone?", options=tuple(figures[:2]), chosen="no, behind the shield",
            why=f"{plural(crashes[0], 'collision')} without and {crashes[1]} with it in the same episodes",
        ),
    )  # fmt: skip


def _timeline(spec: EnvironmentSpec, drawn: Drive) -> Timeline:
    """Draw what the policy wanted as truth, what was done as answer, and the shield's states."""
    wanted = ["" if number < 0 else spec.actions[number] for number in drawn.wanted]
    done = [spec.actions[number] for number in drawn.taken]
    marks = [
        Mark(time=number * spec.period, kind="event", text="nothing perceived: braking")
        for number, word in enumerate(wanted)
        if not word and (number == 0 or wanted[number - 1])
    ]
    end = len(done) * spec.period
    if drawn.crashed:
        marks.append(Mark(time=end, kind="false alarm", text="collision"))
    return Timeline(
        title=f"The episode {'with faults ' if drawn.lost else ''}that the shield weakened most",
        seconds=end,
        labels=tuple(spec.actions),
        truth=_stretches(wanted, spec.period),
        answers=_stretches(done, spec.period),
        states=_stretches(list(drawn.states), spec.period),
        marks=tuple(marks),
        keys=("wanted by the policy", "done", "states"),
        note="At a square perception fails; a red triangle is a collision.",
    )


def _stretches(words: list[str], period: float) -> tuple[Stretch, ...]:
    made, number = [], 0
    for word, same in groupby(words):
        count = len(list(same))
        if word:
            made.append(Stretch(label=word, start=number * period, end=(number + count) * period))
        number += count
    return tuple(made)


STEP = Step(Config, "Episodes that judge", _drive)
