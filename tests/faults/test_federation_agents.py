"""Agents as processes learn together beside their models, and get what they learned as a release, canary first."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adaptation_data import write_worn
from edgewright.core.package import read_package
from edgewright.core.predictor import Predictor
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from federation_agents import AgentFleet
from fleet_servers import until

pytestmark = pytest.mark.slow
DEVICES, ROUNDS = 4, 2
# Of each class, as `write_worn` draws them.
ROWS = ((0, 0, 0, 0), (4, 4, 0, -2), (0, 4, 4, 2))
PLAN = """
silence = 20
trial = { seconds = 1 }
stages = [
    { name = "canary", percent = 100, cohorts = ["first"], dwell = 20 },
    { name = "all", percent = 100, dwell = 20 },
]
cohorts = { first = { profiles = ["p0"] } }
"""


class LearningFleet(AgentFleet):
    """Devices with labelled examples of one person each, allowed to learn together, and one that is not.

    Args:
        folder: with the run of a pipeline.
        run: folder of the run.
        label: that people give all of their examples; their own labels when empty.
    """

    def __init__(self, folder: Path, run: Path, label: str = "") -> None:
        super().__init__(folder, DEVICES, "--report-every", "5")
        package, lines = run / "worn.edge", (run.parents[1] / "worn.csv").read_text().splitlines()
        for number in range(DEVICES):
            mine = [line.split(",", 1)[1] for line in lines if line.startswith(f"p{number},")]
            if label:
                mine = [f"{label},{line.partition(',')[2]}" for line in mine]
            heads, path = lines[0].split(",", 1)[1], folder / f"p{number}.csv"
            path.write_text("\n".join([heads, *mine]) + "\n")
            learned = f"d{number}/learned/worn"
            self.run("adapt", "learn", str(package), "--examples", path.name, "--label-column", "label",
                     "--state", learned)  # fmt: skip
            # Its sensor gives the first rows of its person.
            rows = self.folder / f"rows{number}.csv"
            rows.write_text("c0,c1,c2,c3\n")
            self.agent(package, f"csv:{rows.name}", "--profile", f"p{number}", *(["--federate"] if number else []))

    def learn(self, run: str, *more: str) -> None:
        """Let the devices learn together, and publish what they learned."""
        group = ("--devices", "3", "--devices-in-group", "3", "--join", "60s", "--patience", "60s")
        self.run("fleet", "federation", "start", run, "--fleet", "fleet", "--rounds", str(ROUNDS), *group, *more)
        until(lambda: self.seen()["state"] == "done", lambda: (self.seen(), [self.said_by(n) for n in range(DEVICES)]))
        assert [one["counted"] for one in self.seen()["rounds"]] == [3] * ROUNDS
        self.run("fleet", "federation", "package", run, "--out", "learned.edge", "--fleet", "fleet")
        self.run("fleet", "publish", "learned.edge", "--fleet", "fleet")

    def roll_out(self, *more: str) -> None:
        """Begin the rollout of what was learned; the first device is the canary."""
        (self.folder / "plan.toml").write_text(PLAN)
        self.run("fleet", "rollout", "start", "--fleet", "fleet", "--plan", "plan.toml", "--quorum", "1", *more)

    def sense(self) -> None:
        """Let each sensor give a row of each class."""
        for number in range(DEVICES):
            with (self.folder / f"rows{number}.csv").open("a") as rows:
                rows.writelines(",".join(map(str, row)) + "\n" for row in ROWS)

    def standing(self) -> list[tuple[int, str]]:
        """Return release and phase of each device."""
        shown = json.loads(self.run("fleet", "devices", "--fleet", "fleet", "--json"))
        return [(one["counter"], one["phase"]) for one in sorted(shown["devices"], key=lambda one: one["name"])]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    config = read_config(str(write_worn(tmp_path, "output")), ('split.test_groups=["p5","p6","p7"]', "refit=false"))
    return run_pipeline(config, out=tmp_path / "runs").folder


@contextmanager
def fleet_of(*arguments: Any) -> Iterator[LearningFleet]:  # noqa: ANN401 - of the class
    learning_fleet = LearningFleet(*arguments)
    try:
        until(lambda: "waits for a round" in learning_fleet.said_by(1), lambda: learning_fleet.said_by(1))
        yield learning_fleet
    finally:
        learning_fleet.close()


def test_agents_learn_together_and_roll_the_result_out(tmp_path: Path, run: Path) -> None:
    with fleet_of(tmp_path, run) as fleet:
        fleet.learn(str(run))
        for number in range(1, DEVICES):
            until(partial(fleet.says, number, f"took part in {ROUNDS} rounds"), partial(fleet.said_by, number))
        assert "federation" not in fleet.said_by(0)
        assert read_package(run / "worn.edge").sha256 != read_package(tmp_path / "learned.edge").sha256
        fleet.roll_out("--gate", "failed<=30%")

        def confirmed() -> bool:
            fleet.sense()
            return fleet.standing() == [(1, "idle")] * DEVICES

        until(confirmed, lambda: [fleet.said_by(n)[-300:] for n in range(DEVICES)])


def test_what_was_learned_of_wrong_labels_is_halted_in_the_canary(tmp_path: Path, run: Path) -> None:
    with fleet_of(tmp_path, run, "idle") as fleet:
        # What devices go back to: the bytes that they came with.
        fleet.run("fleet", "publish", str(run / "worn.edge"), "--fleet", "fleet")
        fleet.learn(str(run), "--clip", "4", "--passes", "20")
        predictor = Predictor(read_package(tmp_path / "learned.edge"), form="int8", engine="numpy")
        assert set(predictor.predict(np.array(ROWS, np.float32)).labels) == {"idle"}
        # The gate compares answers with those before the rollout, in reports of some seconds each.
        for _ in range(15):
            fleet.sense()
            time.sleep(1)
        fleet.roll_out("--gate", "classes<=30%")

        def halted() -> bool:
            fleet.sense()
            seen.update(json.loads(fleet.run("fleet", "rollout", "status", "--all", "--fleet", "fleet", "--json")))
            return bool(seen["rollouts"][0]["state"] == "aborted")

        seen = dict[str, Any]()
        until(halted, lambda: (seen, [fleet.said_by(n)[-300:] for n in range(DEVICES)]))
        (plan,) = seen["rollouts"]
        assert (plan["stage"], plan["allowed"], "classes" in plan["why"]) == (0, 1, True), plan
        until(lambda: fleet.standing() == [(3, "idle"), *[(0, "idle")] * (DEVICES - 1)], fleet.standing)
        slots = [read_package(path).sha256 for path in (tmp_path / "d0" / "slots").rglob("*.edge")]
        assert read_package(run / "worn.edge").sha256 in slots
