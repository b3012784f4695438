"""The control plane object that every endpoint receives, and its limits."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from edgewright.fleet.protocol.layout import Clock, SystemClock
from edgewright.fleet.server.database.engine import Database, open_database
from edgewright.fleet.server.database.group_commit import Committer
from edgewright.fleet.server.limits import ConcurrencyLimit

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_AGES = (10.0, 60.0, 300.0, 900.0, 3600.0, 6 * 3600.0, 86_400.0, 7 * 86_400.0, 30 * 86_400.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Counters:
    """The metrics of one control plane, with a separate registry, so that several can exist in one process."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self.waiting: Callable[[], int] = lambda: 0
        self.connections: Callable[[], int] = lambda: 0
        name = "edgewright_fleet_{}".format
        self.requests = Counter(
            name("requests"), "Requests by endpoint and status", ["endpoint", "status"], registry=own
        )
        self.seconds = Histogram(
            name("request_seconds"), "Time to answer", ["endpoint"], registry=own, buckets=_SECONDS
        )
        self.commits = Histogram(name("commit_seconds"), "Time of a durable commit", registry=own, buckets=_SECONDS)
        self.groups = Histogram(name("commit_operations"), "Operations in a commit", registry=own, buckets=_SIZES)
        self.items = Counter(name("items"), "Items of outboxes that came with reports", registry=own)
        about = "How long the oldest item of a report had waited on its device"
        self.waited = Histogram(name("outbox_age_seconds"), about, registry=own, buckets=_AGES)
        ProcessCollector(registry=own)
        self.static = Counter(name("static"), "Static answers by status", ["status"], registry=own)
        self.closed = Counter(name("connections_closed"), "Connections closed: too many were open", registry=own)
        self.capacity = Gauge(name("connections_limit"), "Connections that the server keeps at most", registry=own)
        open_now = Gauge(name("connections"), "Open connections", registry=own)
        open_now.set_function(lambda: float(self.connections()))
        queue = Gauge(name("queue"), "Operations that wait to be written", registry=own)
        queue.set_function(lambda: float(self.waiting()))

    def committed(self, operations: int, seconds: float) -> None:
        """Record a commit."""
        self.commits.observe(seconds)
        self.groups.observe(operations)

    def brought(self, waited: Sequence[float]) -> None:
        """Record the items of a report, with the seconds that each waited on the device by the device's clock."""
        if waited:
            self.items.inc(len(waited))
            self.waited.observe(max(0.0, *waited))

    def text(self) -> bytes:
        """Return all metrics in Prometheus text format."""
        return generate_latest(self.registry)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits for requests of devices, and retention times.

    Attributes:
        requests, burst: a device's average requests per second, and its largest burst.
        bytes_a_day: largest total size of a device's bodies per day, in bytes.
        report: largest body of a report, in bytes.
        body: largest body of other requests, in bytes.
        seconds: timeout for a body to arrive.
        keep: retention of reports and of outbox items, in seconds.
        wait: seconds until a device's next report.
        spacing: seconds between two parts of a backlog without overload.
        crowd, crowd_bytes: largest number of concurrent device requests, and the total size of their bodies. This many
            keep the disk busy; with more, requests wait so long that bodies time out and devices send them again.
    """

    requests: float = 2.0
    burst: float = 60.0
    bytes_a_day: int = 256 << 20
    report: int = 1 << 20
    body: int = 64 << 10
    seconds: float = 10.0
    keep: float = 30 * 86_400.0
    wait: float = 60.0
    spacing: float = 0.5
    crowd: int = 256
    crowd_bytes: int = 8 << 20


@dataclass
class Plane:
    """An open control plane.

    Attributes:
        folder: folder of the fleet; `folder / 'public'` is served.
        crowd: limit on concurrent device requests.
        behind_proxy: a proxy names the client's address in `X-Forwarded-For`, as its last entry.
        ready: reasons why a part is not ready, by part; empty if it is.
        extra: data of other parts, by part.
    """

    folder: Path
    database: Database
    committer: Committer
    clock: Clock = field(default_factory=SystemClock)
    random: Callable[[int], bytes] = secrets.token_bytes
    limits: Limits = field(default_factory=Limits)
    counted: Counters = field(default_factory=Counters)
    ready: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    stopping: bool = False
    behind_proxy: bool = False
    crowd: ConcurrencyLimit = field(init=False)

    def __post_init__(self) -> None:
        limits = self.limits
        self.crowd = ConcurrencyLimit(limits.crowd, limits.crowd_bytes, limits.spacing, self.clock.monotonic)

    @property
    def public(self) -> Path:
        """The folder of public files, which any web server can serve too."""
        return self.folder / "public"

    def close(self) -> None:
        """Write the waiting operations and close the database."""
        self.stopping = True
        self.committer.close()
        self.database.close()


def reading_plane(folder: Path, database: Database) -> Plane:
    """Return a control plane that only reads."""
    return Plane(folder, database, Committer(database.writing, thread=False))


def open_plane(folder: Path, *, thread: bool = True, **settings: Any) -> Plane:  # noqa: ANN401 - fields of Plane
    """Open the control plane of a fleet's folder.

    Args:
        folder: folder of the fleet.
        thread: whether a separate thread commits groups; otherwise each caller commits its own operation.
        settings: fields of `Plane`.

    Raises:
        InputError: the database is newer than this program.
    """
    database = open_database(folder)
    plane = Plane(folder, database, Committer(database.writing, thread=thread, gone=database.gone), **settings)
    plane.committer.reported = plane.counted.committed
    plane.counted.waiting = lambda: plane.committer.waiting
    return plane
