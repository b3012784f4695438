"""Ten million devices, worked out from what was measured: the tables of docs/scale.md.

`python -m benchmarks.fleet_scale.ten_million` writes them anew into the document; a test compares. Nothing is measured
here: `MEASURED` holds figures with the command that gives them, `PRICES` what a reader puts in for their own.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass

from benchmarks.table import ROOT, TargetReport, markdown
from edgewright.fleet.protocol.layout import DAY, LONGEST, TIMESTAMP
from edgewright.fleet.repository.distribution import CACHE
from edgewright.fleet.server.api.authentication import _KEPT as KEYS_IN_MEMORY
from edgewright.fleet.server.control_plane import Limits
from edgewright.fleet.server.limits import MAX_CONNECTIONS
from edgewright.fleet.server.rollouts.scheduler import RENEW
from edgewright.fleet.server.rollouts.worker import EVERY

DOCUMENT = ROOT / "docs" / "scale.md"
POLL = 60.0
"""Seconds between two polls of a device, by default; between 90 and 110 % of it."""
LATEST = 1.1
_CONNECTIONS, _MOBILE = "bench-fleet-scale PARTS=connections", "bench-fleet-scale PARTS=mobile"
_TRAFFIC, _REPLICAS = "bench-fleet-scale PARTS=traffic", "bench-fleet-scale PARTS=replicas"


@dataclass(frozen=True)
class Measured:
    """A figure, what it is, and which `make` gives it."""

    value: float
    unit: str
    what: str
    command: str


MEASURED = {
    "poll_asked": Measured(166, "bytes", "a poll that finds nothing new: the device's request", _TRAFFIC),
    "poll_answered": Measured(231, "bytes", "its answer, 304", _TRAFFIC),
    "look_asked": Measured(696, "bytes", "a look after a rollout moved on: four requests", _TRAFFIC),
    "look_answered": Measured(3207, "bytes", "their answers", _TRAFFIC),
    "report_asked": Measured(996, "bytes", "a report without items, signed", _TRAFFIC),
    "report_answered": Measured(276, "bytes", "its durable acknowledgement", _TRAFFIC),
    "step_files": Measured(3, "files", "new files that a step of a rollout publishes", _TRAFFIC),
    "poll_cpu": Measured(0.04e-3, "s", "of a server's processor for a poll", _REPLICAS),
    "report_cpu": Measured(1.07e-3, "s", "of a server's processor for a report", _REPLICAS),
    "cold_cpu": Measured(1.39e-3, "s", "the same, where the device's key is not in memory", _REPLICAS),
    "database_cpu": Measured(0.15e-3, "s", "of PostgreSQL's processor for a report", _REPLICAS),
    "report_disk": Measured(528, "bytes", "of PostgreSQL's disk for a report that is kept, with indexes", _REPLICAS),
    "device_disk": Measured(3617, "bytes", "of its disk for a device", _REPLICAS),
    "count_each": Measured(
        2.84e-6, "s", "by the clock, to count a device for the metrics, PostgreSQL", "bench-fleet-scale PARTS=counting"
    ),
    "tls_memory": Measured(34_936, "bytes", "memory of a server for a kept TLS connection", _CONNECTIONS),
    "tls_cpu": Measured(0.74e-3, "s", "of its processor for a new TLS connection and a poll", _CONNECTIONS),
    "tls_poll": Measured(0.15e-3, "s", "of its processor for a poll on a kept one", _CONNECTIONS),
    "mobile_poll": Measured(632, "bytes", "a poll on a kept connection, with IP, TCP and TLS", _MOBILE),
    "mobile_report": Measured(1830, "bytes", "a report on it", _MOBILE),
    "mobile_begin": Measured(1969, "bytes", "a new TLS connection and its end, certificate of 0.5 kB", _MOBILE),
}
NGINX_TLS, NGINX_CPU = 16_074, 1.08e-3
"""Bytes of a kept TLS connection of nginx 1.22, and seconds of its processor for a new one; measured once by hand."""
PACKAGE, RELEASES_A_YEAR, STEPS_A_RELEASE, EDGES = 300e3, 12, 6, 300
"""Assumed: bytes of a package, releases a year, times that a rollout moves on, places of a cache."""
WORKER = 27_000
"""Devices of a worker of deploy/nginx.conf: 30,000 connections, a tenth of them free for those to servers."""
PRICES = {
    "core": (25.0, "a core of a server for a month"),
    "disk": (0.10, "a GB of disk for a month"),
    "traffic": (0.01, "a GB that leaves a cache"),
    "requests": (0.60, "a million requests at a cache that is rented by the request"),
}
"""Assumed, in whatever currency: put in your own."""
FLEETS = (
    ("as it comes", 10e6, Limits().wait, Limits().keep / DAY),
    ("asked to report less", 10e6, 900.0, 30.0),
    ("and kept for less long", 10e6, 3600.0, 7.0),
    ("one of ten such fleets", 1e6, 900.0, 30.0),
)
"""Name, devices, seconds between reports, days for which they are kept."""


@dataclass(frozen=True)
class Worked:
    """What a fleet takes: a second, a day, kept, and a month's cost by `PRICES`."""

    name: str
    devices: float
    every: float
    keep: float
    polls: float
    reports: float
    poll_bytes: float
    report_bytes: float
    look_bytes: float
    package_bytes: float
    rows: float
    kept_rows: float
    disk: float
    poll_cores: float
    report_cores: float
    database_cores: float
    count_seconds: float
    own: float
    rented: float


