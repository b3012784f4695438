"""Who is behind a rollout, runs a release that nobody published, has old metadata or cannot download is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli_runner import Cli
from edgewright.core.records.fleet import Stage, Window
from edgewright.fleet.server.gauges import Gauges
from watched_fleet import Watched, awaited

DAY = 86_400.0


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Watched]:
    """Provide six devices in a rollout to all of them: two have it, one failed, three report the old one."""
    watched = Watched(tmp_path, 6, 2 * 3600.0)
    try:
        watched.report(watched.devices)
        watched.start(stages=(Stage(name="all", percent=100.0, dwell=DAY),))
        watched.take(watched.devices[:3])
        watched.end(watched.devices[:2])
        watched.end(watched.devices[2:3], "reverted", "latency")
        watched.report(watched.devices[3:])
        yield watched
    finally:
        watched.close()


def ask(fleet: Watched, path: str) -> Any:  # noqa: ANN401 - an answer
    answer = awaited(fleet.client.ask("GET", f"/v1/fleet/{path}", local=True))
    assert answer.status_code == 200, answer.text
    return answer.json()


def noticed(fleet: Watched, kind: str) -> list[str]:
    seen = ask(fleet, "attention?limit=10")
    assert seen["totals"][kind] == len(seen[kind])
    return sorted(device["id"] for device in seen[kind])


def ids(fleet: Watched, *numbers: int) -> list[str]:
    return sorted(fleet.devices[number].id for number in numbers)


def metric(fleet: Watched, kind: str) -> float:
    name = f'edgewright_fleet_devices_attention{{kind="{kind}"}}'
    lines = Gauges(fleet.plane).text().decode().splitlines()
    return float(next(line for line in lines if line.startswith(name)).split()[-1])


def test_half_of_a_fleet_on_the_old_release_needs_attention(fleet: Watched) -> None:
    assert noticed(fleet, "behind") == []  # there was no time for it yet
    fleet.clock.now += 1200.0
    assert noticed(fleet, "behind") == ids(fleet, 3, 4, 5)
    listed = {device["id"]: device["behind"] for device in ask(fleet, "devices")["devices"]}
    assert sorted(name for name, behind in listed.items() if behind) == ids(fleet, 3, 4, 5)
    assert listed[fleet.devices[3].id].startswith("release 2 of winter for ")
    assert metric(fleet, "behind") == 3.0
    fleet.report(fleet.devices[3:4], counter=2)
    fleet.clock.now += 60.0
    assert noticed(fleet, "behind") == ids(fleet, 4, 5)
    awaited(fleet.client.ask("POST", "/v1/fleet/rollouts/winter/pause", {"why": "x"}, local=True))
    fleet.clock.now += 60.0
    assert noticed(fleet, "behind") == []  # nobody is offered it now


def in_window(tmp_path: Path, opens_s: float, lasts_s: float) -> Watched:
    """Return a fleet of two in a rollout with a daily window that opens after so many seconds."""
    watched = Watched(tmp_path, 2, 3 * DAY)
    minute = int((watched.clock.now + opens_s) % DAY // 60)
    window = Window(start=minute, end=int(minute + lasts_s / 60) % 1440)
    watched.start(stages=(Stage(name="all", percent=100.0, dwell=DAY),), windows=(window,))
    watched.report(watched.devices)
    return watched


def test_a_device_has_its_polls_in_the_window_that_has_just_opened(tmp_path: Path) -> None:
    fleet = in_window(tmp_path, 6 * 3600.0, 3600.0)
    try:
        fleet.clock.now += 6 * 3600.0 + 120.0
        assert noticed(fleet, "behind") == []
        fleet.clock.now += 1200.0
        assert noticed(fleet, "behind") == ids(fleet, 0, 1)
    finally:
        fleet.close()


def test_short_windows_add_up(tmp_path: Path) -> None:
    """Ten polls take ten minutes; a window has four."""
    fleet = in_window(tmp_path, 3600.0, 240.0)
    try:
        fleet.clock.now += 3720.0
        assert noticed(fleet, "behind") == []
        fleet.clock.now += 2 * DAY + 60.0
        assert noticed(fleet, "behind") == ids(fleet, 0, 1)
    finally:
        fleet.close()


def test_a_device_that_has_just_enrolled_is_not_behind(fleet: Watched) -> None:
    fleet.clock.now += 1200.0
    awaited(fleet._enrol(1))
    fleet.report(fleet.devices[-1:])
    assert noticed(fleet, "behind") == ids(fleet, 3, 4, 5)
    fleet.clock.now += 1200.0
    assert noticed(fleet, "behind") == ids(fleet, 3, 4, 5, 6)
    assert ask(fleet, "devices?order=-enrolled")["devices"][0]["behind"] == "release 2 of winter for 20 min"


def test_a_device_that_was_let_retry_is_behind_until_it_does(fleet: Watched) -> None:
    fleet.clock.now += 1200.0
    assert noticed(fleet, "behind") == ids(fleet, 3, 4, 5)
    awaited(fleet.client.ask("POST", f"/v1/fleet/devices/{fleet.devices[2].id}/retry", {"release": 2}, local=True))
    fleet.clock.now += 60.0
    assert noticed(fleet, "behind") == ids(fleet, 2, 3, 4, 5)


def test_a_release_that_nobody_published_is_flagged(fleet: Watched, cli: Cli) -> None:
    assert noticed(fleet, "unknown") == []
    fleet.report(fleet.devices[4:5], counter=99)
    fleet.clock.now += 60.0
    assert noticed(fleet, "unknown") == ids(fleet, 4)
    assert [device["id"] for device in ask(fleet, "devices")["devices"] if device["unknown"]] == ids(fleet, 4)
    assert metric(fleet, "unknown") == 1.0
    printed = cli("fleet", "devices", "--fleet", fleet.folder)
    assert "runs a release that nobody published" in printed


def test_the_age_of_metadata_and_failed_downloads_are_shown_and_older_agents_send_neither(
    fleet: Watched, cli: Cli
) -> None:
    now = fleet.clock.now
    fault = "http://mirror: 41 bytes instead of 9,000"
    fleet.report(fleet.devices[:1], counter=2, signed=now - 3 * DAY)
    fleet.report(fleet.devices[1:2], counter=2, signed=now - 60.0)
    fleet.report(fleet.devices[3:4], phase="download", transport_faults=5, transport_fault=fault)
    fleet.clock.now += 60.0
    assert noticed(fleet, "stale") == ids(fleet, 0)
    assert noticed(fleet, "faulty") == ids(fleet, 3)
    assert ask(fleet, "attention")["faulty"][0]["what"] == fault
    printed = cli("fleet", "devices", "--fleet", fleet.folder)
    assert "metadata" in printed.splitlines()[0]
    assert "download failed 5 times" in printed
    ages = {device["id"]: device["signed"] for device in ask(fleet, "devices")["devices"]}
    assert ages[fleet.devices[5].id] == 0.0
    shown = cli("fleet", "devices", fleet.devices[0].id, "--fleet", fleet.folder)
    assert "its signed metadata is 3" in shown
