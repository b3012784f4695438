"""`climate`: heating and light of simulated homes by a package and a state table, beside a thermostat and a clock."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np

from edgewright.core.formatting import plural
from edgewright.core.predictor import Predictor, load, package_path
from edgewright.core.state_machine.guards import Value
from edgewright.core.state_machine.validation import CheckedTable, check_names, read_table
from edgewright.device.agent.rules import EVENTS, NAMES, Commands, Rule, RuleRunner
from edgewright.device.agent.stream_decisions import StreamAnswer
from edgewright.device.timeline import Ready
from edgewright.jobs.simulation.homes import (
    DARK,
    LAMP_WATTS,
    MINUTES,
    Climate,
    Doubles,
    Flags,
    Homes,
    Sensors,
    by_hand,
    draw_homes,
)
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.jobs.steps.drive import stretches_of
from edgewright.jobs.steps.homes import EMPTY, THERE
from edgewright.pipeline.run_folder.folder import judged_of
from edgewright.schema.errors import InputError
from edgewright.schema.job import Choice, JobCurve, JobFigure, StepRecord, Timeline
from edgewright.training.metrics import SHARE, mean_interval

ARMS = ("thermostat", "clock", "presence", "known")
_COLUMNS = (*Sensors.COLUMNS, "temperature", "hour")
_JOULES = 3.6e6
# Degrees below which it is too cold, and hours before somebody usually comes at which a clock begins to heat.
_COLD, _AHEAD = 20.0, 60
_CLOCK_DAY = (6 * 60, 23 * 60)


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Homes that judge.

    Attributes:
        run: step whose package says whether somebody is there; the newest when empty.
        table: state table of the job's folder; it sees decisions, the temperature and the hour of the day.
        warm: degrees that the heating keeps by state; other states keep the setback.
        lit: states in which the lamp is on when it is dark.
        comfort: degrees of the thermostat, and of the clock while somebody is usually there and awake.
        night: degrees of the clock otherwise.
        setbacks: degrees that are tried on other homes; the lowest energy that leaves no more cold hours than the
            clock is taken, else the fewest cold hours.
        unsure: confidence below which the package does not say.
        homes, days: that judge; as many others choose.
        seed: of the homes that judge; those that choose have the next one.
    """

    run: str = ""
    table: str = "climate.toml"
    warm: dict[str, float]
    lit: tuple[str, ...] = ()
    comfort: float = 21.0
    night: float = 17.0
    setbacks: Annotated[tuple[float, ...], msgspec.Meta(min_length=1)] = (16.0, 17.0, 18.0, 19.0)
    unsure: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    homes: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 30
    days: Annotated[int, msgspec.Meta(ge=2, le=365)] = 14
    seed: Annotated[int, msgspec.Meta(ge=0)] = 1_000_000


class Lived(NamedTuple):
    """Some days of homes under each of `ARMS`; arrays are (arms, homes), hours and kWh a week.

    Attributes:
        energy: of heating and lamps.
        cold: hours in which somebody is there, awake, and it is colder than 20 degrees.
        dark: hours in which somebody is there and awake in less light than people want.
        right: share of decisions about presence that are right; (homes,).
        states: of the table in the first home by minute.
        temperatures: in the first home, by minute and arm.
    """

    energy: Doubles
    cold: Doubles
    dark: Doubles
    right: Doubles
    states: list[str]
    temperatures: Doubles


class _Controller:
    """Rules of the table in each home, as the agent runs them."""

    def __init__(self, checked: CheckedTable, config: Config, setback: float, count: int) -> None:
        self._config, self._setback = config, setback
        rule = Rule(checked=checked, streams=(), package="", columns=_COLUMNS, rate=None)
        self._runners = [RuleRunner(rule, Commands({}, run=False)) for _ in range(count)]
        self._before = [""] * count

    @property
    def states(self) -> list[str]:
        """Of the homes."""
        return [runner.machine.state for runner in self._runners]

    def decide(self, labels: list[str], sure: list[bool], columns: Doubles, time: float) -> None:
        """Tell each home's answer and its row."""
        at, healthy = np.array([time]), np.ones(1, np.bool_)
        for home, (runner, label) in enumerate(zip(self._runners, labels, strict=True)):
            decided = label if sure[home] and label != self._before[home] else ""
            self._before[home] = decided or self._before[home]
            row = Ready(values=columns[home : home + 1].astype(np.float32), time=at, gap_before=False, healthy=healthy)
            names: dict[str, Value] = {"label": label, "decided": label}
            runner.take([row], [StreamAnswer(time=time, names=names, sure=sure[home], decided=decided)], (), ())

    def wanted(self) -> tuple[Doubles, Flags]:
        """Return the degrees that each heater is to reach, and in which homes a lamp may be on."""
        states = self.states
        degrees = np.array([self._config.warm.get(state, self._setback) for state in states])
        return degrees, np.array([state in self._config.lit for state in states])