def worked(name: str, devices: float, every: float, keep: float) -> Worked:
    """Return the arithmetic."""
    m = {key: one.value for key, one in MEASURED.items()}
    polls, reports = devices / POLL, devices / every
    cold = max(0.0, 1.0 - KEYS_IN_MEMORY / devices)
    steps = RELEASES_A_YEAR * STEPS_A_RELEASE / 365.0 + DAY / (LONGEST[TIMESTAMP] * RENEW)
    rows = reports * DAY
    disk = rows * keep * m["report_disk"] + devices * m["device_disk"]
    poll_cores = polls * m["poll_cpu"]
    report_cores = reports * (m["report_cpu"] * (1 - cold) + m["cold_cpu"] * cold)
    database_cores = reports * m["database_cpu"]
    package_bytes = devices * PACKAGE * RELEASES_A_YEAR / 365.0
    look_bytes = devices * steps * m["look_answered"]
    leaving = polls * DAY * m["poll_answered"] + look_bytes + package_bytes
    cores = poll_cores + report_cores + database_cores
    own = cores * PRICES["core"][0] + disk / 1e9 * PRICES["disk"][0]
    own += 30 * leaving / 1e9 * PRICES["traffic"][0]
    return Worked(
        name, devices, every, keep, polls, reports, polls * DAY * (m["poll_asked"] + m["poll_answered"]),
        rows * (m["report_asked"] + m["report_answered"]), look_bytes, package_bytes, rows, rows * keep, disk,
        poll_cores, report_cores, database_cores, devices * m["count_each"], own,
        own + polls * DAY * 30 / 1e6 * PRICES["requests"][0],
    )  # fmt: skip


def _age(kind: str) -> float:
    match = re.search(r"max-age=(\d+)", CACHE[kind])
    assert match  # noqa: S101 - each of them has one
    return float(match.group(1))


def promised() -> dict[str, float]:
    """Return seconds from a report that shows a bad release until the last device knows, at most, through one cache."""
    poll, fresh = POLL * LATEST, _age("metadata/timestamp.json")
    gone = _age("status 404 below metadata/ (the next root)")
    return {
        "round": EVERY, "timestamp": fresh, "poll": poll, "halt": EVERY + fresh + poll,
        "root": gone + fresh + poll, "two": 2 * POLL,
    }  # fmt: skip


