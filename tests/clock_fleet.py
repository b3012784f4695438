"""A fleet of real processes whose clocks are set while they run: `offset_clock.c` is preloaded into them.

The monotonic clock, by which processes wait, stays the machine's own, as where somebody sets the time of day.
"""

from __future__ import annotations

import mmap
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from agent_example import package
from edgewright.core.records.device import DecisionSpec
from edgewright.device.store.tables import STORE_FILE
from edgewright.fleet.device.state_database import FILE, State
from growing_rows import Rows
from support import below, left_out

COMMAND = str(Path(sys.executable).with_name("edgewright"))
DAY = 86_400.0
PATIENCE = 90.0
_ONE_KEY = [f"--{role}-{field}" for role in ("root", "targets", "releases") for field in ("keys", "threshold")]


class Machine:
    """What one machine takes for the time of day.

    Args:
        folder: of its clock.
        library: made of `offset_clock.c`.
    """

    def __init__(self, folder: Path, library: Path) -> None:
        path = folder / "clock"
        path.write_bytes(struct.pack("dd", 0.0, 0.0))
        with path.open("r+b") as file:
            self._offset_memory = mmap.mmap(file.fileno(), 16)
        self.environment: Mapping[str, str] = {
            **os.environ, "LD_PRELOAD": str(library), "EDGEWRIGHT_CLOCK": str(path), "OMP_NUM_THREADS": "1",
        }  # fmt: skip

    def set(self, off: float, slept: float = 0.0) -> None:
        """So many seconds ahead of the true time from now, and so many asleep since the machine was started."""
        self._offset_memory[:8], self._offset_memory[8:] = struct.pack("d", off), struct.pack("d", slept)

    def set_to(self, moment: float) -> None:
        """Seconds since 1970."""
        self.set(moment - time.time())


def offset_clock(folder: Path) -> Path:
    """Return the library that makes a clock wrong, for this machine."""
    library = folder / "offset_clock.so"
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        left_out("no C compiler")
    source = Path(__file__).with_name("offset_clock.c")
    command = [str(compiler), "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(library), str(source)]
    subprocess.run([*command, "-lm", "-ldl"], check=True)
    return library


class Unit:
    """A device: the agent's process, its child, and its clock."""

    def __init__(self, fleet: ClockFleet, name: str) -> None:
        self.fleet, self.name, self.folder = fleet, name, fleet.folder / name
        self.folder.mkdir()
        self.clock = Machine(self.folder, fleet.library)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def store(self) -> Path:
        """Its store."""
        return self.folder / "store"

    def start(self, *more: str) -> None:
        """Begin, or begins again."""
        command = [COMMAND, "device", "run", *more, "--fleet", self.fleet.url, "--store", "store", "--poll", "1"]
        command += ["--source", f"csv:{self.fleet.folder / 'rows.csv'}", "--name", self.name]
        with (self.folder / "said").open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=output, stderr=output, env=self.clock.environment
            )  # fmt: skip

    def end(self) -> None:
        """In order."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        self.process = None

    def kill(self) -> None:
        """As where somebody kills the agent; its child goes with it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def processes(self) -> list[int]:
        """Return the launcher, the agent, and the model's process."""
        assert self.process is not None
        return [self.process.pid, *below(self.process.pid)]

    def said(self) -> str:
        """On its standard error."""
        return (self.folder / "said").read_text(errors="replace")

    def fleet_lines(self) -> str:
        """Of what it said, where its agent was."""
        return "\n".join(line for line in self.said().splitlines() if not line[:4].isdigit())

    def held(self) -> Any:  # noqa: ANN401 - agent.held.Held
        """Return what its agent holds, read beside it."""
        state = State.open(self.store, writable=False)
        try:
            return state.device_state
        finally:
            state.close()

    @property
    def release(self) -> int:
        """That is active and confirmed; -1 while one is on trial, or where nothing is held yet."""
        if not (self.store / FILE).exists():
            return -1
        state = self.held()
        return -1 if state.trial is not None else int(state.counter)

    def status(self) -> str:
        """`edgewright device status`, asked on the device."""
        return run(self.folder, "device", "status", "--store", "store", env=self.clock.environment)

    def lost(self) -> set[tuple[int, int]]:
        """Return events that neither wait on the device nor are at the fleet."""
        with sqlite3.connect(f"file:{self.store / STORE_FILE}?mode=ro", uri=True) as known:
            put = set(known.execute("SELECT boot, sequence FROM events"))
            waiting = set(known.execute("SELECT boot, sequence FROM outbox"))
        assert put
        query = (
            "SELECT boot, items.sequence FROM items JOIN devices ON devices.id = items.device WHERE devices.name = ?"
        )
        with sqlite3.connect(f"file:{self.fleet.folder / 'fleet' / 'fleet.sqlite'}?mode=ro", uri=True) as fleet:
            there = set(fleet.execute(query, (self.name,)))
        return put - waiting - there


