"""What is published here, followed by the device's own trust: releases, plans, rotations, hash bins and sticks."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from edgewright.core.records.fleet import Plan
from edgewright.fleet.device.trust.client import Client
from edgewright.fleet.device.trust.pinned_root import pin
from edgewright.fleet.protocol.layout import STICK_LONGEST, Refused
from edgewright.fleet.protocol.transport import FolderTransport
from edgewright.fleet.repository import acceptance, distribution, key_rotation, metadata
from edgewright.fleet.repository.distribution import export
from edgewright.fleet.repository.folder import Fleet, read_published, root_hash
from fleet_folder import SMALL, apply, fleet, package, publish, rollout
from signed_fleet import HandClock

NOW = time.time()


@pytest.fixture
def followed(tmp_path: Path) -> Fleet:
    device_fleet = fleet(tmp_path / "fleet", NOW)
    publish(device_fleet, package(tmp_path, "1"), NOW)
    publish(device_fleet, package(tmp_path, "2"), NOW)
    return device_fleet


def device(followed: Fleet, here: Path, public: Path | None = None, longest: dict[str, float] | None = None) -> Client:
    """Return a device that pinned the fleet's newest root."""
    here.mkdir()
    number = metadata.version(read_published(followed), "root")
    pin(here, (followed.metadata / f"{number}.root.json").read_bytes(), root_hash(followed))
    transport = FolderTransport(public or followed.metadata.parent)
    return (
        Client(here, transport, HandClock(NOW))
        if longest is None
        else Client(here, transport, HandClock(NOW), longest=longest)
    )


def follow(client: Client, plan: Plan, data: bytes) -> None:
    """Let the device find the rollout, its plan and both releases."""
    seen = client.refresh()
    assert seen.fresh and seen.standings is not None
    assert [one.plan for one in seen.standings.rollouts] == ["first"]
    assert client.plan("first", metadata.sha256(data)) == (plan, data)
    client.check(plan.release)
    assert plan.revert is not None
    client.check(plan.revert)


def test_a_device_finds_the_rollout_its_plan_and_both_releases(followed: Fleet, tmp_path: Path) -> None:
    plan, data = rollout(followed, NOW)
    client = device(followed, tmp_path / "device")
    follow(client, plan, data)
    with pytest.raises(Refused):
        client.check(msgspec.structs.replace(plan.release, sha256="ab" * 32))


@pytest.mark.parametrize("role", metadata.ROLES)
def test_a_device_follows_new_keys_of_every_role(followed: Fleet, tmp_path: Path, role: str) -> None:
    plan, data = rollout(followed, NOW)
    client = device(followed, tmp_path / "device")
    follow(client, plan, data)
    assert apply(followed, key_rotation.rotate(followed, role, NOW)[0], NOW)
    follow(client, plan, data)


@pytest.mark.slow
def test_a_device_that_was_away_for_a_dozen_roots_and_a_refresh_follows(followed: Fleet, tmp_path: Path) -> None:
    plan, data = rollout(followed, NOW)
    client = device(followed, tmp_path / "device")
    follow(client, plan, data)
    for _ in range(12):
        assert apply(followed, key_rotation.rotate(followed, "root", NOW)[0], NOW)
    assert apply(followed, key_rotation.refresh(followed, metadata.offline_roles(read_published(followed)), NOW), NOW)
    follow(client, plan, data)


def test_a_device_finds_releases_in_hash_bins(followed: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "BINS_ABOVE", 2)
    client = device(followed, tmp_path / "device")
    assert client.refresh().fresh
    publish(followed, package(tmp_path, "3"), NOW)
    assert metadata.bins(read_published(followed))
    follow(client, *rollout(followed, NOW))


def test_a_device_takes_a_stick_for_what_it_is_and_the_network_not_for_as_long(followed: Fleet, tmp_path: Path) -> None:
    plan, data = rollout(followed, NOW)
    own, _ = distribution.init_stick(followed, SMALL, None, NOW)
    mount = tmp_path / "usb"
    mount.mkdir()
    export_result = distribution.write_stick(followed, mount, own.ring(), NOW)
    client = device(own, tmp_path / "device", Path(export_result.folder), STICK_LONGEST)
    follow(client, plan, data)
    strict = device(own, tmp_path / "strict", Path(export_result.folder))
    with pytest.raises(Refused, match="valid for 9"):
        strict.refresh()


def test_a_device_follows_an_export(followed: Fleet, tmp_path: Path) -> None:
    plan, data = rollout(followed, NOW)
    export(followed, tmp_path / "www", NOW)
    follow(device(followed, tmp_path / "device", tmp_path / "www"), plan, data)


def test_signed_time_that_ran_ahead_is_forgotten_with_the_timestamps_key(followed: Fleet, tmp_path: Path) -> None:
    client = device(followed, tmp_path / "device")
    acceptance.publish(followed, {}, NOW + 7200)
    assert client.refresh().signed == NOW + 7200
    assert apply(followed, key_rotation.rotate(followed, "timestamp", NOW)[0], NOW)
    assert client.refresh().signed == NOW
