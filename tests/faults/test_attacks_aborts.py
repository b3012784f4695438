"""An abort against stolen online keys: what the offline keys signed holds on every device that learned of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgewright.fleet.protocol.wire.token import read_token
from edgewright.fleet.repository import releases
from edgewright.fleet.repository.acceptance import online_signers
from edgewright.fleet.repository.public_files import read_published
from edgewright.fleet.repository.publication import prepare_abort
from edgewright.schema.fleet_plan import Stage
from fleet_folder import apply
from key_thief import Thief
from threat_fleet import HOUR, Town, town
from threat_unit import Unit

pytestmark = pytest.mark.slow
OPEN = (Stage(name="all", percent=100.0, gated=False),)


def aborted(made: Town, *, confirmed: bool) -> tuple[Thief, Thief, bytes]:
    """Return thieves who read the folder before and after the abort, and the plan's bytes."""
    body = made.roll_out(made.plan("first", few=0, stages=OPEN, gates=()))
    before = Thief(made)
    assert made.server is not None
    made.server.rollouts.steer("first", "ann", "aborted", "it hangs")
    made.run(HOUR / 2)
    if confirmed:
        apply(made.fleet, prepare_abort(made.fleet, "first", made.clock.now), made.clock.now)
        made.run(HOUR / 2)
    return before, Thief(made), body


def fresh(made: Town, name: str) -> Unit:
    """Return a device that enrolled just now and has seen nothing yet."""
    made.units.append(Unit(made, name))
    return made.units[-1]


@pytest.mark.parametrize("rolled_back", [False, True])
def test_a_stolen_online_key_revives_no_confirmed_abort_on_a_fresh_device(tmp_path: Path, rolled_back: bool) -> None:
    with town(tmp_path, 0) as made:
        before, after, body = aborted(made, confirmed=True)
        new = fresh(made, "fresh")  # its token is from after the confirmation
        plan = made.plan("first", few=0, stages=OPEN, gates=())
        made.fall()  # the thief serves the files
        (before if rolled_back else after).push(plan, body)
        made.run(4 * HOUR)
        assert (new.counter, new.state.device_state.trial) == (0, None), new.agent.why
        if rolled_back:  # the device refuses metadata older than its token names
            assert new.trust.latest().standings is None
        else:
            assert new.trust.latest().aborted == ("first",)


def test_without_the_confirmation_the_key_does_revive_it(tmp_path: Path) -> None:
    with town(tmp_path, 0) as made:
        _, after, body = aborted(made, confirmed=False)
        new = fresh(made, "fresh")
        made.fall()
        after.push(made.plan("first", few=0, stages=OPEN, gates=()), body)
        made.run(4 * HOUR)
        assert new.counter == made.new.counter


def test_a_confirmation_alone_aborts_a_rollout_under_way_and_reaches_devices_with_the_plan(tmp_path: Path) -> None:
    with town(tmp_path, 2) as made:
        made.roll_out(made.plan("first", few=0, gates=()))
        made.run(HOUR / 2)
        apply(made.fleet, prepare_abort(made.fleet, "first", made.clock.now), made.clock.now)
        made.run(HOUR)
        assert made.server is not None
        assert made.server.row().state == "aborted"
        assert {unit.trust.latest().aborted for unit in made.units} <= {("first",), ()}
        begun = made.counters()
        made.run(8 * HOUR)
        assert made.counters() == begun


def test_tokens_name_the_version_that_holds_signed_aborts(tmp_path: Path) -> None:
    with town(tmp_path, 0) as made:
        assert read_token(made.token()).releases == 0  # older devices read it
        aborted(made, confirmed=True)
        version, plans = releases.aborted(read_published(made.fleet))
        assert plans == {"first"}
        assert read_token(made.token()).releases == version
        assert version > 1
        assert online_signers(made.fleet, read_published(made.fleet))  # what the thief has is not among its signers
