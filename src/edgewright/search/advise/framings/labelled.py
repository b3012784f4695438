"""Readings with a target: classification or regression, measured rung by rung."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from dataclasses import replace

import msgspec
import numpy as np

from edgewright.data.checks_columns import OWN_RANGE
from edgewright.data.clock import pace
from edgewright.data.framing import sound_window, stretches
from edgewright.data.load import find_kind, find_time, guess, load_data
from edgewright.data.targets import labelled
from edgewright.pipeline.config import names_pipeline
from edgewright.pipeline.duration_estimate import Ahead
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import takes_programs
from edgewright.schema.advice import Existing, Frame
from edgewright.schema.config import PipelineConfig, WindowConfig
from edgewright.schema.curve import Curves
from edgewright.schema.data import DataSet
from edgewright.schema.errors import InputError
from edgewright.schema.footprint import Footprint
from edgewright.schema.ladder import LadderRecord, rung_of
from edgewright.schema.profile import Profile
from edgewright.search.advise.commands import Setup, commands
from edgewright.search.advise.contract import AdviceRequest, Doing, Found, Framing, capabilities
from edgewright.search.advise.existing import is_read, known_set, pipeline_of, set_of
from edgewright.search.advise.figures import Figures, usual_radio
from edgewright.search.advise.inspection import Look
from edgewright.search.advise.rungs import Chosen, budget_of, choose_rung, flips
from edgewright.search.curves.measure import CurveRequest, measure
from edgewright.search.curves.of_samples import OfSamples
from edgewright.search.ladder.leakage import telling
from edgewright.search.ladder.measurement import Ladder, price
from edgewright.search.ladder.setup import problem_and_config
from edgewright.search.ladder.verdict import figure
from edgewright.search.problem import Problem


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
    if problem.held:
        text += f", not counting {', '.join(problem.held)}, held out for the test report of a run"
    if share < 0.2:
        text += "; `edgewright label suggest` proposes labels for the rest"
    return text


def _kept(problem: Problem, by: str) -> str:
    units = int(problem.units.max()) + 1
    if problem.by == "row" and by == "row":
        return "--by row treats every row as independent"
    if problem.by == "row":
        return "consecutive rows are independent (measured), so folds split single rows"
    what = {
        "group": "people or machines", "session": "sessions", "day": "days", "block": "blocks of time"
    }.get(problem.by, f"{problem.by}s")  # fmt: skip
    return f"{units:,} {what} stay whole in every fold: a model is tested on ones it has not seen"


FOLDS = 3
# Cells (samples times columns) up to which a curve takes some seconds, by rank of the rung: rules are looked for among
# many products, networks and forests are trained long.
_MOST = ((30, 300_000), (45, 60_000), (65, 300_000), (200, 20_000))


def curve_of(ladder: Ladder, rung: str, wanted: bool | None, doing: Doing, ahead: Ahead) -> tuple[Curves | None, str]:
    """Return the curve of a rung, and what it says or why there is none.

    Args:
        ladder: that was climbed.
        rung: name of the chosen one.
        wanted: whether it is measured in any case, or in none; None decides by the work it is.
        doing: shows progress.
        ahead: gets the estimate of long work before it begins.
    """
    later = "measure it with edgewright curve"
    if wanted is False:
        return None, f"not measured (--no-curve): {later}"
    if rung == "majority":
        return None, "not measured: more data does not change a majority"
    chosen = ladder.rungs[rung]
    cells = ladder.parts(chosen.columns)[-1].X.size
    maximum = next(limit for rank, limit in _MOST if chosen.rank < rank)
    if wanted is None and cells > maximum:
        return None, f"not measured: {cells:,} cells take long with a {chosen.title} (--curve measures anyway)"
    learner = OfSamples(ladder.problem, ladder.config, rung, ladder.metric, count=FOLDS)
    try:
        found = measure(learner, CurveRequest(parameters=False), doing, ahead)
    except InputError as error:
        return None, f"not measured: {error}"
    return found, f"{found.verdict} (error: {found.error}, with a {found.model}; 80 % interval)"


_TASKS = ("classification", "regression")
_LABELLED_FOLDERS = ("folder", "edge_impulse")


def _fits(seen: Look, request: AdviceRequest) -> bool:
    if seen.place is None or request.target or seen.place.suffix == ".toml":
        return request.task in ("auto", *_TASKS)
    if not seen.place.is_dir():
        return False
    try:
        return bool(request.kind) or is_read(set_of(seen.place)) or guess(str(seen.place))["kind"] in _LABELLED_FOLDERS
    except InputError:
        return False


def _advise(seen: Look, request: AdviceRequest, doing: Doing, ahead: Ahead) -> Found:
    with doing("Reading data", None):
        setup = _setup(seen, request)
    profile = load_profile(request.device)
    problem = setup.problem
    device = msgspec.structs.replace(setup.config.device, profile=request.device)
    setup = replace(setup, config=msgspec.structs.replace(setup.config, device=device))
    radio = request.radio or usual_radio(profile, takes_programs(profile))
    budget = budget_of(request.needs, profile, Figures(radio, request.prices)["radio_round_trip"])
    ladder = Ladder(problem, setup.config, doing, ahead, metric=request.metric)
    # Rungs that surely exceed what is asked for are not climbed, as those beyond the device are not.
    ladder.profile = _within(profile, budget.flash, budget.ram)
    record = ladder.climb()
    if record.interrupted:
        raise KeyboardInterrupt
    chosen = choose_rung(record, budget, request.needs)
    curve, curve_note = curve_of(ladder, chosen.rung.name, request.curve, doing, ahead)
    window = problem.window
    changes, how = _changes(problem)
    sentences = (f"ignored text columns: {', '.join(seen.sentences)}",) if seen.sentences else ()
    return Found(
        name=problem.name,
        target=problem.dataset.target_name,
        frame=Frame(
            task=problem.task,
            why=(_target(problem), _share(problem), *setup.why, _kept(problem, request.by), *sentences),
            capabilities=capabilities(),
            commands=commands(setup, request, "check"),
            left_out=setup.left_out,
        ),
        columns=tuple(column.name for column in problem.samples.columns),
        rate=problem.samples.rate,
        rows_an_answer=float((window.step or max(1, window.samples // 2)) if window else 1),
        changes=changes,
        changes_how=how,
        existing=(*known_set(setup.known, request.path or request.data), *_simple(record, problem)),
        ladder=record,
        choice=chosen.rung.title,
        choice_why=chosen.why,
        price=_priced(ladder, chosen, setup.config),
        unmet=chosen.unmet,
        curve=curve,
        curve_note=curve_note,
        flips=flips(record, chosen.rung),
        costs=_costs(record, chosen),
        commands=commands(setup, request, chosen.rung.name),
        notes=_notes(record),
    )


def _within(profile: Profile, flash: int | None, ram: int | None) -> Profile:
    """Return the profile with no more memory than is asked for."""
    limits = {"flash": flash, "ram": ram}
    made = {
        key: msgspec.structs.replace(getattr(profile, key), value=float(limit))
        for key, limit in limits.items()
        if limit is not None
    }
    return msgspec.structs.replace(profile, **made)


def _setup(seen: Look, request: AdviceRequest) -> Setup:
    """Return the problem, its columns and windows as they are judged to be right, and why."""
    known = "" if request.kind else set_of(seen.place)
    known = known if is_read(known) else ""
    why: list[str] = []
    left: list[tuple[str, str]] = []
    pipeline = pipeline_of(known) if seen.place is not None and seen.place.is_dir() and not request.target else ""
    if pipeline or names_pipeline(request.data, request.path):
        data, path = (pipeline, request.data) if pipeline else (request.data, request.path)
        if pipeline:
            why.append(f"the folder is the public set {known}; use its pipeline {pipeline}")
        problem, config, _ = problem_and_config(data, {}, path=path, by=request.by)
        where = f"{data} --data {shlex.quote(path)}" if path else data
        named: dict[str, object] = {}
    else:
        folder = seen.place is not None and seen.place.is_dir()
        named = _named(seen, request, known if folder else "")
        _find_time(named, request, why)
        left += _no_measurement(seen, request, str(named.get("time", "")))
        named["ignore"] = [*request.ignore, *(name for name, _ in left)]
        window = _window(seen, request, named, why)
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
    """Return the problem without columns that know the target already, unless these are kept."""
    task = request.task if request.task in _TASKS else "auto"
    made = None
    for _ in range(3):  # what is left may let a further column stand out
        made = problem_and_config(
            request.data, named, window=window, held=request.held, task=task, profile=request.device, by=request.by,
            seed=request.seed,
        )  # fmt: skip
        knowing = _knowing(made[0], request.keep)
        ignored = named["ignore"]
        assert isinstance(ignored, list)  # noqa: S101 - `_setup` made it
        if (
            not knowing
            or "ignore" not in find_kind(str(made[1].data["kind"]), "[data]").config.__struct_fields__
            or len(knowing) >= len(made[0].samples.columns)
        ):
            break
        left += knowing.items()
        named["ignore"] = [*ignored, *knowing]
    assert made is not None  # noqa: S101 - the loop ran
    left += [(name, "it is constant or empty") for name in made[2]]
    return made[0], made[1]


def _knowing(problem: Problem, kept: tuple[str, ...]) -> dict[str, str]:
    """Return columns that may know the target already, with the sentence that says why.

    A reading of which each class has a range of its own is what a threshold is for: it stays, and is only noted.
    """
    found = {}
    names = sorted((column.name for column in problem.samples.columns), key=len, reverse=True)
    for sentence in telling(problem):
        name = next((name for name in names if sentence.startswith(f"{name} ")), "")
        if name and name not in kept and OWN_RANGE not in sentence:
            text = sentence.split(": is it known")[0].removeprefix(f"{name} ")
            found[name] = f"it may leak the target ({text}); include it with --keep {shlex.quote(name)}"
    return found


def _named(seen: Look, request: AdviceRequest, known: str) -> dict[str, object]:
    named: dict[str, object] = {key: getattr(request, key) for key in ("target", "group", "session", "time", "kind")}
    if known:
        # A set with a layout of its own names its columns itself; that the target is its own is seen once it is read.
        own = find_kind(known, "[data]").config.__struct_fields__
        named = {key: value for key, value in named.items() if key in own} | {"kind": known}
    return {key: value for key, value in named.items() if value}


def _find_time(named: dict[str, object], request: AdviceRequest, why: list[str]) -> None:
    """Take the column that holds the times of rows, where none is named, and says so."""
    table = {
        **({} if "kind" in named else guess(request.data)),
        "path": request.data,
        **named,
        "ignore": [*request.ignore],
    }
    if "time" not in named and (time := find_time(table)):
        named["time"] = time
        why.append(f"the column {time} holds the times of rows, so folds keep whole days or blocks of time")


def _no_measurement(seen: Look, request: AdviceRequest, time: str) -> list[tuple[str, str]]:
    """Return columns of text, and counters of rows, that have no part."""
    parts = {request.target, request.group, request.session, time, *request.ignore, *request.keep, ""}
    found = [(name, "it holds text, not measurements") for name in seen.words if name not in parts]
    return found + [(name, "it counts rows") for name in seen.counters if name not in parts]


def _window(seen: Look, request: AdviceRequest, named: dict[str, object], why: list[str]) -> WindowConfig | None:
    """Return the window that was named, or one by the rate of the data."""
    if request.window:
        return WindowConfig(samples=request.window, step=request.step or None, target=request.window_target)
    table = named if "kind" in named else {**guess(request.data), **named}
    table = {key: value for key, value in table.items() if value}
    dataset = load_data({**table, "path": request.data}, seed=request.seed)
    if all(recording.target is None for recording in dataset.recordings):
        raise InputError("a target", "none in the data", request.data, "Set its column with --target")
    window, text = window_for(dataset)
    why.append(text)
    if window is not None and window.pad:
        return None  # sound, which the ladder frames by itself
    return window and msgspec.structs.replace(window, target=request.window_target)


# From this rate on a reading is a part of a movement or a sound, and says little by itself.
FASTEST_ROWS = 5.0
# Seconds of a window: some steps of a person, some turns of a machine.
SECONDS = 2.5
_SHORTEST = 8


def window_for(dataset: DataSet) -> tuple[WindowConfig | None, str]:
    """Return the window that is taken where none is named, and why; None for rows.

    A power of two of samples, about 2.5 s, and no more than half of what a label usually lasts.
    """
    rate = dataset.rate
    sound, why = sound_window(dataset)
    if sound is not None:
        return sound, why
    if rate is None:
        return None, "rows have no time, so each is predicted alone"
    if rate < FASTEST_ROWS:
        return None, f"{pace(rate)}: slow enough to predict each row alone"
    runs = stretches(dataset)
    lasts = float(np.median(runs)) if runs else 0.0
    wanted = min(SECONDS * rate, lasts / 2) if lasts else SECONDS * rate
    samples = 2 ** round(math.log2(max(_SHORTEST, wanted)))
    if lasts and samples > lasts:
        samples //= 2
    why = f"{rate:g} rows a second need windows: {samples} rows, {samples / rate:.3g} s"
    text = f" (median length of a label: {lasts / rate:.3g} s)" if lasts else ""
    return WindowConfig(samples=samples), why + text


def _changes(problem: Problem) -> tuple[float, str]:
    """Return share of the samples whose label is another than that of the one before, in the same session."""
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


def _priced(ladder: Ladder, chosen: Chosen, config: PipelineConfig) -> Callable[[Profile], Footprint | None]:
    """Return the footprint of the rung on any profile, fitted once on all samples."""
    rung = ladder.rungs[chosen.rung.name]
    made = rung.tail(ladder.configs[rung.columns])
    fitted = rung.fit(ladder.parts(rung.columns)[-1], made)
    return lambda profile: price(fitted, ladder.problem, made, profile)[0]


def _simple(record: LadderRecord, problem: Problem) -> tuple[Existing, ...]:
    """Rules without training of a model, as measured; and the detectors where one class is rare."""
    lines = []
    for name in ("majority", "threshold", "rules", "state_machine"):
        rung = rung_of(record, name)
        if rung is not None and rung.score is not None:
            measured = f"{record.metric_title} {figure(rung.score.value)}"
            lines.append(Existing(name=rung.title, what=rung.says, measured=measured))
    if problem.task == "classification" and len(problem.classes) == 2:
        share = float(min(np.unique(problem.y, return_counts=True)[1]) / len(problem.y))
        if share < 0.1:
            what = f"one class is rare ({100 * share:.1f} %): a detector learns normal rows and needs no examples of it"
            lines.append(Existing(name="shipped detectors", what=what, command="edgewright detect fit --help"))
    return tuple(lines)


def _costs(record: LadderRecord, chosen: Chosen) -> tuple[tuple[str, str], ...]:
    spent = chosen.rung.cpu_seconds / (record.folds + 1)
    return (
        ("labels", f"{record.samples:,} samples in {record.units:,} {record.kept}s (already available)"),
        ("training", f"{spent:.1f} s of CPU per fit (measured on this machine)"),
        ("this advice", f"{record.cpu_seconds:.0f} s of CPU for the ladder (measured on this machine)"),
    )


def _notes(record: LadderRecord) -> tuple[str, ...]:
    held = (f"held out for the test report of a run: {', '.join(record.held)}",) if record.held else ()
    return (*record.notes, *held)


FRAMING = Framing(rank=50, tasks=_TASKS, fits=_fits, advise=_advise)
