"""What operators do to one device: the control plane and the agent are real, time is the test's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from edgewright.core.records.fleet import Acknowledged, Cohort, Intent, Stage
from edgewright.fleet.device.enrollment import device_key, enrol
from edgewright.fleet.device.ports import RetiredError
from edgewright.fleet.device.ports import Tested as Result
from edgewright.fleet.device.state_database import RETRIES, State
from edgewright.fleet.protocol.transport import read_token
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.tables import audit
from edgewright.fleet.server.endpoint import endpoints
from fleet_plane import Client, enrolled
from threat_fleet import HOUR, Town, town
from threat_unit import Unit

EVERYBODY = (Stage(name="all", percent=100.0, gated=False),)


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path, 2) as built:
        yield built


def change(built: Town, unit: Unit, act: str, **body: Any) -> httpx.Response:  # noqa: ANN401 - JSON
    """Ask for a change of a device, as an administrator."""
    assert built.server is not None
    return built.loop.run_until_complete(
        built.server.desk.ask("POST", f"/v1/fleet/devices/{unit.id}/{act}", body, local=True)
    )


def seen(built: Town, unit: Unit) -> dict[str, Any]:
    assert built.server is not None
    answer = built.loop.run_until_complete(built.server.desk.ask("GET", f"/v1/fleet/devices/{unit.id}", local=True))
    device: dict[str, Any] = answer.json()["device"]
    return device


def roll_out(built: Town, name: str, **fields: Any) -> None:  # noqa: ANN401 - fields of Plan
    built.roll_out(built.plan(name, few=0, **{"stages": EVERYBODY, "gates": (), **fields}))


def acts(built: Town) -> list[tuple[str, str]]:
    assert built.server is not None
    with built.server.plane.database.reading() as connection:
        rows = connection.execute(sa.select(audit.c.who, audit.c.what).order_by(audit.c.number))
        return [(row.who, row.what) for row in rows if row.what.startswith("device.") and "enrolled" not in row.what]


@pytest.mark.slow
def test_a_retired_device_loses_its_rights_at_once_and_never_returns_under_its_key(built: Town) -> None:
    gone, stays = built.units
    built.run(HOUR)
    answer = change(built, gone, "retire", reason="stolen from site 4")
    assert (answer.status_code, answer.json()) == (200, {"token": ""})  # its enrolment token was for one device
    intent = Intent(nonce=gone.state.link.nonce, plan="p", counter=2, stage=0)
    with pytest.raises(RetiredError, match="retired: stolen from site 4"):
        gone.agent._activator._control.intent(intent)  # type: ignore[union-attr]
    roll_out(built, "first", release=built.old, revert=None)
    built.run(HOUR)
    assert (gone.counter, stays.counter) == (0, built.old.counter)
    assert gone.agent.why.startswith("retired: ")
    assert "stolen from site 4" in gone.agent.why
    (built.folder / "again").mkdir()
    with closing(State.open(built.folder / "again")) as fresh:
        (built.folder / "again" / "device.key").write_bytes((gone.folder / "device.key").read_bytes())
        with pytest.raises(RetiredError, match="retired"):
            enrol(
                built.folder / "again", fresh, gone.way, read_token(built.token(uses=9)), name="again", version="0.1.0"
            )
    assert device_key(built.folder / "again").public_key() == device_key(gone.folder).public_key()
    for act, body in (("unblock", {"reason": "x"}), ("lift", {"reason": "x"}), ("rename", {"name": "x"})):
        assert change(built, gone, act, **body).status_code == 409
    assert (seen(built, gone)["phase"], seen(built, gone)["status"]) == ("retired", "retired")
    assert acts(built) == [("tester", "device.retired")]


@pytest.mark.slow
def test_a_token_that_a_retired_device_may_still_hold_is_named(built: Town) -> None:
    unit = Unit(built, "third")
    unit.close()
    for name in ("update.sqlite", "update.copy", "device.key", "device.key.copy"):
        (unit.folder / name).unlink()
    token = built.token(uses=5)
    with closing(State.open(unit.folder)) as state:
        enrol(unit.folder, state, unit.way, read_token(token), name="third", version="0.1.0")
        assert built.server is not None
        path = f"/v1/fleet/devices/{state.link.device}/retire"
        answer = built.loop.run_until_complete(built.server.desk.ask("POST", path, {"reason": "x"}, local=True))
        listed = built.loop.run_until_complete(built.server.desk.ask("GET", "/v1/fleet/tokens", local=True)).json()
    assert answer.json()["token"] in [one["id"] for one in listed["tokens"]]


@pytest.mark.slow
def test_a_blocked_device_is_refused_until_an_operator_unblocks_it(built: Town) -> None:
    gone, stays = built.units
    built.run(HOUR)
    assert change(built, gone, "block", reason="in repair").status_code == 200
    assert change(built, gone, "block", reason="again").status_code == 409
    assert change(built, gone, "lift", reason="x").status_code == 409
    roll_out(built, "first", release=built.old, revert=None)
    built.run(2 * HOUR)
    assert (gone.counter, stays.counter) == (0, built.old.counter)
    assert "in repair" in gone.agent.why
    assert seen(built, gone)["phase"] == "blocked"
    assert change(built, gone, "unblock", reason="repaired").status_code == 200
    built.run(3 * HOUR)
    assert gone.counter == built.old.counter
    assert seen(built, gone)["phase"] == "idle"
    assert acts(built) == [("tester", "device.blocked"), ("tester", "device.unblocked")]


@pytest.mark.slow
def test_new_tags_reach_the_device_and_count_for_rollouts_that_start_after_it_learned_them(built: Town) -> None:
    one, other = built.units
    built.run(HOUR)
    tagged = {"cohorts": {"lab": Cohort(tags=("lab",))}}
    tagged["stages"] = (Stage(name="lab", percent=100.0, cohorts=("lab",), gated=False),)  # type: ignore[assignment]
    roll_out(built, "before", release=built.old, revert=None, **tagged)
    built.run(HOUR)
    # Whoever has the online host may say what it likes of tags: the plan that is signed already reaches nobody more.
    assert change(built, one, "tags", add=["lab", "north"], remove=["x"]).status_code == 200
    built.run(4 * HOUR)
    assert list(one.state.link.newest_tags) == ["lab", "north"]
    assert "in no cohort" in one.agent.why
    assert built.counters() == [0, 0]
    assert built.server is not None
    built.server.rollouts.steer("before", "ann", "aborted")
    roll_out(built, "after", **tagged)
    built.run(HOUR)
    assert built.counters() == [built.new.counter, 0]
    assert change(built, one, "tags", remove=["lab"]).status_code == 200
    built.run(HOUR)
    assert list(one.state.link.newest_tags) == ["north"]
    assert seen(built, one)["tags"] == ["north"]
    assert other.state.link.changes == ()
    assert acts(built) == [("tester", "device.tagged")] * 2


@pytest.mark.slow
def test_a_device_is_renamed(built: Town) -> None:
    assert change(built, built.units[0], "rename", name="pump-north").status_code == 200
    assert seen(built, built.units[0])["name"] == "pump-north"
    assert acts(built) == [("tester", "device.renamed")]


@pytest.mark.slow
def test_a_release_that_failed_is_tried_again_when_an_operator_says_so(built: Town) -> None:
    unit = built.units[0]
    roll_out(built, "first", release=built.old, revert=None, stages=(Stage(name="all", percent=100.0),))
    unit.process.tested = Result(ok=False, because="vectors")
    built.run(HOUR)
    assert unit.counter == 0
    assert list(unit.state.device_state.burned) == [built.old.counter]
    unit.process.tested = Result(ok=True)
    built.run(2 * HOUR)
    assert unit.counter == 0  # never by itself
    assert change(built, unit, "retry").json() == {"release": built.old.counter}
    built.run(3 * HOUR)
    assert unit.counter == built.old.counter
    assert not unit.state.device_state.burned
    assert change(built, unit, "retry").status_code == 409  # nothing failed above its floor
    assert acts(built) == [("tester", "device.retried")]


def test_a_host_that_was_taken_over_makes_a_device_try_a_failed_release_three_times_at_most(tmp_path: Path) -> None:
    with closing(State.open(tmp_path)) as state:
        for number in range(1, 10):
            state.change(burned=(7,))
            state.acknowledge(Acknowledged(nonce=f"{number}", retry=(number, 7)))
            assert (7 in state.device_state.burned) == (number > RETRIES)
        state.change(burned=(8,))
        state.acknowledge(Acknowledged(nonce="old", retry=(9, 8)))
        assert state.device_state.burned == (8,)  # an acknowledgement counts once


BODIES: dict[str, dict[str, Any]] = {
    "report": {"sequence": 0, "counter": 1, "floor": 0, "phase": "idle"},
    "intent": {"plan": "p", "counter": 1, "stage": 0},
    "diagnosis": {"id": "0" * 32, "at": 1.0},
}


@pytest.mark.anyio
@pytest.mark.parametrize(("act", "status"), [("block", 403), ("retire", 410)])
async def test_no_endpoint_hears_a_device_that_is_shut_out(plane: Plane, act: str, status: int) -> None:
    client = Client(plane)
    device = await enrolled(client)
    path = f"/v1/fleet/devices/{device.id}/{act}"
    assert (await client.ask("POST", path, {"reason": "stolen"}, local=True)).status_code == 200
    assert {f"/v1/{name}" for name in BODIES} == {e.path for e in endpoints() if e.who == "device"}
    for name, body in BODIES.items():
        answer = await device.send(name, msgspec.json.encode({"nonce": device.nonce, **body}))
        assert answer.status_code == status, (name, answer.text)
        assert "stolen (by tester)" in answer.json()["got"]
    again = await device.enrol(await client.token())
    assert again.status_code == (410 if act == "retire" else 409)


def test_an_acknowledgement_without_news_is_as_short_as_it_was() -> None:
    assert set(msgspec.json.decode(msgspec.json.encode(Acknowledged(nonce="n")))) == {
        "nonce", "outcomes", "durable", "wait", "more",
    }  # fmt: skip
