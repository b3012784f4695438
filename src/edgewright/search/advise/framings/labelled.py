"""Readings with a target: classification or regression, measured rung by rung."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np

from edgewright.data.load import find_kind, find_time, guess, load_data
from edgewright.pipeline.config import names_pipeline, read_config
from edgewright.pipeline.duration_estimate import Ahead
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import takes_programs
from edgewright.schema.advice import Existing
from edgewright.schema.config import PipelineConfig, WindowConfig
from edgewright.schema.errors import InputError
from edgewright.schema.footprint import Footprint
from edgewright.schema.ladder import LadderRecord, rung_of
from edgewright.schema.profile import Profile
from edgewright.search.advise import reasons
from edgewright.search.advise.commands import Setup, commands
from edgewright.search.advise.contract import AdviceRequest, Doing, Found, Framing
from edgewright.search.advise.existing import is_read, known_set, pipeline_of, set_of
from edgewright.search.advise.figures import Figures, usual_radio
from edgewright.search.advise.inspection import Look
from edgewright.search.advise.more_data import curve_of
from edgewright.search.advise.rungs import Chosen, budget_of, choose_rung, flips
from edgewright.search.advise.windows import window_for
from edgewright.search.ladder.cost import price
from edgewright.search.ladder.leakage import as_rows, in_blocks, refuse_random, telling
from edgewright.search.ladder.measurement import Ladder
from edgewright.search.ladder.measurement import LadderRequest as Told
from edgewright.search.ladder.setup import problem_and_config
from edgewright.search.ladder.verdict import figure
from edgewright.search.problem import Problem, problem_of_pipeline

_TASKS = ("classification", "regression")
_OWN_RANGE = "each class has a range of its own"
_LABELLED_FOLDERS = ("folder", "edge_impulse")


def _fits(seen: Look, asked: AdviceRequest) -> bool:
    if seen.place is None or asked.target or seen.place.suffix == ".toml":
        return asked.task in ("auto", *_TASKS)
    if not seen.place.is_dir():
        return False
    try:
        return bool(asked.kind) or is_read(set_of(seen.place)) or guess(str(seen.place))["kind"] in _LABELLED_FOLDERS
    except InputError:
        return False


def _advise(seen: Look, asked: AdviceRequest, doing: Doing, ahead: Ahead) -> Found:
    with doing("Reading data", None):
        setup = _setup(seen, asked)
    profile = load_profile(asked.device)
    problem = setup.problem
    device = msgspec.structs.replace(setup.config.device, profile=asked.device)
    setup = replace(setup, config=msgspec.structs.replace(setup.config, device=device))
    radio = asked.radio or usual_radio(profile, takes_programs(profile))
    budget = budget_of(asked.needs, profile, Figures(radio, asked.prices)["radio_round_trip"])
    ladder = Ladder(problem, setup.config, Told(metric=asked.metric), doing, ahead=ahead)
    # Rungs that surely exceed what is asked for are not climbed, as those beyond the device are not.
    ladder.profile = _within(profile, budget.flash, budget.ram)
    record = ladder.climb()
    if record.interrupted:
        raise KeyboardInterrupt
    chosen = choose_rung(record, budget, asked.needs)
    curve, curve_note = curve_of(ladder, chosen.rung.name, asked.curve, doing, ahead)
    window = problem.window
    changes, how = _changes(problem)
    return Found(
        name=problem.name,
        target=problem.dataset.target_name,
        frame=reasons.of_target(problem, setup.why, setup.left_out, commands(setup, asked, "check"), seen, asked.by),
        columns=tuple(column.name for column in problem.samples.columns),
        rate=problem.samples.rate,
        rows_an_answer=float((window.step or max(1, window.samples // 2)) if window else 1),
        changes=changes,
        changes_how=how,
        existing=(*known_set(setup.known, asked.path or asked.data), *_simple(record, problem)),
        ladder=record,
        choice=chosen.rung.title,
        choice_why=chosen.why,
        price=_priced(ladder, chosen, setup.config),
        unmet=chosen.unmet,
        curve=curve,
        curve_note=curve_note,
        flips=flips(record, chosen.rung),
        costs=_costs(record, chosen),
        commands=commands(setup, asked, chosen.rung.name),
        notes=_notes(record),
    )


def _within(profile: Profile, flash: int | None, ram: int | None) -> Profile:
    """The profile with no more memory than is asked for."""
    limits = {"flash": flash, "ram": ram}
    made = {
        key: msgspec.structs.replace(getattr(profile, key), value=float(limit))
        for key, limit in limits.items()
        if limit is not None
    }
    return msgspec.structs.replace(profile, **made)


def _setup(seen: Look, asked: AdviceRequest) -> Setup:
    """The problem, its columns and windows as they are judged to be right, and why."""
    known = "" if asked.kind else set_of(seen.place)
    known = known if is_read(known) else ""
    why: list[str] = []
    left: list[tuple[str, str]] = []
    pipeline = pipeline_of(known) if seen.place is not None and seen.place.is_dir() and not asked.target else ""
    if pipeline or names_pipeline(asked.data, asked.path):
        data, path = (pipeline, asked.data) if pipeline else (asked.data, asked.path)
        if pipeline:
            why.append(f"the folder is the public set {known}, for which the pipeline {pipeline} is ready")
        problem, config = _of_pipeline(data, path, asked)
        where = f"{data} --data {shlex.quote(path)}" if path else data
        named: dict[str, object] = {}
    else:
        folder = seen.place is not None and seen.place.is_dir()
        named = _named(seen, asked, known if folder else "")
        _find_time(named, asked, why)
        left += _no_measurement(seen, asked, str(named.get("time", "")))
        named["ignore"] = [*asked.ignore, *(name for name, _ in left)]
        window = _window(seen, asked, named, why)
        problem, config = _problem(asked, named, window, left)
        has = problem.dataset.target_name
        if asked.target and has.lower() != asked.target.lower():
            raise InputError(f"the target {has!r} of {known}", repr(asked.target), "--target",
                             "Leave --target out, or name a file instead")  # fmt: skip
        where = shlex.quote(asked.data)
    return Setup(problem, config, where, known, tuple(why), tuple(left), named)


def _of_pipeline(name: str, path: str | None, asked: AdviceRequest) -> tuple[Problem, PipelineConfig]:
    """The problem of a pipeline, its test people or machines left out."""
    config = read_config(name)
    if path is not None:
        config = msgspec.structs.replace(config, data={**config.data, "path": path})
    problem = problem_of_pipeline(config)
    if asked.by != "auto":
        return (as_rows if asked.by == "row" else in_blocks)(problem), config
    refuse_random(problem)
    return problem, config


def _problem(
    asked: AdviceRequest, named: dict[str, object], window: WindowConfig | None, left: list[tuple[str, str]]
) -> tuple[Problem, PipelineConfig]:
    """The problem without columns that know the target already, unless these are kept."""
    task = asked.task if asked.task in _TASKS else "auto"
    made = None
    for _ in range(3):  # what is left may let a further column stand out
        made = problem_and_config(
            asked.data, named, window=window, held=asked.held, task=task, profile=asked.device, by=asked.by,
            seed=asked.seed,
        )  # fmt: skip
        knowing = _knowing(made[0], asked.keep)
        ignored = named["ignore"]
        assert isinstance(ignored, list)  # noqa: S101 - `_setup` made it
        if not knowing or not _takes_ignore(made[1]) or len(knowing) >= len(made[0].samples.columns):
            break
        left += knowing.items()
        named["ignore"] = [*ignored, *knowing]
    assert made is not None  # noqa: S101 - the loop ran
    left += [(name, "it never changes, or has no value") for name in made[2]]
    return made[0], made[1]


def _knowing(problem: Problem, kept: tuple[str, ...]) -> dict[str, str]:
    """Columns that may know the target already, with the sentence that says why.

    A reading of which each class has a range of its own is what a threshold is for: it stays, and is only noted.
    """
    found = {}
    names = sorted((column.name for column in problem.samples.columns), key=len, reverse=True)
    for sentence in telling(problem):
        name = next((name for name in names if sentence.startswith(f"{name} ")), "")
        if name and name not in kept and _OWN_RANGE not in sentence:
            said = sentence.split(": is it known")[0].removeprefix(f"{name} ")
            found[name] = f"it may know the target already ({said}); --keep {shlex.quote(name)} takes it in"
    return found


def _takes_ignore(config: PipelineConfig) -> bool:
    """Whether columns of this kind of data may be left out: a public set has the ones that it has."""
    return "ignore" in find_kind(str(config.data["kind"]), "[data]").config.__struct_fields__


def _named(seen: Look, asked: AdviceRequest, known: str) -> dict[str, object]:
    named: dict[str, object] = {key: getattr(asked, key) for key in ("target", "group", "session", "time", "kind")}
    if known:
        # A set with a layout of its own names its columns itself; that the target is its own is seen once it is read.
        own = find_kind(known, "[data]").config.__struct_fields__
        named = {key: value for key, value in named.items() if key in own} | {"kind": known}
    return {key: value for key, value in named.items() if value}


def _find_time(named: dict[str, object], asked: AdviceRequest, why: list[str]) -> None:
    """Takes the column that holds the times of rows, where none is named, and says so."""
    table = {**({} if "kind" in named else guess(asked.data)), "path": asked.data, **named, "ignore": [*asked.ignore]}
    if "time" not in named and (time := find_time(table)):
        named["time"] = time
        why.append(f"the column {time} holds the times of rows: whole days or blocks of time are judged, not rows")


def _no_measurement(seen: Look, asked: AdviceRequest, time: str) -> list[tuple[str, str]]:
    """Columns of text, and counters of rows, that have no part."""
    parts = {asked.target, asked.group, asked.session, time, *asked.ignore, *asked.keep, ""}
    found = [(name, "it holds text, no measurement") for name in seen.words if name not in parts]
    return found + [(name, "it counts rows") for name in seen.counters if name not in parts]


def _window(seen: Look, asked: AdviceRequest, named: dict[str, object], why: list[str]) -> WindowConfig | None:
    """The window that was named, or one by the rate of the data."""
    if asked.window:
        return WindowConfig(samples=asked.window, step=asked.step or None, target=asked.window_target)
    table = named if "kind" in named else {**guess(asked.data), **named}
    table = {key: value for key, value in table.items() if value}
    dataset = load_data({**table, "path": asked.data}, seed=asked.seed)
    if all(recording.target is None for recording in dataset.recordings):
        raise InputError("a target", "none in the data", asked.data, "Name its column with --target")
    window, said = window_for(dataset)
    why.append(said)
    if window is not None and window.pad:
        return None  # sound, which the ladder frames by itself
    return window and msgspec.structs.replace(window, target=asked.window_target)


def _changes(problem: Problem) -> tuple[float, str]:
    """Share of the samples whose label is another than that of the one before, in the same session."""
    samples = problem.samples
    if problem.task != "classification" or samples.rate is None:
        return 1.0, "every answer is sent: how often answers change is not known"
    codes = np.unique(samples.sessions, return_inverse=True)[1]
    order = np.lexsort((samples.starts, codes))
    same = np.diff(codes[order]) == 0
    if not same.any():
        return 1.0, "every answer is sent: each session has one sample"
    y = np.asarray(problem.y)[order]
    share = float((y[1:] != y[:-1])[same].mean())
    share = max(share, 1.0 / len(y))
    return share, f"only answers that differ from the one before are sent: {100 * share:.2g} % of the labels do"


def _priced(ladder: Ladder, chosen: Chosen, config: PipelineConfig) -> Callable[[Profile], Footprint | None]:
    """The footprint of the rung on any profile, fitted once on all samples."""
    rung = ladder.rungs[chosen.rung.name]
    made = rung.tail(ladder.configs[rung.columns])
    fitted = rung.fit(ladder.parts(rung.columns)[-1], made)
    return lambda profile: price(fitted, ladder.problem, made, profile)[0]


def _simple(record: LadderRecord, problem: Problem) -> tuple[Existing, ...]:
    """Rules without training of a model, as measured; and the detectors where one class is rare."""
    told = []
    for name in ("majority", "threshold", "rules", "state_machine"):
        rung = rung_of(record, name)
        if rung is not None and rung.score is not None:
            measured = f"{record.metric_title} {figure(rung.score.value)}"
            told.append(Existing(name=rung.title, what=rung.says, measured=measured))
    if problem.task == "classification" and len(problem.classes) == 2:
        share = float(min(np.unique(problem.y, return_counts=True)[1]) / len(problem.y))
        if share < 0.1:
            what = f"one class is rare ({100 * share:.1f} %): a detector learns the usual and needs no examples of it"
            told.append(Existing(name="shipped detectors", what=what, command="edgewright detect fit --help"))
    return tuple(told)


def _costs(record: LadderRecord, chosen: Chosen) -> tuple[tuple[str, str], ...]:
    spent = chosen.rung.cpu_seconds / (record.folds + 1)
    return (
        ("labels", f"{record.samples:,} samples in {record.units:,} {record.kept}s, as there are"),
        ("training", f"{spent:.1f} s of CPU a fit (measured here; another machine, another figure)"),
        ("this advice", f"{record.cpu_seconds:.0f} s of CPU for the ladder (measured here)"),
    )


def _notes(record: LadderRecord) -> tuple[str, ...]:
    held = (f"left out from the beginning, for a run to report on: {', '.join(record.held)}",) if record.held else ()
    return (*record.notes, *held)


FRAMING = Framing(rank=50, tasks=_TASKS, fits=_fits, advise=_advise)
