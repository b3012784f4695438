"""Tuning: from a package and recordings to a package whose decisions cost least, with the curve behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edgewright.pipeline.folder import new_run_folder
from edgewright.pipeline.listener import Listener
from edgewright.pipeline.tuning_choice import Cost, best, by_label, day_of, front, held_out, point
from edgewright.pipeline.tuning_data import TuneData, alarm_labels, tune_data
from edgewright.pipeline.tuning_grid import Grid, Tried, judged, try_all
from edgewright.pipeline.tuning_streams import Tape, tapes_of
from edgewright.profiles.catalogue import load_profile
from edgewright.runtime.load import package_path
from edgewright.runtime.package import Package, read_package, write_package
from edgewright.runtime.predictor import Predictor
from edgewright.schema.device import DecisionSpec
from edgewright.schema.errors import InputError
from edgewright.schema.package import Manifest
from edgewright.schema.tuning import TunePoint, TuneRecord
from edgewright.trace.tuning_view import tuning_page

RECORD, PAGE = "tune.json", "tune.html"
# Answers that the grid may be tried on: more than some minutes of it are thinned out.
_MOST = 40_000_000


@dataclass(frozen=True)
class Asked:
    """What is tuned.

    Attributes:
        cost: of a false alarm and of a missed event.
        alarms: labels that call for somebody; all but those that mean 'normal' when empty.
        people: groups that are taken.
        tolerance: seconds after an event in which an alarm belongs to it; a window and a step when None.
        form: of the model.
        device: profile whose memory the smoothing must fit; empty for none.
        grid: what is tried.
    """

    cost: Cost
    alarms: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    tolerance: float | None = None
    form: str | None = None
    device: str = ""
    grid: Grid = field(default_factory=Grid)


@dataclass(frozen=True)
class Tuned:
    """What a tuning left: its folder with the package and `tune.json`."""

    folder: Path
    package: Path
    record: TuneRecord


def tune(
    source: Path | str,
    asked: Asked,
    *,
    out: Path | str | None = None,
    data: str | None = None,
    kind: str = "",
    target: str = "",
    group: str = "",
    listener: Listener | None = None,
) -> Tuned:
    """Tunes how a package decides.

    Args:
        source: run folder or package, which stays as it is.
        asked: what.
        out: folder to write; beside the run, as NAME-tuned and the next free number, when None.
        data: recordings; the run's validation people when None.
        kind: source or public set of the data, where it is another than the run's.
        target, group: columns of the data, where a run does not say them.
        listener: hears what is being done.

    Raises:
        InputError: no labels, no event, no time outside of events, `out` exists, or whatever is wrong with the data;
            nothing is left behind.
    """
    hears = listener or Listener()
    place = Path(source)
    path = package_path(place)
    package = read_package(path)
    alarms = alarm_labels(package.manifest, asked.alarms)
    device_note = _fits(asked, package.manifest)
    if out is not None and Path(out).exists():
        raise InputError("a folder that does not exist yet", "one that does", str(out), "Name another with --out")
    with hears.doing("Reading recordings"):
        found = tune_data(place, data, kind=kind, target=target, group=group, people=asked.people)
    predictor = Predictor(package, form=asked.form)
    with hears.doing("Answering recordings", len(found.dataset.recordings)) as advance:
        tapes, per_second = tapes_of(predictor, found.dataset, alarms, found.people, advance)
    tolerance = _tolerance(asked, package.manifest, tapes[0])
    _refuse(tapes, alarms, tolerance, found)
    grid, thinned = _within(asked.grid, tapes)
    labels = package.manifest.labels
    with hears.doing("Trying decisions", len(grid) // len(grid.refractory)) as advance:
        tried = try_all(tapes, labels, alarms, tolerance, grid, advance)
        tried = by_label(tapes, labels, tried, asked.cost, tolerance, grid)
    before = judged(tapes, msgspec.structs.replace(package.manifest.decision, alarms=alarms), labels, tolerance)
    record = _record(package, predictor, asked, found, tapes, tried, before, (alarms, tolerance, per_second))
    notes = [*record.notes, *found.notes, *([device_note] if device_note else []), *([thinned] if thinned else [])]
    record = msgspec.structs.replace(record, notes=tuple(notes))
    return _written(package, record, place, None if out is None else Path(out))


def _tolerance(asked: Asked, manifest: Manifest, tape: Tape) -> float:
    if asked.tolerance is not None:
        return asked.tolerance
    window = manifest.window
    # A window that ends so long after an event still holds rows of it; the step is how late the answer may be.
    return tape.step if window is None else tape.step * (window.samples + window.step) / window.step


def _refuse(tapes: list[Tape], alarms: tuple[str, ...], tolerance: float, found: TuneData) -> None:
    """Says what cannot be tuned on.

    Raises:
        InputError: no label, too few events, or nothing but events.
    """
    where = found.dataset.name
    events = sum(len(tape.events) for tape in tapes)
    if not any(r.target is not None for r in found.dataset.recordings):
        raise InputError("labelled recordings", "no labels", where, "Name the column of the labels with --target")
    if events < 2:
        got = "none" if not events else "one, from which nothing can be told"
        raise InputError(f"at least two events of {', '.join(alarms)}", got, where,
                         "Record more of them, or name other labels with --alarm")  # fmt: skip
    if not any(tape.exposure(tolerance) > 0 for tape in tapes):
        raise InputError("time outside of events, in which an alarm would be false", "none", where,
                         "Add recordings of ordinary hours")  # fmt: skip


def _within(grid: Grid, tapes: list[Tape]) -> tuple[Grid, str]:
    """The grid, thinned out where it would take too long; and a word about it."""
    windows = sum(tape.windows for tape in tapes)
    if windows * len(grid) // len(grid.refractory) <= _MOST:
        return grid, ""
    few = Grid(grid.smoothing[::2], grid.debounce[::2], grid.thresholds[::2], grid.refractory)
    return few, f"{windows:,} windows are many: every other setting was tried"


def _fits(asked: Asked, manifest: Manifest) -> str:
    """What the smoothing takes on the device; empty where none is named.

    Raises:
        InputError: more than the device has.
    """
    if not asked.device:
        return ""
    profile = load_profile(asked.device)
    # Float32 averages of every label, for each window that is kept.
    needed = 4 * len(manifest.labels) * max(asked.grid.smoothing)
    if needed > profile.ram.value:
        raise InputError(f"at most {profile.ram.value:,.0f} bytes of memory", f"{needed:,} for smoothing",
                         f"device {profile.name}", "Smooth over fewer windows: --smoothing")  # fmt: skip
    return f"on {profile.name} the longest smoothing tried takes {needed:,} of {profile.ram.value:,.0f} bytes of memory"


def _record(
    package: Package,
    predictor: Predictor,
    asked: Asked,
    found: TuneData,
    tapes: list[Tape],
    tried: list[Tried],
    before: Tried,
    rules: tuple[tuple[str, ...], float, float | None],
) -> TuneRecord:
    alarms, tolerance, per_second = rules
    unit, per = day_of(per_second)
    if not per_second:
        unit *= tapes[0].step  # seconds are rows there
    groups = [tape.group for tape in tapes]
    chosen = best(tried, asked.cost, range(len(tapes)))
    places = front(tried)
    points = [point(tried[place], asked.cost, groups, unit, front=True) for place in places]
    if chosen not in places:
        same = [(p.missed, p.false) for p in points]
        mine = point(tried[chosen], asked.cost, groups, unit, front=True)
        at = next((i for i, key in enumerate(same) if key == (mine.missed, mine.false)), None)
        if at is None:
            at = sum(p.missed < mine.missed for p in points)
            points.insert(at, msgspec.structs.replace(mine, front=False))
        else:
            points[at] = mine
    else:
        at = places.index(chosen)
    others = held_out(tried, asked.cost, groups)
    notes = []
    notes += _edges(tried[chosen].spec, asked.grid)
    if others is None:
        notes.append("Only one person or recording is known: how the choice does on others could not be judged")
    return TuneRecord(
        name=package.manifest.name,
        package_hash=package.sha256,
        form=predictor.form,
        engine=predictor.engine.name,
        data=found.told,
        people=tuple(sorted(set(groups))),
        alarms=alarms,
        false_alarm_cost=asked.cost.false_alarm,
        miss_cost=asked.cost.miss,
        tolerance=tolerance,
        per=per,  # type: ignore[arg-type]  # one of two words
        exposure=sum(tape.exposure(tolerance) for tape in tapes) / unit,
        windows=sum(tape.windows for tape in tapes),
        tried=len(tried),
        points=tuple(points),
        chosen=at,
        held_out=None if others is None else point(others, asked.cost, groups, unit),
        before=point(before, asked.cost, groups, unit),
        decision=tried[chosen].spec,
        notes=tuple(notes),
    )


def _edges(spec: DecisionSpec, grid: Grid) -> list[str]:
    """Settings that were chosen at the upper end of what was tried: beyond it may be a better one."""
    ends = (("smoothing", spec.smoothing, grid.smoothing), ("debounce", spec.debounce, grid.debounce))
    return [
        f"The chosen {name} of {value} is the largest that was tried: --{name} {value},{2 * value} would look further"
        for name, value, tried in ends
        if len(tried) > 1 and value == max(tried)
    ]


def _written(package: Package, record: TuneRecord, place: Path, out: Path | None) -> Tuned:
    """A folder with the new package and the record; the old package stays as it is."""
    parent, name = _beside(place, record.name) if out is None else (out.parent, out.name)
    with new_run_folder(parent, name) as made:
        if out is not None and made.final != out:
            raise InputError("a folder that does not exist yet", "one that does", str(out), "Name another with --out")
        write_package(made.work / f"{record.name}.edge", _decided(package, record.decision, record), package.files)
        text = msgspec.json.format(msgspec.json.encode(record, order="sorted"), indent=2) + b"\n"
        (made.work / RECORD).write_bytes(text)
        (made.work / PAGE).write_text(tuning_page(record), encoding="utf-8")
    return Tuned(made.final, made.final / f"{record.name}.edge", record)


def _beside(place: Path, name: str) -> tuple[Path, str]:
    """Beside the run folder, whose package it may be, or beside the package."""
    home = place.resolve()
    if home.is_file() and (home.parent / "trace.json").exists():
        home = home.parent
    return (home.parent, f"{home.name}-tuned") if home.is_dir() else (home.parent, f"{name}-tuned")


def _decided(package: Package, decision: DecisionSpec, record: TuneRecord) -> Manifest:
    """The manifest with its new decision, and where it comes from."""
    chosen: TunePoint = record.points[record.chosen]
    told = (
        f"{chosen.missed} of {chosen.events} events missed, {chosen.false_rate.value:.4g} false alarms a {record.per}, "
        f"costs {record.false_alarm_cost:g} and {record.miss_cost:g}, on {record.data}"
    )
    provenance = {**package.manifest.provenance, "tuned": told, "tuned_from": package.sha256}
    return msgspec.structs.replace(package.manifest, decision=decision, provenance=provenance)
