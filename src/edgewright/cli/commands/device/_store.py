"""Commands on the store of a device and its agent; the option and the times that others share with them."""

from __future__ import annotations

import datetime
import hashlib
import os
import tempfile
import time
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.command import Result, Stream, argument, declare, option
from edgewright.core.errors import (
    DONE,
    AdaptationUnavailableError,
    CheckFailedError,
    ExistingFileError,
    FileEndingError,
    InputError,
    OptionMissingError,
    StoreMissingError,
    UnknownNameError,
)
from edgewright.core.files import flush
from edgewright.core.formatting import bytes_text, parse_duration

if TYPE_CHECKING:
    from edgewright.core.records.package import Manifest
    from edgewright.device.store.database import Database
    from edgewright.device.store.records import Stored


STORE: Any = option(required=True, metavar="DIR", help="Folder of the store.")


class Moment(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # no generic in click 8.1
    """'2026-11-20', '2026-11-20T13:00', '90m', '12h', '7d' (so long ago), or seconds since 1970."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds since 1970."""
        if isinstance(value, float):
            return value
        text = str(value)
        try:
            if text.replace(".", "", 1).isdigit():
                return float(text)
            if (ago := parse_duration(text)) is not None:
                return time.time() - ago
            return datetime.datetime.fromisoformat(text).timestamp()
        except ValueError:
            self.fail(f"expected a time such as 2026-11-20T13:00, 12h or 7d, got {text!r}", param, ctx)


def when(seconds: float | None) -> str:
    """Return a moment in the local time zone, or a dash."""
    if seconds is None:
        return "-"
    try:
        return datetime.datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f} s"


def _words(stored: Stored) -> str:
    event = stored.event
    detail = " ".join(f"{name}={value}" for name, value in event.detail.items())
    where = f" [{event.stream}]" if event.stream else ""
    moment = when(event.wall if event.wall is not None else stored.written)
    return f"{moment}  {event.kind:<8} {event.label}{where}  {event.score:.3g}  {detail}".rstrip()


@declare(example="--store DIR --kind alarm --since 7d", view=_words, json="Print one JSON object per line.")
def query(
    store: Path = STORE,
    kind: str = option(help="Kind of event: decision, alarm, anomaly, health, drift, state or summary."),
    label: str = option(help="Answer, alarm or channel, by name."),
    stream: str | None = option(help="Only this stream."),
    since: float | None = option(type=Moment(), help="Start: 2026-11-20T13:00, or 12h, 7d ago."),
    until: float | None = option(type=Moment(), help="End, in the same form."),
    limit: int = option(type=click.IntRange(min=1), default=100, help="Largest number of events."),
) -> Stream:
    """Print events of a store, newest first; the agent may be running."""
    from edgewright.core.records.device import Kind
    from edgewright.device.store import reader

    known = typing.get_args(Kind)
    if kind and kind not in known:
        raise UnknownNameError("kind of event", kind, known, "--kind")
    yield from reader.read(
        store, lambda database: list(reader.events(database, kind, label, stream, since, until, limit))
    )
    return DONE


_ALL = 1 << 60


@declare(example="--store DIR --rows --column ax --column ay --out rows.csv")
def export(
    store: Path = option(required=True, metavar="DIR", help="Folder of the store."),
    out: Path = option(required=True, help="Output file: .csv or .jsonl."),
    raw: bool = option("--rows", help="Export raw rows instead of events; name their columns."),
    columns: tuple[str, ...] = option("--column", metavar="NAME", help="Column to export; may be repeated."),
    detail: tuple[str, ...] = option(metavar="NAME", help="Key of events' detail to export; may be repeated."),
    stream: str | None = option(help="Only this stream."),
    since: float | None = option(type=Moment(), help="Start: 2026-11-20T13:00, or 12h, 7d ago."),
    until: float | None = option(type=Moment(), help="End, in the same form."),
    key: Path | None = option(help="File with the key of encrypted columns."),
    force: bool = option(help="Overwrite the file."),
) -> Result:
    """Export events, or raw rows, of a store to a file.

    Only what you name leaves the store: of raw rows the columns given by --column; of events their own fields and the
    keys of their detail given by --detail.
    """
    from edgewright.device.store import reader

    if out.suffix not in {".csv", ".jsonl"}:
        raise FileEndingError("a file that ends in .csv or .jsonl", repr(out.name), "--out")
    if out.exists() and not force:
        raise ExistingFileError("a new file", str(out), "--out", "Choose another, or add --force")
    count = reader.read(store, lambda database: _write(
        out, _lines(database, store, out.suffix[1:], raw, columns, detail, stream, since, until, key)
    ))  # fmt: skip
    count -= out.suffix == ".csv"
    none = "" if count else ": the store has none for this stream and time"
    return Result(
        {"file": str(out), "lines": count, "bytes": out.stat().st_size},
        [f"{count:,} {'rows' if raw else 'events'} in {click.format_filename(out)}{none}"],
        compact=True,
    )


