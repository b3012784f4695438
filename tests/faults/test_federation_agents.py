"""Agents as processes learn together beside their models, and get what they learned as a release, canary first."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adaptation_data import write_worn
from board_fleet import COMMAND, ServedFleet
from edgewright.core.package import read_package
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from fleet_servers import PATIENCE, until

pytestmark = pytest.mark.slow
DEVICES, ROUNDS = 4, 2


class LearningFleet(ServedFleet):
    """Devices with labelled examples of one person each, allowed to learn together, and one that is not."""

    def __init__(self, folder: Path, run: Path) -> None:
        super().__init__(folder)
        self._package = run / "worn.edge"
        said = self.run("fleet", "token", "new", "--uses", str(DEVICES), "--fleet", "fleet")
        self.token = next(word for word in said.split() if word.startswith("ew1."))
        lines = (run.parents[1] / "worn.csv").read_text().splitlines()
        self.agents = list[subprocess.Popen[bytes]]()
        for number in range(DEVICES):
            mine = [line.split(",", 1)[1] for line in lines if line.startswith(f"p{number},")]
            heads, path = lines[0].split(",", 1)[1], folder / f"p{number}.csv"
            path.write_text("\n".join([heads, *mine]) + "\n")
            learned = f"d{number}/learned/worn"
            self.run("adapt", "learn", str(self._package), "--examples", path.name, "--label-column", "label",
                     "--state", learned)  # fmt: skip
            self.agent(number, *(["--federate"] if number else []))

    def agent(self, number: int, *more: str) -> None:
        """Start an agent whose sensor gives the first rows of its person."""
        rows = self.folder / f"rows{number}.csv"
        rows.write_text("c0,c1,c2,c3\n")
        command = [
            COMMAND,
            "device",
            "run",
            str(self._package),
            "--fleet",
            self.url,
            "--token",
            self.token,
            "--name",
            f"d{number}",
            "--store",
            f"d{number}",
            "--source",
            f"csv:{rows.name}",
            "--poll",
            "1",
            *more,
        ]
        with (self.folder / f"said{number}").open("wb") as said:
            self.agents.append(subprocess.Popen(command, cwd=self.folder, stdout=said, stderr=said))

    def said_by(self, number: int) -> str:
        """Return what an agent said."""
        return (self.folder / f"said{number}").read_text()

    def says(self, number: int, text: str) -> bool:
        """Return whether an agent said something."""
        return text in self.said_by(number)

    def seen(self) -> Any:  # noqa: ANN401 - JSON
        """Return where the rounds stand."""
        return json.loads(self.run("fleet", "federation", "status", "--fleet", "fleet", "--json"))

    def close(self) -> None:
        """End agents and server."""
        for agent in self.agents:
            agent.terminate()
        for agent in self.agents:
            agent.wait(PATIENCE)
        super().close()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[LearningFleet]:
    config = read_config(str(write_worn(tmp_path, "output")), ('split.test_groups=["p5","p6","p7"]', "refit=false"))
    run = run_pipeline(config, out=tmp_path / "runs").folder
    made = LearningFleet(tmp_path, run)
    try:
        yield made
    finally:
        made.close()


def test_agents_learn_together_and_roll_the_result_out(fleet: LearningFleet) -> None:
    until(lambda: "waits for a round" in fleet.said_by(1), lambda: fleet.said_by(1))
    run = str(fleet.folder / "runs" / "worn")
    more = ("--rounds", str(ROUNDS), "--devices", "3", "--devices-in-group", "3", "--join", "60s", "--patience", "60s")
    fleet.run("fleet", "federation", "start", run, "--fleet", "fleet", *more)
    until(lambda: fleet.seen()["state"] == "done", lambda: (fleet.seen(), [fleet.said_by(n) for n in range(DEVICES)]))
    assert [one["counted"] for one in fleet.seen()["rounds"]] == [3] * ROUNDS
    for number in range(1, DEVICES):
        until(partial(fleet.says, number, f"took part in {ROUNDS} rounds"), partial(fleet.said_by, number))
    assert "federation" not in fleet.said_by(0)

    fleet.run("fleet", "federation", "package", run, "--out", "learned.edge", "--fleet", "fleet")
    before, after = read_package(Path(run) / "worn.edge"), read_package(fleet.folder / "learned.edge")
    assert before.sha256 != after.sha256
    fleet.run("fleet", "publish", "learned.edge", "--fleet", "fleet")
    (fleet.folder / "plan.toml").write_text("[trial]\nseconds = 1\n")
    fleet.run("fleet", "rollout", "start", "--fleet", "fleet", "--plan", "plan.toml", "--stages", "canary:25%,all:100%",
              "--dwell", "30s", "--silence", "30s", "--quorum", "1")  # fmt: skip

    def confirmed() -> bool:
        for number in range(DEVICES):
            with (fleet.folder / f"rows{number}.csv").open("a") as rows:
                rows.write("4,4,0,-2\n")
        shown = json.loads(fleet.run("fleet", "devices", "--fleet", "fleet", "--json"))
        return [(one["counter"], one["phase"]) for one in shown["devices"]] == [(1, "idle")] * DEVICES

    until(confirmed, lambda: [fleet.said_by(n)[-300:] for n in range(DEVICES)])
