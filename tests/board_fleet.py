"""A real fleet: control plane and agent are processes, boards behind it are generated C."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from agent_example import package
from board_example import Board
from edgewright.core.package import read_package
from edgewright.device.boards.weights import with_weights
from fleet_servers import PATIENCE, until
from growing_rows import Rows

COMMAND = str(Path(sys.executable).with_name("edgewright"))
_ONE_KEY = [w for role in ("root", "targets", "releases") for field in ("keys", "threshold")
            for w in (f"--{role}-{field}", "1")]  # fmt: skip


class ServedFleet:
    """The fleet's folder, its server and one device, all of them by commands.

    Args:
        folder: empty.
        serving: further options of the server.
    """

    def __init__(self, folder: Path, *serving: str) -> None:
        self.folder = folder
        self.run("fleet", "init", "fleet", "--product", "pump", *_ONE_KEY)
        served = folder / "served"
        with served.open("wb") as log:
            self.server = subprocess.Popen(
                [COMMAND, "fleet", "serve", "fleet", "--port", "0", *serving], cwd=folder, stderr=log, stdout=log
            )
        until(lambda: "http://" in served.read_text(), served.read_text)
        self.url = _first_match(r"http://127\.0\.0\.1:\d+", served.read_text())
        self.token = _first_match(r"ew1\.\S+", self.run("fleet", "token", "new", "--fleet", "fleet"))
        self.rows = Rows(folder / "rows.csv")
        self.device: subprocess.Popen[bytes] | None = None
        package(folder / "r0.edge", provenance={"seed": "0"})

    def run(self, *arguments: str, code: int = 0) -> str:
        """Return what a command prints."""
        done = subprocess.run(
            [COMMAND, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        """Start the agent's process."""
        command = [COMMAND, "device", "run", *more, "--fleet", self.url, "--store", "dev", "--source", "csv:rows.csv"]
        with (self.folder / "said").open("ab") as printed:
            self.device = subprocess.Popen([*command, "--poll", "1"], cwd=self.folder, stdout=printed, stderr=printed)
        return self.device

    def said(self) -> str:
        """Return what the agent said."""
        return (self.folder / "said").read_text()

    def begin(self, trial: str, *more: str) -> str:
        """Begin the rollout of the newest release to all devices at once; its plan."""
        # Only devices that enrolled before the plan was signed count in it.
        until(lambda: json.loads(self.run("fleet", "devices", "--fleet", "fleet", "--json"))["devices"], self.said)
        (self.folder / "plan.toml").write_text(f"[trial]\n{trial}\n")
        printed = self.run(
            "fleet", "rollout", "start", "--fleet", "fleet", "--plan", "plan.toml", "--stages", "all:100%",
            "--open", "all", "--dwell", "0s", *more,
        )  # fmt: skip
        return _first_match(r"pump-\d+-[0-9a-f]+", printed)

    def close(self) -> None:
        """Everything ends."""
        self.rows.close()
        for process in (self.device, self.server):
            if process is not None and process.poll() is None:
                process.terminate()
                process.wait(PATIENCE)


def _first_match(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match.group()


class Gateway(ServedFleet):
    """A device with boards behind it.

    Args:
        folder: empty.
        boards: `[[boards]]` of its device.toml.
    """

    def __init__(self, folder: Path, boards: str) -> None:
        super().__init__(folder)
        (folder / "device.toml").write_text(boards)
        self.start("r0.edge", "--token", self.token, "--name", "gateway")

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        """With its boards."""
        return super().start(*more, "--config", "device.toml")

    def kill(self) -> None:
        """As a power cut: nothing is said any more."""
        assert self.device is not None
        self.device.kill()
        self.device.wait()

    def release(self, number: int, board: Board, data: bytes, back: bytes | None = None, *, seed: str = "") -> Path:
        """Return a package with weights, published; the gateway's own model differs by the seed."""
        path = package(self.folder / f"r{number}.edge", provenance={"seed": seed or str(number)})
        path.write_bytes(with_weights(read_package(path), board.layout.name, data, back))
        self.run("fleet", "publish", path.name, "--fleet", "fleet")
        return path

    def roll_out(self, *gates: str, trial: float = 2.0) -> str:
        """Begin the rollout of the newest release; its plan."""
        gate_options = [word for gate in gates for word in ("--gate", gate)]
        return self.begin(f"seconds = {trial}", *gate_options, "--quorum", "1" if gates else "5")

    def state(self, plan: str) -> str:
        """Where a rollout is."""
        status = json.loads(self.run("fleet", "rollout", "status", plan, "--fleet", "fleet", "--json"))
        return str(status)

    def seen(self) -> dict[str, Any]:
        """Return the gateway, as the control plane has it."""
        status = json.loads(self.run("fleet", "devices", "gateway", "--fleet", "fleet", "--json"))
        history: dict[str, Any] = status["history"]
        return history

    def boards(self) -> dict[str, dict[str, Any]]:
        """Return its boards by name, as the control plane has them."""
        return {one["name"]: one for one in self.seen()["device"].get("boards", [])}

    def wait(self, **states: str) -> dict[str, dict[str, Any]]:
        """Until the control plane has each board in this state, such as 'confirmed 2'."""
        devices: dict[str, dict[str, Any]] = {}

        def there() -> bool:
            devices.clear()
            devices.update(self.boards())
            return all(
                name in devices and f"{devices[name]['state']} {devices[name]['counter']}" == state
                for name, state in states.items()
            )

        until(there, lambda: (devices, self.said()))
        return devices
