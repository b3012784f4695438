"""What an agent runs: verified packages, detectors and state tables, and the columns that they need."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from edgewright.core.errors import DeviceSettingsError, RateDiffersError, UnitDiffersError, UnknownNameError
from edgewright.core.input.recordings import columns_of
from edgewright.core.records.data import Column
from edgewright.core.state_machine.table import check_names, read_table
from edgewright.device.agent.packages import Answerer, VerifiedPackage, entry_name, keep, prove, wanted
from edgewright.device.agent.rules import EVENTS, NAMES, Rule
from edgewright.device.configuration import AgentSettings, DetectorEntry, PackageEntry, RuleEntry
from edgewright.device.sources import Stream
from edgewright.monitor.detector_stream import IN_PACKAGE, DetectorFile, detectors_in, parse_detector, read_detector

_NONE = "-"
_NO_FILES: Mapping[str, bytes] = MappingProxyType({})


class DetectorPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A detector, the streams it watches, and whether what it calls odd goes unanswered."""

    name: str
    file: DetectorFile
    streams: tuple[str, ...]
    rate: float | None
    gate: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns."""
        return tuple(column.name for column in self.file.spec.columns)


class Plan(msgspec.Struct, kw_only=True):
    """Everything that is at work.

    Attributes:
        answerers, watched, rules: by what they do.
        refused: packages whose place the last ones that were proven here keep: name and why.
        copies: bytes of packages that were proven just now, by name.
        columns: that the source is asked for, with their units.
        places: of each column by its name.
        trained: the columns as packages and detectors know them.
    """

    answerers: list[Answerer] = msgspec.field(default_factory=list)
    watched: list[DetectorPlan] = msgspec.field(default_factory=list)
    rules: list[Rule] = msgspec.field(default_factory=list)
    refused: list[tuple[str, str]] = msgspec.field(default_factory=list)
    copies: dict[str, bytes] = msgspec.field(default_factory=dict)
    columns: list[str] = msgspec.field(default_factory=list)
    places: dict[str, int] = msgspec.field(default_factory=dict)
    trained: dict[str, Column] = msgspec.field(default_factory=dict)


def make_plan(settings: AgentSettings, store: Path, files: Mapping[str, bytes] = _NO_FILES) -> Plan:
    """Prove packages and read detectors and tables; nothing is written.

    Args:
        settings: with paths that are whole.
        store: folder of the store, beside which proven packages are kept.
        files: detectors and tables by their paths, which are read from here instead of the disk.

    Raises:
        CheckFailedError: a package's test vectors fail here, and no older one takes its place.
        InputError: a file cannot be used, two things have one name, or there is nothing to do.
    """
    plan = Plan()
    _unique([entry_name(entry) for entry in settings.packages], "packages")
    for entry in settings.packages:
        _package(plan, entry, store, settings.agent.keep_old)
    for detector in settings.detectors:
        path = Path(detector.path)
        content = files.get(detector.path)
        file = read_detector(path) if content is None else parse_detector(content, path.name)
        _detector(plan, detector, path.name.removesuffix(".detector"), file, detector.streams)
    _unique([watched.name for watched in plan.watched], "detectors")
    for rule in settings.rules:
        _rule(plan, rule, settings, files.get(rule.path))
    _unique([rule.name for rule in plan.rules], "rules")
    if not plan.columns and not plan.rules:
        raise DeviceSettingsError("something to do", "no package, detector or rule", "edgewright device run",
                         "Name a package, or a configuration that does")  # fmt: skip
    return plan


def keep_copies(plan: Plan, store: Path) -> None:
    """Keep what was proven beside the store, which must be this process's by now.

    Raises:
        OutputError: it cannot be written.
    """
    for name, data in plan.copies.items():
        keep(store, name, data)
    plan.copies = {}


def settle_rates(plan: Plan, source: Stream, tolerance: float) -> None:
    """Take the rate of the source where nothing else says one, and refuse a source that says another.

    Raises:
        InputError: the source gives rows at another rate than a package was made for, or is a recording whose rows
            have neither a time nor a rate.
    """
    named = [(f"package {a.name!r}", a.rate) for a in plan.answerers]
    for who, own in (*named, *((f"detector {w.name!r}", w.rate) for w in plan.watched)):
        if own is not None and getattr(source, "untimed", False):
            raise RateDiffersError(f"a time column, or rows a second: {who} takes {own:g}", "neither", "the source",
                             "Say its rate, such as --source 'replay:FILE?rate=50', or rate in [source]")  # fmt: skip
    for answerer in plan.answerers:
        answerer.rate = _rate(answerer.rate, source.rate, tolerance, f"package {answerer.name!r}")
    plan.watched = [
        msgspec.structs.replace(w, rate=_rate(w.rate, source.rate, tolerance, f"detector {w.name!r}"))
        for w in plan.watched
    ]
    by_name = {answerer.name: answerer.rate for answerer in plan.answerers}
    plan.rules = [
        msgspec.structs.replace(rule, rate=rule.rate or by_name.get(rule.package) or source.rate) for rule in plan.rules
    ]


def _rate(own: float | None, given: float | None, tolerance: float, who: str) -> float | None:
    if own is not None and given is not None and abs(given - own) > tolerance * own:
        raise RateDiffersError(f"rows at {own:g} Hz, for which {who} was made", f"{given:g} Hz", "the source",
                         "Set the sensor to that rate, or train on recordings at its own")  # fmt: skip
    return own if own is not None else given


def _package(plan: Plan, entry: PackageEntry, store: Path, keep_old: bool) -> None:
    proven = prove(entry, store, keep_old)
    if proven.refused:
        plan.refused.append((proven.name, proven.refused))
    if proven.predictor.maps is not None and not proven.predictor.anomaly:
        raise DeviceSettingsError(
            "a package with one answer a sample",
            "a list of objects in each picture",
            proven.name,
            "Use: edgewright predict --pictures",
        )
    window = proven.predictor.manifest.window
    rate = entry.rate or (window.rate if window else None)
    plan.answerers.append(Answerer(proven, entry.streams, rate, entry.decision))
    _ask(plan, wanted(proven.predictor), proven.predictor.manifest.columns, proven.name)
    named = columns_of(proven.predictor.manifest)
    _clock(plan, named.time, named.time_unit)
    _inside(plan, proven, entry.streams)
    if proven.data:
        plan.copies[proven.name] = proven.data
    # The engine has the model by now: a gateway with many packages keeps no second copy of each.
    predictor = proven.predictor
    predictor.package = dataclasses.replace(predictor.package, files={})


def _inside(plan: Plan, proven: VerifiedPackage, streams: tuple[str, ...]) -> None:
    """Detectors that travel in a package."""
    for name, content in detectors_in(proven.predictor.package.files).items():
        file = parse_detector(content, f"package {proven.name}, {IN_PACKAGE.format(name=name)}")
        _detector(plan, None, f"{proven.name}.{name}", file, streams)


def _detector(plan: Plan, entry: DetectorEntry | None, name: str, file: DetectorFile, streams: tuple[str, ...]) -> None:
    called = (entry.name if entry else "") or name
    gate = entry is not None and entry.gate
    plan.watched.append(DetectorPlan(name=called, file=file, streams=streams, rate=file.spec.rate, gate=gate))
    columns = file.spec.columns
    _ask(plan, [f"{c.name} [{c.unit}]" if c.unit else c.name for c in columns], columns, called)
    _clock(plan, file.spec.time, file.spec.time_unit)


def _clock(plan: Plan, name: str, unit: str) -> None:
    """Add the column of times, which is no channel."""
    if name and name not in plan.places:
        plan.trained.setdefault(name, Column(name=name, unit="" if unit == "auto" else unit))


def _rule(plan: Plan, entry: RuleEntry, settings: AgentSettings, content: bytes | None) -> None:
    where = Path(entry.path).name
    checked = read_table(Path(entry.path), content)
    if checked.table.retrieve:
        raise DeviceSettingsError("rules of a device", "a dialogue that retrieves", f"{where} retrieve")
    names = {answerer.name: answerer for answerer in plan.answerers}
    package = "" if entry.package == _NONE else entry.package or (next(iter(names)) if len(names) == 1 else "")
    if package and package not in names:
        raise UnknownNameError("package", package, names, f"{where}, [[rules]] package")
    answerer = names.get(package)
    own = answerer.columns if answerer else ()
    columns = (*own, *(name for name in entry.columns if name not in own))
    _ask(plan, columns, tuple(Column(name=name) for name in columns), where)
    known = {*NAMES, *columns, *(answerer.predictor.labels if answerer else ())}
    check_names(checked, known, EVENTS, where)
    for action in checked.actions:
        if action.command and action.command not in settings.commands:
            raise UnknownNameError("command", action.command, settings.commands, f"{where} actions")
    if checked.table.patience and answerer is None:
        raise DeviceSettingsError("a package whose answers the watchdog waits for", "none", f"{where} patience")
    rate = (answerer.rate if answerer else None) or entry.rate
    plan.rules.append(Rule(checked=checked, streams=entry.streams, package=package, columns=columns, rate=rate))


def _ask(plan: Plan, lines: Sequence[str], columns: Sequence[Column], who: str) -> None:
    for name, column in zip(lines, columns, strict=True):
        known = plan.trained.setdefault(column.name, column)
        if known.numerals is msgspec.UNSET and (column.numerals is not msgspec.UNSET or not known.unit):
            plan.trained[column.name] = column
        elif column.numerals not in (msgspec.UNSET, known.numerals):
            raise UnitDiffersError(
                f"the numbers of {column.name} written as another one requires it",
                "other ones",
                who,
                "Run them in separate processes",
            )
        if column.name not in plan.places:
            plan.places[column.name] = len(plan.columns)
            plan.columns.append(name)
            continue
        index = plan.places[column.name]
        before = plan.columns[index]
        if before == column.name:
            plan.columns[index] = name
        elif name not in (before, column.name):
            raise UnitDiffersError(f"the column as {before}, as another one requires it", name, who,
                             "Run them in separate processes")  # fmt: skip


def _unique(names: Sequence[str], table: str) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise DeviceSettingsError(
                f"every name among {table} once", f"{name!r} twice", f"[[{table}]]", "Give one a `name`"
            )


Say = Callable[[str], None]
"""Where an agent says what a person should read."""
