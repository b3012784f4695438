"""Roles and expiry of operators, over the whole description of the API."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import sqlalchemy as sa

from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.tables import audit, operators
from fleet_plane import Client

pytestmark = pytest.mark.anyio
ROLES = ("viewer", "operator", "admin")
EXAMPLES = {"id": "0" * 32, "name": "nobody", "plan": "no-plan"}
DAY = 86_400.0


async def add(client: Client, name: str, role: str, **more: Any) -> dict[str, str]:  # noqa: ANN401 - JSON
    answer = await client.ask("POST", "/v1/fleet/operators", {"name": name, "role": role, **more}, local=True)
    assert answer.status_code == 200, answer.text
    return {"authorization": f"Bearer {answer.json()['token']}"}


@pytest.mark.slow
async def test_each_role_may_ask_what_the_description_says_and_nothing_else(plane: Plane) -> None:
    client = Client(plane)
    paths = (await client.ask("GET", "/openapi.json")).json()["paths"]
    headers = {role: await add(client, role, role) for role in ROLES}
    requests = 0
    for path, operations in paths.items():
        real = re.sub(r"\{(\w+)\}", lambda parameter: EXAMPLES[parameter.group(1)], path).replace("{32}", "")
        for method, operation in operations.items():
            if operation.get("security") != [{"operator": []}]:
                assert "x-role" not in operation
                continue
            needed = ROLES.index(operation["x-role"])
            assert (await client.ask(method.upper(), real)).status_code == 401, path
            for role in ROLES:
                status = (await client.ask(method.upper(), real, headers=headers[role])).status_code
                assert (status == 403) == (ROLES.index(role) < needed), (method, path, role, status)
                assert status != 401
                requests += 1
    assert requests >= 3 * 20
    # What changes something needs more than a viewer, and what lasts for ever or makes operators needs an admin.
    for path, operations in paths.items():
        for method, operation in operations.items():
            assert method == "get" or operation.get("x-role", "operator") != "viewer", path
    assert paths["/v1/fleet/devices/{id}/retire"]["post"]["x-role"] == "admin"
    assert paths["/v1/fleet/operators"]["post"]["x-role"] == "admin"


async def test_several_operators_act_at_once_and_the_log_names_each(plane: Plane) -> None:
    client = Client(plane)
    for name in ("ada", "bob"):
        headers = await add(client, name, "operator")
        assert (await client.ask("POST", "/v1/fleet/tokens", {"product": "pump"}, headers=headers)).status_code == 200
    with plane.database.reading() as connection:
        names = connection.execute(sa.select(audit.c.who).where(audit.c.what == "token.made").order_by(audit.c.number))
        assert names.scalars().all() == ["ada", "bob"]


async def test_a_token_expires(plane: Plane) -> None:
    client = Client(plane)
    ada = await add(client, "ada", "viewer", seconds=60.0)
    assert (await client.ask("GET", "/v1/fleet/overview", headers=ada)).status_code == 200
    with plane.database.writing.begin() as connection:
        connection.execute(sa.update(operators).values(expires=plane.clock.wall() - 1.0))
    answer = await client.ask("GET", "/v1/fleet/overview", headers=ada)
    assert answer.status_code == 401
    assert "expired on" in answer.json()["got"]
    usual = (await client.ask("POST", "/v1/fleet/operators", {"name": "bob", "role": "viewer"}, local=True)).json()
    assert 89 * DAY < usual["expires"] - plane.clock.wall() <= 90 * DAY


async def test_a_token_from_before_tokens_expired_holds_with_a_notice(
    plane: Plane, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Client(plane)
    ada = await add(client, "ada", "admin")
    with plane.database.writing.begin() as connection:
        connection.execute(sa.update(operators).values(expires=None))
    for _ in range(3):
        assert (await client.ask("GET", "/v1/fleet/overview", headers=ada)).status_code == 200
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["who"] for line in lines if line["event"] == "operator.unlimited"] == ["ada"]


async def test_metrics_say_when_tokens_expire(plane: Plane) -> None:
    client = Client(plane)
    await add(client, "ada", "viewer")
    text = (await client.ask("GET", "/metrics", local=True)).text
    match = re.search(r'edgewright_fleet_operator_token_expires_seconds\{operator="ada"\} ([0-9.e+]+)', text)
    assert match is not None
    assert abs(float(match.group(1)) - plane.clock.wall() - 90 * DAY) < 60.0
