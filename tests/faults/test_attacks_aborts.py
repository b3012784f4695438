"""An abort against stolen online keys: what the offline keys signed holds on every device that learned of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.core.records.fleet import Stage
from edgewright.fleet.protocol.transport import read_token
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.acceptance import online_signers
from edgewright.fleet.repository.folder import read_published
from edgewright.fleet.repository.publication import prepare_abort
from fleet_folder import apply
from key_thief import Thief
from threat_fleet import HOUR, Town, town
from threat_unit import Unit

pytestmark = pytest.mark.slow
OPEN = (Stage(name="all", percent=100.0, gated=False),)


def aborted(fleet_town: Town, *, confirmed: bool) -> tuple[Thief, Thief, bytes]:
    """Return thieves who read the folder before and after the abort, and the plan's bytes."""
    body = fleet_town.roll_out(fleet_town.plan("first", few=0, stages=OPEN, gates=()))
    before = Thief(fleet_town)
    assert fleet_town.server is not None
    fleet_town.server.rollouts.steer("first", "ann", "aborted", "it hangs")
    fleet_town.run(HOUR / 2)
    if confirmed:
        apply(fleet_town.fleet, prepare_abort(fleet_town.fleet, "first", fleet_town.clock.now), fleet_town.clock.now)
        fleet_town.run(HOUR / 2)
    return before, Thief(fleet_town), body


def fresh(fleet_town: Town, name: str) -> Unit:
    """Return a device that enrolled just now and has seen nothing yet."""
    fleet_town.units.append(Unit(fleet_town, name))
    return fleet_town.units[-1]


@pytest.mark.parametrize("rolled_back", [False, True])
def test_a_stolen_online_key_revives_no_confirmed_abort_on_a_fresh_device(tmp_path: Path, rolled_back: bool) -> None:
    with town(tmp_path, 0) as fleet_town:
        before, after, body = aborted(fleet_town, confirmed=True)
        new = fresh(fleet_town, "fresh")  # its token is from after the confirmation
        plan = fleet_town.plan("first", few=0, stages=OPEN, gates=())
        fleet_town.fall()  # the thief serves the files
        (before if rolled_back else after).push(plan, body)
        fleet_town.run(4 * HOUR)
        assert (new.counter, new.state.device_state.trial) == (0, None), new.agent.why
        if rolled_back:  # the device refuses metadata older than its token names
            assert new.trust.latest().standings is None
        else:
            assert new.trust.latest().aborted == ("first",)


def test_without_the_confirmation_the_key_does_revive_it(tmp_path: Path) -> None:
    with town(tmp_path, 0) as fleet_town:
        _, after, body = aborted(fleet_town, confirmed=False)
        new = fresh(fleet_town, "fresh")
        fleet_town.fall()
        after.push(fleet_town.plan("first", few=0, stages=OPEN, gates=()), body)
        fleet_town.run(4 * HOUR)
        assert new.counter == fleet_town.new.counter


def test_a_confirmation_alone_aborts_a_rollout_under_way_and_reaches_devices_with_the_plan(tmp_path: Path) -> None:
    with town(tmp_path, 2) as fleet_town:
        fleet_town.roll_out(fleet_town.plan("first", few=0, gates=()))
        fleet_town.run(HOUR / 2)
        apply(fleet_town.fleet, prepare_abort(fleet_town.fleet, "first", fleet_town.clock.now), fleet_town.clock.now)
        fleet_town.run(HOUR)
        assert fleet_town.server is not None
        assert fleet_town.server.row().state == "aborted"
        assert {unit.trust.latest().aborted for unit in fleet_town.units} <= {("first",), ()}
        begun = fleet_town.counters()
        fleet_town.run(8 * HOUR)
        assert fleet_town.counters() == begun


def test_tokens_name_the_version_that_holds_signed_aborts(tmp_path: Path) -> None:
    with town(tmp_path, 0) as fleet_town:
        assert read_token(fleet_town.token()).releases == 0  # older devices read it
        aborted(fleet_town, confirmed=True)
        version, plans = metadata.aborted(read_published(fleet_town.fleet))
        assert plans == {"first"}
        assert read_token(fleet_town.token()).releases == version
        assert version > 1
        assert online_signers(
            fleet_town.fleet, read_published(fleet_town.fleet)
        )  # what the thief has is not among its signers
