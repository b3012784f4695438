"""The agent's durable state: one database file, one transaction per transition.

If the file were recreated after a loss, an older release could become active again. It is therefore separate from the
store and never replaced automatically when damaged, and the slots contain copies of the release floor.
"""

from __future__ import annotations

import fcntl
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from edgewright.core.files import open_private, private_folder
from edgewright.device.store import file_operations
from edgewright.device.store.database import Connect, Database, connect, trouble
from edgewright.device.store.guarded_database import open_guarded
from edgewright.fleet.device.ports import RetiredError, Slot
from edgewright.schema.boards import BoardSeen
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.fleet_plan import TrialLimits
from edgewright.schema.fleet_report import Acknowledged, Because, Enrolled, Outcome


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of a trial over all starts of the model's process.

    Attributes:
        seconds: seconds with arriving rows.
        windows, unsure, alarms, anomalies: counts.
    """

    seconds: float = 0.0
    windows: int = 0
    unsure: int = 0
    alarms: int = 0
    anomalies: int = 0


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """An activated release that is not confirmed yet.

    Attributes:
        plan, stage: plan and stage of the activation.
        counter: counter of the release.
        previous: slot for a rollback; empty for none.
        before, plan_before: counter and plan of the release in the previous slot.
        limits: limits of the plan, stored because the plan may be unavailable when they are needed.
        counts: counts over all starts, as last written.
        waited: seconds that the agent has run since the activation.
        crashes: number of unexpected exits of the process.
        boots: number of agent starts that found the process marked as running, after a power loss or a kill.
        running: whether the process was started and not stopped normally; written before each start.
        environment: of the agent before the activation. `starts`: of a new agent that nothing has confirmed.
    """

    plan: str
    stage: int
    counter: int
    previous: Slot
    before: int
    plan_before: str
    limits: TrialLimits
    counts: Counts = Counts()
    waited: float = 0.0
    crashes: int = 0
    boots: int = 0
    running: bool = False
    environment: str = ""
    starts: int = 0


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that the device has seen.

    Attributes:
        id, sha256: id and hash from the standing; the first hash is kept.
        seen: running seconds of the agent when it first saw the plan.
        stage: highest stage that applied to this device; -1 for none.
        aborted: whether an abort was verified, which is permanent.
    """

    id: str
    sha256: str
    seen: float
    stage: int = -1
    aborted: bool = False


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """The release in the inactive slot.

    Attributes:
        sha256, counter: hash and counter of the release that is or was downloaded.
        tested: whether its test vectors passed on this device.
        environment: of the agent that it carries; empty for none.
    """

    sha256: str
    counter: int
    tested: bool = False
    environment: str = ""


class TagChange(msgspec.Struct, frozen=True, kw_only=True):
    """Tags that an operator assigned to the device after its enrolment.

    Attributes:
        tags: all tags of the device.
        at: time at which the device received them, seconds since 1970, the later of its clock and the signed time; None
            until that time is known.
    """

    tags: tuple[str, ...]
    at: float | None = None


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """The device's enrolment and its connection to the control plane.

    Attributes:
        device: id of the device; empty before enrolment.
        tags, batch: tags and batch of the enrolment.
        changes: changes of tags since the enrolment, newest last; limited in number.
        at: time of the enrolment, seconds since 1970.
        nonce: nonce of the last durable acknowledgement.
        sequence: number of the last report; raised durably before a report is sent.
        retries: number of the last applied retry that an operator requested.
    """

    device: str = ""
    tags: tuple[str, ...] = ()
    changes: tuple[TagChange, ...] = ()
    batch: str = ""
    at: float = 0.0
    nonce: str = ""
    sequence: int = 0
    retries: int = 0

    @property
    def newest_tags(self) -> tuple[str, ...]:
        """Return the tags that the device has now."""
        return self.changes[-1].tags if self.changes else self.tags

    def tags_for(self, starts: float) -> tuple[str, ...]:
        """Return the tags that apply to a plan: those that the device had at the plan's start.

        Tags come from the online host and plans from the offline keys. A compromised host must not be able to move
        devices into the first cohort of a plan that is already signed.

        Args:
            starts: start of the plan, seconds since 1970.
        """
        return next((one.tags for one in reversed(self.changes) if one.at is not None and one.at <= starts), self.tags)


