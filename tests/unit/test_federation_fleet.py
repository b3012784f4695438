"""Real devices learn together over HTTP: the server dies in between, one device leaves, and no raw data travels."""

from __future__ import annotations

import base64
import json
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adaptation_data import write_worn
from cli_runner import Cli
from edgewright.core.adaptation.factory import Factory, State
from edgewright.core.adaptation.predictor import AdaptedPredictor
from edgewright.core.package import read_package
from edgewright.core.predictor import Predictor
from edgewright.fleet.device.control_client import HttpControl
from edgewright.fleet.device.federation import Participation, take_part
from edgewright.fleet.protocol.wire.transport import HttpTransport
from edgewright.fleet.server.database import copy, postgres
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from federation_agents import Recorder, leaks
from fleet_folder import fleet, package
from fleet_plane import Device, enrolled_devices
from fleet_servers import Server, until
from postgres_database import fresh_database

pytestmark = pytest.mark.slow
# As little-endian float32: 11 to 15, which the sensor can give.
CANARY = b"myRAheAArtBAokRA"
PEOPLE = ("p2", "p3", "p4", "p5", "p6", "p7")


class Part(threading.Thread):
    """A person's device: its own predictor with the examples that it keeps."""

    def __init__(self, run: Path, device: Device, address: str, person: str, requests: int) -> None:
        super().__init__(daemon=True)
        self.predictor = AdaptedPredictor(read_package(run / "worn.edge"))
        X, labels = rows_of(run, person)
        # The last example is always kept: the memory is not full.
        X = np.concatenate([X[::8], np.frombuffer(CANARY, "<f4")[None]])
        self.predictor.learn(X, [*labels[::8], labels[0]])
        self._transport = HttpTransport(address)
        self._control = HttpControl(self._transport, device.key, device.id)
        self._left, self._ended = requests, threading.Event()
        self.done: Participation | None = None

    def run(self) -> None:
        """Take part to the end, or until it is switched off."""
        factory = self.predictor.factory
        assert isinstance(factory, Factory)
        self.done = take_part(self._control, factory, self._state, self._wait)
        self._transport.close()

    def _wait(self, seconds: float) -> bool:
        self._left -= 1
        return self._ended.wait(min(seconds, 1.0)) or self._left == 0

    @property
    def _state(self) -> State:
        assert isinstance(self.predictor.state, State)
        return self.predictor.state

    @property
    def secrets(self) -> list[bytes]:
        """What of the raw examples must not appear: values, as bytes and text, and what the last layer receives."""
        state, values = self._state, np.frombuffer(CANARY, "<f4")
        hidden = state.pool[state.kept - 1].astype(np.uint8)
        assert len(set(hidden.tolist())) > 3
        texts = [str(value).encode() for value in values.tolist()]
        return [CANARY, CANARY[:8], hidden.tobytes(), (hidden ^ 128).tobytes(), *(one for one in texts if len(one) > 8)]


def rows_of(run: Path, person: str) -> tuple[np.ndarray, list[str]]:
    lines = [line.split(",") for line in (run.parents[1] / "worn.csv").read_text().splitlines()[1:]]
    mine = [line for line in lines if line[0] == person]
    return np.array([[float(cell) for cell in line[2:]] for line in mine], np.float32), [line[1] for line in mine]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("worn")
    groups = json.dumps(PEOPLE)
    config = read_config(str(write_worn(folder, "output")), (f"split.test_groups={groups}", "refit=false"))
    return run_pipeline(config, out=folder / "runs").folder


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Any, list[Server]]]:
    """Provide a fleet and its servers, over PostgreSQL where the test says so."""
    device_fleet, servers = fleet(tmp_path / "fleet", time.time()), list[Server]()
    with ExitStack() as stack:
        if getattr(request, "param", "") == "postgresql":
            postgres.keep(device_fleet.folder, stack.enter_context(fresh_database()))
        yield device_fleet, servers
        for server in servers:
            server.end()


