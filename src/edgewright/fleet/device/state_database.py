"""The agent's durable state: one database file, one transaction per transition.

If the file were recreated after a loss, an older release could become active again. It is therefore separate from the
store, has two copies, and the slots contain copies of the release floor. Where both copies are damaged, the device
keeps its floor and its package and enrols again as another device, with another key.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path
from typing import IO, Any

import msgspec

from edgewright.core.errors import InputError, OutputError
from edgewright.core.records.fleet import Acknowledged, Because, BoardSeen, Enrolled, Outcome, TrialLimits
from edgewright.device.store import file_operations
from edgewright.device.store.database import Connect, Database, connect, trouble
from edgewright.device.store.guarded_database import LostError, open_guarded, start_over
from edgewright.fleet.device.ports import RetiredError, Slot

FILE = "update.sqlite"
VERSION = 1
"""Of the file. A rollback starts an older agent on it, so only fields may be new, and words in `_FOR_PEOPLE`."""
_FOR_PEOPLE = ("because", "boards")
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
_SUBJECT = "which package this device runs"
_DO = "Start `edgewright device run`, which repairs it"
KEY_FILE, KEY_COPY = "device.key", "device.key.copy"
_PUT = "INSERT OR REPLACE INTO kept(key, value) VALUES (?, ?)"


NOT_ENROLLED = (
    "this device has lost its enrolment and runs its package. Give it a new token (edgewright fleet token new, then "
    "device run --token-file) and retire its old entry (edgewright fleet device retire)"
)
"""Said of a device that has a product and no enrolment: both copies of its state were damaged."""


class State:
    """The open state database.

    Attributes:
        device_state: state of the device.
        link: enrolment and connection to the control plane.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.device_state, self.link, self._outcomes = _read(database)

    @classmethod
    def open(cls, folder: Path, opener: Connect = connect, writable: bool = True) -> State:
        """Open or create the database in the folder of a store.

        Raises:
            InputError: a newer version wrote the database.
            OutputError: the database cannot be read or created; an existing file is left unchanged.
        """

        def opened() -> Database:
            return open_guarded(
                folder / FILE, VERSION, _TABLES, _SUBJECT, _DO, opener=opener, writable=writable,
                tables=("kept", "outcomes"), check=_read,
            )  # fmt: skip

        try:
            database = opened()
        except LostError:
            if not writable:
                raise
            # The key goes with it: its nonce is lost, and a second start with the same key would look like a copy.
            start_over(folder / FILE, _SUBJECT, (folder / KEY_FILE, folder / KEY_COPY))
            database = opened()
        return cls(database)

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
        before = self.device_state
        if "floors" in fields:
            given = fields["floors"]
            fields["floors"] = {
                name: max(given.get(name, 0), before.floors.get(name, 0)) for name in {*given, *before.floors}
            }
        if "plans" in fields:
            fields["plans"] = tuple(fields["plans"])[-PLANS:]
        numbered = [
            msgspec.structs.replace(outcome, number=before.outcome + offset)
            for offset, outcome in enumerate(outcomes, start=1)
        ]
        now = msgspec.structs.replace(before, outcome=before.outcome + len(numbered), **fields)
        over = max(0, len(self._outcomes) + len(numbered) - OUTCOMES)
        oldest = sorted(self._outcomes, key=lambda outcome: (outcome.result != "tested", outcome.number))
        gone = {outcome.number for outcome in oldest[:over]}
        self._write({"held": now}, numbered, gone)
        self.device_state = now
        self._outcomes = [outcome for outcome in self._outcomes if outcome.number not in gone] + numbered
        return now

    def outcome(
        self, kind: str, counter: int, plan: str, at: float, because: Because = "", detail: str = ""
    ) -> Outcome:
        """Create an outcome without a number, for `change`."""
        fields: Any = {"result": kind, "counter": counter, "plan": plan, "at": at, "because": because}
        return Outcome(number=0, detail=detail[:500], **fields)

    def enrol(self, answer: Enrolled) -> None:
        """Store the id of the device."""
        own = {name: getattr(answer, name) for name in ("device", "tags", "batch", "at", "nonce")}
        self._relink(msgspec.structs.replace(self.link, changes=(), **own))

    def date_tags(self, now: float) -> None:
        """Store the time of new tags durably.

        Args:
            now: seconds since 1970, the later of the device's clock and the signed time.
        """
        if any(change.at is None for change in self.link.changes):
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
        if self.device_state.quarantined != str(why):
            self.change(quarantined=str(why), retired=isinstance(why, RetiredError))

    def acknowledge(self, answer: Acknowledged) -> None:
        """Store the nonce of an acknowledgement, drop the acknowledged outcomes and end a quarantine, atomically.

        An acknowledgement can also contain new tags, and a retry of a failed release that an operator requested.
        """
        link = msgspec.structs.replace(self.link, nonce=answer.nonce)
        current = msgspec.structs.replace(self.device_state, quarantined="", retired=False)
        if answer.tags is not msgspec.UNSET and answer.tags != link.newest_tags:
            link = msgspec.structs.replace(link, changes=(*link.changes, TagChange(tags=answer.tags))[-TAG_CHANGES:])
        if answer.retry is not msgspec.UNSET and answer.retry[0] > link.retries:
            number, counter = answer.retry
            link = msgspec.structs.replace(link, retries=number)
            if counter in current.burned and current.retried.count(counter) < RETRIES:
                burned = tuple(burned_counter for burned_counter in current.burned if burned_counter != counter)
                current = msgspec.structs.replace(current, burned=burned, retried=(*current.retried, counter))
        gone = {burned_counter.number for burned_counter in self._outcomes if burned_counter.number <= answer.outcomes}
        values: dict[str, Any] = {"link": link} if current == self.device_state else {"link": link, "held": current}
        self._write(values, (), gone)
        self.link, self.device_state = link, current
        self._outcomes = [burned_counter for burned_counter in self._outcomes if burned_counter.number not in gone]

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
                for outcome in outcomes:
                    content = msgspec.json.encode(outcome).decode()
                    self._database.execute(
                        "INSERT INTO outcomes(number, value) VALUES (?, ?)", (outcome.number, content)
                    )
                for number in gone:
                    self._database.execute("DELETE FROM outcomes WHERE number = ?", (number,))
        except Exception as error:
            kind = trouble(error)
            raise OutputError(
                "to note what this device runs", f"{kind}: {error}", str(self._database.path),
                errno=ENOSPC if kind == "full" else getattr(error, "errno", None),
            ) from error  # fmt: skip


