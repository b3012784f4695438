"""Tuning: from a package and recordings to a package with the decision of a point of the curve that is written too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from edgewright.core.package import Package, read_package, write_package
from edgewright.core.predictor import Predictor, package_path
from edgewright.pipeline.cost.duration_estimate import told_by_first
from edgewright.pipeline.package.variants import recording_engine
from edgewright.pipeline.run_folder.folder import judged_of, new_run_folder
from edgewright.pipeline.run_folder.listener import Listener
from edgewright.profiles.catalogue import load_profile
from edgewright.schema.device import DecisionSpec
from edgewright.schema.errors import InputError
from edgewright.schema.package import Manifest
from edgewright.schema.tuning import TunePoint, TuneRecord
from edgewright.workflows.tuning.document import tuning_page
from edgewright.workflows.tuning.grid import Grid, GridScore, evaluated, try_all
from edgewright.workflows.tuning.recordings import Tape, TuneData, alarm_labels, tapes_of, tune_data
from edgewright.workflows.tuning.selection import (
    AtMost,
    ByLabel,
    Cost,
    Rule,
    best,
    day_of,
    folds_of,
    front,
    held_out,
    paired,
    point,
    rate_of,
)

RECORD, PAGE = "tune.json", "tune.html"
# Answers that the grid may be tried on: more than some minutes of it are thinned out.
_MAX_ANSWERS = 40_000_000


@dataclass(frozen=True)
class Tuned:
    """What a tuning left: its folder with the package and `tune.json`."""

    folder: Path
    package: Path
    record: TuneRecord


def tune(
    source: Path | str,
    request: TuningRequest,
    *,
    out: Path | str | None = None,
    data: str | None = None,
    kind: str = "",
    target: str = "",
    group: str = "",
    listener: Listener | None = None,
) -> Tuned:
    """Tune how a package decides.

    Args:
        source: run folder or package, which stays as it is.
        request: what.
        out: folder to write; beside the run, as NAME-tuned and the next free number, when None.
        data: recordings; the run's validation people when None.
        kind: source or public set of the data, where it is another than the run's.
        target: column of the labels, where a run does not name it.
        group: column of people or machines, where a run does not name it.
        listener: hears what is being done.

    Raises:
        InputError: no labels, no event, no time outside of events, `out` exists, or whatever is wrong with the data;
            nothing is left behind.
    """
    hears = listener or Listener()
    path = Path(source)
    package = read_package(package_path(path))
    alarms = alarm_labels(package.manifest, request.alarms)
    device_note = fits(request, package.manifest)
    if out is not None and Path(out).exists():
        raise InputError("a folder that does not exist yet", "one that does", str(out), "Choose another with --out")
    with hears.doing("Reading recordings"):
        tuned = tune_data(path, data, kind=kind, target=target, group=group, people=request.people)
    # The same in each run, whatever this machine measures.
    form = request.form or package.manifest.default
    answering = read_package(package_path(judged_of(path))) if tuned.own else package
    predictor = Predictor(answering, form=form, engine=recording_engine(answering.model(form)).name)
    recordings = len(tuned.dataset.recordings)
    with hears.doing("Answering recordings", recordings) as advance:
        advance = told_by_first(advance, hears.ahead, "Answering recordings", recordings)
        tapes, per_second = tapes_of(predictor, tuned.dataset, alarms, tuned.people, advance)
    tolerance = usual_tolerance(package.manifest, tapes[0]) if request.tolerance is None else request.tolerance
    refuse(tapes, alarms, tolerance, tuned)
    grid, thinned = within(request.grid, tapes)
    decisions = len(grid) // len(grid.refractory)
    with hears.doing("Trying decisions", decisions) as advance:
        advance = told_by_first(advance, hears.ahead, "Trying decisions", decisions)
        shared = try_all(tapes, package.manifest.labels, alarms, tolerance, grid, advance)
    answers = _Answers(package, predictor, tuned, tapes, alarms, tolerance, per_second)
    record = _record(
        answers, request, ByLabel(tapes, package.manifest.labels, shared, request.cost, tolerance, grid), hears
    )
    notes = [*record.notes, *tuned.notes, *([device_note] if device_note else []), *([thinned] if thinned else [])]
    record = msgspec.structs.replace(record, notes=tuple(notes))
    return _written(package, record, path, None if out is None else Path(out))


@dataclass(frozen=True)
class _Answers:
    """What a package answered to recordings, and by what its alarms are judged."""

    package: Package
    predictor: Predictor
    data: TuneData
    tapes: list[Tape]
    alarms: tuple[str, ...]
    tolerance: float
    per_second: float | None

    @property
    def groups(self) -> list[str]:
        return [tape.group for tape in self.tapes]

    def before(self) -> GridScore:
        """Return the package's own decision with the same alarms."""
        manifest = self.package.manifest
        own = msgspec.structs.replace(manifest.decision, alarms=self.alarms)
        return evaluated(self.tapes, own, manifest.labels, self.tolerance)