def _lines(
    database: Database, folder: Path, form: str, raw: bool, columns: tuple[str, ...], detail: tuple[str, ...],
    stream: str | None, since: float | None, until: float | None, key: Path | None,
) -> Iterator[bytes]:  # fmt: skip
    from edgewright.device.store import entries, reader
    from edgewright.device.store.identity import Identity

    identity = Identity.open(folder, writable=False)
    device = identity.device
    identity.close()
    kind: reader.Form = "csv" if form == "csv" else "jsonl"
    if raw:
        secret = entries.read_key(key) if key else None
        # Without any row nobody knows which columns there are, and a file without rows would look like an answer.
        if columns and not reader.rows_kept(database):
            raise StoreMissingError("a store that keeps raw rows", "none", str(folder),
                             "Keep them with [agent] keep = \"alarm\" or \"all\" in device.toml")  # fmt: skip
        rows = reader.rows(database, device, stream, since, until, _ALL, secret)
        return reader.row_lines(device, rows, kind, columns)
    events = reader.events(database, stream=stream, since=since, until=until, limit=_ALL, newest=False)
    return reader.event_lines(device, events, kind, detail, columns or reader.EVENT_COLUMNS)


def _write(out: Path, lines: Iterator[bytes]) -> int:
    count, temporary = 0, ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
        with os.fdopen(handle, "wb") as file:
            for line in lines:
                file.write(line)
                count += 1
            flush(file)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(out)
    except BaseException:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise
    return count


@declare(example="--store DIR --table rows --days 7")
def purge(
    store: Path = STORE,
    tables: tuple[str, ...] = option(
        "--table", metavar="NAME", help="events, rows, outbox or learnt; may be repeated."
    ),
    days: float = option(
        type=click.FloatRange(min=0),
        default=0.0,
        help="Only what is older than this many days of running time; 0 deletes all.",
    ),
    aside: bool = option("--set-aside", help="Delete files that were set aside as damaged."),
) -> Result:
    """Delete data from a store and overwrite it in the file. Stop the agent first.

    What the agent has learnt of its streams (`learnt`) comes from rows and events: deleting all of either deletes it
    too; with --days it stays.
    """
    from edgewright.device.store import reader, status
    from edgewright.device.store.store import Store

    if not tables and not aside:
        raise OptionMissingError(
            "what to delete", "nothing", "--table", "Set --table events, rows, outbox or learnt, or --set-aside"
        )
    deleted: dict[str, int] = {}
    before = reader.disk_usage(store)
    with Store.open(store, status.patient(store)) as opened:
        if tables:
            deleted = status.purge(opened, dict.fromkeys(tables), days)
        files = status.remove_set_aside(store) if aside else []
    freed = sum(before.values()) - sum(reader.disk_usage(store).values())
    lines = [
        f"{name}: {count:,} {'parts' if name == status.LEARNT else 'entries'} deleted"
        for name, count in deleted.items()
    ]
    lines += [*(f"deleted {name}" for name in files), f"the files are {bytes_text(max(0, freed))} smaller"]
    return Result({"deleted": deleted, "files": files, "freed_bytes": freed}, lines)


_PATIENCE = 10.0


@declare(example="walking --for 65s --store /var/lib/edgewright")
def label(
    label: str = argument(),
    store: Path = STORE,
    duration: str = option("--for", metavar="TIME", help="The label of this time from now on, such as 65s."),
    package: str = option(metavar="NAME", help="Package that learns, if there are several."),
    stream: str = option(metavar="NAME", help="Stream that the label is of, if there are several."),
) -> Result:
    """Say what the last window was, or what the next ones are; the running agent learns from them on the device.

    The package needs a table [adapt]. `edgewright device status` shows whether answers use what was learned.
    """
    from edgewright.cli.options import seconds_of
    from edgewright.device.agent.learned import LabelRequest, ask, learned_folder

    manifest = _manifest(store, package)
    if label not in manifest.labels:
        raise UnknownNameError("label", label, manifest.labels, f"package {manifest.name}")
    seconds = seconds_of(duration, "--for") if duration else 0.0
    request = LabelRequest(label=label, seconds=seconds, stream=stream)
    reply = ask(learned_folder(store, manifest.name), request, _PATIENCE)
    if reply is None:
        raise CheckFailedError(
            f"no agent of {store} took the label within {_PATIENCE:g} s", "Start it with: edgewright device run"
        )
    if reply.text:
        raise CheckFailedError(reply.text)
    if seconds:
        return Result(reply, [f"windows of the next {seconds:g} s are {label}"])
    refused = "the last window was refused: its values are missing or out of range"
    done = "learned from the last window" if reply.learned else refused
    return Result(reply, [f"{done}; {'answers use what was learned' if reply.used else 'the factory model answers'}"])


