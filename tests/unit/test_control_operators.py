"""Operators: tokens that are checked once, roles that hold at once, and a log of what they did."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from edgewright.fleet.server.api import authentication
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
