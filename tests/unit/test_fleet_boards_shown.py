"""Boards behind a device, as people and programs see them: terminal, page and API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.core.records.fleet import WORDS
from edgewright.fleet.protocol.api_records import DeviceHistory
from studio_example import client
from watched_fleet import HOSTILE, Watched, asked_of

pytestmark = pytest.mark.slow
BOARDS = [
    {"name": f"b-{state}", "state": state, "release": 2, "counter": 7, "wanted": 8, "floor": 7, "layout": "c0de"}
    for state in WORDS
]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path, 2, 600.0)
    try:
        yield watched
    finally:
        watched.close()


def test_every_state_is_said_in_words_and_hostile_text_stays_text(fleet: Watched, tmp_path: Path, cli: Cli) -> None:
    one, other = fleet.devices
    why = f"{HOSTILE}\x1b[2J\0"
    fleet.report([one], boards=[*BOARDS, {**BOARDS[0], "name": "odd", "why": why}])
    fleet.report([other])
    path = f"/v1/fleet/devices/{one.id}"
    seen = asked_of(fleet.folder, DeviceHistory, "GET", path).device.boards
    assert [board.name for board in seen] == [*(f"b-{state}" for state in WORDS), "odd"]
    assert seen[-1].why == why
    out = cli("fleet", "devices", one.id, "--fleet", fleet.folder)
    for state, words in WORDS.items():
        assert re.search(rf"^b-{state} +7 +8 +{words} +2 +c0de", out, re.MULTILINE), out
    assert "\x1b" not in out
    text = client(tmp_path / "runs", fleet=fleet.folder).get(f"/fleet/device/{one.id}").text
    assert text.count('<td data-label="State">') == len(WORDS) + 1
    assert "firmware update needed" in text
    assert HOSTILE not in text
    assert "Attached boards" not in client(tmp_path / "runs", fleet=fleet.folder).get(f"/fleet/device/{other.id}").text
    # A device that has none any more says so by leaving them out.
    fleet.report([one])
    assert asked_of(fleet.folder, DeviceHistory, "GET", path).device.boards == ()