def _size(value: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if value >= size:
            return f"{value / size:,.1f} {unit}"
    return f"{value / 1e3:,.1f} kB"


def _many(value: float) -> str:
    return f"{value / 1e9:,.1f} thousand million" if value >= 1e9 else f"{value / 1e6:,.1f} million"


def blocks() -> dict[str, str]:
    """Return the parts of the document that are not written by hand, by the name between their marks."""
    figures = [[one.what, _figure(one), f"`make {one.command}`"] for one in MEASURED.values()]
    fleets = [worked(*one) for one in FLEETS]
    rows = [
        ["devices", *(_many(one.devices) for one in fleets)],
        ["seconds between reports, days kept", *(f"{one.every:,.0f}, {one.keep:g}" for one in fleets)],
        ["polls a second", *(f"{one.polls:,.0f}" for one in fleets)],
        ["reports a second", *(f"{one.reports:,.0f}" for one in fleets)],
        ["bytes of polls a day, both ways", *(_size(one.poll_bytes) for one in fleets)],
        ["of reports", *(_size(one.report_bytes) for one in fleets)],
        ["of looks at what is new", *(_size(one.look_bytes) for one in fleets)],
        ["of packages, on the average day", *(_size(one.package_bytes) for one in fleets)],
        ["rows a day", *(_many(one.rows) for one in fleets)],
        ["rows that are kept", *(_many(one.kept_rows) for one in fleets)],
        ["disk of the database", *(_size(one.disk) for one in fleets)],
        ["cores of servers for polls", *(f"{one.poll_cores:.1f}" for one in fleets)],
        ["cores of servers for reports", *(f"{one.report_cores:.1f}" for one in fleets)],
        ["cores of PostgreSQL", *(f"{one.database_cores:.1f}" for one in fleets)],
        ["counting all devices once", *(f"{one.count_seconds:.1f} s" for one in fleets)],
        ["a month, with caches of one's own", *(f"{one.own:,.0f}" for one in fleets)],
        ["a month, caches paid by the request", *(f"{one.rented:,.0f}" for one in fleets)],
    ]
    p = promised()
    lives = [
        ["a halt: the scheduler's round, the timestamp in a cache, a device's longest poll",
         f"{p['round']:g} + {p['timestamp']:g} + {p['poll']:g} s", f"{p['halt']:g} s", _within(p["halt"], p["two"])],
        ["a new root: the 404 of its name and a timestamp in a cache, then the next poll",
         f"{p['root'] - p['timestamp'] - p['poll']:g} + {p['timestamp']:g} + {p['poll']:g} s", f"{p['root']:g} s",
         _within(p["root"], p["two"])],
    ]  # fmt: skip
    steps = RELEASES_A_YEAR * STEPS_A_RELEASE + 365 * DAY / (LONGEST[TIMESTAMP] * RENEW)
    files = [
        ["versions of metadata that are published a year", f"{steps:,.0f}"],
        ["files that they add, at most", f"{steps * MEASURED['step_files'].value:,.0f}"],
        ["requests a second that reach the origin for the timestamp, of "
         f"{EDGES} places of a cache", f"{EDGES / p['timestamp']:,.0f}"],
        ["requests a second in the minute after a rollout moved on", f"{FLEETS[0][1] * 4 / (POLL * LATEST):,.0f}"],
        ["the same for a million devices", f"{1e6 * 4 / (POLL * LATEST):,.0f}"],
    ]  # fmt: skip
    prices = [[title, f"{value:g}"] for value, title in PRICES.values()]
    return {
        "measured": markdown(["what", "measured", "by"], figures),
        "fleets": markdown(["", *(one.name for one in fleets)], rows),
        "lifetimes": markdown(["what a device waits for", "at most", "together", "two poll periods"], lives),
        "files": markdown(["", ""], files),
        "connections": markdown(
            [
                "devices",
                "servers without nginx",
                "their memory",
                "cores for polls",
                "cores while all come back in 1 min",
                "nginx workers",
                "its memory",
                "its cores while all come back",
            ],
            _connections(),
        ),
        "mobile": markdown(["pace", "a day", "30 days", "a day, chain of 3.5 kB", "30 days"], _mobile()),
        "prices": markdown(["assumed price", ""], prices),
    }


def _connections() -> list[list[str]]:
    """Return what devices take that keep a TLS connection and poll each minute, of servers and of nginx."""
    rows = []
    for devices in (15_000, 200_000, 1_000_000):
        polls, server, nginx = devices / POLL, MEASURED["tls_memory"].value, NGINX_TLS
        rows.append([
            f"{devices:,}", f"{-(-devices // MAX_CONNECTIONS):,}", _size(devices * server),
            f"{polls * MEASURED['tls_poll'].value:.2f}", f"{devices / 60 * MEASURED['tls_cpu'].value:.1f}",
            f"{-(-devices // WORKER)}", _size(devices * nginx), f"{devices / 60 * NGINX_CPU:.1f}",
        ])  # fmt: skip
    return rows


def _mobile() -> list[list[str]]:
    """Return a device's bytes a day and a month on a mobile line, by its pace."""
    m = {key: one.value for key, one in MEASURED.items()}
    poll, report, begin, chain = m["mobile_poll"], m["mobile_report"], m["mobile_begin"], 3000.0
    rows = []
    for name, polls, reports, connections in (
        ("defaults: poll and report each minute, one connection", 1440, 1440, 1),
        ("poll each minute, report each 15 minutes", 1440, 96, 1),
        ("poll and report each hour, together", 24, 24, 24),
        ("poll and report each hour, apart", 24, 24, 48),
    ):
        day = polls * poll + reports * report + connections * begin
        public = day + connections * chain
        rows.append([name, _size(day), _size(30 * day), _size(public), _size(30 * public)])
    return rows


def _figure(one: Measured) -> str:
    if one.unit != "s":
        return f"{one.value:,.0f} {one.unit}"
    return f"{one.value * 1e3:.2f} ms" if one.value >= 1e-5 else f"{one.value * 1e6:.2f} µs"


def _within(seconds: float, limit: float) -> str:
    return f"{limit:g} s: {'kept' if seconds <= limit else '**missed**'}"


def filled(text: str) -> str:
    """Return a document with its blocks written anew.

    Raises:
        KeyError: it names a block that there is not.
    """
    blocks_of_text = blocks()
    pattern = re.compile(r"(<!-- (?!end)(\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
    return pattern.sub(lambda match: f"{match.group(1)}{blocks_of_text[match.group(2)]}\n{match.group(3)}", text)


def measure(report: TargetReport) -> None:
    """Whether the document says what follows from the figures."""
    text = DOCUMENT.read_text(encoding="utf-8")
    report("docs/scale.md says what follows from the figures", str(filled(text) == text), "True", filled(text) == text)


def main() -> None:
    """Write the blocks of the document anew."""
    argparse.ArgumentParser(prog="python -m benchmarks.fleet_scale.ten_million", description=__doc__).parse_args()
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
