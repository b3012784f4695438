"""What the agent keeps through power cuts: one file, one transaction a transition, never set aside.

Were it lost and begun anew, an older release could come back. It is therefore kept apart from the store, is never
replaced where it is damaged, and the release floor has copies in the slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgewright.device.store.database import Connect, Database, connect, trouble
from edgewright.device.store.guarded_database import open_guarded
from edgewright.fleet.device.state_values import Held, Link
from edgewright.schema.errors import OutputError
from edgewright.schema.fleet_report import Acknowledged, Because, Enrolled, Outcome

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
    "It guards against older packages, so it is not made anew by itself. Take it away by hand to begin anew: "
    "the floor is then taken from the slots"
)
_PUT = "INSERT OR REPLACE INTO kept(key, value) VALUES (?, ?)"


class State:
    """The open file.

    Args:
        database: as `open_guarded` opens it.
        new: whether it was made just now.
    """

    def __init__(self, database: Database, new: bool = False) -> None:
        self._database, self.new = database, new
        found = dict(database.execute("SELECT key, value FROM kept"))
        self._held = msgspec.json.decode(found["held"], type=Held) if "held" in found else Held()
        self._link = msgspec.json.decode(found["link"], type=Link) if "link" in found else Link()
        rows = database.execute("SELECT value FROM outcomes ORDER BY number LIMIT ?", (2 * OUTCOMES,))
        self._outcomes = [msgspec.json.decode(value, type=Outcome) for (value,) in rows]

    @classmethod
    def open(cls, folder: Path, opener: Connect = connect, writable: bool = True) -> State:
        """Opens it in the folder of a store, or makes it.

        Raises:
            InputError: it is of a newer version.
            OutputError: it cannot be read or made; it is left as it is.
        """
        new = not (folder / FILE).exists()
        database = open_guarded(folder / FILE, VERSION, _TABLES, _WHAT, _DO, opener=opener, writable=writable)
        try:
            return cls(database, new)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            database.close()
            raise OutputError(_WHAT, f"a damaged file: {error}", str(folder / FILE), _DO) from error

    @property
    def held(self) -> Held:
        """What is held."""
        return self._held

    @property
    def link(self) -> Link:
        """The device as the control plane knows it."""
        return self._link

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Those that were not acknowledged, oldest first; at most `OUTCOMES`."""
        return tuple(self._outcomes)

    def change(self, told: Sequence[Outcome] = (), **fields: Any) -> Held:  # noqa: ANN401 - fields of `Held`
        """A transition: all of it is durable when this returns, or nothing was done.

        Args:
            told: outcomes; their numbers are given here.
            fields: of `Held`, new values. A floor never sinks and a burned counter stays burned.

        Raises:
            OutputError: the disk is full or broken; nothing has changed.
        """
        before = self._held
        if "floors" in fields:
            given = fields["floors"]
            fields["floors"] = {
                name: max(given.get(name, 0), before.floors.get(name, 0)) for name in {*given, *before.floors}
            }
        if "plans" in fields:
            fields["plans"] = tuple(fields["plans"])[-PLANS:]
        numbered = [
            msgspec.structs.replace(one, number=before.outcome + place) for place, one in enumerate(told, start=1)
        ]
        now = msgspec.structs.replace(before, outcome=before.outcome + len(numbered), **fields)
        gone = self._too_many(len(numbered))
        self._write({"held": now}, numbered, gone)
        self._held = now
        self._outcomes = [one for one in self._outcomes if one.number not in gone] + numbered
        return now

    def tell(self, what: str, counter: int, plan: str, at: float, because: Because = "", detail: str = "") -> Outcome:
        """An outcome without its number, for `change`."""
        made: Any = {"what": what, "counter": counter, "plan": plan, "at": at, "because": because}
        return Outcome(number=0, detail=detail[:500], **made)

    def enrol(self, answer: Enrolled) -> None:
        """The device has an id from now."""
        self._relink(
            msgspec.structs.replace(
                self._link, device=answer.device, tags=answer.tags, batch=answer.batch, at=answer.at, nonce=answer.nonce
            )
        )

    def next_sequence(self) -> int:
        """Number of the next report, durable before it is given: none is given twice."""
        self._relink(msgspec.structs.replace(self._link, sequence=self._link.sequence + 1))
        return self._link.sequence

    def set_nonce(self, nonce: str) -> None:
        """That of an acknowledgement that was durable on the other side."""
        if nonce != self._link.nonce:
            self._relink(msgspec.structs.replace(self._link, nonce=nonce))

    def note_broker(self, why: str) -> bool:
        """Why reports do not go over the broker, for `device status`; whether that is new."""
        if why == self._link.broker:
            return False
        self._relink(msgspec.structs.replace(self._link, broker=why))
        return True

    def acknowledge(self, answer: Acknowledged) -> None:
        """A report was durable on the other side: its nonce is kept, its outcomes go, a quarantine is over; at once."""
        link = msgspec.structs.replace(self._link, nonce=answer.nonce)
        held = msgspec.structs.replace(self._held, quarantined="")
        gone = {one.number for one in self._outcomes if one.number <= answer.outcomes}
        values: dict[str, Any] = {"link": link} if held == self._held else {"link": link, "held": held}
        self._write(values, (), gone)
        self._link, self._held = link, held
        self._outcomes = [one for one in self._outcomes if one.number not in gone]

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _relink(self, link: Link) -> None:
        self._write({"link": link}, (), set())
        self._link = link

    def _too_many(self, more: int) -> set[int]:
        over = len(self._outcomes) + more - OUTCOMES
        if over <= 0:
            return set()
        first = sorted(self._outcomes, key=lambda one: (one.what != "tested", one.number))
        return {one.number for one in first[:over]}

    def _write(self, values: dict[str, Any], told: Sequence[Outcome], gone: set[int]) -> None:
        try:
            with self._database.transaction():
                for key, value in values.items():
                    self._database.execute(_PUT, (key, msgspec.json.encode(value).decode()))
                for one in told:
                    content = msgspec.json.encode(one).decode()
                    self._database.execute("INSERT INTO outcomes(number, value) VALUES (?, ?)", (one.number, content))
                for number in gone:
                    self._database.execute("DELETE FROM outcomes WHERE number = ?", (number,))
        except Exception as error:
            raise OutputError(
                "to note what this device runs", f"{trouble(error)}: {error}", str(self._database.path)
            ) from error