def _record(answers: _Answers, request: TuningRequest, by_label: ByLabel, hears: Listener) -> TuneRecord:
    tapes, groups = answers.tapes, answers.groups
    unit, per = day_of(answers.per_second)
    if not answers.per_second:
        unit *= tapes[0].step  # seconds are rows there
    with hears.doing("Choosing"):
        results = by_label(range(len(tapes)))
        places = front(results)
        rule, at = choice(results, places, request, unit if answers.per_second else None)
    folds = folds_of(groups)
    with hears.doing("Testing on others", folds) as advance:
        advance = told_by_first(advance, hears.ahead, "Testing on others", folds)
        others = held_out(by_label, rule, groups, advance)
    chosen, before = results[places[at]].spec, answers.before()
    notes = _edges(chosen, request.grid)
    if others is None:
        notes.append("There is only one person or recording, so the choice could not be tested on others")
    return TuneRecord(
        name=answers.package.manifest.name,
        package_hash=answers.package.sha256,
        form=answers.predictor.form,
        engine=answers.predictor.engine.name,
        data=answers.data.description,
        people=tuple(sorted(set(groups))),
        alarms=answers.alarms,
        false_alarm_cost=request.cost.false_alarm,
        miss_cost=request.cost.miss,
        chosen_by=request.choice,
        maximum=request.maximum,
        tolerance=answers.tolerance,
        per=per,  # type: ignore[arg-type]  # one of two words
        exposure=sum(tape.exposure(answers.tolerance) for tape in tapes) / unit,
        windows=sum(tape.windows for tape in tapes),
        point_count=len(results),
        points=tuple(point(results[index], request.cost, groups, unit, front=True) for index in places),
        chosen=at,
        held_out=None if others is None else point(others, request.cost, groups, unit),
        before=point(before, request.cost, groups, unit),
        test=None if others is None else paired(others, before, request.cost, groups),
        decision=chosen,
        notes=tuple(notes),
    )


def _edges(spec: DecisionSpec, grid: Grid) -> list[str]:
    """Return settings that were chosen at the upper end of what was tried: beyond it may be a better one."""
    ends = (("smoothing", spec.smoothing, grid.smoothing), ("debounce", spec.debounce, grid.debounce))
    return [
        f"The chosen {name} of {value} is the largest value tried; try larger ones with --{name} {value},{2 * value}"
        for name, value, count in ends
        if len(count) > 1 and value == max(count)
    ]


def _written(package: Package, record: TuneRecord, path: Path, out: Path | None) -> Tuned:
    """Return a folder with the new package and the record; the old package stays as it is."""
    parent, name = _target(path, record.name) if out is None else (out.parent, out.name)
    with new_run_folder(parent, name) as folder:
        if out is not None and folder.final != out:
            raise InputError("a folder that does not exist yet", "one that does", str(out), "Choose another with --out")
        write_package(folder.work / f"{record.name}.edge", _decided(package, record.decision, record), package.files)
        text = msgspec.json.format(msgspec.json.encode(record, order="sorted"), indent=2) + b"\n"
        (folder.work / RECORD).write_bytes(text)
        (folder.work / PAGE).write_text(tuning_page(record), encoding="utf-8")
    return Tuned(folder.final, folder.final / f"{record.name}.edge", record)


def _target(path: Path, name: str) -> tuple[Path, str]:
    """Beside the run folder, whose package it may be, or beside the package."""
    home = path.resolve()
    if home.is_file() and (home.parent / "trace.json").exists():
        home = home.parent
    return (home.parent, f"{home.name}-tuned") if home.is_dir() else (home.parent, f"{name}-tuned")


def _decided(package: Package, decision: DecisionSpec, record: TuneRecord) -> Manifest:
    """Return the manifest with its new decision, and where it comes from."""
    chosen: TunePoint = record.points[record.chosen]
    by = {
        "cost": f"costs {record.false_alarm_cost:g} and {record.miss_cost:g}",
        "point": f"point {record.chosen + 1} of the curve",
        "most": f"at most {record.maximum or 0:g} accepted per day",
    }
    text = (
        f"{chosen.missed} of {chosen.events} events missed, {chosen.false_rate.value:.4g} false alarms a {record.per}, "
        f"{by[record.chosen_by]}, on {record.data}"
    )
    provenance = {**package.manifest.provenance, "tuned": text, "tuned_from": package.sha256}
    return msgspec.structs.replace(package.manifest, decision=decision, provenance=provenance)


