"""What the agent keeps through power cuts: one file, one transaction a transition, never set aside.

Were it lost and begun anew, an older release could come back. It is therefore kept apart from the store, is never
replaced where it is damaged, and the release floor has copies in the slots.
"""

from __future__ import annotations

import fcntl
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from edgewright.device.store import file_operations
from edgewright.device.store.database import Connect, Database, connect, trouble
from edgewright.device.store.guarded_database import open_guarded
from edgewright.fleet.device.ports import Slot
from edgewright.schema.boards import BoardSeen
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.fleet_plan import TrialLimits
from edgewright.schema.fleet_report import Acknowledged, Because, Enrolled, Outcome


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What a trial has counted over all starts of the model's process.

    Attributes:
        seconds: with rows arriving.
        windows, unsure, alarms, anomalies: counts.
    """

    seconds: float = 0.0
    windows: int = 0
    unsure: int = 0
    alarms: int = 0
    anomalies: int = 0


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A release that was activated and is not confirmed yet.

    Attributes:
        plan, stage: under which it was activated.
        counter: of the release.
        previous: slot to go back to; empty where there is none. `before` is its counter, `plan_before` its plan.
        limits: of the plan; kept, since the plan may be out of reach when they are needed.
        counts: of all starts, up to the last time that they were written.
        waited: seconds that the agent ran since the activation.
        crashes: ends of the process that were not asked for.
        boots: starts of the agent that found the process noted as running: a power loss, or a kill of the agent.
        running: the process was started and not ended in order; written before each start.
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


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that was seen.

    Attributes:
        id, sha256: as the standing names them; the first hash that was seen stays.
        seen: running seconds when it was first seen.
        stage: highest that held for this device; -1 for none.
        aborted: an abort was verified, which nothing takes back.
    """

    id: str
    sha256: str
    seen: float
    stage: int = -1
    aborted: bool = False


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the slot that is not active.

    Attributes:
        sha256, counter: of the release that is being fetched or was.
        tested: its test vectors passed here.
    """

    sha256: str
    counter: int
    tested: bool = False


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """The device as the control plane knows it.

    Attributes:
        device: id; empty before enrolment.
        tags, batch: as enrolled.
        at: seconds since 1970, when.
        nonce: of the last durable acknowledgement.
        sequence: of the last report; raised durably before a report is sent.
    """

    device: str = ""
    tags: tuple[str, ...] = ()
    batch: str = ""
    at: float = 0.0
    nonce: str = ""
    sequence: int = 0


class DeviceState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything but outcomes and the link; one row.

    Attributes:
        begun: False in a file that was made anew: then slots and floors are looked for where packages lie.
        product: that the device follows.
        active: slot; empty for none.
        counter, plan: of the release there; 0 and empty for a package that came with the device.
        floors: lowest counter that may be activated, by product.
        burned: counters that failed here, of this product.
        trial: None where the active release is confirmed.
        fetched: None where nothing was begun.
        plans: seen, newest last; a bounded number.
        running: seconds that the agent has run, ever.
        outcome: number of the last one.
        quarantined: why the control plane wants this device to stay as it is; empty where it does not.
        because: why the last release failed; for people.
        boards: behind the device, as they were seen last.
    """

    begun: bool = False
    product: str = ""
    active: Slot = ""
    counter: int = 0
    plan: str = ""
    floors: dict[str, int] = msgspec.field(default_factory=dict)
    burned: tuple[int, ...] = ()
    trial: Trial | None = None
    fetched: Fetched | None = None
    plans: tuple[Followed, ...] = ()
    running: float = 0.0
    outcome: int = 0
    quarantined: str = ""
    because: Because = ""
    boards: tuple[BoardSeen, ...] = ()

    @property
    def floor(self) -> int:
        """Of the product that is followed."""
        return self.floors.get(self.product, 0)

    @property
    def other(self) -> Slot:
        """The slot that is not active."""
        return "b" if self.active == "a" else "a"

    def followed(self, plan: str) -> Followed | None:
        """Return what is known of a plan."""
        return next((one for one in self.plans if one.id == plan), None)


LOCK_FILE = "fleet.lock"


def locked(store: Path) -> IO[str]:
    """Take the folder for this agent.

    Raises:
        InputError: another agent has it, or it is no folder.
        OutputError: it cannot be written.
    """
    try:
        new = [folder for folder in (store.absolute(), *store.absolute().parents) if not folder.exists()]
        store.mkdir(parents=True, exist_ok=True)
        for folder in new:
            file_operations.sync_folder(folder.parent)
        handle = (store / LOCK_FILE).open("a")
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
"""Most outcomes that wait for an acknowledgement; beyond them the oldest that only says 'tested' goes first."""
PLANS = 40
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
    """The open file.

    Args:
        database: as `open_guarded` opens it.

    Attributes:
        held: what is held.
        link: the device as the control plane knows it.
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
        """Open it in the folder of a store, or makes it.

        Raises:
            InputError: it is of a newer version.
            OutputError: it cannot be read or made; it is left as it is.
        """
        database = open_guarded(folder / FILE, VERSION, _TABLES, _WHAT, _DO, opener=opener, writable=writable)
        try:
            return cls(database)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            database.close()
            raise OutputError(_WHAT, f"a damaged file: {error}", str(folder / FILE), _DO) from error

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Those that were not acknowledged, oldest first; at most `OUTCOMES`."""
        return tuple(self._outcomes)

    def change(self, outcomes: Sequence[Outcome] = (), **fields: Any) -> DeviceState:  # noqa: ANN401 - fields of `DeviceState`
        """Return a transition: all of it is durable when this returns, or nothing was done.

        Args:
            outcomes: outcomes; their numbers are given here.
            fields: of `DeviceState`, new values. A floor never sinks and a burned counter stays burned.

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
        """Return an outcome without its number, for `change`."""
        made: Any = {"what": what, "counter": counter, "plan": plan, "at": at, "because": because}
        return Outcome(number=0, detail=detail[:500], **made)

    def enrol(self, answer: Enrolled) -> None:
        """Store the id of the device."""
        self._relink(
            msgspec.structs.replace(
                self.link, device=answer.device, tags=answer.tags, batch=answer.batch, at=answer.at, nonce=answer.nonce
            )
        )

    def next_sequence(self) -> int:
        """Return the number of the next report, durable before it is given: none is given twice."""
        self._relink(msgspec.structs.replace(self.link, sequence=self.link.sequence + 1))
        return self.link.sequence

    def set_nonce(self, nonce: str) -> None:
        """Store the nonce of a durable acknowledgement."""
        if nonce != self.link.nonce:
            self._relink(msgspec.structs.replace(self.link, nonce=nonce))

    def acknowledge(self, answer: Acknowledged) -> None:
        """Keep the nonce of a durable report, drop its outcomes and end a quarantine, atomically."""
        link = msgspec.structs.replace(self.link, nonce=answer.nonce)
        held = msgspec.structs.replace(self.held, quarantined="")
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
