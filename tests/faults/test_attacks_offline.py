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


def month(made: Town, repository: Fleet) -> None:
    """Other keys for root, and for the online roles; what expires is signed again."""
    for role in ("root", *ONLINE):
        change, keys = key_rotation.rotate(repository, role, made.clock.now)
        with key_rotation.kept_when_done(repository, keys):
            apply(repository, change, made.clock.now)
    again = key_rotation.refresh(repository, offline.offline_roles(read_published(repository)), made.clock.now)
    apply(repository, again, made.clock.now)


def thirteen_months(made: Town, *repositories: Fleet) -> None:
    """Twelve times 33 days."""
    removed = 0
    for _ in range(12):
        made.clock.now += 33 * DAY
        made.server_clock.now += 33 * DAY
        for repository in repositories:
            month(made, repository)
        made.run(HOUR, step=1800.0)
        assert made.server is not None
        plane = made.server.plane
        removed += prune(made.fleet, plane.database, plane.committer, made.clock.now)
    assert removed > 100
    for role in ONLINE[:2]:  # all that a device does not need is gone before it comes back
        assert len(list(made.fleet.metadata.glob(f"*.{role}.json"))) < 25


def last(made: Town) -> Plan:
    """Return a release of these days, for everybody at once."""
    change, published = prepare_release(made.fleet, package(made.folder, "2"), made.clock.now, product="main")
    apply(made.fleet, change, made.clock.now)
    assert made.server is not None
    made.happened += made.server.tick()
    made.new, made.back = (one.release for one in published)
    plan = made.plan("last", few=0, stages=ALL, gates=())
    made.roll_out(plan)
    return plan


@pytest.mark.parametrize("clock", ["right", "1970"])
def test_thirteen_months_and_twelve_roots_later_a_device_comes_back_over_the_network(
    tmp_path: Path, clock: str
) -> None:
    with town(tmp_path, 2) as made:
        away, there = made.units
        made.roll_out(made.plan("first", few=0, stages=ALL, gates=()))
        made.run(2 * HOUR)
        before = made.new.counter
        assert made.counters() == [before, before]
        away.way.cut = True
        made.units.remove(away)  # it is off
        thirteen_months(made, made.fleet)
        assert len(root_versions(made.fleet)) > 12
        last(made)
        made.run(HOUR)
        assert there.counter == made.new.counter
        made.units.append(away)
        away.clock.skew = -made.clock.now if clock == "1970" else 0.0
        away.reboot()
        made.run(HOUR)  # still without a network: it runs what it has
        assert away.counter == before and away.process.up
        away.way.cut = False
        made.run(3 * HOUR)
        assert away.counter == made.new.counter, away.agent.why
        assert away.trust.latest().versions == there.trust.latest().versions
        assert not away.state.device_state.quarantined


@pytest.mark.parametrize("clock", ["right", "1970"])
def test_thirteen_months_and_twelve_roots_later_a_device_comes_back_by_a_stick_alone(
    tmp_path: Path, clock: str
) -> None:
    with town(tmp_path, 1) as made:
        own, _ = usb_repository.init_stick(made.fleet, SMALL, None, made.clock.now)
        drawer, usb = tmp_path / "drawer", tmp_path / "usb"
        drawer.mkdir()
        away = Unit(made, "away", stick=usb)
        first = (own.metadata / "1.root.json").read_bytes()
        pin(away.folder / FOLDER, first, root_hash(own))
        made.units.append(away)
        made.roll_out(made.plan("first", few=0, stages=ALL, gates=()))
        usb_repository.write_stick(made.fleet, drawer, own.ring(), made.clock.now)
        made.run(2 * HOUR)
        before = made.new.counter
        assert made.counters() == [before, before]
        away.way.cut = True
        made.units.remove(away)
        thirteen_months(made, made.fleet, own)
        last(made)
        made.units.append(away)
        away.clock.skew = -made.clock.now if clock == "1970" else 0.0
        drawer.rename(usb)  # somebody finds the old stick first: it brings nothing
        away.reboot()
        made.run(HOUR)
        assert away.counter == before and away.process.up
        usb_repository.write_stick(made.fleet, usb, own.ring(), made.clock.now)
        made.run(3 * HOUR)
        assert away.counter == made.new.counter, away.agent.why
        assert not away.state.device_state.quarantined
        assert away.trust.latest().versions["root"] == 1  # nothing of it came over the network
        away.way.cut = False
        made.run(2 * HOUR)
        assert away.trust.latest().versions["root"] > 12
        assert away.counter == made.new.counter
