"""The server side of a simulation: a signed fleet folder and the real control plane.

Group commit runs without its thread, the signer runs in this process, and the temporary database is not flushed to the
disk. Everything else is the code that `edgewright fleet serve` runs.

In one process the reports come one by one, and a transaction for each would dominate the run time. The answer to an
ordinary report is predictable, so it is returned immediately, and reports are written together before the next read of
the database. Each answer of the real function must then equal the returned one. Other reports (with another nonce than
the last one, from a clone or a device that lost its state) are processed one at a time.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import msgspec
import sqlalchemy as sa

from edgewright.core.errors import InputError, OutputError, SimulationSettingsError
from edgewright.core.records.fleet import Acknowledged, Allowed, Enrolled, Enrolment, Intent, Plan, Release, Report
from edgewright.fleet.protocol.layout import RELEASES, ROOT, TARGETS, FleetSettings, NotTaken, Unreachable
from edgewright.fleet.repository.acceptance import online_signers, settle
from edgewright.fleet.repository.folder import read_published
from edgewright.fleet.repository.key_rotation import Quorum, create_fleet
from edgewright.fleet.repository.publication import Contents, prepare_release, publish_plan
from edgewright.fleet.server import device_access, reports
from edgewright.fleet.server.control_plane import Limits, Plane
from edgewright.fleet.server.database.engine import Database, open_database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.database.tables import devices, items, outcomes, tokens
from edgewright.fleet.server.database.tables import reports as report_rows
from edgewright.fleet.server.endpoint import RefusedError
from edgewright.fleet.server.reports import ReceivedReport
from edgewright.fleet.server.rollouts import offered
from edgewright.fleet.server.rollouts.scheduler import SchedulerEvent
from edgewright.fleet.server.rollouts.worker import conductor
from edgewright.fleet.server.signer.service import LocalSigner
from edgewright.fleet.simulator.network import Clock, EventQueue, SeededRandom

_CACHE = 128 << 10
"""Cache of the database in kB."""
_CHECKPOINT = 16 << 10
"""Pages of the write-ahead log before a checkpoint: frequently changed pages are then written only once."""
_LISTED: dict[sa.Table, set[tuple[str, ...]]] = {
    devices: {
        ("product", "counter"), ("name", "id"), ("counter", "id"), ("enrolled_at", "id"), ("plan",), ("quarantined",),
    },
    report_rows: {("at",)},
}  # fmt: skip
"""Columns of indexes that only paged device lists and retention use."""


class _Open:
    """Replaces an engine: provides a transaction that is committed on demand."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = None

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Provide the open transaction, starting one if necessary."""
        if self._connection is None:
            self._connection = self._engine.connect()
            self._connection.begin()
        yield self._connection

    def commit(self) -> None:
        """Commit the open transaction.

        Raises:
            OutputError: the disk is full or unavailable.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with contextlib.closing(connection):
            try:
                connection.commit()
            except sa.exc.OperationalError as error:
                do = "Free some space, or set TMPDIR to another folder"
                raise OutputError("to write the database of a simulation", str(error.orig), do=do) from None


@dataclass(frozen=True)
class _Read(Database):
    """A database that commits the open transaction before every read.

    Attributes:
        commit: commits the open transaction.
    """

    commit: Callable[[], None]

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Provide a read-only connection with a consistent snapshot."""
        self.commit()
        with super().reading() as connection:
            yield connection


def gathered(database: Database) -> tuple[Database, Committer]:
    """Return the database and a committer whose operations are committed before the next read.

    It drops the indexes that a simulation does not need.
    """
    with database.writing.begin() as connection:
        for table, names in _LISTED.items():
            for index in table.indexes:
                if tuple(column.name for column in index.columns) in names:
                    index.drop(connection)
    opened = _Open(database.writing)
    reading = _Read(database.writing, database.readers, opened.commit, files=database.files)
    return reading, Committer(cast("sa.Engine", opened), thread=False)


def unflushed(database: Database) -> None:
    """Turn off flushing to the disk, for a temporary database."""
    for engine in (database.writing, database.readers):
        sa.event.listen(engine, "connect", _unflushed)
        engine.dispose()


def _unflushed(connection: object, record: object) -> None:
    for pragma in ("synchronous=OFF", f"cache_size=-{_CACHE}", f"wal_autocheckpoint={_CHECKPOINT}"):
        connection.execute(f"PRAGMA {pragma}").close()  # type: ignore[attr-defined]


GROUP = 512


class _Known(msgspec.Struct):
    """The control plane's state of a device."""

    nonce: str
    outcome: int = 0
    digest: bytes = b""
    reply: Acknowledged | None = None


