"""Tuning of alarms: from a package and recordings to a package with the cheapest decision, and its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edgewright.core.errors import ExistingFileError, LabelsMissingError
from edgewright.core.package import Package, read_package, write_package
from edgewright.core.predictor import Predictor, package_path
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.package import Manifest
from edgewright.pipeline.cost import told_by_first
from edgewright.pipeline.package.variants import recording_engine
from edgewright.pipeline.run_folder.folder import judged_of, new_run_folder
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.workflows.tuning.document import TuneRecord
from edgewright.workflows.tuning.recordings import Tape, TuneData, alarm_labels, tapes_of, tune_data
from edgewright.workflows.tuning.selection import (
    ByLabel,
    Cost,
    Grid,
    Tally,
    best,
    day_of,
    evaluated,
    folds_of,
    front,
    held_out,
    paired,
    point,
    try_all,
)

RECORD = "tune.json"
# Predictions over all decisions; above this number, only every second setting is tried.
_MAX_PREDICTIONS = 40_000_000


@dataclass(frozen=True)
class Tuned:
    """Folder of a tuning with the package and `tune.json`."""

    folder: Path
    package: Path
    record: TuneRecord


@dataclass(frozen=True)
class TuningRequest:
    """Settings of a tuning.

    Attributes:
        cost: of a false alarm and of a missed event.
        alarms: labels that raise an alarm; all but those that mean 'normal' when empty.
        people: groups to use.
        grid: settings to try.
    """

    cost: Cost
    alarms: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    grid: Grid = field(default_factory=Grid)


def tune(
    source: Path | str, request: TuningRequest, *, out: Path | str | None = None, data: str | None = None,
    kind: str = "", target: str = "", group: str = "", listener: Listener | None = None,
) -> Tuned:  # fmt: skip
    """Choose the cheapest decision of a package.

    Args:
        source: run folder or package, which does not change.
        request: settings.
        out: folder to write; NAME-tuned next to the run, with the next free number, when None.
        data: recordings; the run's validation people when None.
        kind: kind of the data, if it differs from the run's.
        target: column of the labels, if a run does not name it.
        group: column of people or machines, if a run does not name it.
        listener: receives the progress.

    Raises:
        InputError: no labels, no event, no time outside of events, `out` exists, or the data cannot be read; no file
            is written.
    """
    hears, path = listener or Listener(), Path(source)
    package = read_package(package_path(path))
    manifest = package.manifest
    alarms = alarm_labels(manifest, request.alarms)
    _refuse_existing(None if out is None else Path(out))
    with hears.doing("Reading recordings"):
        data_read = tune_data(path, data, kind=kind, target=target, group=group, people=request.people)
    answering = read_package(package_path(judged_of(path))) if data_read.own else package
    predictor = _predictor(answering, manifest.default)
    recordings = len(data_read.dataset.recordings)
    with hears.doing("Answering recordings", recordings) as advance:
        advance = told_by_first(advance, hears.ahead, "Answering recordings", recordings)
        tapes, per_second = tapes_of(predictor, data_read.dataset, alarms, data_read.people, advance)
    tolerance = _tolerance(manifest, tapes[0])
    _refuse(tapes, alarms, tolerance, data_read)
    grid, windows = request.grid, sum(tape.windows for tape in tapes)
    thinned = windows * len(grid) // len(grid.refractory) > _MAX_PREDICTIONS
    if thinned:
        grid = Grid(grid.smoothing[::2], grid.debounce[::2], grid.thresholds[::2], grid.refractory)
    count = len(grid) // len(grid.refractory)
    with hears.doing("Trying decisions", count) as advance:
        advance = told_by_first(advance, hears.ahead, "Trying decisions", count)
        shared = try_all(tapes, manifest.labels, alarms, tolerance, grid, advance)
    by_label = ByLabel(tapes, manifest.labels, shared, request.cost, tolerance, grid)
    groups = [tape.group for tape in tapes]
    with hears.doing("Choosing"):
        results = by_label(range(len(tapes)))
        places = front(results)
        chosen = best([results[index] for index in places], request.cost, range(len(tapes)))
    folds = folds_of(groups)
    with hears.doing("Testing on others", folds) as advance:
        advance = told_by_first(advance, hears.ahead, "Testing on others", folds)
        others = held_out(by_label, request.cost, groups, advance)
    before = evaluated(
        tapes, msgspec.structs.replace(manifest.decision, alarms=alarms), manifest.labels, tolerance
    )  # fmt: skip
    unit, per = day_of(per_second)
    if not per_second:
        unit *= tapes[0].step  # seconds are rows there
    notes = list(data_read.notes)
    if others is None:
        notes.insert(0, "There is only one person or recording, so the choice could not be tested on others")
    if thinned:
        notes.append(f"{windows:,} windows: only every second setting was tried")
    record = TuneRecord(
        name=manifest.name, package_hash=package.sha256, form=predictor.form, engine=predictor.engine.name,
        data=data_read.description, people=tuple(sorted(set(groups))), alarms=alarms,
        false_alarm_cost=request.cost.false_alarm, miss_cost=request.cost.miss, tolerance=tolerance,
        per=per,  # type: ignore[arg-type]  # one of two words
        exposure=sum(tape.exposure(tolerance) for tape in tapes) / unit, windows=windows, point_count=len(results),
        points=tuple(point(results[index], request.cost, groups, unit, front=True) for index in places), chosen=chosen,
        held_out=None if others is None else point(others, request.cost, groups, unit),
        before=point(before, request.cost, groups, unit),
        test=None if others is None else paired(others, before, request.cost, groups),
        decision=results[places[chosen]].spec, notes=tuple(notes),
    )  # fmt: skip
    return _written(package, record, path, None if out is None else Path(out))


def evaluate_alarms(run: Path, decision: DecisionSpec, groups: Sequence[str]) -> dict[str, list[Tally]]:
    """Apply a decision to whole recordings of groups that the model has not seen, with the run's own data.

    Args:
        run: folder of a run.
        decision: with the labels that alarm.
        groups: of the test samples.

    Returns:
        Tallies of the recordings of each group.
    """
    data = tune_data(run, None, people=tuple(groups))
    package = read_package(package_path(judged_of(run)))
    tapes, _ = tapes_of(_predictor(package, package.manifest.default), data.dataset, decision.alarms, data.people)
    tolerance = _tolerance(package.manifest, tapes[0])
    tallies: dict[str, list[Tally]] = {}
    for tape, tally in zip(tapes, evaluated(tapes, decision, package.manifest.labels, tolerance).tallies, strict=True):
        tallies.setdefault(tape.group, []).append(tally)
    return tallies


def _predictor(package: Package, form: str) -> Predictor:
    # The record is the same in each run, so engines are not measured.
    return Predictor(package, form=form, engine=recording_engine(package.model(form)).name)


def _tolerance(manifest: Manifest, tape: Tape) -> float:
    """Return seconds after an event in which an alarm belongs to it: a window, which holds its rows, and a step."""
    window = manifest.window
    return tape.step if window is None else tape.step * (window.samples + window.step) / window.step


def _refuse(tapes: list[Tape], alarms: tuple[str, ...], tolerance: float, data: TuneData) -> None:
    """Refuse recordings without labels, with fewer than two events, or without time outside of events."""
    where = data.dataset.name
    events = sum(len(tape.events) for tape in tapes)
    if not any(r.target is not None for r in data.dataset.recordings):
        raise LabelsMissingError("labelled recordings", "no labels", where, "Set the column of labels with --target")
    if events < 2:
        got = "none" if not events else "one, which is too few"
        raise LabelsMissingError(f"at least two events of {', '.join(alarms)}", got, where,
                         "Record more of them, or set other labels with --alarm")  # fmt: skip
    if not any(tape.exposure(tolerance) > 0 for tape in tapes):
        raise LabelsMissingError("time outside events, to count false alarms", "none", where,
                         "Add recordings without events")  # fmt: skip


def _refuse_existing(out: Path | None, *, exists: bool = False) -> None:
    if out is not None and (exists or out.exists()):
        raise ExistingFileError(
            "a folder that does not exist yet", "one that does", str(out), "Choose another with --out"
        )


def _written(package: Package, record: TuneRecord, path: Path, out: Path | None) -> Tuned:
    """Write a folder with the new package and the record."""
    home = path.resolve()
    if home.is_file() and (home.parent / "trace.json").exists():
        home = home.parent
    name = f"{home.name if home.is_dir() else record.name}-tuned" if out is None else out.name
    chosen = record.points[record.chosen]
    text = (
        f"{chosen.missed} of {chosen.events} events missed, {chosen.false_rate.value:.4g} false alarms a {record.per}, "
        f"costs {record.false_alarm_cost:g} and {record.miss_cost:g}, on {record.data}"
    )
    provenance = {**package.manifest.provenance, "tuned": text, "tuned_from": package.sha256}
    manifest = msgspec.structs.replace(package.manifest, decision=record.decision, provenance=provenance)
    with new_run_folder(home.parent if out is None else out.parent, name) as folder:
        _refuse_existing(out, exists=folder.final != out)
        write_package(folder.work / f"{record.name}.edge", manifest, package.files)
        text = msgspec.json.format(msgspec.json.encode(record, order="sorted"), indent=2).decode()
        (folder.work / RECORD).write_text(f"{text}\n", encoding="utf-8")
    return Tuned(folder.final, folder.final / f"{record.name}.edge", record)
