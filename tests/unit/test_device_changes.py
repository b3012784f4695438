"""What operators do to one device: the control plane and the agent are real, time is the test's."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import sqlalchemy as sa

from edgewright.core.federation.messages import Join, encode
from edgewright.fleet.device.enrollment import device_key, enrol
from edgewright.fleet.device.ports import RetiredError
from edgewright.fleet.device.ports import Tested as Result
from edgewright.fleet.device.state_database import RETRIES, State
from edgewright.fleet.protocol.wire.token import read_token
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.tables import audit
from edgewright.fleet.server.endpoint import endpoints
from edgewright.schema.fleet_plan import Cohort, Stage
from edgewright.schema.fleet_report import Acknowledged, Intent
from fleet_plane import Client, enrolled
from threat_fleet import HOUR, Town, town
from threat_unit import Unit

EVERYBODY = (Stage(name="all", percent=100.0, gated=False),)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path, 2) as found:
        yield found


def change(made: Town, unit: Unit, act: str, **body: Any) -> httpx.Response:  # noqa: ANN401 - JSON
    """Ask for a change of a device, as an administrator."""
    assert made.server is not None
    return made.loop.run_until_complete(
        made.server.desk.ask("POST", f"/v1/fleet/devices/{unit.id}/{act}", body, local=True)
    )


def seen(made: Town, unit: Unit) -> dict[str, Any]:
    assert made.server is not None
    answer = made.loop.run_until_complete(made.server.desk.ask("GET", f"/v1/fleet/devices/{unit.id}", local=True))
    found: dict[str, Any] = answer.json()["device"]
    return found


def roll_out(made: Town, name: str, **said: Any) -> None:  # noqa: ANN401 - fields of Plan
    made.roll_out(made.plan(name, few=0, **{"stages": EVERYBODY, "gates": (), **said}))


def acts(made: Town) -> list[tuple[str, str]]:
    assert made.server is not None
    with made.server.plane.database.reading() as connection:
        rows = connection.execute(sa.select(audit.c.who, audit.c.what).order_by(audit.c.number))
        return [(row.who, row.what) for row in rows if row.what.startswith("device.") and "enrolled" not in row.what]


@pytest.mark.slow
def test_a_retired_device_loses_its_rights_at_once_and_never_returns_under_its_key(made: Town) -> None:
    gone, stays = made.units
    made.run(HOUR)
    answer = change(made, gone, "retire", reason="stolen from site 4")
    assert (answer.status_code, answer.json()) == (200, {"token": ""})  # its enrolment token was for one device
    intent = Intent(nonce=gone.state.link.nonce, plan="p", counter=2, stage=0)
    with pytest.raises(RetiredError, match="retired: stolen from site 4"):
        gone.agent._activator._control.intent(intent)  # type: ignore[union-attr]
    roll_out(made, "first", release=made.old, revert=None)
    made.run(HOUR)
    assert (gone.counter, stays.counter) == (0, made.old.counter)
    assert gone.agent.why.startswith("retired: ")
    assert "stolen from site 4" in gone.agent.why
    (made.folder / "again").mkdir()
    with closing(State.open(made.folder / "again")) as fresh:
        (made.folder / "again" / "device.key").write_bytes((gone.folder / "device.key").read_bytes())
        with pytest.raises(RetiredError, match="retired"):
            enrol(made.folder / "again", fresh, gone.way, read_token(made.token(uses=9)), name="again", version="0.1.0")
    assert device_key(made.folder / "again").public_key() == device_key(gone.folder).public_key()
    for act, body in (("unblock", {"reason": "x"}), ("lift", {"reason": "x"}), ("rename", {"name": "x"})):
        assert change(made, gone, act, **body).status_code == 409
    assert (seen(made, gone)["phase"], seen(made, gone)["status"]) == ("retired", "retired")
    assert acts(made) == [("tester", "device.retired")]


@pytest.mark.slow
def test_a_token_that_a_retired_device_may_still_hold_is_named(made: Town) -> None:
    unit = Unit(made, "third")
    unit.close()
    for name in ("update.sqlite", "update.copy", "device.key", "device.key.copy"):
        (unit.folder / name).unlink()
    token = made.token(uses=5)
    with closing(State.open(unit.folder)) as state:
        enrol(unit.folder, state, unit.way, read_token(token), name="third", version="0.1.0")
        assert made.server is not None
        path = f"/v1/fleet/devices/{state.link.device}/retire"
        answer = made.loop.run_until_complete(made.server.desk.ask("POST", path, {"reason": "x"}, local=True))
        listed = made.loop.run_until_complete(made.server.desk.ask("GET", "/v1/fleet/tokens", local=True)).json()
    assert answer.json()["token"] in [one["id"] for one in listed["tokens"]]


@pytest.mark.slow
def test_a_blocked_device_is_refused_until_an_operator_unblocks_it(made: Town) -> None:
    gone, stays = made.units
    made.run(HOUR)
    assert change(made, gone, "block", reason="in repair").status_code == 200
    assert change(made, gone, "block", reason="again").status_code == 409
    assert change(made, gone, "lift", reason="x").status_code == 409
    roll_out(made, "first", release=made.old, revert=None)
    made.run(2 * HOUR)
    assert (gone.counter, stays.counter) == (0, made.old.counter)
    assert "in repair" in gone.agent.why
    assert seen(made, gone)["phase"] == "blocked"
    assert change(made, gone, "unblock", reason="repaired").status_code == 200
    made.run(3 * HOUR)
    assert gone.counter == made.old.counter
    assert seen(made, gone)["phase"] == "idle"
    assert acts(made) == [("tester", "device.blocked"), ("tester", "device.unblocked")]


@pytest.mark.slow
def test_new_tags_reach_the_device_and_count_for_rollouts_that_start_after_it_learned_them(made: Town) -> None:
    one, other = made.units
    made.run(HOUR)
    tagged = {"cohorts": {"lab": Cohort(tags=("lab",))}}
    tagged["stages"] = (Stage(name="lab", percent=100.0, cohorts=("lab",), gated=False),)  # type: ignore[assignment]
    roll_out(made, "before", release=made.old, revert=None, **tagged)
    made.run(HOUR)
    # Whoever has the online host may say what it likes of tags: the plan that is signed already reaches nobody more.
    assert change(made, one, "tags", add=["lab", "north"], remove=["x"]).status_code == 200
    made.run(4 * HOUR)
    assert list(one.state.link.newest_tags) == ["lab", "north"]
    assert "in no cohort" in one.agent.why
    assert made.counters() == [0, 0]
    assert made.server is not None
    made.server.rollouts.steer("before", "ann", "aborted")
    roll_out(made, "after", **tagged)
    made.run(HOUR)
    assert made.counters() == [made.new.counter, 0]
    assert change(made, one, "tags", remove=["lab"]).status_code == 200
    made.run(HOUR)
    assert list(one.state.link.newest_tags) == ["north"]
    assert seen(made, one)["tags"] == ["north"]
    assert other.state.link.changes == ()
    assert acts(made) == [("tester", "device.tagged")] * 2


@pytest.mark.slow
def test_a_device_is_renamed(made: Town) -> None:
    assert change(made, made.units[0], "rename", name="pump-north").status_code == 200
    assert seen(made, made.units[0])["name"] == "pump-north"
    assert acts(made) == [("tester", "device.renamed")]


@pytest.mark.slow
def test_a_release_that_failed_is_tried_again_when_an_operator_says_so(made: Town) -> None:
    unit = made.units[0]
    roll_out(made, "first", release=made.old, revert=None, stages=(Stage(name="all", percent=100.0),))
    unit.process.tested = Result(ok=False, because="vectors")
    made.run(HOUR)
    assert unit.counter == 0
    assert list(unit.state.device_state.burned) == [made.old.counter]
    unit.process.tested = Result(ok=True)
    made.run(2 * HOUR)
    assert unit.counter == 0  # never by itself
    assert change(made, unit, "retry").json() == {"release": made.old.counter}
    made.run(3 * HOUR)
    assert unit.counter == made.old.counter
    assert not unit.state.device_state.burned
    assert change(made, unit, "retry").status_code == 409  # nothing failed above its floor
    assert acts(made) == [("tester", "device.retried")]


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
    "federation": {"body": base64.b64encode(encode(Join(1))).decode()},
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