def _live(config: Config, checked: CheckedTable, package: Predictor, setback: float, seed: int, work: Work) -> Lived:
    count, arms = config.homes, len(ARMS)
    homes = draw_homes(count, config.days, seed)
    everywhere = Homes(**{name.name: _tiled(getattr(homes, name.name), name.name, arms) for name in fields(Homes)})
    climate, sensors, draw = Climate(everywhere), Sensors(count * arms, seed), np.random.default_rng(seed)
    modelled, truthful = (_Controller(checked, config, setback, count) for _ in range(2))
    lamps, clock = np.zeros((arms, count), np.bool_), _clock(homes)
    cold, dark, energy = np.zeros((arms, count)), np.zeros((arms, count)), np.zeros((arms, count))
    right, decisions, states, curve = np.zeros(count), 0, list[str](), list[Doubles]()
    for minute in work.each("Living", range(config.days * MINUTES), config.days * MINUTES):
        there, hour = homes.people[minute] > 0, float(homes.hour[minute])
        if minute % Sensors.EVERY == 0:
            rows = sensors.read(climate).reshape(arms, count, -1)
            full = np.concatenate(
                [rows, climate.temperature.reshape(arms, count, 1), np.full((arms, count, 1), hour)], 2
            )
            answers = package.predict(rows[2].astype(np.float32))
            sure = (np.asarray(answers.confidence) >= config.unsure).tolist()
            modelled.decide([str(label) for label in answers.labels], sure, full[2], 60.0 * minute)
            truthful.decide(
                [THERE if occupied else EMPTY for occupied in there], [True] * count, full[3], 60.0 * minute
            )
            right += (np.asarray(answers.labels) == THERE) == there
            decisions += 1
        hand = by_hand(homes, minute, lamps[0], draw.random(count))
        degrees = np.empty((arms, count))
        degrees[0], degrees[1] = config.comfort, np.where(clock[minute], config.comfort, config.night)
        for arm, controller in ((2, modelled), (3, truthful)):
            degrees[arm], lit = controller.wanted()
            lamps[arm] = lit & (homes.daylight[minute] < DARK)
        lamps[0] = lamps[1] = hand
        climate.step(degrees.ravel(), lamps.ravel())
        at_work = there & homes.awake[minute]
        cold += at_work & (climate.temperature.reshape(arms, count) < _COLD)
        dark += at_work & (homes.daylight[minute] < DARK) & ~lamps
        energy += lamps * LAMP_WATTS * 60 / _JOULES
        states.append(modelled.states[0])
        curve.append(climate.temperature.reshape(arms, count)[:, 0])
    weeks = config.days / 7
    energy += climate.heat.reshape(arms, count) / _JOULES
    return Lived(
        energy / weeks, cold / 60 / weeks, dark / 60 / weeks, right / decisions, states, np.array(curve)
    )  # fmt: skip


def _tiled(values: Any, name: str, arms: int) -> Any:  # noqa: ANN401 - an array of any kind
    return values if name == "hour" else np.tile(values, (*[1] * (values.ndim - 1), arms))


def _clock(homes: Homes) -> Flags:
    """Return when each home's clock heats: while somebody is usually there and awake, and the hour before."""
    minutes = np.arange(MINUTES)
    awake = ((minutes >= _CLOCK_DAY[0]) & (minutes < _CLOCK_DAY[1]))[:, None]
    working, weekend = homes.usual & awake, np.repeat(awake, homes.usual.shape[1], 1)
    for wanted in (working, weekend):
        wanted |= np.any([np.roll(wanted, -ahead, 0) for ahead in range(5, _AHEAD + 1, 5)], 0)
    days = len(homes.hour) // MINUTES
    return np.concatenate([weekend if day % 7 >= 5 else working for day in range(days)])


def _climate(config: Config, work: Work) -> StepRecord:
    checked = read_table(work.folder / config.table)
    check_names(checked, (*NAMES, *_COLUMNS), EVENTS, config.table)
    states = checked.table.states
    if unknown := [state for state in (*config.warm, *config.lit) if state not in states]:
        raise InputError(f"states of {config.table}: {', '.join(states)}", ", ".join(unknown), "job.toml climate")
    package = _presence(package_path(judged_of(work.run_of(config.run).folder)))
    candidates = [_live(config, checked, package, setback, config.seed + 1, work) for setback in config.setbacks]
    chosen = _chosen(candidates)
    lived = _live(config, checked, package, config.setbacks[chosen], config.seed, work)
    return _record(config, work.folder.name, candidates, chosen, lived)