@dataclass(frozen=True)
class TuningRequest:
    """What is tuned.

    Attributes:
        cost: of a false alarm and of a missed event.
        point: of the curve, from 1 on, that is taken instead of the cheapest.
        maximum: false alarms a day that are accepted; of what keeps to it the point that misses least is taken.
        alarms: labels that call for somebody; all but those that mean 'normal' when empty.
        people: groups that are taken.
        tolerance: seconds after an event in which an alarm belongs to it; a window and a step when None.
        form: of the model.
        device: profile whose memory the smoothing must fit; empty for none.
        grid: what is tried.
    """

    cost: Cost
    point: int | None = None
    maximum: float | None = None
    alarms: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    tolerance: float | None = None
    form: str | None = None
    device: str = ""
    grid: Grid = field(default_factory=Grid)

    def __post_init__(self) -> None:
        if self.point is not None and self.maximum is not None:
            raise InputError("either --point or --alarms-per-day", "both", "edgewright tune")

    @property
    def choice(self) -> Literal["cost", "point", "most"]:
        """By what the point of the curve is taken."""
        return "point" if self.point is not None else "cost" if self.maximum is None else "most"


def usual_tolerance(manifest: Manifest, tape: Tape) -> float:
    """Return seconds after an event in which an alarm belongs to it by default: a window and a step."""
    window = manifest.window
    # A window that ends so long after an event still holds rows of it; the step is how late the answer may be.
    return tape.step if window is None else tape.step * (window.samples + window.step) / window.step


def refuse(tapes: list[Tape], alarms: tuple[str, ...], tolerance: float, data: TuneData) -> None:
    """Say what cannot be tuned on.

    Raises:
        InputError: no label, too few events, or nothing but events.
    """
    where = data.dataset.name
    events = sum(len(tape.events) for tape in tapes)
    if not any(r.target is not None for r in data.dataset.recordings):
        raise InputError("labelled recordings", "no labels", where, "Set the column of labels with --target")
    if events < 2:
        got = "none" if not events else "one, which is too few"
        raise InputError(f"at least two events of {', '.join(alarms)}", got, where,
                         "Record more of them, or set other labels with --alarm")  # fmt: skip
    if not any(tape.exposure(tolerance) > 0 for tape in tapes):
        raise InputError("time outside events, to count false alarms", "none", where,
                         "Add recordings without events")  # fmt: skip


def within(grid: Grid, tapes: list[Tape]) -> tuple[Grid, str]:
    """Return the grid, thinned out where it would take too long; and a word about it."""
    windows = sum(tape.windows for tape in tapes)
    if windows * len(grid) // len(grid.refractory) <= _MAX_ANSWERS:
        return grid, ""
    few = Grid(grid.smoothing[::2], grid.debounce[::2], grid.thresholds[::2], grid.refractory)
    return few, f"{windows:,} windows: only every second setting was tried"


def fits(request: TuningRequest, manifest: Manifest) -> str:
    """Return what the smoothing takes on the device; empty where none is named.

    Raises:
        InputError: more than the device has.
    """
    if not request.device:
        return ""
    profile = load_profile(request.device)
    # Float32 averages of every label, for each window that is kept.
    needed = 4 * len(manifest.labels) * max(request.grid.smoothing)
    if needed > profile.ram.value:
        raise InputError(f"at most {profile.ram.value:,.0f} bytes of memory", f"{needed:,} for smoothing",
                         f"device {profile.name}", "Smooth over fewer windows: --smoothing")  # fmt: skip
    return f"on {profile.name} the longest smoothing tried takes {needed:,} of {profile.ram.value:,.0f} bytes of memory"


def choice(
    results: Sequence[GridScore], places: Sequence[int], request: TuningRequest, day: float | None
) -> tuple[Rule, int]:
    """Return the point of the curve that was asked for.

    The curve itself is the same whichever is taken, so that a number read from one is good for the next call.

    Args:
        results: decisions over all tapes.
        places: of those on the curve, the fewest missed first.
        request: what.
        day: seconds of exposure in one; None where nobody knows the rate.

    Returns:
        By what others may judge it, and its place on the curve. A named point is what one takes who accepts as many
        false alarms as it has.

    Raises:
        InputError: no such point, no decision with so few alarms, or a rate where nobody knows that of the rows.
    """
    everyone = range(len(results[0].tallies))
    if request.point is not None:
        if not 1 <= request.point <= len(places):
            raise InputError(f"a point of the curve, 1 to {len(places)}", str(request.point), "--point")
        return AtMost(rate_of(results[places[request.point - 1]].tallies)), request.point - 1
    rule: Rule = request.cost
    if request.maximum is not None:
        if day is None:
            raise InputError("recordings whose rate is known, to count alarms a day", "rows without time or rate",
                             "--alarms-per-day", "Choose a point of the curve with --point")  # fmt: skip
        rule = within = AtMost(request.maximum / day)
        smallest = results[places[-1]].tallies
        if not within.keeps(smallest):
            raise InputError(
                f"a decision with at most {request.maximum:g} false alarms a day",
                f"at least {rate_of(smallest) * day:.4g} (point {len(places)} of the curve)",
                "--alarms-per-day",
                "Accept as many, or let more windows agree: --smoothing, --debounce",
            )
    return rule, places.index(best(results, rule, everyone, among=places))
