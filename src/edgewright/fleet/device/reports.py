"""Schedule and fill in reports, process acknowledgements, and write diagnoses."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, get_args

import msgspec

from edgewright.core.errors import InputError, error_code
from edgewright.core.files import resident_bytes
from edgewright.core.records.fleet import DiagnosisRequest, Phase, Report
from edgewright.fleet.device.ports import Control, Pace
from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.api_records import (
    MAX_BYTES,
    MAX_LINES,
    Diagnosis,
    LogEntry,
    MachineHealth,
    StoreHealth,
)
from edgewright.fleet.protocol.layout import REPORT_EVERY, Chance, Clock, NotTaken, Unreachable

Position = tuple[int, int]
"""(boot, sequence) of an item."""


class _Named(msgspec.Struct, frozen=True):
    boot: int
    sequence: int


class PoisonIsolation:
    """Finds an item because of which reports are rejected, by bisection.

    After a report is rejected for its content, the next one carries the most urgent half of its items. If a report
    with a single item is rejected, that item is only a suspect and the next report carries no items: if that report is
    accepted, the item is set aside; if it is rejected too, the items are not the cause, and none is set aside.

    Attributes:
        suspect: the item that was rejected alone, and why; None for none.
    """

    def __init__(self) -> None:
        self._limit: int | None = None
        self._whole = True
        self.suspect: tuple[Position, str] | None = None

    @property
    def active(self) -> bool:
        """Whether waiting items were held back from the last report."""
        return self._limit is not None or self.suspect is not None

    def choose(self, offered: Sequence[msgspec.Raw]) -> tuple[msgspec.Raw, ...]:
        """Return the items of the next report from the waiting ones, which are sorted by urgency."""
        if self.suspect is not None:
            return ()
        chosen = tuple(offered if self._limit is None else offered[: self._limit])
        self._whole = len(chosen) == len(offered)
        return chosen

    def refused(self, items: Sequence[msgspec.Raw], why: str) -> bool:
        """Record a rejected report with these items; return whether to try again with fewer."""
        if not items:
            self._limit, self.suspect = None, None
            return False
        if len(items) == 1:
            seen = msgspec.json.decode(items[0], type=_Named)
            self.suspect = ((seen.boot, seen.sequence), why)
        else:
            self._limit = len(items) // 2
        return True

    def accepted(self, items: Sequence[msgspec.Raw]) -> tuple[Position, str] | None:
        """Record an accepted report; return the item to set aside and why, or None."""
        isolated, self.suspect = self.suspect, None
        if isolated is not None or self._whole:
            self._limit = None
        elif self._limit is not None:
            self._limit = 2 * len(items)
        return isolated


_SLOWEST = REPORT_EVERY
"""Longest pause in seconds after refusals; without any answer `backoff.BACK` applies."""
_PAUSE_S = 5.0
"""Shortest time in seconds between two reports; for a backlog the control plane sets the interval."""
_MIN_PAUSE_S, _MOST_APART = 0.25, 60.0
_SOON = 30.0
"""First pause in seconds after a failure, which then doubles: one lost packet must not delay an outcome for long."""
_OUTCOMES = 200


class Outbox:
    """Waiting items of the store. This base class, for a device without a store, is always empty."""

    def urgent(self) -> bool:
        """Return whether an item waits that must be reported immediately."""
        return False

    def backlog(self) -> bool:
        """Return whether more items wait than fit into one report, as after an outage."""
        return False

    def offered(self) -> Sequence[msgspec.Raw]:
        """Return the waiting items as the store sends them; they stay until they are settled."""
        return ()

    def settle(self, durable: Sequence[tuple[int, int]]) -> None:
        """Record the items (boot, sequence) that are durable on the server; other offered items keep waiting."""

    def refuse(self, position: tuple[int, int], why: str) -> None:
        """Record that the server permanently rejects the item (boot, sequence), and why; its owner sets it aside."""


class ReportSender:
    """Sends reports to the control plane (`fleet.device.ports.Reporter`).

    An unacknowledged report is sent again byte for byte: the server may already have it, and a different report with
    the same sequence number would look like a second device with this key. A report that was rejected for its content
    is dropped, and its content is sent under the next number, see `PoisonIsolation`.

    Args:
        state: stores sequence number, nonce and outcomes.
        control: the control plane.
        clock, chance: ports of the device.
        outbox: waiting items of the store.
        every: seconds between two reports.
        diagnose: answers what an operator asks for, with the facts of the report before.
    """

    def __init__(
        self, state: State, control: Control, clock: Clock, chance: Chance, *, outbox: Outbox | None = None,
        every: float = REPORT_EVERY,
        diagnose: Callable[[DiagnosisRequest, Report], None] = lambda request, facts: None,
    ) -> None:  # fmt: skip
        self._state, self._control, self._clock = state, control, clock
        self._outbox = outbox or Outbox()
        self._pace = Pace(chance, every, _SLOWEST, _SOON)
        self._diagnose = diagnose
        self._pending: Report | None = None
        self._owed = False
        self._sieve = PoisonIsolation()
        self._last, self._more = -_PAUSE_S, _PAUSE_S

    def send(self, facts: Report, urgent: bool = False, contact: bool = False) -> float:
        """Send a report if one is due."""
        now = self._clock.monotonic()
        self._owed = self._owed or urgent
        if contact:
            self._pace.answered(now)
        due = self._due()
        if now < due or not self._state.link.device:
            return max(_MIN_PAUSE_S, due - now)
        anew = self._pending is None
        report = self._pending or self._report(facts)
        self._pending, self._last = report, now
        try:
            answer = self._control.report(report)
        except NotTaken as error:
            self._pending = None
            self._owed = self._sieve.refused(report.items, str(error))
            if not self._owed:
                self._pace.away(now, error.wait)
            return max(_MIN_PAUSE_S, self._due() - now)
        except Unreachable as error:
            self._pace.away(now, error.wait)
            return self._pace.due - now
        except Exception:
            # The device was refused, or the disk is full: the next report contains the state at its time.
            self._pending = None
            self._pace.bad(now)
            raise
        self._state.acknowledge(answer)
        self._pending = None
        isolated = self._sieve.accepted(report.items)
        if isolated is None:
            self._outbox.settle(answer.durable)
        else:
            self._outbox.refuse(*isolated)
        self._owed = not anew or self._sieve.active
        self._more = min(max(answer.more, 0.0), _MOST_APART)
        self._pace.good(now, max(answer.wait, 1.0) if answer.wait else None)
        if answer.diagnose is not msgspec.UNSET:
            self._diagnose(answer.diagnose, facts)
        return max(_MIN_PAUSE_S, self._due() - now)

    def _due(self) -> float:
        """Return the monotonic seconds of the next report."""
        if self._pace.failures:
            return self._pace.due  # urgency does not shorten the pause while nobody answers
        due = self._pace.due
        if self._owed or self._outbox.urgent():
            due = min(due, self._last + _PAUSE_S)
        if self._outbox.backlog():
            due = min(due, self._last + self._more)
        return due

    def _report(self, facts: Report) -> Report:
        items = self._sieve.choose(self._outbox.offered())
        return msgspec.structs.replace(
            facts, nonce=self._state.link.nonce, sequence=self._state.next_sequence(), clock=self._clock.wall(),
            outcomes=self._state.outcomes[:_OUTCOMES], items=items, why=facts.why[:500],
        )  # fmt: skip


_STATUS_SECONDS = 30.0
_PHASE = re.compile(r"release (\d{1,15}), ([a-z]+):")
_SUBJECTS = ("expected", "package", "program", "sink", "source", "store")
"""First words of lines of the model's process and the agent that are sent as codes; others are "other"."""
_UNFINISHED = 4096
# Room for the fields around what is counted line by line.
_SPARE = 256


