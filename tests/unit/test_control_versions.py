"""Devices of other versions: an older report lacks fields, a newer one has more; both are heard."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import sqlalchemy as sa

from edgewright.fleet.server.database.tables import devices, outcomes
from edgewright.schema.fleet_report import Acknowledged
from fleet_plane import Client, Device, enrolled, plane_of


def test_reports_of_older_and_newer_devices_are_both_taken(tmp_path: Path) -> None:
    with plane_of(tmp_path) as plane:

        async def go() -> None:
            device = await enrolled(Client(plane))
            needed = {"sequence": 0, "counter": 1, "floor": 0, "phase": "idle"}
            response = await device.send("report", msgspec.json.encode({**needed, "nonce": device.nonce}))
            assert response.status_code == 200, response.text
            nonce = msgspec.json.decode(response.content, type=Acknowledged).nonce
            newer = {
                **needed, "sequence": 1, "nonce": nonce, "mood": "calm", "vitals": {"windows": 5, "humidity": 0.4},
                "outcomes": [{"number": 1, "plan": "", "counter": 1, "what": "tested", "how": {"long": 3}}],
                "boards": [{"name": "b1", "state": "idle", "colour": "green"}],
            }  # fmt: skip
            response = await device.send("report", msgspec.json.encode(newer))
            assert response.status_code == 200, response.text
            last = msgspec.json.decode(response.content, type=Acknowledged)
            assert last.outcomes == 1
            # A reason that this server does not know is refused whole, in words, and nothing of it is acknowledged.
            unknown = {"number": 2, "plan": "", "counter": 1, "what": "reverted", "because": "humidity"}
            newest = {**newer, "sequence": 2, "nonce": last.nonce, "outcomes": [unknown]}
            response = await device.send("report", msgspec.json.encode(newest))
            assert response.status_code == 400, response.text
            assert "humidity" in response.text or "enum" in response.text
            response = await device.send("report", msgspec.json.encode({**newest, "outcomes": []}))
            assert response.status_code == 200, response.text  # the refusal has shut nobody out

        asyncio.run(go())
        with plane.database.reading() as connection:
            assert connection.execute(sa.select(outcomes.c.number)).scalars().all() == [1]
            assert connection.execute(sa.select(devices.c.boards)).scalar_one() != ""
            assert not connection.execute(sa.select(devices.c.quarantined)).scalar_one()


def test_a_newer_device_enrolls_with_fields_that_this_server_does_not_know(tmp_path: Path) -> None:
    with plane_of(tmp_path) as plane:

        async def go() -> None:
            client = Client(plane)
            device = Device(client)
            response = await device.enrol(await client.token(), version="9.0.0", site="hall 3", attested={"by": "tpm"})
            assert response.status_code == 200, response.text
            assert (await device.report()).status_code == 200

        asyncio.run(go())
        with plane.database.reading() as connection:
            assert connection.execute(sa.select(devices.c.version)).scalar_one() == "9.0.0"
