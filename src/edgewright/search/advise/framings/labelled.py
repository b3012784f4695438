"""Readings with a target: classification or regression, measured with the ladder."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import msgspec
import numpy as np

from edgewright.data.categories import leave_out
from edgewright.data.checks_columns import OWN_RANGE
from edgewright.data.decision import choose_framing
from edgewright.data.load import find_kind, guess, load_data
from edgewright.data.public import loaders, set_at
from edgewright.data.roles import NAMED_IGNORED
from edgewright.data.table_proposal import propose_table
from edgewright.data.targets import labelled
from edgewright.pipeline.config import names_pipeline
from edgewright.pipeline.cost.duration_estimate import Ahead, Progress
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import takes_programs
from edgewright.race.pipeline_end import price
from edgewright.race.problem import Problem, are_pictures
from edgewright.schema.advice import Curves, Existing, Frame
from edgewright.schema.config import PipelineConfig, WindowConfig
from edgewright.schema.errors import InputError
from edgewright.schema.footprint import Footprint
from edgewright.schema.profile import Profile
from edgewright.schema.race import LadderRecord, rung_of
from edgewright.search.advise.contract import AdviceRequest, Framing, FramingResult, capabilities
from edgewright.search.advise.figures import Figures, usual_radio
from edgewright.search.advise.inspection import Inspection, known_set, pipeline_of
from edgewright.search.advise.rungs import USUAL, RungChoice, Setup, budget_of, choose_rung, commands, flips
from edgewright.search.curves.measure import CurveRequest, measure
from edgewright.search.curves.rung_learner import RungLearner
from edgewright.search.ladder.measurement import Ladder
from edgewright.search.ladder.model_comparison import figure
from edgewright.search.ladder.setup import has_ignore, leaking_columns, problem_and_config
from edgewright.trace.sentences.readiness import NO_MODEL, NOTHING, REMEDY


def _target(problem: Problem) -> str:
    name = f"the target {problem.dataset.target_name}".rstrip()
    if problem.task == "regression":
        low, high = float(np.min(problem.y)), float(np.max(problem.y))
        return f"{name} is a number ({len(np.unique(problem.y)):,} values from {low:.5g} to {high:.5g})"
    counts = np.unique(problem.y, return_counts=True)[1]
    shares = sorted(zip(problem.classes, counts / counts.sum(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    some = ", ".join(f"{label} {100 * share:.3g} %" for label, share in shares[:6])
    more = " and more" if len(shares) > 6 else ""
    return f"{name} has {len(shares)} values ({some}{more})"


def _share(problem: Problem) -> str:
    rows = known = 0
    for recording in problem.dataset.recordings:
        rows += len(recording.values)
        known += int(labelled(np.asarray(recording.target)).sum()) if recording.target is not None else 0
    share = known / rows if rows else 0.0
    text = f"{100 * share:.3g} % of {rows:,} rows are labelled"
    if problem.held_out:
        text += f", not counting {', '.join(problem.held_out)}, held out for the test report of a run"
    if share < 0.2:
        text += "; `edgewright label suggest` proposes labels for the rest"
    return text


def _kept(problem: Problem, by: str) -> str:
    units = int(problem.units.max()) + 1
    if problem.by == "row" and by == "row":
        return "--by row treats every row as independent"
    if problem.by == "row" and are_pictures(problem.samples):
        return "pictures belong to no group, so folds split single pictures"
    if problem.by == "row":
        return "consecutive rows are independent (measured), so folds split single rows"
    unit = {
        "group": "people or machines", "session": "sessions", "day": "days", "block": "blocks of time"
    }.get(problem.by, f"{problem.by}s")  # fmt: skip
    return f"{units:,} {unit} stay whole in every fold: a model is tested on ones it has not seen"


FOLDS = 3
# Maximum number of cells (samples times columns) for which a curve takes some seconds, by upper rank of the rung: rules
# are searched among many products, and forests and networks train long.
_MAX_SAMPLES = ((30, 300_000), (45, 60_000), (65, 300_000), (200, 20_000))


def curve_of(
    ladder: Ladder, rung: str, wanted: bool | None, progress: Progress, ahead: Ahead
) -> tuple[Curves | None, str]:
    """Return the learning curve of a rung and its verdict, or None and the reason.

    Args:
        ladder: climbed ladder.
        rung: name of the chosen rung.
        wanted: whether to measure the curve; None measures it only where it is fast.
        progress: shows progress.
        ahead: receives the duration estimate of long work before it begins.
    """
    later = "measure it with edgewright curve"
    if wanted is False:
        return None, f"not measured (--no-curve): {later}"
    if rung == "majority":
        return None, "not measured: more data does not change the majority class"
    chosen = ladder.rungs[rung]
    cells = math.prod(ladder.heats.part(ladder.heats.whole, ladder.standing(rung).entrant.config).X.shape)
    maximum = next(limit for rank, limit in _MAX_SAMPLES if chosen.rank < rank)
    if wanted is None and cells > maximum:
        return None, f"not measured: the rung {chosen.title} takes long on {cells:,} cells; --curve measures it anyway"
    learner = RungLearner(ladder.problem, ladder.config, rung, ladder.metric, count=FOLDS)
    try:
        curves = measure(learner, CurveRequest(parameters=False), progress, ahead)
    except InputError as error:
        return None, f"not measured: {error}"
    return curves, f"{curves.verdict} (error: {curves.error}; rung: {curves.model}; 80 % interval)"


_TASKS = ("classification", "regression")
# What columns that nobody named are, as reasons.
_PARTS = {
    "group": "holds people or machines, so folds keep each one whole",
    "session": "holds recordings, so folds keep each one whole",
    "time": "holds the times of rows, so folds keep whole days or blocks of time",
}
_LABELLED_FOLDERS = ("folder", "edge_impulse", "pictures")


def _target_of(seen: Inspection, request: AdviceRequest) -> str:
    """Return the column to predict: as set, or the one whose name says so, as for `init`."""
    other_parts = (request.group, request.session, request.time, *request.ignore)
    return request.target or ("" if seen.target in other_parts else seen.target)


def _fits(seen: Inspection, request: AdviceRequest) -> bool:
    if seen.location is None or _target_of(seen, request) or seen.location.suffix == ".toml":
        return request.task in ("auto", *_TASKS)
    try:
        if not seen.location.is_dir():
            return guess(str(seen.location))["kind"] == "pictures"  # a ZIP of them
        return (
            bool(request.kind)
            or set_at(seen.location) in loaders()
            or guess(str(seen.location))["kind"] in _LABELLED_FOLDERS
        )
    except InputError:
        return False


def _advise(seen: Inspection, request: AdviceRequest, progress: Progress, ahead: Ahead) -> FramingResult:
    with progress("Reading data", None):
        setup = _setup(seen, request)
    profile = load_profile(request.device)
    problem = setup.problem
    device = msgspec.structs.replace(setup.config.device, profile=request.device)
    setup = replace(setup, config=msgspec.structs.replace(setup.config, device=device))
    radio = request.radio or usual_radio(profile, takes_programs(profile))
    budget = budget_of(request.needs, profile, Figures(radio, request.prices)["radio_round_trip"])
    ladder = Ladder(problem, setup.config, progress, ahead, metric=request.metric)
    # Rungs that certainly exceed the needs are not climbed, like rungs that exceed the device.
    ladder.limits = budget
    record = ladder.climb()
    if record.interrupted:
        raise KeyboardInterrupt
    held_out = (f"held out for the test report of a run: {', '.join(record.left_out)}",) if record.left_out else ()
    known = known_set(setup.known, request.path or request.data)
    frame = _frame(seen, request, setup)
    result = partial(
        FramingResult, name=problem.name, target=problem.dataset.target_name, frame=frame,
        columns=tuple(column.name for column in problem.samples.columns), rate=problem.samples.rate, ladder=record,
        notes=(*(note for note in record.notes if note not in frame.why), *held_out),
    )  # fmt: skip
    if not record.beats_chance or all(rung.score is None or rung.name == USUAL for rung in record.rungs):
        return result(
            existing=known, choice=NO_MODEL, choice_why=f"{NOTHING}; {REMEDY}", unmet=(f"{NO_MODEL}: {NOTHING}",),
            curve_note="not measured: there is no model", commands=commands(setup, request, "check"),
        )  # fmt: skip
    chosen = choose_rung(record, budget, request.needs)
    curve, curve_note = curve_of(ladder, chosen.rung.name, request.curve, progress, ahead)
    window = problem.window
    changes, how = _changes(problem)
    return result(
        rows_an_answer=float((window.step or max(1, window.samples // 2)) if window else 1),
        changes=changes,
        changes_how=how,
        existing=(*known, *_simple(record, problem)),
        choice=chosen.rung.title,
        choice_why=chosen.why,
        price=_priced(ladder, chosen),
        unmet=chosen.unmet,
        curve=curve,
        curve_note=curve_note,
        flips=flips(record, chosen.rung),
        costs=_costs(record, chosen),
        commands=commands(setup, request, chosen.rung.name),
    )


def _frame(seen: Inspection, request: AdviceRequest, setup: Setup) -> Frame:
    problem = setup.problem
    sentences = (f"ignored text columns: {', '.join(seen.sentences)}",) if seen.sentences else ()
    return Frame(
        task=problem.task,
        why=(_target(problem), _share(problem), *setup.why, _kept(problem, request.by), *sentences),
        capabilities=capabilities(),
        commands=commands(setup, request, "check"),
        left_out=setup.left_out,
    )


def _setup(seen: Inspection, request: AdviceRequest) -> Setup:
    """Return the inputs of the ladder with automatically chosen columns and windows, and the reasons."""
    known = "" if request.kind else set_at(seen.location)
    known = known if known in loaders() else ""
    why: list[str] = []
    left: list[tuple[str, str]] = []
    pipeline = pipeline_of(known) if seen.location is not None and seen.location.is_dir() and not request.target else ""
    if pipeline or names_pipeline(request.data, request.path):
        data, path = (pipeline, request.data) if pipeline else (request.data, request.path)
        if pipeline:
            why.append(f"the folder is the public set {known}; use its pipeline {pipeline}")
        problem, config, _ = problem_and_config(data, {}, path=path, by=request.by)
        where = f"{data} --data {shlex.quote(path)}" if path else data
        named: dict[str, object] = {}
    else:
        folder = seen.location is not None and seen.location.is_dir()
        named = _named(seen, request, known if folder else "")
        columns = {key: value for key, value in named.items() if key != "kind"}
        proposed = propose_table(
            request.data, {**columns, "ignore": request.ignore}, str(named.get("kind", "")), kept=request.keep
        )
        roles = proposed.roles
        if not request.target and roles.why.get("target"):
            why.append(f"the column {roles.target} is the target, by its name; --ignore {shlex.quote(roles.target)} "
                       "looks for anomalies and forecasts instead")  # fmt: skip
        for key in ("group", "session", "time"):
            if key not in named and (name := getattr(roles, key)):
                named[key] = name
                why.append(f"the column {name} {_PARTS[key]}")
        left += [(name, reason) for name, reason in roles.ignored.items() if reason != NAMED_IGNORED]
        named["ignore"] = [*request.ignore, *(name for name, _ in left)]
        if "categories" in proposed.table:
            named["categories"] = proposed.table["categories"]
        window = _window(request, proposed.table, why)
        problem, config = _problem(request, named, window, left)
        has = problem.dataset.target_name
        if request.target and has.lower() != request.target.lower():
            raise InputError(f"the target {has!r} of {known}", repr(request.target), "--target",
                             "Omit --target, or pass a file instead")  # fmt: skip
        where = shlex.quote(request.data)
    return Setup(problem, config, where, known, tuple(why), tuple(left), named)


def _problem(
    request: AdviceRequest, named: dict[str, object], window: WindowConfig | None, left: list[tuple[str, str]]
) -> tuple[Problem, PipelineConfig]:
    """Return the problem without columns that may leak the target, except those in `request.keep`."""
    task = request.task if request.task in _TASKS else "auto"
    problem = None
    for _ in range(3):  # removing columns can reveal further ones
        problem = problem_and_config(
            request.data, named, window=window, held_out=request.held_out, task=task, profile=request.device,
            by=request.by, seed=request.seed,
        )  # fmt: skip
        leaking = _leaking_columns(problem[0], request.keep)
        if not leaking or not has_ignore(problem[1]) or len(leaking) >= len(problem[0].samples.columns):
            break
        left += leaking.items()
        named |= leave_out(named, leaking)
    assert problem is not None  # noqa: S101 - the loop runs at least once
    left += [(name, "it is constant or empty") for name in problem[2]]
    return problem[0], problem[1]


def _leaking_columns(problem: Problem, kept: tuple[str, ...]) -> dict[str, str]:
    """Return the columns that may leak the target, each with the reason.

    A column in which each class has its own range is kept and only noted, because a threshold can use it.
    """
    leaking = {}
    for name, sentence in leaking_columns(problem):
        if name not in kept and OWN_RANGE not in sentence:
            text = sentence.split(": is it known")[0].removeprefix(f"{name} ")
            leaking[name] = f"it may leak the target ({text}); include it with --keep {shlex.quote(name)}"
    return leaking


def _named(seen: Inspection, request: AdviceRequest, known: str) -> dict[str, object]:
    keys = ("target", "group", "session", "time", "time_unit", "skip_bad_rows", "kind")
    named: dict[str, object] = {key: getattr(request, key) for key in keys}
    named["target"] = _target_of(seen, request)
    if known:
        # A public set with its own layout defines its columns; `_setup` checks the target after reading.
        own = find_kind(known, "[data]").config.__struct_fields__
        named = {key: value for key, value in named.items() if key in own} | {"kind": known}
    return {key: value for key, value in named.items() if value}


def _window(request: AdviceRequest, table: dict[str, object], why: list[str]) -> WindowConfig | None:
    """Return the window set by the user, or a default for the rate of the data."""
    if request.window:
        return WindowConfig(samples=request.window, step=request.step or None, target=request.window_target)
    dataset = load_data(table, seed=request.seed)
    if all(recording.target is None for recording in dataset.recordings):
        raise InputError("a target", "none in the data", request.data, "Set its column with --target")
    framing = choose_framing(dataset)
    why.append(framing.why)
    if framing.kind == "sound":
        return None  # the ladder sets the window for sound
    return framing.window and msgspec.structs.replace(framing.window, target=request.window_target)


def _changes(problem: Problem) -> tuple[float, str]:
    """Return the fraction of samples whose label differs from the previous one in the session, and an explanation."""
    samples = problem.samples
    if problem.task != "classification" or samples.rate is None:
        return 1.0, "every answer is sent, because it is unknown how often answers change"
    codes = np.unique(samples.sessions, return_inverse=True)[1]
    order = np.lexsort((samples.starts, codes))
    same = np.diff(codes[order]) == 0
    if not same.any():
        return 1.0, "every answer is sent, because each session has one sample"
    y = np.asarray(problem.y)[order]
    share = float((y[1:] != y[:-1])[same].mean())
    share = max(share, 1.0 / len(y))
    return share, f"only changed answers are sent: {100 * share:.2g} % of the labels differ from the one before"


def _priced(ladder: Ladder, chosen: RungChoice) -> Callable[[Profile], Footprint | None]:
    """Return a function that estimates the footprint of the chosen rung, fitted on all samples, on a profile."""
    standing = ladder.standing(chosen.rung.name)
    fitted, config = standing.fitted, standing.entrant.config
    return lambda profile: None if fitted is None else price(fitted, ladder.problem, config, profile)[0]


def _simple(record: LadderRecord, problem: Problem) -> tuple[Existing, ...]:
    """Return the measured simple rungs as existing solutions, and detectors where one class is rare."""
    lines = []
    for name in ("majority", "threshold", "rules", "state_machine"):
        rung = rung_of(record, name)
        if rung is not None and rung.score is not None:
            measured = f"{record.metric_title} {figure(rung.score.value)}"
            lines.append(Existing(name=rung.title, purpose=rung.says, measured=measured))
    if problem.task == "classification" and len(problem.classes) == 2:
        share = float(min(np.unique(problem.y, return_counts=True)[1]) / len(problem.y))
        if share < 0.1:
            reason = f"one class is rare ({100 * share:.1f} %): a detector learns normal rows without examples of it"
            lines.append(Existing(name="shipped detectors", purpose=reason, command="edgewright detect fit --help"))
    return tuple(lines)


def _costs(record: LadderRecord, chosen: RungChoice) -> tuple[tuple[str, str], ...]:
    spent = chosen.rung.cpu_seconds / (record.folds + 1)
    return (
        ("labels", f"{record.samples:,} samples in {record.units:,} {record.kept}s (already available)"),
        ("training", f"{spent:.1f} s of CPU per fit (measured on this machine)"),
        ("this advice", f"{record.cpu_seconds:.0f} s of CPU for the ladder (measured on this machine)"),
    )


FRAMING = Framing(rank=50, tasks=_TASKS, fits=_fits, advise=_advise)