class Hearing:
    """Accepts reports."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._known: dict[str, _Known] = {}
        self._waiting: list[tuple[ReceivedReport, bytes]] = []
        self._speaking: set[str] = set()

    def enrolled(self, answer: Enrolled) -> None:
        """Record an enrolled device."""
        self._known[answer.device] = _Known(answer.nonce)

    def report(self, device: str, report: Report) -> Acknowledged:
        """Accept a report and return its acknowledgement.

        Raises:
            EdgewrightError: `server.reports.take` refused the report.
        """
        plane, known = self._plane, self._known.get(device, _Known(""))
        digest = hashlib.sha256(msgspec.json.encode(report))
        if known.reply is not None and digest.digest() == known.digest:
            return known.reply
        received = reports.arrived(
            device, report, digest.hexdigest(), at=plane.clock.wall(), nonce=plane.random(16).hex(),
            wait=plane.limits.wait,
        )  # fmt: skip
        if report.nonce != known.nonce:
            self.write()
            # If the report is refused, the device and its clones are in quarantine from now on.
            self._known.pop(device, None)
            answer = bytes(plane.committer.submit_to(reports.take, received).result())
            acknowledged = msgspec.json.decode(answer, type=Acknowledged)
        else:
            highest = max([known.outcome, *(outcome.number for outcome in report.outcomes)])
            durable = tuple((i.boot, i.sequence) for i in received.items)
            acknowledged = Acknowledged(nonce=received.nonce, outcomes=highest, wait=received.wait, durable=durable)
            self._waiting.append((received, msgspec.json.encode(acknowledged)))
            self._speaking.add(device)
        self._known[device] = _Known(acknowledged.nonce, acknowledged.outcomes, digest.digest(), acknowledged)
        if len(self._waiting) >= GROUP:
            self.write()
        return acknowledged

    def write_of(self, device: str) -> None:
        """Write the waiting reports if one of them is from this device, before a read of the device's rows."""
        if device in self._speaking:
            self.write()

    def write(self) -> None:
        """Write the waiting reports; call it before reading the database.

        Raises:
            AssertionError: an answer differs from the returned one, which is a bug in the simulation.
        """
        self._speaking.clear()
        # A group has at most one report per device: a second report depends on the result of the first.
        while self._waiting:
            group: dict[str, tuple[ReceivedReport, bytes]] = {}
            later = []
            for received in self._waiting:
                if received[0].device in group:
                    later.append(received)
                else:
                    group[received[0].device] = received
            self._waiting = later
            arrived = [report for report, _ in group.values()]
            work = functools.partial(reports.take, group=arrived)
            answers = self._plane.committer.submit(work).result()
            for (report, data), answer in zip(group.values(), answers, strict=True):
                if answer != data:
                    raise AssertionError(f"{report.device}: expected {data!r}, got {answer!r}")


PRODUCT = "pump"
_SINGLE = Quorum(keys=1, threshold=1)
_ALL = 1 << 30
_LONG = 3600.0  # seconds until a device retries after a rejected report, as in `device.control_client`
_SIGNATURES = 100_000  # signatures per minute; simulated minutes are short