def _manifest(store: Path, name: str) -> Manifest:
    """Return the manifest of the package that learns.

    Raises:
        InputError: there is none, or several.
        UnknownNameError: none of this name.
    """
    from edgewright.core.package import read_package
    from edgewright.device.agent.packages import CURRENT, FOLDER

    packages = [read_package(path) for path in sorted((store / FOLDER).glob(f"*/{CURRENT}"))]
    known = {one.manifest.name: one.manifest for one in packages if one.learns}
    if name and name not in known:
        raise UnknownNameError("package that learns", name, known, str(store))
    if len(known) == 1 or name:
        return known[name or next(iter(known))]
    raise AdaptationUnavailableError(
        "one package with a table [adapt]", ", ".join(known) or "none", str(store),
        "Name it with --package" if known else "Add the table to the pipeline, and run the new package",
    )  # fmt: skip


@declare(example="device.toml")
def check(
    config: Path = argument(),
    package: Path | None = option(metavar="PACKAGE", help="Package whose settings lie under those of CONFIG."),
) -> Result:
    """Check a device.toml: keys, values, packages with their test vectors, detectors, state tables and sinks.

    Nothing is written or sent, and no source is opened. Exits with 1 if a package's test vectors give other answers on
    this device.
    """
    from edgewright.device.agent.plan import make_plan
    from edgewright.device.agent.startup import configured_for
    from edgewright.device.boards.configuration import read_boards

    configured = configured_for(str(package) if package else "", config)
    settings = configured.settings
    strict = msgspec.structs.replace(settings, agent=msgspec.structs.replace(settings.agent, keep_old=False))
    lines, named = [], bool(settings.packages or settings.detectors or settings.rules)
    if named:
        plan = make_plan(strict, Path(), configured.files)
        for answerer in plan.answerers:
            rate = f" at {answerer.rate:g} Hz" if answerer.rate else ""
            predictor = answerer.predictor
            form = f"{predictor.form}, engine {predictor.engine.name}"
            form += f" ({predictor.note})" if predictor.note else ""
            lines.append(f"package {answerer.name}: {', '.join(answerer.columns)}{rate}; {form}")
        lines += [f"detector {watched.name}: {', '.join(watched.columns)}" for watched in plan.watched]
        lines += [f"rules {rule.name}: {len(rule.checked.table.states)} states" for rule in plan.rules]
    lines.append(f"source: {configured.source.kind if configured.source else 'of the command line'}")
    for way in configured.ways:
        way.open().close()  # waits for nothing and refuses what will never work, such as another machine without TLS
    lines.append(f"sinks: {', '.join(way.kind for way in configured.ways) or 'none, everything stays here'}")
    read_boards(config)  # that no rows come over the line of a board
    lines += [
        f"board {board.name}: {board.link}, {board.trial:g} s of trial; queried if the device has a fleet"
        for board in settings.boards
    ]
    lines += [f"kept instead of the release's: {key}" for key in configured.kept]
    more = "" if named else " with a package on the command line: it configures no work"
    lines.append(f"{config.name} can be run{more}")
    return Result({"config": str(config), "works_alone": named, "checked": lines}, lines)


_LARGEST = 1 << 20


@declare(example="new.root.json --store /var/lib/edgewright")
def trust_root(
    file: Path = argument(),
    store: Path = STORE,
    stick: bool = option(help="Replace the root of USB sticks instead of the network's."),
) -> Result:
    """Trust the root in FILE from now on, instead of the one that was pinned at enrolment.

    Whoever holds its keys decides what this device runs: get the file from the operators of the fleet and compare its
    hash. The lowest release that the device accepts, and the releases that failed here, stay as they are. Stop
    `edgewright device run` first.
    """
    from edgewright.core.files import os_errors
    from edgewright.fleet.device.enrollment import TRUST_FOLDER
    from edgewright.fleet.device.state_database import locked
    from edgewright.fleet.device.trust.client import FOLDER
    from edgewright.fleet.device.trust.pinned_root import recover

    with os_errors(InputError, "a root", file), file.open("rb") as opened:
        content = opened.read(_LARGEST)
    if not store.is_dir():
        raise StoreMissingError("the folder of a store", "none", str(store), "Set it with --store")
    with locked(store):
        version = recover(store / (FOLDER if stick else TRUST_FOLDER), content, str(file))
    fingerprint = hashlib.sha256(content).hexdigest()
    return Result(
        {"root": version, "sha256": fingerprint},
        [f"root {version} is trusted, SHA-256 {fingerprint}; floors are unchanged"],
    )