def _read(database: Database) -> tuple[DeviceState, Link, list[Outcome]]:
    kept = dict(database.execute("SELECT key, value FROM kept"))
    current = _device_state(kept["held"]) if "held" in kept else DeviceState()
    link = msgspec.json.decode(kept["link"], type=Link) if "link" in kept else Link()
    outcomes: list[Outcome] = []
    for (value,) in database.execute("SELECT value FROM outcomes ORDER BY number LIMIT ?", (2 * OUTCOMES,)):
        with suppress(msgspec.ValidationError):  # the newer agent, when it is back, reports what this one cannot say
            outcomes.append(msgspec.json.decode(value, type=Outcome))
    return current, link, outcomes


def _device_state(content: str) -> DeviceState:
    try:
        return msgspec.json.decode(content, type=DeviceState)
    except msgspec.ValidationError:
        # A newer agent that was taken back may know more reasons and states of boards, which are for people.
        fields = msgspec.json.decode(content)
        return msgspec.convert({name: fields[name] for name in fields if name not in _FOR_PEOPLE}, DeviceState)


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
        return next(
            (change.tags for change in reversed(self.changes) if change.at is not None and change.at <= starts),
            self.tags,
        )


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
        return next((plan_followed for plan_followed in self.plans if plan_followed.id == plan), None)


LOCK_FILE = "fleet.lock"


def locked(store: Path, name: str = LOCK_FILE) -> IO[str]:
    """Lock the store's folder for this agent or launcher; new folders are durable.

    Args:
        store: the folder.
        name: name of the lock file.

    Raises:
        InputError: another agent uses the folder, or it is not a folder.
        OutputError: the folder cannot be written.
    """
    new = [folder for folder in (store.absolute(), *store.absolute().parents) if not folder.exists()]
    handle = file_operations.lock_folder(store, name, "a store that no other agent follows a fleet with")
    for folder in new:
        file_operations.sync_folder(folder.parent)
    return handle
