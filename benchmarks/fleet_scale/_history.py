"""Databases with a long history: so many devices with so many reports each, and a rollout under way."""

from __future__ import annotations

import msgspec
import sqlalchemy as sa

from edgewright.fleet.protocol.plans.options import DEFAULT_GATES
from edgewright.fleet.server.database.tables import rollouts
from edgewright.schema.fleet_plan import Plan, Release, Stage

NOW = 1_800_000_000.0
DAY = 86_400.0
PRODUCT, PLAN, OLD, NEW = "pump", "history", 1, 2
RECENT = 98
"""Reports of a device within the last day, which is what gates look at."""


def plan() -> Plan:
    """Two stages under the default gates."""
    release = Release(product=PRODUCT, counter=NEW, target="packages/pump-2.edge", sha256="a" * 64, length=10)
    stages = (Stage(name="canary", percent=20.0, dwell=3600.0), Stage(name="all", percent=100.0, dwell=3600.0))
    return Plan(
        id=PLAN, release=release, salt="5" * 64, stages=stages, gates=DEFAULT_GATES, starts=NOW - 7200.0,
        expires=NOW + 30 * DAY, enrolled=NOW - 7200.0,
    )  # fmt: skip


def fill(connection: sa.Connection, devices: int, reports: int, *, first: int = 0) -> None:
    """Write devices, a fifth of them with the new release, their reports, outcomes, intents and items, and the rollout.

    Args:
        connection: in a transaction of an empty database.
        devices: number of devices.
        reports: of each device, `RECENT` of them within the last day and the others before it.
        first: reports of each device that the database has; then nothing but reports is written.
    """
    text = connection.dialect.name == "postgresql"
    name = "lpad(to_hex({}), 32, '0')" if text else "printf('%032x', {})"
    true = "true" if text else "1"

    def write(table: str, count: int, columns: dict[str, str]) -> None:
        numbers = f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})"  # noqa: S608
        values = ", ".join(columns.values())
        connection.exec_driver_sql(f"INSERT INTO {table} ({', '.join(columns)}) {numbers} SELECT {values} FROM n")  # noqa: S608

    step = DAY / RECENT
    newest = f"{NOW} - {step} * ({reports} - 1 - (i / {devices} + {first}))"
    updated, vitals = max(1, devices // 5), {
        "seconds": "3600.0", "windows": "1800", "unsure": "20", "alarms": "i % 2", "anomalies": "0",
        "crashes": "0", "latency_p50": ".004", "latency_p99": ".011", "memory": "41000000", "drifting": "0",
        "channels": "6", "processor": "30.0",
        "detail": "'{\"drifting\": [], \"classes\": {\"well\": 1700, \"worn\": 100}}'",
    }  # fmt: skip
    new = f"(i % {devices}) < {updated} AND {newest} > {NOW - 7200.0}"
    write(
        "reports", devices * (reports - first),
        {
            "device": name.format(f"i % {devices}"), "at": newest, "clock": newest,
            "sequence": f"i / {devices} + {first}",
            "digest": "'0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'",
            "counter": f"CASE WHEN {new} THEN {NEW} ELSE {OLD} END", "floor": "1", "phase": "'idle'",
            "plan": f"CASE WHEN {new} THEN '{PLAN}' ELSE '' END", "stage": "0", "model": true, **vitals,
        },
    )  # fmt: skip
    if first:
        return
    device = name.format("i")
    counter = f"CASE WHEN i < {updated} THEN {NEW} ELSE {OLD} END"
    write(
        "devices", devices,
        {
            "id": device, "key": device, "name": "'d' || i", "product": f"'{PRODUCT}'", "profile": "'pi'",
            "tags": "',site,'", "given": "',site,'", "batch": "'b' || (i / 10)", "token": "''",
            "enrolled_at": str(NOW - 90 * DAY), "version": "'0.1.0'", "counter": counter, "floor": "1",
            "phase": "'idle'", "plan": f"'{PLAN}'", "stage": "0", "why": "''", "held": "'{}'", "skew": "0.0",
            "last_report_at": str(NOW), "sequence": str(reports), "outcome": "3", "nonce": "'n'",
            "nonce_before": "''", "digest": "''", "quarantined": "false" if text else "0", "quarantine_reason": "''",
        },
    )  # fmt: skip
    write("vitals", devices, {"device": device, "at": str(NOW), "counter": counter, **vitals})
    for number, action in enumerate(("tested", "activated", "confirmed"), start=1):
        write(
            "outcomes",
            updated,
            {
                "device": device,
                "number": str(number),
                "plan": f"'{PLAN}'",
                "counter": str(NEW),
                "what": f"'{action}'",
                "because": "''",
                "detail": "''",
                "clock": str(NOW - 7000.0),
                "at": str(NOW - 7000.0),
            },
        )
    write(
        "intents", updated,
        {
            "device": device, "plan": f"'{PLAN}'", "counter": str(NEW), "stage": "0", "asked_at": str(NOW - 7100.0),
            "go": true, "at": str(NOW - 7100.0), "why": "''",
        },
    )  # fmt: skip
    body = msgspec.json.encode(plan())
    connection.execute(
        sa.insert(rollouts).values(
            plan=PLAN, product=PRODUCT, counter=NEW, sha256="b" * 64, body=body, state="running", stage=0,
            entered=NOW - 7200.0, revert=False, version=1, why="", started_at=NOW - 7200.0, started_by="ann",
            judged_at=None, judged="[]", holds="",
        )
    )  # fmt: skip