class Served:
    """A fleet and its control plane.

    Args:
        folder: empty folder for the fleet.
        events: simulated time.
        chance: random numbers for ids and nonces.
        wait: seconds between two reports of a device.
        exact: whether to use no shortcuts: evaluate gates in every round, and write all reports before every intent.

    Attributes:
        down: whether the control plane is down; files are still served.
        dead: outages as (start, end), seconds since 1970; the end of a current outage is infinite.
        unanswered: number of reports and intents without an answer.
        published: called after a new publication.
    """

    def __init__(
        self, folder: Path, events: EventQueue, chance: SeededRandom, wait: float, exact: bool = False
    ) -> None:
        self._events, self.exact = events, exact
        self.dead: list[tuple[float, float]] = []
        self.unanswered = self._reasons = 0
        self.published: Callable[[], None] = lambda: None
        quorums = dict.fromkeys((ROOT, TARGETS, RELEASES), _SINGLE)
        settings = FleetSettings(name="simulation", products=(PRODUCT,))
        self.fleet, _ = create_fleet(folder / "fleet", settings, quorums, None, events.now)
        self.old, _ = self._release(1)
        clock = Clock(events)
        database = open_database(self.fleet.folder)
        unflushed(database)
        database, committer = (database, Committer(database.writing, thread=False)) if exact else gathered(database)
        self.plane = Plane(
            self.fleet.folder, database, committer, clock=clock, random=chance.bytes, limits=Limits(wait=wait)
        )
        root = read_published(self.fleet)[ROOT]
        self.root = (root, hashlib.sha256(root).hexdigest())
        record = self.fleet.online / "signed.json"
        signer = LocalSigner(
            record, lambda role_files: online_signers(self.fleet, role_files), clock.wall, root, _SIGNATURES
        )
        self._parts = conductor(self.plane, signer.sign)
        self.rollouts = self._parts.rollouts
        self._parts.scheduler.glance.few = _ALL if exact else 0
        self.hearing = Hearing(self.plane)
        self._timestamp = b""
        self._contents: dict[str, bytes] = {}

    @property
    def down(self) -> bool:
        """Whether the control plane is down now."""
        return bool(self.dead) and self.dead[-1][1] == math.inf

    def switch(self, down: bool) -> None:
        """Stop or restart the control plane; after two overlapping outages it is back when both are over."""
        self._reasons += 1 if down else -1
        if down and self._reasons == 1:
            self.dead.append((self._events.now, math.inf))
        elif not down and not self._reasons:
            self.dead[-1] = (self.dead[-1][0], self._events.now)

    def look(self) -> None:
        """Call `published` if there is a new publication."""
        now = (self.fleet.metadata / "timestamp.json").read_bytes()
        if now != self._timestamp:
            self._timestamp = now
            self.published()

    def release(self, counter: int) -> tuple[Release, Release | None]:
        """Sign a release with new bytes, and its rollback release if there is an older one; return both.

        Test vectors are not run, since these packages contain only text.
        """
        self._commit()
        return self._release(counter)

    def _commit(self) -> None:
        """Commit what is open, since publishing looks for a control plane in the database's file."""
        with self.plane.database.reading():
            pass

    def _release(self, counter: int) -> tuple[Release, Release | None]:
        data = f"package {counter} of the simulation. ".encode() * 64
        package = Contents(f"{PRODUCT} {counter}", data)
        change, published = prepare_release(self.fleet, package, self._events.now, product=PRODUCT)
        settle(self.fleet, change, self.fleet.ring(), self._events.now)
        return published[0].release, published[1].release if len(published) > 1 else None

    def start(self, plan: Plan) -> None:
        """Sign a plan with the offline keys and start its rollout."""
        self._commit()
        body = publish_plan(self.fleet.folder, plan, now=self._events.now)
        self.tick()
        self.rollouts.start(body, "operator")
        self.look()

    def tick(self) -> list[SchedulerEvent]:
        """Run one round of the real scheduler."""
        if self.down:
            return []
        self.hearing.write()
        happened = self._parts.scheduler.tick()
        self.look()
        return happened

    def content(self, path: str) -> bytes:
        """Return the bytes of a served file; they are cached, since targets never change."""
        if path not in self._contents:
            self._contents[path] = (self.fleet.metadata.parent / path.lstrip("/")).read_bytes()
        return self._contents[path]

    def token(self, secret: str, batch: str, uses: int, tags: tuple[str, ...] = ()) -> None:
        """Create an enrolment token as an operator does."""
        row = {
            "hash": device_access.hashed(secret), "product": PRODUCT, "tags": (batch, *tags), "batch": batch,
            "uses": uses, "made_at": self._events.now, "made_by": "operator", "expires": self._events.now + 3600.0,
        }  # fmt: skip
        self.plane.committer.submit(lambda c: c.execute(sa.insert(tokens).values(row)) and None).result()

    def enrol_all(self, requests: Sequence[Enrolment]) -> list[Enrolled]:
        """Enrol devices in one transaction."""
        random, now = self.plane.random, self._events.now
        prepared = [(request, random(16).hex(), random(16).hex()) for request in requests]

        def work(connection: sa.Connection) -> list[Enrolled]:
            return [
                device_access.enrol(connection, r, now=now, device=device, nonce=nonce) for r, device, nonce in prepared
            ]

        answers = self.plane.committer.submit(work).result()
        for answer in answers:
            self.hearing.enrolled(answer)
        return answers

    def intent(self, device: str, intent: Intent) -> Allowed:
        """Return whether a device may activate, by the real rules.

        Raises:
            Unreachable: the control plane is down.
            InputError: refused.
        """
        self._there()
        if self.exact:
            self.hearing.write()
        else:
            self.hearing.write_of(device)  # an intent depends on this device's rows, the rollout and other intents
        now = self._events.now
        try:
            return self.plane.committer.submit(lambda c: offered.ask(c, device, intent, now)).result()
        except RefusedError as error:
            raise as_on_a_device(error) from None

    def report(self, device: str, report: Report) -> Acknowledged:
        """Accept a report.

        Raises:
            Unreachable, InputError: see `intent`.
        """
        self._there()
        try:
            return self.hearing.report(device, report)
        except RefusedError as error:
            raise as_on_a_device(error) from None
        except InputError as error:  # invalid numbers: status 400, and the device drops the report
            raise NotTaken(str(error), _LONG) from None

    def quarantined(self) -> set[str]:
        """Return the ids of quarantined devices."""
        self.hearing.write()
        with self.plane.database.reading() as connection:
            return set(connection.execute(sa.select(devices.c.id).where(devices.c.quarantined)).scalars())

    def kept(self) -> tuple[dict[str, set[int]], dict[str, set[tuple[int, int]]]]:
        """Return the stored outcome numbers, and the stored items as (boot, sequence), by device."""
        self.hearing.write()
        record: dict[str, set[int]] = {}
        sent: dict[str, set[tuple[int, int]]] = {}
        with self.plane.database.reading() as connection:
            for device, number in connection.execute(sa.select(outcomes.c.device, outcomes.c.number)):
                record.setdefault(device, set()).add(number)
            for device, boot, sequence in connection.execute(sa.select(items.c.device, items.c.boot, items.c.sequence)):
                sent.setdefault(device, set()).add((boot, sequence))
        return record, sent

    def close(self) -> None:
        """Close the database."""
        self.plane.close()

    def _there(self) -> None:
        if self.down:
            self.unanswered += 1
            raise Unreachable("the control plane is down")


def as_on_a_device(error: RefusedError) -> InputError | Unreachable:
    """Translate a refusal like `HttpControl` on a device."""
    if error.status in (401, 403, 404, 409, 410):
        return SimulationSettingsError("to be known to the control plane", str(error))
    return Unreachable(str(error), error.wait or None)
