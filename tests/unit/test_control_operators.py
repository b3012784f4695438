"""Operators: tokens and what the audit log says of them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from edgewright.fleet.server.api import authentication
from edgewright.fleet.server.api.app import App
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.tables import operators
from fleet_plane import Client, enrolled, plane_of

pytestmark = pytest.mark.anyio


async def add(client: Client, name: str, role: str) -> dict[str, str]:
    """Return headers of a new operator."""
    answer = await client.ask("POST", "/v1/fleet/operators", {"name": name, "role": role}, local=True)
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer {answer.json()['token']}"}


async def test_a_removed_operator_is_out_at_once(plane: Plane) -> None:
    client = Client(plane)
    ada, eve = await add(client, "ada", "admin"), await add(client, "eve", "viewer")
    for _ in range(5):
        assert (await client.ask("GET", "/v1/fleet/overview", headers=ada)).status_code == 200
    assert (await client.ask("GET", "/v1/fleet/overview", headers=eve)).status_code == 200
    assert (await client.ask("DELETE", "/v1/fleet/operators/eve", headers=ada)).status_code == 200
    assert (await client.ask("GET", "/v1/fleet/overview", headers=eve)).status_code == 401
    again = await add(client, "eve", "viewer")
    assert (await client.ask("GET", "/v1/fleet/overview", headers=eve)).status_code == 401
    assert (await client.ask("GET", "/v1/fleet/overview", headers=again)).status_code == 200
    assert (await client.ask("DELETE", "/v1/fleet/operators/nobody", headers=ada)).status_code == 404


def test_only_a_hash_of_a_token_is_kept(tmp_path: Path) -> None:
    async def go(plane: Plane) -> str:
        return (await add(Client(plane), "ada", "admin"))["authorization"].partition(" ")[2]

    with plane_of(tmp_path) as plane:
        token = asyncio.run(go(plane))
        with plane.database.reading() as connection:
            stored = connection.execute(sa.select(operators.c.token)).scalar_one()
    assert stored == authentication.hashed(token)
    assert token[-32:] not in stored
    assert all(token[-32:].encode() not in path.read_bytes() for path in tmp_path.glob("fleet.sqlite*"))


async def test_each_act_is_in_the_log_with_who_did_it_and_no_secret(tmp_path: Path) -> None:
    with plane_of(tmp_path) as plane:
        client = Client(plane)
        ada = await add(client, "ada", "admin")
        created = await client.ask("POST", "/v1/fleet/tokens", {"product": "pump", "tags": ["x"]}, headers=ada)
        listed = (await client.ask("GET", "/v1/fleet/tokens", headers=ada)).json()["tokens"][0]
        await client.ask("DELETE", f"/v1/fleet/tokens/{listed['id']}", headers=ada)
        await client.ask("POST", "/v1/fleet/operators", {"name": "ada", "role": "viewer"}, headers=ada)  # refused: 409
        rows = (await client.ask("GET", "/v1/fleet/audit", headers=ada)).json()
        assert created.json()["token"].split(".")[1] not in str(rows)
        assert (await client.ask("GET", "/v1/fleet/audit/verified", headers=ada)).json()["problem"] == ""
        entries: list[dict[str, Any]] = rows["rows"]
        rows = entries
    assert [(row["who"], row["what"]) for row in reversed(rows)] == [
        ("tester", "operator.added"), ("ada", "token.made"), ("ada", "token.revoked"),
    ]  # fmt: skip
    assert rows[1]["detail"]["tags"] == ["x"]


async def test_the_log_is_read_page_by_page(plane: Plane) -> None:
    client = Client(plane)
    for number in range(5):
        await add(client, f"o{number}", "viewer")
    numbers, below = [], 0
    while True:
        page = (await client.ask("GET", f"/v1/fleet/audit?limit=2&below={below}", local=True)).json()
        numbers += [row["number"] for row in page["rows"]]
        if page["next"] is None:
            break
        below = page["next"]
    assert numbers == [5, 4, 3, 2, 1]


@pytest.mark.slow
async def test_devices_are_filtered_put_in_order_and_paged(plane: Plane) -> None:
    client = Client(plane)
    created = []
    for number in range(5):
        device = await enrolled(client)
        await device.report(counter=number, tags=["even"] if number % 2 == 0 else ["odd"], profile=f"p{number}")
        created.append(device.id)
    await enrolled(client)

    async def names(query: str) -> list[str]:
        answer = await client.ask("GET", f"/v1/fleet/devices?{query}", local=True)
        assert answer.status_code == 200, answer.text
        return [device["id"] for device in answer.json()["devices"]]

    assert await names("order=-counter&tag=even") == [created[4], created[2], created[0]]
    assert set(await names("tag=even")) == {created[0], created[2], created[4]}
    assert await names("counter=3") == [created[3]]
    assert await names("profile=p1") == [created[1]]
    assert (await names("order=-counter"))[:2] == [created[4], created[3]]
    assert await names("tag=ev") == []
    assert await names("tag=%25") == []
    seen: list[str] = []
    after: int | None = 0
    while after is not None:
        page = (await client.ask("GET", f"/v1/fleet/devices?order=last&limit=2&after={after}", local=True)).json()
        assert page["total"] == 6
        seen += [device["id"] for device in page["devices"]]
        after = page["next"]
    assert len(set(seen)) == 6
    overview = (await client.ask("GET", "/v1/fleet/overview", local=True)).json()
    assert (overview["devices"], overview["heard"]) == (6, 5)
    assert overview["counters"]["pump"]["0"] == 2
    one = (await client.ask("GET", f"/v1/fleet/devices/{created[0]}", local=True)).json()
    assert one["reports"][0]["sequence"] == 0
    assert one["device"]["tags"] == ["even"]


async def test_a_server_that_cannot_write_is_not_ready_and_says_why(tmp_path: Path) -> None:
    with plane_of(tmp_path) as plane:
        client = Client(plane)
        assert (await client.ask("GET", "/readyz")).status_code == 200
        broken = plane.committer.submit(lambda connection: connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)"))
        assert broken.exception(10)
        ready, metrics = await client.ask("GET", "/readyz"), (await client.ask("GET", "/metrics", local=True)).text
    assert (ready.status_code, "writer: " in ready.json()["why"], "nowhere" in ready.json()["why"]) == (503, True, True)
    assert 'edgewright_fleet_ready{part="writer"} 0.0' in metrics


async def test_metrics_count_requests_commits_and_devices(tmp_path: Path) -> None:
    with plane_of(tmp_path) as plane:
        client = Client(plane)
        device = await enrolled(client)
        await device.report()
        await client.ask("GET", "/metadata/root.json")
        lines = ((await client.ask("GET", "/metrics", local=True)).text).splitlines()
    samples = dict(line.rpartition(" ")[::2] for line in lines if not line.startswith("#"))
    assert samples['edgewright_fleet_requests_total{endpoint="POST /v1/report",status="200"}'] == "1.0"
    assert samples['edgewright_fleet_devices{state="heard"}'] == "1.0"
    assert samples['edgewright_fleet_devices{state="quarantined"}'] == "0.0"
    assert samples['edgewright_fleet_static_total{status="200"}'] == "1.0"
    assert float(samples["edgewright_fleet_commit_seconds_count"]) == 3.0
    assert samples["edgewright_fleet_queue"] == "0.0"


_WHO = "/v1/fleet/overview"


def bearer(name: str, secret: str = "x" * 32) -> dict[str, str]:
    return {"authorization": f"Bearer ewo.{name}.{secret}"}


async def statuses(app: App, count: int, address: str, headers: dict[str, str]) -> list[int]:
    """Return the answers to as many requests from one address."""
    way = httpx.ASGITransport(app=app, client=(address, 1))
    async with httpx.AsyncClient(transport=way, base_url="http://fleet") as client:
        return [(await client.get(_WHO, headers=headers)).status_code for _ in range(count)]


async def added(plane: Plane) -> dict[str, str]:
    answer = await Client(plane).ask("POST", "/v1/fleet/operators", {"name": "ada", "role": "viewer"}, local=True)
    return {"authorization": f"Bearer {answer.json()['token']}"}


async def test_wrong_tokens_lock_out_neither_the_owner_nor_other_addresses(plane: Plane) -> None:
    app, ada = App(plane), await added(plane)
    seen = await statuses(app, 16, "10.0.0.1", bearer("ada"))
    assert (seen[0], seen[-1]) == (401, 429)
    assert await statuses(app, 1, "10.0.0.1", ada) == [200]  # never used before
    assert await statuses(app, 1, "10.0.0.2", bearer("eve")) == [401]
    assert await statuses(app, 1, "10.0.0.1", bearer("eve")) == [429]  # another name is no way around


async def test_addresses_of_one_ipv6_client_count_together(plane: Plane) -> None:
    app = App(plane)
    assert (await statuses(app, 16, "2001:db8::1", bearer("ada")))[-1] == 429
    assert await statuses(app, 1, "2001:db8::ffff", bearer("ada")) == [429]
    assert await statuses(app, 1, "2001:db8:0:1::1", bearer("ada")) == [401]


async def test_only_behind_a_proxy_a_header_names_the_client(plane: Plane) -> None:
    async def ending(app: App) -> int:
        count = 0
        for number in range(16):
            forged = {**bearer("ada"), "x-forwarded-for": f"10.9.9.{number}, 10.0.0.7"}
            (count,) = await statuses(app, 1, "10.0.0.1", forged)
        return count

    assert await ending(App(plane)) == 429
    plane.behind_proxy, app = True, App(plane)
    assert await ending(app) == 429
    other = {**bearer("ada"), "x-forwarded-for": "10.0.0.8"}
    assert await statuses(app, 1, "10.0.0.1", other) == [401]


async def test_time_does_not_tell_which_names_exist(plane: Plane) -> None:
    await added(plane)
    app, spent = App(plane), {"ada": list[float](), "eve": list[float]()}
    for number in range(60):
        for name, seconds in spent.items():
            began = time.perf_counter()
            assert await statuses(app, 1, f"10.1.{number}.{len(name) + (name == 'ada')}", bearer(name))
            seconds.append(time.perf_counter() - began)
    known, unknown = (min(seconds) for seconds in spent.values())  # other programs on the machine only add to a time
    assert abs(known - unknown) < 0.5 * min(known, unknown), spent  # argon2 made it 20 times
