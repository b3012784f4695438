"""A fleet of 10,000 devices amid a rollout, and what the studio's page of it costs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from edgewright.fleet.protocol.layout import FleetSettings
from edgewright.fleet.protocol.plans.decision import first_stage
from edgewright.fleet.protocol.plans.options import PlanOptions, make_plan
from edgewright.fleet.protocol.rollout_records import GateSeen, RolloutSeen, StartRollout
from edgewright.fleet.repository.acceptance import settle
from edgewright.fleet.repository.key_rotation import USUAL, create_fleet
from edgewright.fleet.repository.publication import Contents, prepare_release, publish_plan
from edgewright.fleet.server.api.client import local_client
from edgewright.fleet.server.database.engine import open_database
from edgewright.fleet.server.database.tables import devices, intents, outcomes, rollouts, traits_of, vitals
from edgewright.fleet.server.rollouts.scheduler import extended
from edgewright.studio.access import owner_access
from edgewright.studio.server import studio_app

DEVICES, PLAN, LIMIT_S = 10_000, "winter", 0.2
_PORT, _TURNS = 8797, 9


def fleet(folder: Path, count: int = DEVICES) -> Path:
    """Create a fleet whose rollout has passed half of its stages, and return its folder."""
    now = time.time()
    repository, _ = create_fleet(folder / "fleet", FleetSettings(name="large", products=("main",)), USUAL, None, now)
    signed = []
    for number in (1, 2):
        change, published = prepare_release(repository, Contents(f"main {number}", b"x" * number), now, product="main")
        settle(repository, change, repository.ring(), now)
        signed.append(published)
    options = PlanOptions()
    new, back = signed[1][0].release, signed[1][1].release
    plan = make_plan(options, new, back, name=PLAN, salt="5" * 64, now=now, devices=count)
    publish_plan(repository.folder, plan, now=now)
    with local_client(repository.folder) as api:
        api.ask(RolloutSeen, "POST", "/v1/fleet/rollouts", StartRollout(plan=PLAN))
    database = open_database(repository.folder)
    rows = [_device(number, now) for number in range(count)]
    begun = [row for row in rows if (first_stage(plan, traits_of(row)) or 0) <= 1]
    for number, row in enumerate(begun):
        row["counter"] = 2 if number % 11 else 1
    history = "[]"
    for number in range(60):
        gate = GateSeen(measure="failed", verdict="pass", value=number / 700, allowed=0.3)
        history = extended(history, now - 3600 + 60 * number, (gate,))
    with database.writing.begin() as connection:
        connection.execute(sa.insert(devices), rows)
        connection.execute(sa.insert(vitals), [_vitals(row, now) for row in rows])
        connection.execute(sa.insert(intents), [_intent(row, now) for row in begun])
        connection.execute(sa.insert(outcomes), [o for row in begun for o in _outcomes(row, now)])
        values = {"stage": 1, "entered": now - 3600, "started_at": now - 90_000, "history": history}
        connection.execute(sa.update(rollouts).values(**values))
    database.close()
    return repository.folder


def _device(number: int, now: float) -> dict[str, Any]:
    name = f"pump-{number:05d}"
    return {
        "id": f"{number * 7919:032x}", "key": f"{number:044d}", "name": name, "product": "main",
        "profile": ("pi", "jetson", "esp32")[number % 3], "tags": (f"site-{number % 40}",),
        "given": (f"site-{number % 40}",), "batch": f"lot-{number % 25}", "token": "t", "enrolled_at": now - 9e6,
        "counter": 1, "floor": 1, "last_report_at": now - number % 1800, "nonce": "", "version": "0.1.0",
    }  # fmt: skip


def _vitals(row: dict[str, Any], now: float) -> dict[str, Any]:
    return {
        "device": row["id"], "at": now - 60, "counter": row["counter"], "seconds": 3600.0, "windows": 3600,
        "alarms": int(row["id"], 16) % 50 == 0, "channels": 6,
    }  # fmt: skip


def _intent(row: dict[str, Any], now: float) -> dict[str, Any]:
    fields = {"device": row["id"], "plan": PLAN, "counter": 2, "stage": 0}
    return {**fields, "asked_at": now - 2000, "go": True, "at": now - 2000}


def _outcomes(row: dict[str, Any], now: float) -> list[dict[str, Any]]:
    fields = {"device": row["id"], "plan": PLAN, "counter": 2, "detail": "", "clock": now, "at": now - 900}
    end = ("confirmed", "") if row["counter"] == 2 else ("reverted", "latency")
    steps = (("tested", ""), ("activated", ""), end)
    return [{**fields, "number": n, "what": action, "because": why} for n, (action, why) in enumerate(steps, 1)]


@dataclass(frozen=True)
class Served:
    """A page of the studio: median seconds of the processor and of the clock, and its bytes."""

    address: str
    cpu_s: float
    wall_s: float
    size: int


def served(runs: Path, folder: Path) -> list[Served]:
    """Return what the pages of a fleet cost, from the request to the last byte."""
    access = owner_access("benchmark")
    app = studio_app(runs, _PORT, access, fleet=folder)
    headers = {"authorization": "Bearer benchmark"}

    async def ask() -> list[Served]:
        transport = httpx.ASGITransport(app=app)
        pages = []
        async with httpx.AsyncClient(
            transport=transport, base_url=f"http://127.0.0.1:{_PORT}", headers=headers
        ) as browser:
            for path in (
                "/fleet",
                f"/fleet/rollout/{PLAN}",
                "/fleet/devices",
            ):
                turns = []
                for _ in range(_TURNS):
                    cpu, wall = time.process_time(), time.perf_counter()
                    answer = await browser.get(path)
                    turns.append((time.process_time() - cpu, time.perf_counter() - wall))
                    answer.raise_for_status()
                cpu_s, wall_s = (sorted(parts)[_TURNS // 2] for parts in zip(*turns, strict=True))
                pages.append(Served(path, cpu_s, wall_s, len(answer.content)))
        return pages

    return asyncio.run(ask())
