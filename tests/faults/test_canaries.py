"""Canaries in files, columns, rows and error texts of a device never reach its server: processes, with diagnoses."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_example import package
from board_fleet import COMMAND, ServedFleet
from fleet_servers import until

pytestmark = pytest.mark.slow
CANARY = "canary"
SECRETS = {"file": "secret.csv", "link": "data/link.csv", "up": "data/../secret.csv"}


class Attacked(ServedFleet):
    """A device whose releases choose the source; its own settings have none."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "--report-every", "5")
        (folder / "data").mkdir()
        (folder / "device.toml").write_text('data_folders = ["data"]\n')
        (folder / "secret.csv").write_text("canary-file-column,canary-file-2\n1,2\ncanary-file-row,3\n")
        (folder / "data" / "other.csv").write_text("canary-data-column,b\n1,2\n")
        (folder / "data" / "rows.csv").write_text("level,heat\n0.5,0.25\n")
        (folder / "data" / "link.csv").symlink_to(folder / "secret.csv")

    def start_agent(self) -> None:
        command = [COMMAND, "device", "run", "r0.edge", "--token", self.token, "--name", "pump-1", "--fleet", self.url]
        command += ["--store", "dev", "--config", "device.toml", "--poll", "1"]
        with (self.folder / "said").open("ab") as printed:
            self.device = subprocess.Popen(command, cwd=self.folder, stdout=printed, stderr=printed)

    def publish(self, name: str, source: str) -> None:
        """Publish a release with a source and roll it out."""
        package(self.folder / f"{name}.edge", provenance={"seed": name})
        (self.folder / name).mkdir()
        settings = self.folder / name / "settings.toml"
        settings.write_text(f"[source]\n{source}\n")
        self.run("fleet", "publish", f"{name}.edge", "--fleet", "fleet", "--settings", str(settings))
        self.begin("seconds = 6000.0\ncrashes = 1")

    def outcome(self, counter: int) -> dict[str, Any]:
        history = json.loads(self.run("fleet", "devices", "pump-1", "--fleet", "fleet", "--json"))["history"]
        ended: dict[str, Any] = next((one for one in history["outcomes"] or [] if one["counter"] == counter), {})
        return ended

    def diagnosis(self) -> str:
        return self.run("fleet", "device", "diagnose", "pump-1", "--fleet", "fleet", "--json")

    def server_files(self) -> list[Path]:
        """Return the files of the server that contain a canary."""
        files = [path for path in (self.folder / "fleet").rglob("*") if path.is_file()]
        assert len(files) > 10
        return [path for path in files if CANARY.encode() in path.read_bytes()]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Attacked]:
    attacked = Attacked(tmp_path)
    try:
        yield attacked
    finally:
        attacked.close()


def test_no_canary_leaves_the_device(fleet: Attacked) -> None:
    fleet.start_agent()
    refused = "ReleaseSettingsRefusedError:device.agent.release_settings._confine"
    for counter, (name, path) in enumerate(SECRETS.items(), 1):
        fleet.publish(name, f'kind = "csv"\npath = "{path}"\nbegin = "start"')
        until(lambda: fleet.outcome(counter).get("what") == "refused", fleet.said)  # noqa: B023 - called now
        assert (fleet.outcome(counter)["because"], fleet.outcome(counter)["detail"]) == ("start", refused)

    # Below its data folders, a file with other columns: the message names them in the log of the device alone.
    fleet.publish("columns", 'kind = "csv"\npath = "data/other.csv"\nbegin = "start"')
    until(lambda: fleet.outcome(4).get("what") == "reverted", fleet.said)
    until(lambda: "canary-data-column" in fleet.said(), fleet.said)
    assert CANARY not in fleet.diagnosis()

    # A file that fits, and then rows that do not.
    fleet.publish("rows", 'kind = "csv"\npath = "data/rows.csv"\nbegin = "start"')
    until(lambda: "release 5, trial" in fleet.said(), fleet.said)
    with (fleet.folder / "data" / "rows.csv").open("a") as rows:
        rows.write("0.25,0.5\ncanary-row,0.5\n0.125,0.5\n")
    until(lambda: "canary-row" in fleet.run("device", "query", "--store", "dev", "--kind", "health"), fleet.said)
    log = json.loads(fleet.diagnosis())["diagnosis"]["log"]
    assert {"phase.trial"} <= {entry["code"] for entry in log}
    assert set(log[0]) == {"at", "source", "code", "release", "count"}
    assert CANARY not in fleet.run("fleet", "devices", "pump-1", "--fleet", "fleet", "--json")
    fleet.close()
    assert fleet.server_files() == []
