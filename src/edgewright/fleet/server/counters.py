"""Prometheus metrics that are updated by events: requests, commits, the queue, and items in reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

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
