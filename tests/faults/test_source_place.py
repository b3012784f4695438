"""The agent is killed and started while another process writes: every alarm episode is stored, each once."""

from __future__ import annotations

import importlib
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import numpy as np
import pytest

from agent_example import RATE, package
from agent_example import signal as rows_of
from edgewright.device.store import reader, status
from mqtt_broker import broker_until
from plant import free_port

COMMAND = str(Path(sys.executable).with_name("edgewright"))
DEVICE = """
[[packages]]
path = "switch.edge"
[packages.decision]
smoothing = 3
debounce = 2
alarms = ["on"]
"""
PERIOD, EPISODES = 4.0, 90
WRITER = """
import sys, time
lines = open(sys.argv[1]).readlines()
with open(sys.argv[2], "a") as file:
    for at in range(0, len(lines), 20):
        text = "".join(lines[at : at + 20])
        # The last line is written in two pieces: a reader may meet half of it.
        file.write(text[:-7])
        file.flush()
        time.sleep(0.002)
        file.write(text[-7:])
        file.flush()
        time.sleep(float(sys.argv[3]))
"""


def lines_of(seconds: float) -> list[str]:
    values = rows_of(seconds, period=PERIOD, seed=4).tolist()
    return [f"{1.7e9 + index / RATE:.3f},{a:.5f},{b:.5f}\n" for index, (a, b) in enumerate(values)]


def start(folder: Path, source: str = "csv:rows.csv") -> subprocess.Popen[bytes]:
    command = [COMMAND, "device", "run", "--config", "device.toml", "--store", "store", "--source", source, "--json"]
    with (folder / "printed").open("ab") as out, (folder / "said").open("ab") as err:
        return subprocess.Popen(command, cwd=folder, stdout=out, stderr=err)


def starts(folder: Path) -> int:
    return (folder / "printed").read_bytes().count(b'"label":"start"') if (folder / "printed").exists() else 0


def started(folder: Path, before: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while starts(folder) == before:
        assert process.poll() is None, (folder / "said").read_text()
        assert time.monotonic() < until
        time.sleep(0.01)


def stored(folder: Path) -> list[int]:
    """Return the episodes whose alarm is stored, in order."""
    with reader.look(folder / "store") as database:
        alarms = [one.event for one in reader.events(database, kind="alarm", limit=100_000, newest=False)]
    return [int((event.time - 1.7e9) // PERIOD) for event in alarms]


def killed_while(folder: Path, source: str, sending: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Kill the agent and start it again while somebody sends, then wait until all episodes are stored, and end it."""
    chance, kills = np.random.default_rng(3), 0
    while sending():
        time.sleep(0.2 + float(chance.random()))
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        time.sleep(0.3 * float(chance.random()))
        before = starts(folder)
        process = start(folder, source)
        if kills % 4:  # else it is killed while it starts
            started(folder, before, process)
    until = time.monotonic() + 60
    while len(set(stored(folder))) < EPISODES and time.monotonic() < until:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    episodes = stored(folder)
    missing = sorted(set(range(EPISODES)) - set(episodes))
    assert (kills > 5, missing, max(Counter(episodes).values())) == (True, [], 1), (folder / "said").read_text()[-500:]
    assert status.read_state(folder / "store").damage == ()


def bodies() -> list[str]:
    lines = lines_of(EPISODES * PERIOD)
    return ["time,level,heat\n" + "".join(lines[at : at + 20]) for at in range(0, len(lines), 20)]


@pytest.mark.slow
@pytest.mark.heavy
def test_messages_that_arrive_while_the_agent_restarts_are_taken(tmp_path: Path) -> None:
    client = importlib.import_module("paho.mqtt.client")
    package(tmp_path / "switch.edge")
    (tmp_path / "device.toml").write_text(DEVICE)
    with ExitStack() as stack:
        broker = broker_until(tmp_path, stack)
        source = f"mqtt:127.0.0.1:{broker.port}/rows?client=agent"
        process = start(tmp_path, source)
        started(tmp_path, 0, process)
        time.sleep(1.0)
        sender = client.Client(client.CallbackAPIVersion.VERSION2)
        sender.connect("127.0.0.1", broker.port)
        sender.loop_start()

        def send() -> None:
            for body in bodies():
                sender.publish("rows", body, qos=1).wait_for_publish(30)
                time.sleep(0.02)

        thread = threading.Thread(target=send)
        thread.start()
        killed_while(tmp_path, source, thread.is_alive, process)
        thread.join()
        sender.disconnect()
        sender.loop_stop()


@pytest.mark.slow
@pytest.mark.heavy
def test_a_sender_that_waits_for_its_answer_loses_and_repeats_nothing(tmp_path: Path) -> None:
    package(tmp_path / "switch.edge")
    (tmp_path / "device.toml").write_text(DEVICE)
    port = free_port()
    source = f"http:127.0.0.1:{port}?acknowledge=true"

    def post(body: str) -> bool:
        line = HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            line.request("POST", "/", body.encode())
            return line.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            line.close()

    def send() -> None:
        for body in bodies():
            while not post(body):
                time.sleep(0.05)
            time.sleep(0.02)

    process = start(tmp_path, source)
    thread = threading.Thread(target=send)
    thread.start()
    killed_while(tmp_path, source, thread.is_alive, process)
    thread.join()


@pytest.mark.slow
@pytest.mark.heavy
def test_rows_that_are_written_while_the_agent_restarts_are_read(tmp_path: Path) -> None:
    package(tmp_path / "switch.edge")
    (tmp_path / "device.toml").write_text(DEVICE)
    (tmp_path / "rows.csv").write_text("time,level,heat\n")
    (tmp_path / "given.csv").write_text("".join(lines_of(EPISODES * PERIOD)))
    process = start(tmp_path)
    started(tmp_path, 0, process)
    time.sleep(0.3)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, "given.csv", "rows.csv", "0.03"], cwd=tmp_path)
    killed_while(tmp_path, "csv:rows.csv", lambda: writer.poll() is None, process)
    assert writer.returncode == 0
