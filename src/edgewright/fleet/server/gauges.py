"""Metrics that are computed on request: devices, rollouts, the signer, expiry of signatures, the database.

All servers of a fleet report the same values: aggregate them with the maximum, not the sum.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from edgewright.core.errors import EdgewrightError
from edgewright.fleet.protocol.layout import DAY
from edgewright.fleet.protocol.plans.decision import UNDER_WAY
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.folder import open_fleet, read_published
from edgewright.fleet.server import restore
from edgewright.fleet.server.control_plane import Plane
from edgewright.fleet.server.database.tables import devices, operators, outcomes, rollouts
from edgewright.fleet.server.retention import backlog
from edgewright.fleet.server.signer.supervisor import signer_away
from edgewright.fleet.server.views import attention, fleet_lag

_HOUR = 3600.0
_LATEST = 20
"""Largest number of reported rollouts, newest first."""
_REST = 20.0
"""Cache time of the counts as a multiple of the time to compute them, so that counting takes at most 1/20 of it."""
_SIZES = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}
_FREE = "SELECT freelist_count * page_size FROM pragma_freelist_count(), pragma_page_size()"
_PREFIX = "edgewright_fleet_"


class _Given(Collector):
    def __init__(self, families: Iterable[GaugeMetricFamily]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the given families."""
        return self._families


class Gauges:
    """Computes the metrics of a control plane and caches those from the database for some time."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._rows: list[GaugeMetricFamily] = []
        self._until = -1.0

    def text(self) -> bytes:
        """Return all metrics in Prometheus text format; takes as long as counting the devices."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(
            _Given([*self._counted(), *_parts(self._plane), *_files(self._plane), *_expiries(self._plane.folder)])
        )
        return generate_latest(registry)

    def _counted(self) -> list[GaugeMetricFamily]:
        began = self._plane.clock.monotonic()
        if began >= self._until:
            now, start = self._plane.clock.wall(), time.perf_counter()
            with self._plane.database.reading() as connection:
                self._rows = [*_devices(connection, now), *_rollouts(connection, now), *_database(connection)]
                due = backlog(connection, self._plane.limits.keep, now)
                about = "History beyond the retention time that is not deleted yet"
                self._rows.append(_family("history_due_seconds", about, (), [((), due)]))
                self._rows += _operators(connection)
                totals = attention(connection, now, 1, DAY, fleet_lag(self._plane, connection)).totals
                about = "Devices that need a look, as in the studio"
                self._rows.append(
                    _family("devices_attention", about, ("kind",), [((kind,), float(n)) for kind, n in totals.items()])
                )
            took = time.perf_counter() - start
            about = "Time to count devices and rollouts for these metrics"
            self._rows.append(_family("count_seconds", about, (), [((), took)]))
            self._until = began + took * _REST
        return self._rows


def _family(name: str, about: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]) -> Any:  # noqa: ANN401 - GaugeMetricFamily, whose methods have no types
    family: Any = GaugeMetricFamily(_PREFIX + name, about, labels=labels)
    for named, value in values:
        family.add_metric(named, value)
    return family


def _devices(connection: sa.Connection, now: float) -> list[GaugeMetricFamily]:
    d = devices.c
    quiet, count = sa.func.coalesce(d.last_report_at, d.enrolled_at) < now - DAY, sa.func.count()
    near = d.last_report_at >= now - _HOUR
    reporting, silent = (sa.func.sum(sa.case((when, 1), else_=0)) for when in (near, quiet))
    query = sa.select(d.product, d.counter, d.phase, d.quarantined, d.status, count, reporting, silent)
    states: Counter[str] = Counter(enrolled=0, heard=0, silent=0, quarantined=0, blocked=0, retired=0)
    releases: Counter[tuple[str, ...]] = Counter()
    phases: Counter[tuple[str, ...]] = Counter()
    for product, counter, phase, shut, status, number, close, away in connection.execute(
        query.group_by(d.product, d.counter, d.phase, d.quarantined, d.status)
    ):
        if shut:
            states.update({"quarantined" if status == "active" else status: number})
        if status == "retired":
            continue
        states.update(enrolled=number, heard=close, silent=0 if shut else away)
        releases[product, str(counter)] += number
        phases[product, phase] += number
    ended = sa.select(outcomes.c.what, outcomes.c.because, count).where(outcomes.c.at >= now - _HOUR)
    counts = connection.execute(ended.group_by(outcomes.c.what, outcomes.c.because)).all()
    return [
        _family("devices", "Devices: enrolled, heard within an hour, silent for a day, shut out", ("state",),
                [((name,), float(number)) for name, number in sorted(states.items())]),
        _family("devices_release", "Devices by the release that they run", ("product", "release"),
                [(key, float(number)) for key, number in sorted(releases.items())]),
        _family("devices_phase", "Devices by what they are doing", ("product", "phase"),
                [(key, float(number)) for key, number in sorted(phases.items())]),
        _family("outcomes_hour", "Outcomes that came within the last hour", ("what", "because"),
                [((row[0], row[1]), float(row[2])) for row in sorted(counts)]),
    ]  # fmt: skip


