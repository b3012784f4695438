"""What a device reports of itself when an operator asks: codes of its log, counts, and health, of fields on a list."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol, get_args

import msgspec

from edgewright.fleet.device.state_database import State
from edgewright.fleet.protocol.ports import Clock, NotTaken, Unreachable
from edgewright.schema.errors import InputError, error_code
from edgewright.schema.fleet_diagnosis import (
    MAX_BYTES,
    MAX_LINES,
    Diagnosis,
    LogEntry,
    MachineHealth,
    StoreHealth,
)
from edgewright.schema.fleet_report import DiagnosisRequest, Phase, Report

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
    load, disk, agent_memory = (0.0, 0.0, 0.0), (0, 0), 0
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name in memory:
                memory[name] = int(value.split()[0]) << 10
    with suppress(OSError, ValueError, IndexError):
        agent_memory = int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError):
        load = os.getloadavg()
    with suppress(OSError):
        space = os.statvfs(store)
        disk = (space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize)
    return MachineHealth(
        system=f"{platform.system()} {platform.release()} {platform.machine()}"[:500],
        python=platform.python_version(), processors=os.cpu_count() or 0,
        uptime=time.clock_gettime(time.CLOCK_BOOTTIME), load=load, memory=memory["MemTotal"],
        memory_available=memory["MemAvailable"], disk=disk[0], disk_free=disk[1], agent_memory=agent_memory,
    )  # fmt: skip
