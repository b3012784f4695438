"""Wrong tokens: they lock nobody out, take the same time whichever names exist, and count by the client's address."""

from __future__ import annotations

import time

import httpx
import pytest

from edgewright.fleet.server.api.app import App
from edgewright.fleet.server.control_plane import Plane
from fleet_plane import Client

pytestmark = pytest.mark.anyio
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