class DeviceState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the device except outcomes and the link, stored in one row.

    Attributes:
        begun: False in a new file: the slots and the floor are then restored from the package folders.
        product: product that the device follows.
        active: active slot; empty for none.
        counter, plan: counter and plan of the active release; 0 and empty for a package that came with the device.
        floors: lowest counter that may be activated, by product.
        burned: counters of this product that failed on this device.
        retried: counters of failed releases that an operator let the device retry, one entry per retry.
        trial: trial of the active release; None if it is confirmed.
        fetched: release in the inactive slot; None for none.
        plans: plans that the device has seen, newest last; limited in number.
        running: total seconds that the agent has run.
        outcome: number of the last outcome.
        quarantined: why the control plane has quarantined this device; empty if it has not. `retired` says
            whether this is permanent. The device still asks about once an hour: an attacker with control of the server
            must not be able to exclude devices permanently.
        because: why the last release failed, for people.
        boards: last known states of the boards behind the device.
        environment: of the agent that is to run; empty for the one that came with the device. `environment_before`:
            before the last activation.
        started: whether the agent started the model's process and has not closed since; written before the first start.
    """

    begun: bool = False
    product: str = ""
    active: Slot = ""
    counter: int = 0
    plan: str = ""
    floors: dict[str, int] = msgspec.field(default_factory=dict)
    burned: tuple[int, ...] = ()
    retried: tuple[int, ...] = ()
    trial: Trial | None = None
    fetched: Fetched | None = None
    plans: tuple[Followed, ...] = ()
    running: float = 0.0
    outcome: int = 0
    quarantined: str = ""
    retired: bool = False
    because: Because = ""
    boards: tuple[BoardSeen, ...] = ()
    environment: str = ""
    environment_before: str = ""
    started: bool = False

    @property
    def floor(self) -> int:
        """Floor of the followed product."""
        return self.floors.get(self.product, 0)

    @property
    def other(self) -> Slot:
        """The inactive slot."""
        return "b" if self.active == "a" else "a"

    def followed(self, plan: str) -> Followed | None:
        """Return the record of a plan; None if the device has not seen it."""
        return next((one for one in self.plans if one.id == plan), None)


LOCK_FILE = "fleet.lock"


def locked(store: Path) -> IO[str]:
    """Lock the store's folder for this agent.

    Raises:
        InputError: another agent uses the folder, or it is not a folder.
        OutputError: the folder cannot be written.
    """
    try:
        new = [folder for folder in (store.absolute(), *store.absolute().parents) if not folder.exists()]
        private_folder(store)
        for folder in new:
            file_operations.sync_folder(folder.parent)
        handle = open_private(store / LOCK_FILE, "a")
    except (FileExistsError, NotADirectoryError):
        raise InputError("a folder for the store", "a file", str(store)) from None
    except OSError as error:
        raise OutputError("a folder that can be written", error.strerror or str(error), str(store)) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise InputError("a store that no other agent follows a fleet with", "one that is in use", str(store),
                         "Stop the other `edgewright device run`, or name another folder") from None  # fmt: skip
    return handle


FILE = "update.sqlite"
VERSION = 1
OUTCOMES = 1000
"""Largest number of unacknowledged outcomes; above it the oldest 'tested' outcomes are dropped first."""
PLANS = 40
TAG_CHANGES = 16
RETRIES = 3
"""Largest number of retries of a failed release on this device, since only the online host decides on them."""
_TABLES = (
    "CREATE TABLE kept(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    "CREATE TABLE outcomes(number INTEGER PRIMARY KEY, value TEXT)",
)
_WHAT = "which package this device runs"
_DO = (
    "It guards against older packages, so it is not recreated automatically. Delete it to start over: "
    "the floor then comes from the slots"
)
_PUT = "INSERT OR REPLACE INTO kept(key, value) VALUES (?, ?)"


class State:
    """The open state database.

    Args:
        database: the database from `open_guarded`.

    Attributes:
        held: state of the device.
        link: enrolment and connection to the control plane.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        found = dict(database.execute("SELECT key, value FROM kept"))
        self.held = msgspec.json.decode(found["held"], type=DeviceState) if "held" in found else DeviceState()
        self.link = msgspec.json.decode(found["link"], type=Link) if "link" in found else Link()
        rows = database.execute("SELECT value FROM outcomes ORDER BY number LIMIT ?", (2 * OUTCOMES,))
        self._outcomes = [msgspec.json.decode(value, type=Outcome) for (value,) in rows]

    @classmethod
    def open(cls, folder: Path, opener: Connect = connect, writable: bool = True) -> State:
        """Open or create the database in the folder of a store.

        Raises:
            InputError: a newer version wrote the database.
            OutputError: the database cannot be read or created; an existing file is left unchanged.
        """
        database = open_guarded(folder / FILE, VERSION, _TABLES, _WHAT, _DO, opener=opener, writable=writable)
        try:
            return cls(database)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            database.close()
            raise OutputError(_WHAT, f"a damaged file: {error}", str(folder / FILE), _DO) from error

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Unacknowledged outcomes, oldest first; at most `OUTCOMES`."""
        return tuple(self._outcomes)

    def change(self, outcomes: Sequence[Outcome] = (), **fields: Any) -> DeviceState:  # noqa: ANN401 - fields of `DeviceState`
        """Change the state atomically and durably, and return the new state.

        Args:
            outcomes: new outcomes; this method assigns their numbers.
            fields: new values of `DeviceState`. A floor never decreases; only `acknowledge` removes a burned counter.

        Raises:
            OutputError: the disk is full or broken; nothing has changed.
        """
        before = self.held
        if "floors" in fields:
            given = fields["floors"]
            fields["floors"] = {
                name: max(given.get(name, 0), before.floors.get(name, 0)) for name in {*given, *before.floors}
            }
        if "plans" in fields:
            fields["plans"] = tuple(fields["plans"])[-PLANS:]
        numbered = [
            msgspec.structs.replace(one, number=before.outcome + place) for place, one in enumerate(outcomes, start=1)
        ]
        now = msgspec.structs.replace(before, outcome=before.outcome + len(numbered), **fields)
        over = max(0, len(self._outcomes) + len(numbered) - OUTCOMES)
        oldest = sorted(self._outcomes, key=lambda one: (one.what != "tested", one.number))
        gone = {one.number for one in oldest[:over]}
        self._write({"held": now}, numbered, gone)
        self.held = now
        self._outcomes = [one for one in self._outcomes if one.number not in gone] + numbered
        return now

    def tell(self, what: str, counter: int, plan: str, at: float, because: Because = "", detail: str = "") -> Outcome:
        """Create an outcome without a number, for `change`."""
        made: Any = {"what": what, "counter": counter, "plan": plan, "at": at, "because": because}
        return Outcome(number=0, detail=detail[:500], **made)

    def enrol(self, answer: Enrolled) -> None:
        """Store the id of the device."""
        self._relink(
            msgspec.structs.replace(
                self.link,
                device=answer.device,
                tags=answer.tags,
                changes=(),
                batch=answer.batch,
                at=answer.at,
                nonce=answer.nonce,
            )
        )

    def date_tags(self, now: float) -> None:
        """Store the time of new tags durably.

        Args:
            now: seconds since 1970, the later of the device's clock and the signed time.
        """
        if any(one.at is None for one in self.link.changes):
            dated = tuple(msgspec.structs.replace(c, at=now) if c.at is None else c for c in self.link.changes)
            self._relink(msgspec.structs.replace(self.link, changes=dated))

    def next_sequence(self) -> int:
        """Return the sequence number of the next report; it is stored first, so no number is used twice."""
        self._relink(msgspec.structs.replace(self.link, sequence=self.link.sequence + 1))
        return self.link.sequence

    def set_nonce(self, nonce: str) -> None:
        """Store the nonce of a durable acknowledgement."""
        if nonce != self.link.nonce:
            self._relink(msgspec.structs.replace(self.link, nonce=nonce))

    def shut_out(self, why: InputError) -> None:
        """Store that the control plane refuses this device, and why.

        Raises:
            OutputError: the disk is full or broken.
        """
        if self.held.quarantined != str(why):
            self.change(quarantined=str(why), retired=isinstance(why, RetiredError))

    def acknowledge(self, answer: Acknowledged) -> None:
        """Store the nonce of an acknowledgement, drop the acknowledged outcomes and end a quarantine, atomically.

        An acknowledgement can also contain new tags, and a retry of a failed release that an operator requested.
        """
        link = msgspec.structs.replace(self.link, nonce=answer.nonce)
        held = msgspec.structs.replace(self.held, quarantined="", retired=False)
        if answer.tags is not msgspec.UNSET and answer.tags != link.newest_tags:
            link = msgspec.structs.replace(link, changes=(*link.changes, TagChange(tags=answer.tags))[-TAG_CHANGES:])
        if answer.retry is not msgspec.UNSET and answer.retry[0] > link.retries:
            number, counter = answer.retry
            link = msgspec.structs.replace(link, retries=number)
            if counter in held.burned and held.retried.count(counter) < RETRIES:
                burned = tuple(one for one in held.burned if one != counter)
                held = msgspec.structs.replace(held, burned=burned, retried=(*held.retried, counter))
        gone = {one.number for one in self._outcomes if one.number <= answer.outcomes}
        values: dict[str, Any] = {"link": link} if held == self.held else {"link": link, "held": held}
        self._write(values, (), gone)
        self.link, self.held = link, held
        self._outcomes = [one for one in self._outcomes if one.number not in gone]

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _relink(self, link: Link) -> None:
        self._write({"link": link}, (), set())
        self.link = link

    def _write(self, values: dict[str, Any], outcomes: Sequence[Outcome], gone: set[int]) -> None:
        try:
            with self._database.transaction():
                for key, value in values.items():
                    self._database.execute(_PUT, (key, msgspec.json.encode(value).decode()))
                for one in outcomes:
                    content = msgspec.json.encode(one).decode()
                    self._database.execute("INSERT INTO outcomes(number, value) VALUES (?, ?)", (one.number, content))
                for number in gone:
                    self._database.execute("DELETE FROM outcomes WHERE number = ?", (number,))
        except Exception as error:
            raise OutputError(
                "to note what this device runs", f"{trouble(error)}: {error}", str(self._database.path)
            ) from error