def _presence(path: Path) -> Predictor:
    """Load a package that tells presence from what the sensors of simulated homes read, in their order.

    Raises:
        InputError: it takes other columns or says other labels.
    """
    package = load(path)
    manifest = package.manifest
    columns = tuple(column.name for column in manifest.columns)
    if columns != Sensors.COLUMNS:
        raise InputError(f"a package of the columns {', '.join(Sensors.COLUMNS)}", ", ".join(columns), str(path))
    if set(manifest.labels) != {THERE, EMPTY}:
        labels = ", ".join(manifest.labels) or manifest.task
        raise InputError(f"a package of the labels {THERE}, {EMPTY}", labels, str(path))
    return package


def _chosen(candidates: list[Lived]) -> int:
    """Return the setback with the lowest energy among those that leave no more cold hours than the clock."""
    cold = [float(lived.cold[2].mean()) for lived in candidates]
    kind = [index for index, lived in enumerate(candidates) if cold[index] <= lived.cold[1].mean()]
    return min(kind, key=lambda index: candidates[index].energy[2].mean()) if kind else int(np.argmin(cold))


def _record(config: Config, name: str, candidates: list[Lived], chosen: int, lived: Lived) -> StepRecord:
    def mean(figure: str, title: str, values: Doubles, unit: str = "") -> JobFigure:
        return JobFigure.of_interval(figure, title, mean_interval(values, "home", within=(0.0, np.inf)), unit)

    right = mean_interval(lived.right, "home", within=SHARE)
    figures = [JobFigure.of_interval("right", "decisions about presence that are right", right)]
    for arm, word in ((1, "clock"), (2, "presence"), (3, "known")):
        title = "presence known without error" if word == "known" else word
        figures.append(
            mean(f"energy_{word}", f"energy by {title}, of the thermostat's", lived.energy[arm] / lived.energy[0])
        )
    for arm, word in enumerate(ARMS):
        title = "presence known without error" if word == "known" else word
        figures.append(mean(f"cold_{word}", f"cold hours a week by {title}", lived.cold[arm], "h"))
    gain = lived.cold[2] - lived.cold[1]
    figures.append(
        JobFigure.of_interval("cold_more", "cold hours a week more than by the clock", mean_interval(gain, "home"), "h")
    )
    figures.append(mean("dark", "hours a week in which the lamp is off and wanted", lived.dark[2], "h"))
    kwh = [float(row.mean()) for row in lived.energy]
    options = [
        JobFigure.of(f"{degrees:g}", f"energy at {degrees:g} °C ({other.cold[2].mean():.1f} cold hours a week)",
                     float((other.energy[2] / other.energy[0]).mean()))
        for degrees, other in zip(config.setbacks, candidates, strict=True)
    ]  # fmt: skip
    return StepRecord(
        command=f"edgewright jobs run {name}",
        says=(
            f"{plural(config.homes, 'simulated home')} that chose nothing, {plural(config.days, 'day')} each: the "
            f"thermostat takes {kwh[0]:.0f} kWh a week, the clock {kwh[1]:.0f}, heating by presence {kwh[2]:.0f}, and "
            f"{kwh[3]:.0f} if presence were known.",
            f"Somebody is cold for {lived.cold[1].mean():.1f} hours a week by the clock and for "
            f"{lived.cold[2].mean():.1f} by presence.",
        ),
        figures=tuple(figures),
        timeline=_timeline(lived),
        choice=Choice(
            question="How cool may an empty home become?", options=tuple(options),
            chosen=f"{config.setbacks[chosen]:g} °C",
            why=f"on {plural(config.homes, 'other home')}, the lowest energy with no more cold hours than the clock, "
            "or else the fewest cold hours",
        ),
    )  # fmt: skip


def _timeline(lived: Lived, days: int = 2) -> Timeline:
    """Draw some days of the first home, after the first one."""
    begin, end = MINUTES, min(len(lived.states), (1 + days) * MINUTES)
    span = plural((end - begin) // MINUTES, "day")
    every = 10
    curves = tuple(
        JobCurve(
            name=f"degrees by {name}",
            points=tuple((60.0 * k, float(v)) for k, v in list(enumerate(lived.temperatures[begin:end, arm]))[::every]),
        )
        for arm, name in ((1, "clock"), (2, "presence"))
    )
    return Timeline(
        title=f"{span} of the first home that judges", seconds=60.0 * (end - begin), labels=(), truth=(), answers=(),
        states=stretches_of(lived.states[begin:end], 60.0), marks=(), signals=(curves,),
    )  # fmt: skip


STEP = Step(Config, "Heating and light", _climate)
