"""Examples: each runs whole and reaches the targets that its README says it reaches; they are listed and copied."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

import msgspec
import pytest

from cli_runner import Cli
from edgewright.core.errors import ExistingFileError, UnknownNameError
from edgewright.core.records.device import Event
from edgewright.device.agent.settings import read_settings
from edgewright.device.agent.startup import run_agent
from edgewright.device.configuration import PackageEntry
from edgewright.device.sources import short_source
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.workflows.examples import FIGURES_FILE, Target, copy_example, list_examples
from plant import OpcuaPlant, free_port
from support import ROOT, shared_data

EXAMPLES = {example.name: example for example in list_examples()}
ROW = re.compile(r"^\| `(\S+)` \| (.+?) \| .+? \| (reached|\*\*missed\*\*|not measured) \|", re.M)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_short_and_explained(name: str) -> None:
    folder = EXAMPLES[name].folder
    assert len((folder / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 250
    assert len((folder / "README.md").read_text(encoding="utf-8").splitlines()) <= 60
    assert EXAMPLES[name].title


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_reaches_the_targets_of_its_readme(name: str, tmp_path: Path) -> None:
    script = copy_example(name, tmp_path / name)
    command = [sys.executable, str(script), "--out", str(tmp_path / "runs")]
    command += ["--data", str(shared_data(""))] if EXAMPLES[name].data else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    record = json.loads((tmp_path / "runs" / FIGURES_FILE).read_text(encoding="utf-8"))
    readme = (EXAMPLES[name].folder / "README.md").read_text(encoding="utf-8")
    stated = {figure: verdict == "reached" for figure, _, verdict in ROW.findall(readme)}
    assert stated.keys() == record["targets"].keys()
    reached = {
        figure: Target(**bounds).is_reached(record["figures"][figure]) for figure, bounds in record["targets"].items()
    }
    assert [figure for figure, expected in stated.items() if expected and not reached[figure]] == []


def test_examples_are_listed_with_the_data_that_they_need(cli: Cli) -> None:
    out = cli("examples")
    assert [line.split()[0] for line in out.splitlines()] == list(EXAMPLES)
    assert "needs occupancy" in out


def test_an_example_is_copied_into_a_new_folder(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.json("examples", "copy", "room") == {"folder": "room", "next": "python room/room.py"}
    assert (tmp_path / "room" / "heating.toml").is_file()
    with pytest.raises(ExistingFileError):
        copy_example("room", Path("room"))
    with pytest.raises(UnknownNameError):
        copy_example("garage", Path("garage"))


def test_a_target_has_bounds_on_both_sides() -> None:
    target = Target(minimum=0.88, maximum=0.92, source="")
    assert [target.is_reached(value) for value in (0.87, 0.88, 0.92, 0.93)] == [False, True, True, False]


@pytest.mark.slow
@pytest.mark.needs_data
def test_the_rules_answer_for_a_machine_whose_control_is_read_over_opcua(tmp_path: Path) -> None:
    config = read_config(str(EXAMPLES["factory"].folder / "failures.toml"))
    run = run_pipeline(config, data=str(shared_data("ai4i2020")), out=tmp_path)
    well = {"air_temperature": 298.0, "process_temperature": 308.5, "rotational_speed": 1500.0, "torque": 40.0,
            "tool_wear": 20.0, "quality": 1.0}  # fmt: skip
    plant = OpcuaPlant(free_port(), **well)
    configured = read_settings(EXAMPLES["factory"].folder / "device.toml")
    assert configured.settings.source is not None
    entry = PackageEntry(path=str(run.package), name="failures")
    settings = msgspec.structs.replace(configured.settings, packages=(entry,))
    configured = msgspec.structs.replace(configured, settings=settings)
    decided: list[str] = []
    end = monotonic() + 60

    def answer_events(events: Sequence[Event]) -> None:
        decided.extend(event.label for event in events if event.kind == "decision")
        if decided and decided[-1] == "no":
            # More than the 9 kW that the spindle stands.
            plant.set(torque=70.0, rotational_speed=1400.0)

    run_agent(
        configured,
        short_source(f"opcua:{plant.url}?rate=20&nodes={plant.nodes}"),
        tmp_path / "store",
        stop=lambda: "yes" in decided or monotonic() > end,
        say=lambda _: None,
        publish=answer_events,
        begin=lambda _: None,
    )
    plant.stop()
    assert decided == ["no", "yes"]


def test_the_gateway_of_the_job_can_be_run(cli: Cli) -> None:
    assert "source: opcua" in cli("device", "check", EXAMPLES["factory"].folder / "device.toml")