class ClockFleet:
    """A control plane with its signer, and devices, all of them processes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.units = folder, list[Unit]()
        (folder / "server").mkdir()
        self.library = offset_clock(folder)
        self.clock = Machine(folder / "server", self.library)
        self.url, self.process, self._starts = "", None, 0  # type: str, subprocess.Popen[bytes] | None, int
        run(folder, "fleet", "init", "fleet", "--product", "pump", *[w for name in _ONE_KEY for w in (name, "1")])
        for number in range(4):
            decision = DecisionSpec(alarms=("on",), refractory=2.0)
            package(folder / f"r{number}.edge", provenance={"seed": f"{number}"}, decision=decision)
        self.rows = Rows(folder / "rows.csv")
        self.serve()

    def serve(self) -> None:
        """Start the server; again at the address that devices know."""
        self._starts += 1
        log = self.folder / f"served-{self._starts}"
        port = self.url.rpartition(":")[2] or "0"
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [COMMAND, "fleet", "serve", "fleet", "--port", port, "--report-every", "5"], cwd=self.folder,
                stderr=out, stdout=out, env=self.clock.environment,
            )  # fmt: skip
        until(lambda: "http://" in log.read_text(), log.read_text)
        match = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        assert match
        self.url = match.group()

    def end(self) -> None:
        """End the server in order."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)

    def log(self) -> str:
        """Of the server that was started last."""
        return (self.folder / f"served-{self._starts}").read_text()

    def token(self, uses: int) -> str:
        """For some devices."""
        match = re.search(r"ew1\.\S+", self.ask("fleet", "token", "new", "--uses", str(uses)))
        assert match
        return match.group()

    def ask(self, *arguments: str) -> str:
        """Return a command on the server's machine, by its clock."""
        return run(self.folder, *arguments, "--fleet", "fleet", env=self.clock.environment)

    def refused(self, *arguments: str) -> str:
        """Return the line with which a command on the server's machine refuses."""
        return run(self.folder, *arguments, "--fleet", "fleet", env=self.clock.environment, code=2)

    def told(self) -> str:
        """Return what all devices said last."""
        return "\n".join(f"{unit.name}: {unit.fleet_lines()[-1500:]}" for unit in self.units)

    def roll_out(self, number: int, *more: str, trial: str = "seconds = 1.0") -> str:
        """Publish a package and begin its rollout; the plan's name."""
        until(lambda: self.enrolled() == len(self.units), self.told)  # only devices older than a plan count in it
        run(self.folder, "fleet", "publish", f"r{number}.edge", "--fleet", "fleet", env=self.clock.environment)
        (self.folder / "plan.toml").write_text(f"[trial]\n{trial}\n")
        text = self.ask("fleet", "rollout", "start", "--plan", "plan.toml", "--json", *more)
        match = re.search(r'"(pump-[0-9]+-[0-9a-f]+)"', text)
        assert match, text
        return match.group(1)

    def enrolled(self) -> int:
        """Return the number of devices that the control plane knows."""
        with sqlite3.connect(f"file:{self.folder / 'fleet' / 'fleet.sqlite'}?mode=ro", uri=True) as known:
            return int(known.execute("SELECT count(*) FROM devices").fetchone()[0])

    def rollout(self, plan: str) -> tuple[str, int]:
        """State and stage of a rollout, from the database."""
        with sqlite3.connect(f"file:{self.folder / 'fleet' / 'fleet.sqlite'}?mode=ro", uri=True) as known:
            state_and_stage: tuple[str, int] = known.execute(
                "SELECT state, stage FROM rollouts WHERE plan = ?", (plan,)
            ).fetchone()
        return state_and_stage

    def ready(self) -> str:
        """Return what `/readyz` says."""
        return httpx.get(f"{self.url}/readyz", timeout=30, trust_env=False).text

    def unit(self, name: str) -> Unit:
        """Another device, not started."""
        self.units.append(Unit(self, name))
        return self.units[-1]

    def close(self) -> None:
        """End everything."""
        for unit in self.units:
            unit.end()
        self.end()
        self.rows.close()


def until(true: Callable[[], object], describe: Callable[[], str] = lambda: "", patience: float = PATIENCE) -> None:
    """Wait for a condition."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, describe()
        time.sleep(0.3)


def run(folder: Path, *arguments: str, env: Mapping[str, str] | None = None, code: int = 0) -> str:
    """Return a command; what it printed."""
    done = subprocess.run(
        [COMMAND, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr if code else done.stdout