def log_code(line: str) -> tuple[str, int]:
    """Return the code of a log line and the release that it names, 0 for none; the line itself may quote rows."""
    if (phase := _PHASE.match(line)) and phase[2] in get_args(Phase):
        return f"phase.{phase[2]}", int(phase[1])
    word = re.match(r"[a-z]*", line.removeprefix("edgewright: "))
    return (word[0] if word and word[0] in _SUBJECTS else "other"), 0


class LogBuffer:
    """Codes of the last lines of the agent and of the model's process, in memory. Equal codes in a row are counted.

    Args:
        clock: of the device.
        say: takes the agent's lines too.
        hear: takes the output of the model's process too.
    """

    def __init__(self, clock: Clock, say: Callable[[str], None], hear: Callable[[bytes], None]) -> None:
        self._clock, self._say, self._hear = clock, say, hear
        self.began = clock.wall()
        self._lines: deque[LogEntry] = deque(maxlen=MAX_LINES)
        self._rest = b""

    def say(self, line: str) -> None:
        """Keep the code of a line of the agent and pass the line on."""
        self._keep("agent", line)
        self._say(line)

    def hear(self, output: bytes) -> None:
        """Keep the codes of the lines of the model's process, and pass its output on."""
        *lines, rest = (self._rest + output).split(b"\n")
        self._rest = rest[-_UNFINISHED:]
        for line in lines:
            if line.strip():
                self._keep("model", line.decode("utf-8", "replace"))
        self._hear(output)

    def last(self, count: int) -> list[LogEntry]:
        """Return the last `count` entries, the newest last."""
        return list(self._lines)[-count:] if count > 0 else []

    def _keep(self, source: str, text: str) -> None:
        code, release = log_code(text)
        entry = LogEntry(at=self._clock.wall(), source=source, code=code, release=release)
        last = self._lines[-1] if self._lines else None
        if last is not None and (last.source, last.code, last.release) == (source, code, release):
            self._lines[-1] = msgspec.structs.replace(last, count=last.count + 1)
        else:
            self._lines.append(entry)


