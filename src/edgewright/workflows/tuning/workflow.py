"""Tuning: from a package and recordings to a package with the decision of a point of the curve that is written too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgewright.core.package import Package, read_package, write_package
from edgewright.core.predictor import Predictor, package_path
from edgewright.pipeline.duration_estimate import told_by_first
from edgewright.pipeline.folder import judged_of, new_run_folder
from edgewright.pipeline.listener import Listener
from edgewright.pipeline.variants import recording_engine
from edgewright.schema.device import DecisionSpec
from edgewright.schema.errors import InputError
from edgewright.schema.package import Manifest
from edgewright.schema.tuning import TunePoint, TuneRecord
from edgewright.trace.tuning_view import tuning_page
from edgewright.workflows.tuning.grid import Grid, Tried, judged, try_all
from edgewright.workflows.tuning.recordings import Tape, TuneData, alarm_labels, tapes_of, tune_data
from edgewright.workflows.tuning.request import TuningRequest, fits, refuse, taken, usual_tolerance, within
from edgewright.workflows.tuning.selection import ByLabel, day_of, folds_of, front, held_out, paired, point

RECORD, PAGE = "tune.json", "tune.html"


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
        found = tune_data(path, data, kind=kind, target=target, group=group, people=request.people)
    # The same in each run, whatever this machine measures.
    form = request.form or package.manifest.default
    answering = read_package(package_path(judged_of(path))) if found.own else package
    predictor = Predictor(answering, form=form, engine=recording_engine(answering.model(form)).name)
    recordings = len(found.dataset.recordings)
    with hears.doing("Answering recordings", recordings) as advance:
        advance = told_by_first(advance, hears.ahead, "Answering recordings", recordings)
        tapes, per_second = tapes_of(predictor, found.dataset, alarms, found.people, advance)
    tolerance = usual_tolerance(package.manifest, tapes[0]) if request.tolerance is None else request.tolerance
    refuse(tapes, alarms, tolerance, found)
    grid, thinned = within(request.grid, tapes)
    decisions = len(grid) // len(grid.refractory)
    with hears.doing("Trying decisions", decisions) as advance:
        advance = told_by_first(advance, hears.ahead, "Trying decisions", decisions)
        shared = try_all(tapes, package.manifest.labels, alarms, tolerance, grid, advance)
    answers = _Answers(package, predictor, found, tapes, alarms, tolerance, per_second)
    record = _record(
        answers, request, ByLabel(tapes, package.manifest.labels, shared, request.cost, tolerance, grid), hears
    )
    notes = [*record.notes, *found.notes, *([device_note] if device_note else []), *([thinned] if thinned else [])]
    record = msgspec.structs.replace(record, notes=tuple(notes))
    return _written(package, record, path, None if out is None else Path(out))


@dataclass(frozen=True)
class _Answers:
    """What a package answered to recordings, and by what its alarms are judged."""

    package: Package
    predictor: Predictor
    found: TuneData
    tapes: list[Tape]
    alarms: tuple[str, ...]
    tolerance: float
    per_second: float | None

    @property
    def groups(self) -> list[str]:
        return [tape.group for tape in self.tapes]

    def before(self) -> Tried:
        """Return the package's own decision with the same alarms."""
        manifest = self.package.manifest
        own = msgspec.structs.replace(manifest.decision, alarms=self.alarms)
        return judged(self.tapes, own, manifest.labels, self.tolerance)


def _record(answers: _Answers, request: TuningRequest, found: ByLabel, hears: Listener) -> TuneRecord:
    tapes, groups = answers.tapes, answers.groups
    unit, per = day_of(answers.per_second)
    if not answers.per_second:
        unit *= tapes[0].step  # seconds are rows there
    with hears.doing("Choosing"):
        tried = found(range(len(tapes)))
        places = front(tried)
        rule, at = taken(tried, places, request, unit if answers.per_second else None)
    folds = folds_of(groups)
    with hears.doing("Testing on others", folds) as advance:
        advance = told_by_first(advance, hears.ahead, "Testing on others", folds)
        others = held_out(found, rule, groups, advance)
    chosen, before = tried[places[at]].spec, answers.before()
    notes = _edges(chosen, request.grid)
    if others is None:
        notes.append("There is only one person or recording, so the choice could not be tested on others")
    return TuneRecord(
        name=answers.package.manifest.name,
        package_hash=answers.package.sha256,
        form=answers.predictor.form,
        engine=answers.predictor.engine.name,
        data=answers.found.told,
        people=tuple(sorted(set(groups))),
        alarms=answers.alarms,
        false_alarm_cost=request.cost.false_alarm,
        miss_cost=request.cost.miss,
        taken=request.taken,
        most=request.most,
        tolerance=answers.tolerance,
        per=per,  # type: ignore[arg-type]  # one of two words
        exposure=sum(tape.exposure(answers.tolerance) for tape in tapes) / unit,
        windows=sum(tape.windows for tape in tapes),
        tried=len(tried),
        points=tuple(point(tried[place], request.cost, groups, unit, front=True) for place in places),
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
        for name, value, tried in ends
        if len(tried) > 1 and value == max(tried)
    ]


def _written(package: Package, record: TuneRecord, path: Path, out: Path | None) -> Tuned:
    """Return a folder with the new package and the record; the old package stays as it is."""
    parent, name = _beside(path, record.name) if out is None else (out.parent, out.name)
    with new_run_folder(parent, name) as made:
        if out is not None and made.final != out:
            raise InputError("a folder that does not exist yet", "one that does", str(out), "Choose another with --out")
        write_package(made.work / f"{record.name}.edge", _decided(package, record.decision, record), package.files)
        text = msgspec.json.format(msgspec.json.encode(record, order="sorted"), indent=2) + b"\n"
        (made.work / RECORD).write_bytes(text)
        (made.work / PAGE).write_text(tuning_page(record), encoding="utf-8")
    return Tuned(made.final, made.final / f"{record.name}.edge", record)


def _beside(path: Path, name: str) -> tuple[Path, str]:
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
        "most": f"at most {record.most or 0:g} accepted per day",
    }
    text = (
        f"{chosen.missed} of {chosen.events} events missed, {chosen.false_rate.value:.4g} false alarms a {record.per}, "
        f"{by[record.taken]}, on {record.data}"
    )
    provenance = {**package.manifest.provenance, "tuned": text, "tuned_from": package.sha256}
    return msgspec.structs.replace(package.manifest, decision=decision, provenance=provenance)
