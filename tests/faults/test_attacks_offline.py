"""A device that was away for thirteen months and twelve roots comes back: over the network, or by a stick alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.fleet.device.trust.pinned_root import pin
from edgewright.fleet.device.usb_repository import FOLDER
from edgewright.fleet.protocol.layout import ONLINE
from edgewright.fleet.repository import key_rotation, offline, usb_repository
from edgewright.fleet.repository.folder import Fleet
from edgewright.fleet.repository.public_files import read_published, root_hash, root_versions
from edgewright.fleet.repository.publication import prepare_release
from edgewright.fleet.server.retention import prune
from edgewright.schema.fleet_plan import Plan, Stage
from fleet_folder import SMALL, apply, package
from threat_fleet import DAY, HOUR, Town, town
from threat_unit import Unit

pytestmark = [pytest.mark.slow, pytest.mark.heavy]
ALL = (Stage(name="all", percent=100.0, gated=False),)


def month(fleet_town: Town, repository: Fleet) -> None:
    """Other keys for root, and for the online roles; what expires is signed again."""
    for role in ("root", *ONLINE):
        change, keys = key_rotation.rotate(repository, role, fleet_town.clock.now)
        with key_rotation.kept_when_done(repository, keys):
            apply(repository, change, fleet_town.clock.now)
    again = key_rotation.refresh(repository, offline.offline_roles(read_published(repository)), fleet_town.clock.now)
    apply(repository, again, fleet_town.clock.now)


def thirteen_months(fleet_town: Town, *repositories: Fleet) -> None:
    """Twelve times 33 days."""
    removed = 0
    for _ in range(12):
        fleet_town.clock.now += 33 * DAY
        fleet_town.server_clock.now += 33 * DAY
        for repository in repositories:
            month(fleet_town, repository)
        fleet_town.run(HOUR, step=1800.0)
        assert fleet_town.server is not None
        plane = fleet_town.server.plane
        removed += prune(fleet_town.fleet, plane.database, plane.committer, fleet_town.clock.now)
    assert removed > 100
    for role in ONLINE[:2]:  # all that a device does not need is gone before it comes back
        assert len(list(fleet_town.fleet.metadata.glob(f"*.{role}.json"))) < 25


def last(fleet_town: Town) -> Plan:
    """Return a release of these days, for everybody at once."""
    change, published = prepare_release(
        fleet_town.fleet, package(fleet_town.folder, "2"), fleet_town.clock.now, product="main"
    )
    apply(fleet_town.fleet, change, fleet_town.clock.now)
    assert fleet_town.server is not None
    fleet_town.happened += fleet_town.server.tick()
    fleet_town.new, fleet_town.back = (one.release for one in published)
    plan = fleet_town.plan("last", few=0, stages=ALL, gates=())
    fleet_town.roll_out(plan)
    return plan


@pytest.mark.parametrize("clock", ["right", "1970"])
def test_thirteen_months_and_twelve_roots_later_a_device_comes_back_over_the_network(
    tmp_path: Path, clock: str
) -> None:
    with town(tmp_path, 2) as fleet_town:
        away, there = fleet_town.units
        fleet_town.roll_out(fleet_town.plan("first", few=0, stages=ALL, gates=()))
        fleet_town.run(2 * HOUR)
        before = fleet_town.new.counter
        assert fleet_town.counters() == [before, before]
        away.way.cut = True
        fleet_town.units.remove(away)  # it is off
        thirteen_months(fleet_town, fleet_town.fleet)
        assert len(root_versions(fleet_town.fleet)) > 12
        last(fleet_town)
        fleet_town.run(HOUR)
        assert there.counter == fleet_town.new.counter
        fleet_town.units.append(away)
        away.clock.skew = -fleet_town.clock.now if clock == "1970" else 0.0
        away.reboot()
        fleet_town.run(HOUR)  # still without a network: it runs what it has
        assert away.counter == before and away.process.up
        away.way.cut = False
        fleet_town.run(3 * HOUR)
        assert away.counter == fleet_town.new.counter, away.agent.why
        assert away.trust.latest().versions == there.trust.latest().versions
        assert not away.state.device_state.quarantined


@pytest.mark.parametrize("clock", ["right", "1970"])
def test_thirteen_months_and_twelve_roots_later_a_device_comes_back_by_a_stick_alone(
    tmp_path: Path, clock: str
) -> None:
    with town(tmp_path, 1) as fleet_town:
        own, _ = usb_repository.init_stick(fleet_town.fleet, SMALL, None, fleet_town.clock.now)
        drawer, usb = tmp_path / "drawer", tmp_path / "usb"
        drawer.mkdir()
        away = Unit(fleet_town, "away", stick=usb)
        first = (own.metadata / "1.root.json").read_bytes()
        pin(away.folder / FOLDER, first, root_hash(own))
        fleet_town.units.append(away)
        fleet_town.roll_out(fleet_town.plan("first", few=0, stages=ALL, gates=()))
        usb_repository.write_stick(fleet_town.fleet, drawer, own.ring(), fleet_town.clock.now)
        fleet_town.run(2 * HOUR)
        before = fleet_town.new.counter
        assert fleet_town.counters() == [before, before]
        away.way.cut = True
        fleet_town.units.remove(away)
        thirteen_months(fleet_town, fleet_town.fleet, own)
        last(fleet_town)
        fleet_town.units.append(away)
        away.clock.skew = -fleet_town.clock.now if clock == "1970" else 0.0
        drawer.rename(usb)  # somebody finds the old stick first: it brings nothing
        away.reboot()
        fleet_town.run(HOUR)
        assert away.counter == before and away.process.up
        usb_repository.write_stick(fleet_town.fleet, usb, own.ring(), fleet_town.clock.now)
        fleet_town.run(3 * HOUR)
        assert away.counter == fleet_town.new.counter, away.agent.why
        assert not away.state.device_state.quarantined
        assert away.trust.latest().versions["root"] == 1  # nothing of it came over the network
        away.way.cut = False
        fleet_town.run(2 * HOUR)
        assert away.trust.latest().versions["root"] > 12
        assert away.counter == fleet_town.new.counter