class Sender(Protocol):
    """What of the control plane is needed."""

    def diagnosis(self, diagnosis: Diagnosis) -> None:
        """Raise: Unreachable, NotTaken, InputError."""


class Diagnoser:
    """Answers requests."""

    def __init__(self, state: State, store: Path, log: LogBuffer, control: Sender, clock: Clock) -> None:
        self._state, self._store, self._log, self._control, self._clock = state, store, log, control, clock

    def answer(self, request: DiagnosisRequest, facts: Report) -> None:
        """Send the answer. If it does not arrive, the acknowledgement of the next report carries the request again."""
        with suppress(Unreachable, NotTaken, InputError):
            self._control.diagnosis(self.bundle(request, facts))

    def bundle(self, request: DiagnosisRequest, facts: Report) -> Diagnosis:
        """Return the answer; `facts` are those of the report that was just acknowledged."""
        current = self._state.device_state
        health, error = store_health(self._store)
        diagnosis = Diagnosis(
            id=request.id, at=self._clock.wall(), version=facts.version, counter=facts.counter, floor=facts.floor,
            phase=facts.phase, plan=facts.plan, stage=facts.stage, metadata=facts.metadata, vitals=facts.vitals,
            why=facts.why[:500], active=current.active, burned=tuple(current.burned)[-50:],
            quarantined=current.quarantined[:500], outcomes=len(self._state.outcomes),
            machine=machine_health(self._store), store=health, store_error=error[:500], log_since=self._log.began,
        )  # fmt: skip
        lines = self._log.last(min(request.lines, MAX_LINES))
        room = MAX_BYTES - len(msgspec.json.encode(diagnosis)) - _SPARE
        kept: list[LogEntry] = []
        for line in reversed(lines):
            room -= len(msgspec.json.encode(line)) + 1
            if room < 0:
                break
            kept.append(line)
        return msgspec.structs.replace(diagnosis, log=tuple(reversed(kept)), left_out=len(lines) - len(kept))


def store_health(store: Path) -> tuple[StoreHealth | None, str]:
    """Return the allowed fields of the store's state, or why there are none.

    A process of its own reads them: that of the agent stays small, without NumPy.
    """
    command = [sys.executable, "-m", "edgewright", "device", "status", "--store", str(store), "--json"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_STATUS_SECONDS, check=False)
        if done.returncode:
            return None, f"exit code {done.returncode}"
        return msgspec.json.decode(done.stdout, type=StoreHealth), ""
    except (OSError, subprocess.TimeoutExpired, msgspec.MsgspecError) as error:
        return None, error_code(error)


def machine_health(store: Path) -> MachineHealth:
    """Return what Linux says of this machine; zeros where it does not."""
    memory = dict.fromkeys(("MemTotal", "MemAvailable"), 0)
    load, disk = (0.0, 0.0, 0.0), (0, 0)
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name in memory:
                memory[name] = int(value.split()[0]) << 10
    with suppress(OSError):
        load = os.getloadavg()
    with suppress(OSError):
        space = os.statvfs(store)
        disk = (space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize)
    return MachineHealth(
        system=f"{platform.system()} {platform.release()} {platform.machine()}"[:500],
        python=platform.python_version(), processors=os.cpu_count() or 0,
        uptime=time.clock_gettime(time.CLOCK_BOOTTIME), load=load, memory=memory["MemTotal"],
        memory_available=memory["MemAvailable"], disk=disk[0], disk_free=disk[1], agent_memory=resident_bytes(),
    )  # fmt: skip