def _rollouts(connection: sa.Connection, now: float) -> list[GaugeMetricFamily]:
    r = rollouts.c
    query = sa.select(r.plan, r.product, r.counter, r.state, r.stage, r.entered, r.judged_at, r.holds)
    over = sa.case((r.state.in_(UNDER_WAY), 0), else_=1)
    rows = connection.execute(query.order_by(over, r.started_at.desc()).limit(_LATEST)).all()
    under_way = [row for row in rows if row.state in UNDER_WAY]
    return [
        _family("rollout", "Rollouts by state: 1", ("plan", "product", "release", "state"),
                [((row.plan, row.product, str(row.counter), row.state), 1.0) for row in rows]),
        _family("rollout_stage", "Stage of a rollout, from 0", ("plan",),
                [((row.plan,), float(row.stage)) for row in rows]),
        _family("rollout_stage_seconds", "Time since the stage began, of rollouts that are not over", ("plan",),
                [((row.plan,), max(0.0, now - row.entered)) for row in under_way]),
        _family("rollout_holds", "Whether something blocks a rollout", ("plan",),
                [((row.plan,), float(bool(row.holds))) for row in under_way]),
        _family("rollout_judged_seconds", "Time since its gates were evaluated", ("plan",),
                [((row.plan,), max(0.0, now - row.judged_at)) for row in under_way if row.judged_at is not None]),
    ]  # fmt: skip


def _operators(connection: sa.Connection) -> list[GaugeMetricFamily]:
    query = sa.select(operators.c.name, operators.c.expires).where(operators.c.expires.is_not(None))
    expiries = [((row.name,), row.expires) for row in connection.execute(query.order_by(operators.c.name))]
    about = "When the token of an operator expires, seconds since 1970"
    return [_family("operator_token_expires_seconds", about, ("operator",), expiries)]


def _database(connection: sa.Connection) -> list[GaugeMetricFamily]:
    name = connection.dialect.name
    size = connection.exec_driver_sql(_SIZES[name]).scalar_one()
    families = [_family("database_bytes", "Size of the database", ("kind",), [((name,), float(size))])]
    if name == "sqlite":
        free = connection.exec_driver_sql(_FREE).scalar_one()
        families.append(
            _family("database_free_bytes", "Room of deleted rows in it, which new ones use", (), [((), free)])
        )
    return families


def _parts(plane: Plane) -> list[GaugeMetricFamily]:
    why = plane.ready if "signer" in plane.ready else {**plane.ready, "signer": signer_away(plane.folder)}
    writes = plane.committer.alive and not plane.committer.trouble
    parts = {"writer": writes, "serving": not plane.stopping, **{k: not v for k, v in why.items()}}
    return [
        _family("ready", "Whether a part does its work; as in /readyz", ("part",),
                [((part,), float(good)) for part, good in sorted(parts.items())]),
    ]  # fmt: skip


def _files(plane: Plane) -> list[GaugeMetricFamily]:
    kinds = [wrong.kind for wrong in plane.extra.get(restore.NAME, ())]
    about = "Published files that were missing, altered or foreign at the last check"
    return [_family("files_wrong", about, ("kind",), [((kind,), float(kinds.count(kind))) for kind in restore.KINDS])]


def _expiries(folder: Path) -> list[GaugeMetricFamily]:
    try:
        role_files = read_published(open_fleet(folder))
        expiries = [
            ((role,), metadata.read(data, role).signed.expires.timestamp()) for role, data in sorted(role_files.items())
        ]
    except EdgewrightError:
        expiries = []  # incomplete metadata: an alert on the absence of this metric reports it
    about = "When the published signature of a role expires, seconds since 1970"
    return [_family("metadata_expires_seconds", about, ("role",), expiries)]
