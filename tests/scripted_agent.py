"""A store whose agents are small scripts: the launcher and its decisions are real, an agent does as a file says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from edgewright.core.records.fleet import TrialLimits
from edgewright.fleet.device.agent_choice import FACTORY_VARIABLE, MARKER, Environments, _fingerprint
from edgewright.fleet.device.launcher import SILENCE_VARIABLE
from edgewright.fleet.device.state_database import State, Trial

NEW = "one"
PATIENCE = 90.0
LAUNCH = (
    "import sys; from pathlib import Path; from edgewright.fleet.device.launcher import launch;"
    "from edgewright.cli.main import EdgewrightError\n"
    "try: sys.exit(launch(Path('store'), '', False, []))\n"
    "except EdgewrightError as error: print(error, file=sys.stderr); sys.exit(error.exit_code)"
)
SCRIPT = """#!{python}
import os, signal, socket, sys, time
name = os.environ["EDGEWRIGHT_ENVIRONMENT"] or "base"
plug = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def say(word):
    plug.sendto(word.encode(), chr(0) + os.environ["NOTIFY_SOCKET"][1:])
def ending(*_):
    sys.exit(0)
signal.signal(signal.SIGTERM, ending)
with open("starts", "a") as file:
    file.write(name + " " + str(os.getpid()) + chr(10))
def live():
    say("READY=1")
    while True:
        say("WATCHDOG=1")
        time.sleep(0.1)
exec(open(name + ".py").read())
"""


class Scripted:
    """A store below a folder, and its launcher.

    Args:
        folder: empty.
        silence: seconds without a sign of life that are a hang.
    """

    def __init__(self, folder: Path, silence: float = 3.0) -> None:
        self.folder, self.store, self.silence = folder, folder / "store", silence
        self.store.mkdir(parents=True)
        self.factory = self._script(folder / "base-python")
        self.does("live()")
        self.process: subprocess.Popen[bytes] | None = None

    def does(self, code: str, name: str = "base") -> None:
        """Let an agent do something from its next start on."""
        (self.folder / f"{name}.py").write_text(code)

    def update(self, code: str, limits: TrialLimits | None = None, beats: bool = True) -> None:
        """Activate a release with a new agent, as an agent does before it ends."""
        environment = self.store / "environments" / NEW
        (environment / "bin").mkdir(parents=True)
        self._script(environment / "bin" / "python")
        if beats:
            module = environment / "lib/python3/site-packages/edgewright/device/agent/systemd.py"
            module.parent.mkdir(parents=True)
            module.write_text("")
        (environment / MARKER).write_text(_fingerprint(environment))
        assert Environments(self.store).python(NEW)
        self.does(code, NEW)
        trial = Trial(
            plan="plan-1", stage=0, counter=1, previous="", before=0, plan_before="", limits=limits or TrialLimits()
        )
        state = State.open(self.store)
        state.change(begun=True, product="pump", active="b", counter=1, environment=NEW, trial=trial)
        state.close()

    def start(self, **variables: str) -> subprocess.Popen[bytes]:
        """Start the launcher."""
        own = {FACTORY_VARIABLE: str(self.factory), SILENCE_VARIABLE: str(self.silence)}
        with (self.folder / "said").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", LAUNCH], cwd=self.folder, stdout=log, stderr=log,
                env={**os.environ, **own, **variables},
            )  # fmt: skip
        return self.process

    def starts(self) -> list[str]:
        """Return which agents were started."""
        file = self.folder / "starts"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []

    def pid(self) -> int:
        """Return the process id of the last agent."""
        return int((self.folder / "starts").read_text().split()[-1])

    def said(self) -> str:
        """Return the log of the launcher and its agents."""
        return (self.folder / "said").read_text(errors="replace")

    def wait(self, true: Callable[[], object]) -> None:
        """Wait, long enough for a machine that is busy."""
        end = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < end, (self.starts(), self.said()[-3000:])
            time.sleep(0.02)

    def returned(self) -> tuple[str, str]:
        """Wait until the agent that came with the device is back; reason and detail of the outcome."""
        self.wait(lambda: self.starts()[-1:] == ["base"])
        state = State.open(self.store, writable=False)
        state.close()
        assert (state.device_state.environment, state.device_state.burned, state.device_state.trial) == ("", (1,), None)
        (outcome,) = state.outcomes
        assert (outcome.counter, outcome.result) == (1, "reverted")
        return outcome.because, outcome.detail

    def end(self) -> int:
        """End the launcher in order; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def _script(self, path: Path) -> Path:
        path.write_text(SCRIPT.format(python=sys.executable))
        path.chmod(0o755)
        return path
