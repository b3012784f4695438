"""A gateway of a real fleet with boards behind it: control plane and agent are processes, boards are generated C."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent_example import RATE, package
from board_example import Board
from edgewright.core.package import read_package
from edgewright.device.boards.weights import with_weights

COMMAND = str(Path(sys.executable).with_name("edgewright"))
PATIENCE = 180.0
_ONE_KEY = [w for role in ("root", "targets", "releases") for what in ("keys", "threshold")
            for w in (f"--{role}-{what}", "1")]  # fmt: skip


def until(true: Callable[[], object], told: Callable[[], object] = lambda: "") -> None:
    """Wait for something."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, told()
        time.sleep(0.1)


class Gateway:
    """The fleet's folder, its server and one device.

    Args:
        folder: empty.
        boards: `[[boards]]` of its device.toml.
    """

    def __init__(self, folder: Path, boards: str) -> None:
        self.folder = folder
        self.run("fleet", "init", "fleet", "--product", "pump", *_ONE_KEY)
        (folder / "device.toml").write_text(boards)
        with (folder / "served").open("wb") as log:
            self._server = subprocess.Popen(
                [COMMAND, "fleet", "serve", "fleet", "--port", "0"], cwd=folder, stderr=log, stdout=log
            )
        served = folder / "served"
        until(lambda: "http://" in served.read_text(), served.read_text)
        found = re.search(r"http://127\.0\.0\.1:\d+", served.read_text())
        assert found
        self.url = found.group()
        self._rows_end = threading.Event()
        self._rows = threading.Thread(target=self._add_rows, daemon=True)
        (folder / "rows.csv").write_text("time,level,heat\n")
        self._rows.start()
        self.device: subprocess.Popen[bytes] | None = None
        token = re.search(r"ew1\.\S+", self.run("fleet", "token", "new", "--fleet", "fleet"))
        assert token
        package(folder / "r0.edge", provenance={"seed": "0"})
        self.start("r0.edge", "--token", token.group(), "--name", "gateway")

    def run(self, *arguments: str, code: int = 0) -> str:
        """Return what a command prints."""
        done = subprocess.run(
            [COMMAND, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def _add_rows(self) -> None:
        row = 0
        while not self._rows_end.wait(0.1):
            lines = []
            for row in range(row, row + int(RATE / 10)):  # noqa: B020 - goes on where it was
                lines.append(f"{row / RATE:.3f},{math.sin(row / 40):.5f},{math.cos(row / 9):.5f}\n")
            row += 1
            with (self.folder / "rows.csv").open("a") as file:
                file.write("".join(lines))

    def start(self, *more: str) -> None:
        """Start the agent's process."""
        command = [COMMAND, "device", "run", *more, "--fleet", self.url, "--store", "dev", "--source", "csv:rows.csv"]
        command += ["--config", "device.toml", "--poll", "1"]
        with (self.folder / "said").open("ab") as output:
            self.device = subprocess.Popen(command, cwd=self.folder, stdout=output, stderr=output)

    def kill(self) -> None:
        """As a power cut: nothing is said any more."""
        assert self.device is not None
        self.device.kill()
        self.device.wait()

    def said(self) -> str:
        """Return what the agent said, its last part."""
        return (self.folder / "said").read_text()[-4000:]

    def release(self, number: int, board: Board, data: bytes, back: bytes | None = None, *, seed: str = "") -> Path:
        """Return a package with weights, published; the gateway's own model differs by the seed."""
        path = package(self.folder / f"r{number}.edge", provenance={"seed": seed or str(number)})
        path.write_bytes(with_weights(read_package(path), board.layout.name, data, back))
        self.run("fleet", "publish", path.name, "--fleet", "fleet")
        return path

    def roll_out(self, *gates: str, trial: float = 2.0) -> str:
        """Begin the rollout of the newest release; its plan."""
        (self.folder / "plan.toml").write_text(f"[trial]\nseconds = {trial}\n")
        text = self.run(
            "fleet", "rollout", "start", "--fleet", "fleet", "--plan", "plan.toml", "--stages", "all:100%",
            "--open", "all", "--dwell", "0s",
            *[word for gate in gates for word in ("--gate", gate)], "--quorum", "1" if gates else "5",
        )  # fmt: skip
        found = re.search(r"pump-\d+-[0-9a-f]+", text)
        assert found, text
        return found.group()

    def state(self, plan: str) -> str:
        """Where a rollout is."""
        record = json.loads(self.run("fleet", "rollout", "status", plan, "--fleet", "fleet", "--json"))
        return str(record)

    def seen(self) -> dict[str, Any]:
        """Return the gateway, as the control plane has it."""
        record = json.loads(self.run("fleet", "devices", "gateway", "--fleet", "fleet", "--json"))
        found: dict[str, Any] = record["history"]
        return found

    def boards(self) -> dict[str, dict[str, Any]]:
        """Return its boards by name, as the control plane has them."""
        return {one["name"]: one for one in self.seen()["device"].get("boards", [])}

    def wait(self, **states: str) -> dict[str, dict[str, Any]]:
        """Until the control plane has each board in this state, such as 'confirmed 2'."""
        found: dict[str, dict[str, Any]] = {}

        def there() -> bool:
            found.clear()
            found.update(self.boards())
            return all(
                name in found and f"{found[name]['state']} {found[name]['counter']}" == state
                for name, state in states.items()
            )

        until(there, lambda: (found, self.said()))
        return found

    def close(self) -> None:
        """Everything ends."""
        self._rows_end.set()
        self._rows.join()
        for process in (self.device, self._server):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(PATIENCE)
