"""Each file of a device is damaged in turn, without a network: the agent goes on, predicts and stores."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from board_fleet import ServedFleet
from fleet_servers import PATIENCE, until

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
EMPTY = ("lock", "fleet.lock")
"""Files without content: only their locks count."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFleet]:
    served = ServedFleet(tmp_path_factory.mktemp("damaged"))
    served.start("r0.edge", "--token", served.token)
    try:
        until(lambda: "release 0, idle: no rollout" in served.said(), served.said)
        until(lambda: events(served) > 0, served.said)
        stop(served)
        shutil.copytree(served.folder / "dev", served.folder / "sound")
        # To the fleet, a folder that is put back would be a copy of the device.
        served.server.terminate()
        served.server.wait(PATIENCE)
        yield served
    finally:
        served.close()


def stop(fleet: ServedFleet) -> None:
    assert fleet.device is not None
    fleet.device.terminate()
    fleet.device.wait(PATIENCE)


def events(fleet: ServedFleet) -> int:
    """Return the number of stored events; 0 while there is no store."""
    if not (fleet.folder / "dev" / "store.sqlite").exists():
        return 0
    return int(json.loads(fleet.run("device", "status", "--store", "dev", "--json"))["tables"]["events"]["entries"])


def settled(fleet: ServedFleet) -> bool:
    """Return whether the agent predicts, or has ended."""
    assert fleet.device is not None
    return "  decision " in fleet.said() or fleet.device.poll() is not None


def damage(path: Path) -> None:
    """Put zeros into the middle third of a file."""
    data = path.read_bytes()
    part = len(data) // 3
    path.write_bytes(data[:part] + bytes(part) + data[2 * part :])


def test_no_damaged_file_stops_the_agent(fleet: ServedFleet) -> None:
    dev = fleet.folder / "dev"
    sound = fleet.folder / "sound"
    names = sorted(str(path.relative_to(sound)) for path in sound.rglob("*") if path.is_file())
    failures = []
    for name in names:
        shutil.rmtree(dev)
        shutil.copytree(sound, dev)
        if name in EMPTY:
            continue
        damage(dev / name)
        (fleet.folder / "said").write_bytes(b"")
        process = fleet.start("r0.edge")
        try:
            until(partial(settled, fleet), fleet.said)
            if process.poll() is not None:
                failures.append(f"{name}: {fleet.said()[-300:]}")
        finally:
            if process.poll() is None:
                stop(fleet)
    assert failures == []
