"""The launcher imports its modules once, at its start: they are few, and an update replaces none of them."""

from __future__ import annotations

import subprocess
import sys

IMPORTED = {
    "edgewright", "edgewright._late_imports", "edgewright._version",
    "edgewright.core", "edgewright.core.errors", "edgewright.core.files", "edgewright.core.formatting",
    "edgewright.core.records", "edgewright.core.records.fleet",
    "edgewright.core.read_only_database", "edgewright.device", "edgewright.device.agent",
    "edgewright.device.agent.bounded_log", "edgewright.device.agent.parent_process",
    "edgewright.device.agent.systemd", "edgewright.device.store",
    "edgewright.device.store.database", "edgewright.device.store.file_operations",
    "edgewright.device.store.guarded_database",
    "edgewright.fleet", "edgewright.fleet.device", "edgewright.fleet.device.agent_choice",
    "edgewright.fleet.device.state_database", "edgewright.fleet.device.launcher",
    "edgewright.fleet.device.launcher_record", "edgewright.fleet.device.ports",
    "edgewright.fleet.protocol",
    "edgewright.fleet.protocol.layout",
}  # fmt: skip
LIBRARIES = {"msgspec"}
RUN = """
import os, sys
from pathlib import Path
import edgewright.fleet.device.launcher as launcher
before = set(sys.modules)
Path("base").write_text("#!/bin/sh\\nexit 7\\n")
Path("base").chmod(0o755)
os.environ[launcher.FACTORY_VARIABLE] = os.path.abspath("base")
assert launcher.launch(Path("store"), "", True, []) == 7
print(*sorted(before))
print(*sorted(set(sys.modules) - before))
"""


def test_the_launcher_imports_few_modules_and_none_while_it_runs(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=str(tmp_path), capture_output=True, text=True, timeout=60, check=True
    )
    start, later = (set(line.split()) for line in done.stdout.split("\n")[:2])
    assert {name for name in start if name.split(".")[0] == "edgewright"} == IMPORTED
    bundled = sys.stdlib_module_names | {"__main__", "typing_extensions", "__mp_main__"}
    others = {name.split(".")[0] for name in start} - bundled - {"edgewright"}
    assert {name for name in others if not name.startswith(("_", "sitecustomize"))} <= LIBRARIES
    assert {name for name in later if name.startswith("edgewright")} == set()


COMMAND = """
import sys
from edgewright.cli.main import device, run
from edgewright.fleet.device import launcher
launcher.launch = lambda store, token, quiet, words: 7 if words == ["device", *line] else 8
line = "run --fleet http://127.0.0.1:9 --token ew1.x --store store --source csv:a.csv".split()
print(run(["device", *line]), "numpy" in sys.modules)
sys.argv[1:] = line
device()
"""


def test_the_command_that_launches_an_agent_loads_no_numpy(tmp_path: object) -> None:
    command = [sys.executable, "-c", COMMAND]
    done = subprocess.run(command, cwd=str(tmp_path), capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("7 False\n", 7), done.stderr


AGENT = """
import sys
from edgewright.cli.main import run
from edgewright.fleet.device import launcher, runner
launcher.launched, launcher.superseded = (lambda: True), (lambda: False)
runner.follow = lambda *parts: print("numpy" in sys.modules)
print(run("device run --fleet http://127.0.0.1:9 --federate --store store --source csv:a.csv".split()))
"""


def test_the_agent_of_a_fleet_loads_no_numpy(tmp_path: object) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AGENT], cwd=str(tmp_path), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("False\n0\n", 0), done.stderr
    assert "--federate has no effect" in done.stderr  # units of installed devices still have this option
