"""The agent learns from an operator's labels: restarted, killed, undone, updated, told nonsense."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from axes_example import LABELS, SAMPLES, windows, write_belt
from cli_runner import Cli
from edgewright.core.adaptation.affine import AffineFactory, Files, Slots, turned
from edgewright.core.adaptation.predictor import origin_of
from edgewright.core.package import read_package
from edgewright.device.agent.learned import REQUEST, LabelReply, LabelRequest, ask, learned_folder
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline

pytestmark = pytest.mark.slow
COMMAND = str(Path(sys.executable).with_name("edgewright"))
RATE, _MIRRORED, _EACH = 10.0, 7, 8


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return two packages of one name, fitted on other people."""
    packages = []
    for number, test in enumerate((("p6", "p7"), ("p0", "p7"))):
        folder = tmp_path_factory.mktemp("belt")
        keys = (f"split.test_groups={list(test)}",)
        run = run_pipeline(read_config(str(write_belt(folder)), keys), out=folder / "runs").folder
        packages.append((run / "belt.edge").rename(tmp_path_factory.mktemp(f"made{number}") / "belt.edge"))
    return packages[0], packages[1]


class Device:
    """An agent in a process, on rows that are appended to a file; its sensor is worn mirrored."""

    def __init__(self, folder: Path, package: Path) -> None:
        self.folder, self.rows = folder, 0
        factory = origin_of(read_package(package))
        assert isinstance(factory, AffineFactory)
        self.factory = factory
        self.store = folder / "store"
        self.learned = learned_folder(self.store, "belt")
        self.path = folder / "rows.csv"
        self.path.write_text("time,ax,ay,az,gx,gy,gz\n")
        X, self._labels = windows((7,), count=60)
        self._windows = turned(factory.spec, X, _MIRRORED)
        self.process: subprocess.Popen[bytes] | None = None
        self.start(package)

    def start(self, package: Path) -> None:
        """Run the agent and wait until it reads."""
        before = self.printed().count('"label":"start"')
        command = [COMMAND, "device", "run", str(package), "--source", f"csv:{self.path}", "--store", str(self.store)]
        with (self.folder / "printed").open("ab") as out, (self.folder / "said").open("ab") as err:
            self.process = subprocess.Popen([*command, "--json"], stdout=out, stderr=err)
        until(lambda: self.printed().count('"label":"start"') > before, "it does not start")
        time.sleep(0.3)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    def feed(self, label: int, count: int = 1, *, constant: float | None = None) -> None:
        """Append windows of a class."""
        mine = self._windows[self._labels == label]
        for _ in range(count):
            window = mine[self.rows // SAMPLES % len(mine)]
            rows = window.T if constant is None else np.full_like(window.T, constant)
            lines = [f"{(self.rows + k) / RATE:.3f}," + ",".join(f"{v:.5f}" for v in row) for k, row in enumerate(rows)]
            self.rows += SAMPLES
            with self.path.open("a") as file:
                file.write("\n".join(lines) + "\n")
        time.sleep(0.5)

    def teach(self, label: int, name: str, count: int = _EACH, *, constant: float | None = None) -> LabelReply:
        """Label windows to come, and let them come."""
        before = self.health().count("labelled")
        reply = ask(self.learned, LabelRequest(label=name, seconds=count * SAMPLES / RATE), 20.0)
        assert reply is not None
        self.feed(label, count + 1, constant=constant)
        until(lambda: self.health().count("labelled") > before, "the labelled time does not end")
        return reply

    @property
    def state(self) -> Any:  # noqa: ANN401 - of the affine layer
        """What lies in the slots."""
        return Slots(Files(self.learned), self.factory).load()

    def answers(self, label: int) -> str:
        """Return what is decided after some windows of a class."""
        self.feed(label, 3)
        return str(self.events("decision")[-1]["label"])

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """Return events that were printed."""
        lines = [json.loads(line) for line in self.printed().splitlines() if line.endswith("}")]
        return [one for one in lines if one["kind"] in kinds]

    def health(self) -> list[str]:
        """Return labels of health events."""
        return [one["label"] for one in self.events("health")]

    def says(self, label: str, times: int) -> None:
        """Wait until a health event has come so often."""
        until(lambda: self.health().count(label) >= times, f"{label} {times}: {self.health()}")

    def printed(self) -> str:
        """Return what it printed."""
        path = self.folder / "printed"
        return path.read_text() if path.exists() else ""


def until(check: Callable[[], bool], why: str, seconds: float = 60.0) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, why
        time.sleep(0.05)


def status(cli: Cli, device: Device) -> dict[str, Any]:
    """Return the packages that answer with what was learned; events are stored in groups, so some seconds late."""
    learned: dict[str, Any] = cli.json("device", "status", "--store", device.store)["learned"]
    return learned


@pytest.fixture
def device(tmp_path: Path, packages: tuple[Path, Path]) -> Iterator[Device]:
    device = Device(tmp_path, packages[0])
    device.feed(0)
    yield device
    device.stop(signal.SIGKILL)


def test_labels_teach_it_through_a_kill_an_undo_and_an_update(
    device: Device, packages: tuple[Path, Path], cli: Cli
) -> None:
    assert "Did you mean 'walk'" in cli("device", "label", "wak", "--store", device.store, code=2)
    assert "learned from the last window" in cli("device", "label", LABELS[0], "--store", device.store)
    assert device.state.examples == 1
    for label in range(3):
        assert device.teach(label, LABELS[label]).text == ""
    assert device.state.used == 1
    device.says("learned", 1)
    until(lambda: list(status(cli, device)) == ["belt"], "the status does not show it")

    # Killed in the middle of learning: what was kept is whole, and answers go on with it.
    ask(device.learned, LabelRequest(label=LABELS[2], seconds=1000.0), 20.0)
    device.feed(2, 5)
    device.stop(signal.SIGKILL)
    assert device.state.used == 1
    assert device.state.examples >= 3 * _EACH
    device.start(packages[0])
    device.says("learned", 2)
    device.feed(0)
    assert [device.answers(label) for label in range(3)] == list(LABELS)

    # Undone by another process while it runs.
    cli("adapt", "undo", packages[0], "--state", device.learned)
    device.says("factory", 1)
    assert [device.answers(label) for label in range(3)] != list(LABELS)
    until(lambda: status(cli, device) == {}, "the status still shows it")

    # Learned again, and then another model: what was learned of the first does not count for it.
    for label in range(3):
        device.teach(label, LABELS[label])
    device.says("learned", 3)
    device.stop()
    device.start(packages[1])
    device.says("factory", 2)
    device.stop()
    device.start(packages[0])
    device.says("learned", 4)


def test_another_command_that_learns_blocks_no_agent_and_loses_no_window(device: Device) -> None:
    with Files(device.learned).locked():
        reply = ask(device.learned, LabelRequest(label=LABELS[0]), 20.0)
        assert reply is not None
        assert "another command" in reply.text
        assert ask(device.learned, LabelRequest(label=LABELS[0], seconds=4 * SAMPLES / RATE), 20.0) is not None
        device.feed(0, 2)
        refused = ask(device.learned, LabelRequest(label="wak"), 20.0)
        assert refused is not None
        assert "expected a label" in refused.text
        assert device.state.examples == 0
    device.feed(0, 4)
    until(lambda: device.health().count("labelled") >= 2, "the labelled time does not end")
    assert device.state.examples == 4


def test_contradicting_labels_change_no_answer(device: Device) -> None:
    for turn in (1, 2, 0):
        for label in range(3):
            device.teach(label, LABELS[(label + turn) % 3], count=3)
    assert device.state.examples >= 18
    assert device.state.used == 0
    assert "learned" not in device.health()


def test_a_saturated_sensor_changes_no_answer(device: Device) -> None:
    for label in range(3):
        device.teach(label, LABELS[label], count=4, constant=8.0)
    assert device.state.examples >= 8
    assert device.state.used == 0
    assert "learned" not in device.health()


def test_a_label_without_an_agent_or_of_no_stream_is_refused(device: Device, cli: Cli) -> None:
    message = cli("device", "label", LABELS[0], "--store", device.store, "--stream", "left", code=1)
    assert "expected a stream that was answered" in message
    (device.learned / REQUEST).write_text("{")
    until(lambda: not (device.learned / REQUEST).exists(), "a damaged request stays")
    device.stop()
    assert "no agent" in cli("device", "label", LABELS[0], "--store", device.store, code=1)
    assert not (device.learned / REQUEST).exists()