@pytest.mark.parametrize("served", ["sqlite", "postgresql"], indirect=True)
def test_a_fleet_learns_over_http_and_keeps_its_data(cli: Cli, run: Path, served: Any, tmp_path: Path) -> None:  # noqa: ANN401
    device_fleet, servers = served
    devices = enrolled_devices(device_fleet.folder, len(PEOPLE))
    servers.append(Server(device_fleet.folder).wait())
    proxy = Recorder(servers[0].port)
    options = ("--rounds", 3, "--devices", 5, "--devices-in-group", 3, "--join", "20s", "--patience", "60s")
    assert "waits for devices: 0 devices" in cli(
        "fleet", "federation", "start", run, "--fleet", device_fleet.folder, *options
    )
    parts = [
        Part(run, device, proxy.address, person, 4 if person == "p2" else 10_000)
        for device, person in zip(devices, PEOPLE, strict=True)
    ]
    for part in parts:
        part.start()

    def seen() -> Any:  # noqa: ANN401 - JSON
        return cli.json("fleet", "federation", "status", "--fleet", device_fleet.folder)

    until(lambda: len(seen()["rounds"]) >= 1 and not seen()["joining"], seen)
    servers[0].end(signal.SIGKILL)
    servers.append(Server(device_fleet.folder, port=servers[0].port).wait())
    until(lambda: seen()["state"] == "done", seen)
    for part in parts:
        part.join(60)
    view = seen()
    proxy.close()

    assert [one["number"] for one in view["rounds"]] == [1, 2, 3]
    # The round in which the server was killed goes on, or gives its group up where that took too long.
    used = [one for one in view["rounds"] if one["groups"] >= 1 and one["counted"] >= 3]
    assert len(used) + sum(one["failed"] > 0 and not one["groups"] for one in view["rounds"]) == 3
    assert len(used) >= 2
    assert all(part.done is not None and part.done.over and part.done.rounds >= 1 for part in parts[1:])
    assert parts[0].done is not None
    assert not parts[0].done.over

    secrets = [secret for part in parts for secret in part.secrets]
    copied = device_fleet.folder / "copy.sqlite"
    copy.backup(device_fleet.folder, copied)
    assert view["id"].encode() in copied.read_bytes()
    traffic = proxy.kept + [path.read_bytes() for path in device_fleet.folder.rglob("*") if path.is_file()]
    assert sum(map(len, proxy.kept)) > 50_000
    assert [leaks(data, secrets) for data in traffic] == [[]] * len(traffic)
    # The search finds what is there: in plain bytes, and in base64 as the messages have it.
    shown = b'{"body":"' + base64.b64encode(b"xx" + parts[1].secrets[2]) + b'"}'
    assert leaks(shown, secrets)
    assert leaks(np.frombuffer(CANARY, "<f4").tobytes(), secrets)

    learned = tmp_path / "learned.edge"
    printed = cli("fleet", "federation", "package", run, "--out", learned, "--fleet", device_fleet.folder)
    assert f"learned in {len(used)} rounds" in printed
    package = read_package(learned)
    assert package.manifest.provenance["federation"] == view["id"]
    X, labels = rows_of(run, "p7")
    before, after = (Predictor(one, form="int8", engine="numpy").predict(X).labels for one in
                     (read_package(run / "worn.edge"), package))  # fmt: skip
    assert (after == np.array(labels)).mean() >= (before == np.array(labels)).mean()
    assert "main 1: worn" in cli("fleet", "publish", learned, "--fleet", device_fleet.folder)
    until(lambda: "worn" in cli("fleet", "releases", "--fleet", device_fleet.folder))
    assert "one that exists" in cli(
        "fleet", "federation", "package", run, "--out", learned, "--fleet", device_fleet.folder, code=2
    )


def test_commands_refuse_in_one_line(cli: Cli, run: Path, served: Any, tmp_path: Path) -> None:  # noqa: ANN401
    folder = served[0].folder
    out = ("--out", tmp_path / "x.edge", "--fleet", folder)
    assert "a learning of the fleet" in cli("fleet", "federation", "status", "--fleet", folder, code=2)
    plain = package(tmp_path)
    for wrong, text in (
        (("start", plain, "--fleet", folder), "a package that learns on its device"),
        (("start", tmp_path / "no.edge", "--fleet", folder), "no.edge"),
        (("start", run, "--fleet", tmp_path), str(tmp_path)),
        (("start", run, "--fleet", folder, "--rounds", 0), "not in the range"),
        (("start", run, "--fleet", folder, "--clip", "nan"), "nan is not in the range"),
        (("start", run, "--fleet", folder, "--join", "0s"), "--join"),
        (("package", run, *out), "a learning of the fleet"),
        (("stop", "--fleet", folder), "a learning of the fleet"),
    ):
        message = cli("fleet", "federation", *wrong, code=2)
        assert text in message
        assert message.count("\n") == 1, message
    cli("fleet", "federation", "start", run, "--fleet", folder)
    assert "waits for devices: 0 devices" in cli("fleet", "federation", "status", "--fleet", folder)
    for words, text, code in (
        (("start", run, "--fleet", folder), "one learning of a product at a time", 1),
        (("start", run, "--fleet", folder, "--product", "pimp"), "a known product", 2),
        (("status", "one", "--fleet", folder), "an id of 32", 2),
        (("stop", "0" * 32, "--fleet", folder), "another id", 2),
        (("package", run, *out), "none yet", 2),
    ):
        message = cli("fleet", "federation", *words, code=code)
        assert text in message
        assert message.count("\n") == 1
    assert "stopped" in cli("fleet", "federation", "stop", "--fleet", folder, "--why", "wrong labels")
    assert "one that is stopped" in cli("fleet", "federation", "stop", "--fleet", folder, code=1)
