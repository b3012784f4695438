"""`bearings`: vibration of simulated rolling bearings with known damage; some speeds and loads only judge."""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any

import msgspec
import numpy as np

from edgewright.core.formatting import plural
from edgewright.data.polars import pl
from edgewright.jobs.simulation.bearings import PARTS, Condition, Geometry, draw_specimen, vibration
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.schema.errors import InputError
from edgewright.schema.job import JobFigure, StepRecord

ROWS = "bearings.parquet"
Amounts = Annotated[tuple[Annotated[float, msgspec.Meta(gt=0)], ...], msgspec.Meta(min_length=1)]


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bearings to learn from and to judge by; a group is a speed with a load, a session one bearing at it.

    Attributes:
        balls, ball, pitch, angle: rolling elements, their diameter, that of the circle of their centres (mm), contact
            (degrees).
        speeds, loads: turns a minute, and shares of the largest load, of those that train: each speed with each load.
        judge_speeds, judge_loads: of those that judge.
        specimens: bearings of each kind of damage, and as many without any, for each speed and load.
        windows: of each bearing.
        samples: of a window.
        rate: samples a second.
        strength: least and largest strength of the strikes by the noise, in dB of their mean squares at full load.
        seed: of all that is drawn.
    """

    balls: Annotated[int, msgspec.Meta(ge=3)]
    ball: Annotated[float, msgspec.Meta(gt=0)]
    pitch: Annotated[float, msgspec.Meta(gt=0)]
    angle: Annotated[float, msgspec.Meta(ge=0, lt=90)] = 0.0
    speeds: Amounts
    loads: Amounts
    judge_speeds: Amounts
    judge_loads: Amounts
    specimens: Annotated[int, msgspec.Meta(ge=1)] = 5
    windows: Annotated[int, msgspec.Meta(ge=1)] = 1
    samples: Annotated[int, msgspec.Meta(ge=64)] = 8192
    rate: Annotated[float, msgspec.Meta(ge=8000)] = 8192.0
    strength: tuple[float, float] = (-12.0, 0.0)
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


def _bearings(config: Config, work: Work) -> StepRecord:
    if config.ball >= config.pitch:
        expected = f"a ball smaller than the pitch of {config.pitch:g} mm"
        raise InputError(expected, f"{config.ball:g} mm", f"{work.folder.name} job.toml")
    bearing = Geometry(config.balls, config.ball, config.pitch, config.angle)
    rng, rows = np.random.default_rng(config.seed), config.windows * config.samples
    judges = set(product(config.judge_speeds, config.judge_loads))
    conditions = sorted({*product(config.speeds, config.loads), *judges})
    tasks = list(product(conditions, PARTS, range(config.specimens)))
    frames = []
    for (rpm, load), part, number in work.each("Running bearings", tasks, len(tasks)):
        specimen = draw_specimen(part, config.strength, rng)
        signal, speed = vibration(bearing, specimen, Condition(rpm, load), rows, config.rate, rng)
        texts = {"part": part, "group": _name(rpm, load), "bearing": f"{_name(rpm, load)} {part} {number}"}
        columns: dict[str, Any] = {"acceleration": signal.astype(np.float32), "speed": speed.astype(np.float32)}
        frames.append(pl.DataFrame(columns).with_columns(*(pl.lit(text).alias(name) for name, text in texts.items())))
    folder = work.new_folder(config)
    pl.concat(frames).write_parquet(folder / ROWS)
    names = ", ".join(_name(*condition) for condition in sorted(judges))
    return StepRecord(
        command=f"edgewright jobs run {work.folder.name}",
        says=(
            f"{plural(len(tasks), 'simulated bearing')}: healthy, or damaged at {', '.join(PARTS[1:])}; strikes have "
            f"{config.strength[0]:g} to {config.strength[1]:g} dB of the noise at full load.",
            f"Only these judge: {names}.",
        ),
        figures=(JobFigure.of("windows", "windows of vibration", len(tasks) * config.windows, "1"),),
        folder=folder.name,
    )


def _name(rpm: float, load: float) -> str:
    return f"{rpm:g}/min at {load:g}"


STEP = Step(Config, "Simulated bearings", _bearings)
