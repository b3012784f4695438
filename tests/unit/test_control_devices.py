"""Devices at the control plane: taken in once, heard once, and found out when two have one key."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from edgewright.core.records.fleet import Allowed, Report
from edgewright.fleet.protocol.transport import public_text
from edgewright.fleet.server import device_access, reports, retention
from edgewright.fleet.server.api.endpoints import devices as pagination
from edgewright.fleet.server.control_plane import Limits, Plane
from edgewright.fleet.server.database.tables import devices, intents, items, outcomes, tokens, vitals
from edgewright.fleet.server.database.tables import reports as history
from edgewright.fleet.server.gauges import Gauges
from edgewright.fleet.server.rollouts import offered as intent_rules
from fleet_plane import Client, Device, enrolled, plane_of
from threat_unit import Hand

pytestmark = pytest.mark.anyio


def rows(plane: Plane, table: sa.Table) -> list[Any]:
    with plane.database.reading() as connection:
        return list(connection.execute(sa.select(table)).all())


def item(sequence: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - fields differ
    return {"device": "d", "boot": 1, "sequence": sequence, "kind": "event", "put": 1.0, "body": {"n": 1}, **more}


async def test_a_token_takes_in_one_device_and_tells_it_the_same_again(plane: Plane) -> None:
    client = Client(plane)
    token = await client.token(tags=["north"], batch="b1")
    one = Device(client)
    first = (await one.enrol(token)).json()
    assert first["tags"] == ["north"]
    assert first["batch"] == "b1"
    assert (await one.enrol(token)).json() == first
    other = await Device(client).enrol(token)
    assert other.status_code == 403
    assert other.json()["where"] == "token"
    assert len(rows(plane, devices)) == 1
    await one.report()
    assert (await one.enrol(token)).status_code == 409  # it has begun its life: no second one with its key
    assert (await one.enrol(await client.token())).status_code == 409


async def test_a_token_is_over_when_it_expires_is_used_up_or_revoked(tmp_path: Path) -> None:
    clock = Hand(1_800_000_000.0)

    with plane_of(tmp_path, clock=clock) as plane:
        client = Client(plane)
        two = await client.token(uses=2)
        statuses = [(await Device(client).enrol(two)).status_code for _ in range(3)]
        assert statuses == [200, 200, 403]
        late = await client.token(seconds=60.0)
        revoked = await client.token()
        clock.now += 61.0
        assert (await Device(client).enrol(late)).status_code == 403
        name = device_access.hashed(revoked)[:16]
        assert (await client.ask("DELETE", f"/v1/fleet/tokens/{name}", local=True)).status_code == 200
        assert (await client.ask("DELETE", f"/v1/fleet/tokens/{name}", local=True)).status_code == 404
        assert (await Device(client).enrol(revoked)).status_code == 403
        assert (await Device(client).enrol("x" * 32)).status_code == 403


async def test_texts_of_reports_of_earlier_agents_are_not_stored(tmp_path: Path) -> None:
    quote = "got 'ward 3'"
    outcome = {"number": 1, "plan": "p", "counter": 2, "what": "refused", "because": "start", "detail": quote}
    board = {"name": "left", "state": "trouble", "counter": 3, "why": quote}
    texts = {"why": quote, "transport_fault": quote, "outcomes": [outcome], "boards": [board], "counter": 4}
    with plane_of(tmp_path) as plane:
        device = await enrolled(Client(plane))
        assert (await device.report(format=1, **texts)).status_code == 200
        (row,), (kept,) = rows(plane, devices), rows(plane, outcomes)
        assert (row.counter, row.why, row.transport_fault, row.outcome) == (4, "", "", 1)
        assert (kept.because, kept.detail) == ("start", "")
        assert '"counter":3' in row.boards
        assert all(quote.encode() not in path.read_bytes() for path in tmp_path.glob("fleet.sqlite*"))
        assert (await device.report(**texts)).status_code == 200
        assert rows(plane, devices)[0].why == quote


async def test_the_secret_of_a_token_is_not_in_the_database(tmp_path: Path) -> None:
    with plane_of(tmp_path) as plane:
        token = await Client(plane).token()
        assert len(rows(plane, tokens)) == 1
    secret = token.split(".")[1].encode()
    assert all(secret not in path.read_bytes() for path in tmp_path.glob("fleet.sqlite*"))


async def test_an_enrolment_is_signed_with_the_key_that_it_names(plane: Plane) -> None:
    client = Client(plane)
    token = await client.token()
    one, other = Device(client), Device(client)
    record = {"token": token, "key": public_text(other.key), "name": "n", "profile": "p", "product": "pump"}
    assert (await one.send("enroll", msgspec.json.encode(record), "new")).status_code == 401
    assert (await one.enrol(token, product="valve")).status_code == 403
    assert not rows(plane, devices)


async def test_what_is_not_signed_by_the_device_is_not_heard(plane: Plane) -> None:
    client = Client(plane)
    one, other = await enrolled(client), await enrolled(client)
    body = one.body()
    plain = await client.ask("POST", "/v1/report", content=body, headers={"content-type": "application/json"})
    assert plain.status_code == 401
    assert (await other.send("report", body, one.id)).status_code == 401  # another's key under this name
    assert (await one.send("report", body, "0" * 32)).status_code == 401
    stolen = await other.send("report", body)  # rightly signed by the other, with this one's nonce
    assert stolen.status_code == 403
    assert [row.quarantined for row in rows(plane, devices) if row.id == one.id] == [False]


async def test_devices_that_return_together_are_looked_up_together(tmp_path: Path) -> None:
    with plane_of(tmp_path) as plane:
        before = Client(plane)
        each = [await enrolled(before) for _ in range(40)]
        afresh = Client(plane)  # a server that restarted knows no key
        for one in each:
            one.client = afresh
        statements: list[str] = []

        def count_statement(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
            if "FROM devices" in statement:
                statements.append(statement)
            if failing:
                raise OSError("the disk is gone")

        sa.event.listen(plane.database.readers, "before_cursor_execute", count_statement)
        failing = True
        assert {one.status_code for one in await asyncio.gather(*(one.report() for one in each))} == {500}
        failing = False
        del statements[:]
        unknown = each[0].send("report", each[0].body(), "0" * 32)
        *answers, refused = await asyncio.gather(*(one.report() for one in each), unknown)
        assert refused.status_code == 401
        assert {one.status_code for one in answers} == {200}
        assert 1 <= len(statements) <= 10
        assert [(await one.report()).status_code for one in each] == [200] * len(each)
        assert len(statements) <= 10  # the keys are kept
        with plane.database.writing.begin() as connection:
            connection.execute(sa.update(devices).where(devices.c.id == each[0].id).values(key="no base64!x"))
        again = Client(plane)
        for one in each:
            one.client = again
        codes = [one.status_code for one in await asyncio.gather(*(one.report() for one in each))]
        assert codes == [500] + [200] * (len(each) - 1)  # a damaged key is its own device's trouble alone


async def test_a_report_is_written_once_however_often_it_is_sent(plane: Plane) -> None:
    one = await enrolled(Client(plane))
    record = {
        "number": 1,
        "plan": "p",
        "counter": 2,
        "what": "reverted",
        "because": "crash",
        "detail": "x",
        "at": 5.0,
    }
    body = one.body(vitals={"windows": 7, "classes": {"ok": 7}}, outcomes=[record], items=[item(0), item(1)])
    first = await one.send("report", body)
    again = await one.send("report", body)
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert first.json()["durable"] == [[1, 0], [1, 1]]
    assert first.json()["outcomes"] == 1
    assert [len(rows(plane, t)) for t in (history, outcomes, items, vitals)] == [1, 1, 2, 1]
    one.nonce, one.sequence = first.json()["nonce"], 0
    more = await one.report(outcomes=[record], items=[item(1), item(2)])  # some of it was there already
    assert more.json()["durable"] == [[1, 1], [1, 2]]
    assert [len(rows(plane, t)) for t in (history, outcomes, items)] == [2, 1, 3]


async def test_a_fork_of_the_nonce_shuts_out_both_and_a_replay_nobody(plane: Plane) -> None:
    client = Client(plane)
    one = await enrolled(client)
    old = one.body()
    assert (await one.report()).status_code == 200
    copy = Device(client)
    copy.key, copy.id, copy.nonce, copy.sequence = one.key, one.id, one.nonce, one.sequence
    assert (await one.report()).status_code == 200
    replayed = await one.send("report", old)
    assert replayed.status_code == 409
    assert (await one.report()).status_code == 200  # whoever replays old bytes cannot shut a device out
    forked = await copy.report(why="another device")
    assert forked.status_code == 403
    assert "two devices" in forked.json()["got"]
    assert (await one.report()).status_code == 403
    assert (await one.send("intent", b'{"nonce":"","plan":"p","counter":1,"stage":0}')).status_code == 403
    audit = (await client.ask("GET", "/v1/fleet/audit?limit=1", local=True)).json()["rows"][0]
    assert (audit["what"], audit["subject"]) == ("device.quarantined", one.id)
    listing = (await client.ask("GET", "/v1/fleet/devices?quarantined=yes", local=True)).json()
    assert [device["id"] for device in listing["devices"]] == [one.id]
    path = f"/v1/fleet/devices/{one.id}/lift"
    assert (await client.ask("POST", path, {"reason": "found it"}, local=True)).status_code == 200
    assert (await client.ask("POST", path, {"reason": "again"}, local=True)).status_code == 409
    assert (await one.report()).status_code == 200
    assert (await copy.report(why="still here")).status_code == 403


async def test_a_device_that_lost_an_answer_and_its_memory_goes_on_and_a_copy_is_found(tmp_path: Path) -> None:
    with plane_of(tmp_path / "a") as plane:
        one = await enrolled(Client(plane))
        assert (await one.report()).status_code == 200
        copy = Device(one.client)
        copy.key, copy.id, copy.nonce, copy.sequence = one.key, one.id, one.nonce, one.sequence
        for _ in range(3):  # sent, answered, never heard, and started anew with the next number
            assert (await one.send("report", one.body())).status_code == 200
            one.sequence += 1
        assert (await one.report()).status_code == 200
        assert (await one.report()).status_code == 200
        copy.sequence = one.sequence  # it counted further than the device did, but holds an old nonce
        assert (await copy.report(why="copy")).status_code == 403
        assert (await one.report()).status_code == 403

    with plane_of(tmp_path / "b") as plane:
        one = await enrolled(Client(plane))
        assert (await one.report()).status_code == 200
        copy = Device(one.client)
        copy.key, copy.id, copy.nonce, copy.sequence = one.key, one.id, one.nonce, one.sequence + 1
        assert (await one.report()).status_code == 200
        assert (await copy.report(why="copy")).status_code == 200  # as if it had lost the answer
        assert (await one.report()).status_code == 403  # but the answer was heard: there are two


async def test_reports_of_one_device_in_one_group_are_each_judged(tmp_path: Path) -> None:
    with plane_of(tmp_path) as plane:
        one = await enrolled(Client(plane))

        def arrived(sequence: int, nonce: str, digest: str, new: str) -> reports.ReceivedReport:
            report = msgspec.convert(
                {"nonce": nonce, "sequence": sequence, "counter": 1, "floor": 0, "phase": "idle"}, Report
            )
            return reports.arrived(one.id, report, digest, at=1.0, nonce=new, wait=1.0)

        group = [arrived(0, one.nonce, "a", "n1"), arrived(1, "n1", "b", "n2"), arrived(0, one.nonce, "a", "n3")]
        group += [arrived(2, "n1", "c", "n4"), arrived(2, "n2", "d", "n5")]
        with plane.database.writing.begin() as connection:
            answers = reports.take(connection, group)
        statuses = [getattr(answer, "status", 200) for answer in answers]
        # The fourth may have lost an acknowledgement; that the fifth holds it shows that it was another.
        assert statuses == [200, 200, 409, 200, 403]
        assert [row.sequence for row in rows(plane, history)] == [0, 1, 2]
        assert rows(plane, devices)[0].quarantined


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"counter": 2**60}, 400),
        ({"sequence": 2**63}, 400),
        ({"items": [{"boot": 1}]}, 400),
        ({"items": [item(0, boot=2**60)]}, 400),
        ({"vitals": {"windows": 2**70}}, 400),
        ({"vitals": {"windows": 2**41}}, 400),
        ({"vitals": {"windows": 2**40}}, 200),
        ({"vitals": {"latency": [1.0, 1e308]}}, 400),
        ({"vitals": {"seconds": -1e308}}, 400),
        ({"clock": 1e308}, 400),
        ({"stage": 2**31}, 400),
        ({"why": "a\x00b", "plan": "\x00", "version": "\x00"}, 200),
        ({"plan": "p" * 5000}, 200),
        ({"metadata": {"root": 10**30}}, 200),
    ],
)
async def test_numbers_and_texts_that_do_not_fit(plane: Plane, more: dict[str, Any], status: int) -> None:
    one = await enrolled(Client(plane))
    assert (await one.report(**more)).status_code == status
    assert (await one.report()).status_code == 200


async def test_an_intent_is_written_down_before_it_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Hand(1_800_000_000.0)

    def decide(connection: sa.Connection, device: Any, intent: Any, now: float) -> Allowed:  # noqa: ANN401
        return Allowed(
            nonce=intent.nonce, go=intent.counter == 2, why="" if intent.counter == 2 else "not this one", wait=7.0
        )

    monkeypatch.setattr(intent_rules, "decide_intent", decide)
    with plane_of(tmp_path, clock=clock) as plane:
        one = await enrolled(Client(plane))

        async def ask(counter: int, nonce: str = "") -> Any:  # noqa: ANN401 - JSON
            record = {"nonce": nonce or one.nonce, "plan": "plan-1", "counter": counter, "stage": 0}
            answer = await one.send("intent", msgspec.json.encode(record))
            return answer.status_code, answer.json()

        assert await ask(3) == (
            200,
            {"nonce": one.nonce, "go": False, "wait": 7.0, "why": "not this one", "until": 600.0},
        )
        assert (await ask(2))[1]["go"] is True
        at = clock.now
        clock.now += 5.0
        assert (await ask(2))[1]["go"] is True
        intents_by_counter = {row.counter: row for row in rows(plane, intents)}
        assert intents_by_counter[2].go
        assert intents_by_counter[2].at == at  # silence counts from the first time
        assert intents_by_counter[2].asked_at == at + 5.0
        assert not intents_by_counter[3].go
        before = one.nonce
        await one.report()
        lost = await ask(2, before)
        assert lost[1]["go"] is False  # its acknowledgement was lost: the report comes first
        assert lost[1]["nonce"] == before
        assert (await ask(2, "something"))[0] == 409
        assert (await ask(2**60))[0] == 400


async def test_a_device_that_asks_too_often_waits_and_others_do_not(tmp_path: Path) -> None:
    limits = Limits(requests=0.001, burst=3.0, bytes_a_day=1200)
    with plane_of(tmp_path, limits=limits) as plane:
        client = Client(plane)
        one, other = await enrolled(client), await enrolled(client)
        answers = [await one.report() for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert (await other.report()).status_code == 200
        filled = [await other.report(why="x" * 400) for _ in range(2)]
        assert [answer.status_code for answer in filled] == [200, 429]


async def test_old_reports_and_items_go_and_the_device_stays(tmp_path: Path) -> None:
    clock = Hand(1_800_000_000.0)

    limits = Limits(keep=50.0)
    with plane_of(tmp_path, clock=clock, limits=limits) as plane:
        one = await enrolled(Client(plane))
        await one.report(items=[item(0)])
        clock.now += 100.0
        await one.report(items=[item(1)])
        assert retention.Retention(plane).step(clock.now) == 2
        assert [row.sequence for row in rows(plane, history)] == [1]
        assert [row.sequence for row in rows(plane, items)] == [1]
        assert len(rows(plane, devices)) == 1


class Ahead(Hand):
    """A clock whose wall is ahead by some seconds."""

    ahead = 0.0

    def wall(self) -> float:
        return self.now + self.ahead


async def days(plane: Plane, clock: Hand, count: int) -> None:
    """Let a device report an item a day."""
    one = await enrolled(Client(plane))
    for number in range(count):
        await one.report(items=[item(number)])
        clock.now += 86_400.0


async def test_a_clock_that_is_a_year_ahead_for_an_hour_deletes_a_day_and_not_all(tmp_path: Path) -> None:
    clock = Ahead(1_800_000_000.0)
    with plane_of(tmp_path, clock=clock, limits=Limits(keep=18.5 * 86_400.0)) as plane:
        await days(plane, clock, 20)
        first = retention.Retention(plane)
        first.step(clock.wall())
        before = len(rows(plane, history))
        assert before == 19
        for _ in range(6):
            clock.ahead = 400 * 86_400.0
            first.step(clock.wall())
            retention.Retention(plane).step(clock.wall())  # a start does not make it faster
            clock.ahead = 0.0
            clock.now += 600.0
        assert before - len(rows(plane, history)) == 1
        first.step(clock.wall())  # the clock is right again
        assert before - len(rows(plane, history)) == 1


async def test_a_smaller_retention_time_applies_at_once_and_goes_on_after_a_start(tmp_path: Path) -> None:
    clock = Hand(1_800_000_000.0)
    with plane_of(tmp_path, clock=clock, limits=Limits(keep=30 * 86_400.0)) as plane:
        await days(plane, clock, 20)
        before = retention.Retention(plane)
        clock.now += 3600.0
        assert before.step(clock.now) == 0
    with plane_of(tmp_path, clock=clock, limits=Limits(keep=2.5 * 86_400.0)) as plane:
        with plane.database.reading() as connection:
            left = retention.backlog(connection, plane.limits.keep, clock.now)
        assert left == pytest.approx(17.5 * 86_400.0 + 3600.0)
        overview = await Client(plane).ask("GET", "/v1/fleet/overview", local=True)
        assert overview.json()["history_due"] == pytest.approx(left)
        due = next(
            line
            for line in Gauges(plane).text().decode().splitlines()
            if line.startswith("edgewright_fleet_history_due_seconds ")
        )
        assert float(due.split()[-1]) == pytest.approx(left)
        retention.Retention(plane).step(clock.now)
        assert [row.sequence for row in rows(plane, items)] == [18, 19]
        with plane.database.reading() as connection:
            assert retention.backlog(connection, plane.limits.keep, clock.now) == 0.0


async def test_a_step_deletes_a_bounded_number_of_rows_and_a_server_goes_on_until_all_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_AT_ONCE", 3)
    clock = Hand(1_800_000_000.0)
    with plane_of(tmp_path, clock=clock, limits=Limits(keep=2.5 * 86_400.0)) as plane:
        await days(plane, clock, 20)
        clock.now -= 86_400.0  # the last report is new
        work = retention.start(plane)
        for _ in range(400):
            if len(rows(plane, items)) == 3:
                break
            time.sleep(0.02)
        work()
        assert [row.sequence for row in rows(plane, history)] == [17, 18, 19]
        assert retention.Retention(plane).step(clock.now) == 0


async def test_superseded_files_go_while_reports_go_and_a_few_rows_are_not_deleted_in_a_hurry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pruned: list[float] = []

    def prune(*given: Any) -> int:  # noqa: ANN401 - as the real one
        pruned.append(given[-1])
        if len(pruned) == 1:
            raise OSError(30, "Read-only file system")
        return 1

    monkeypatch.setattr(retention, "prune", prune)
    monkeypatch.setattr(retention, "_AT_ONCE", 3)
    clock = Hand(1_800_000_000.0)
    with plane_of(tmp_path, clock=clock, limits=Limits(keep=2.5 * 86_400.0)) as plane:
        await days(plane, clock, 5)
        work = retention._Work(plane)
        assert work.run() < retention.EVERY  # full transactions: more is due
        assert len(pruned) == 1
        clock.now += 43_200.0
        assert work.run() == retention.EVERY
        assert len(pruned) == 1
        monkeypatch.setattr(retention, "EVERY", 0.0)
        retention._Work(plane).run()
        assert len(pruned) == 2


@pytest.mark.parametrize("order", ["name", "-name", "last", "-last", "enrolled", "-counter"])
async def test_pages_by_cursor_are_those_by_offset_and_whole(plane: Plane, order: str) -> None:
    client = Client(plane)
    times = [None, 5.0, 3.0, None, 5.0, 9.0, 1.0]
    new: list[dict[str, Any]] = [
        {
            "id": f"{number * 7 % 32:032x}", "key": str(number), "name": f"d{number % 3}", "product": "p",
            "profile": "g", "tags": (), "given": (), "batch": "", "token": "", "enrolled_at": 1.0, "nonce": "",
            "last_report_at": when, "counter": number % 2,
        }
        for number, when in enumerate(times)
    ]  # fmt: skip
    plane.committer.submit(lambda c: c.execute(sa.insert(devices), new) and None).result()
    path = f"/v1/fleet/devices?order={order}&limit=3"
    by_offset, by_cursor = list[str](), list[str]()
    after: int | None = 0
    past: str | None = ""
    while after is not None:
        page = (await client.ask("GET", f"{path}&after={after}", local=True)).json()
        by_offset += [one["id"] for one in page["devices"]]
        after = page["next"]
    while past is not None:
        page = (await client.ask("GET", f"{path}&past={past}", local=True)).json()
        by_cursor += [one["id"] for one in page["devices"]]
        past = page["cursor"]
    assert by_cursor == by_offset
    assert sorted(by_offset) == sorted(one["id"] for one in new)
    for wrong in ("%21%21", "W10", pagination.cursor("counter", 1, "x")):
        assert (await client.ask("GET", f"{path}&past={wrong}", local=True)).status_code == 400
