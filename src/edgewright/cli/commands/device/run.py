"""`edgewright device run`: the agent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, json_line, option, wants_json
from edgewright.cli.commands.device._fleet import FollowOptions, follow_fleet, under_the_agent
from edgewright.cli.commands.device._store import when
from edgewright.cli.interrupt import Ending

if TYPE_CHECKING:
    from edgewright.core.records.device import Event
    from edgewright.device.agent.process_status import Report
    from edgewright.device.agent.startup import Started


@declare(
    example="runs/activity --source serial:/dev/ttyUSB0@115200 --store DIR",
    json="Print every event as one JSON object per line.",
)
def command(
    *,
    package: str = argument(required=False, default="", metavar="[PACKAGE]"),
    source: str = option(metavar="KIND:REST", help="Source of the rows: csv:FILE, replay:FILE, ..."),
    store: Path | None = option(metavar="DIR", help="Folder of the store."),
    config: Path | None = option(metavar="FILE", help="device.toml."),
    quiet: bool = option(help="Print only warnings and errors."),
    fleet: FollowOptions,
) -> Result:
    """Read a stream, predict with PACKAGE (a .edge file or a run folder), raise alarms and store events.

    Runs until the source ends, Ctrl-C (exit code 130) or SIGTERM (exit code 0); everything is stored then. If a
    package's test vectors give other answers on this device, the device uses the last package of that name that passed
    here, or exits with 1 if there is none.

    With --fleet the device follows signed releases: it downloads, tests, tries and, if necessary, reverts them
    automatically. PACKAGE is then the first package, and optional.
    """
    as_json = wants_json()
    if fleet.fleet:
        more = (*(["--json"] if as_json else []), *(["--quiet"] if quiet else []))
        return Result(code=follow_fleet(package, source, store, config, more, quiet, fleet))
    from edgewright.device.agent.startup import configure, run_agent
    from edgewright.device.agent.systemd import reported_errors, store_folder

    # Rows that came wait for the thread that writes the store half a millisecond at most, and not Python's usual five.
    sys.setswitchinterval(0.0005)
    with reported_errors(), Ending() as ending:
        configured, opened = configure(package, source, config)
        configured = under_the_agent(configured)
        report = run_agent(
            configured, opened, store_folder(store), stop=ending.is_requested, say=_say,
            publish=_teller(as_json, quiet), begin=lambda started: _begin(started, as_json or quiet),
        )  # fmt: skip
    return Result(text=[] if quiet else [_summary(report)], code=ending.code())


def _say(text: str) -> None:
    with suppress(OSError):  # a log that cannot be written ends no agent
        click.echo(f"edgewright: {' '.join(text.splitlines())}", err=True)


def _begin(started: Started, silent: bool) -> None:
    from edgewright.device.store.status import INSTEAD

    for name, why in started.refused:
        _say(f"package {name!r} was refused, {INSTEAD}: {why}")
    if silent:
        return
    if started.resumed:
        click.echo(f"goes on behind {started.resumed}; `edgewright device purge --table learnt` forgets the place")
    packages = ", ".join(started.packages) or "no package"
    click.echo(f"{packages} on {started.source}, store {click.format_filename(started.store)} of {started.device}")


def _teller(as_json: bool, quiet: bool) -> Callable[[Sequence[Event]], None]:
    def print_events(events: Sequence[Event]) -> None:
        for event in () if quiet else events:
            if as_json:
                click.echo(json_line(event).encode())
            elif event.kind != "summary":
                click.echo(_words(event))

    return print_events


def _words(event: Event) -> str:
    moment = when(event.wall) if event.wall is not None else f"{event.time:10.3f} s"
    stream = f" [{event.stream}]" if event.stream else ""
    if event.kind in ("health", "state"):
        record = event.detail.get("reason", event.detail.get("notice", ""))
    else:
        record = f"{event.score:.3g}"
    return f"{moment}  {event.kind:<8} {event.label}{stream}  {record}".rstrip()


def _summary(report: Report) -> str:
    p50, p99 = (report.latency.quantile(share) * 1e3 for share in (0.5, 0.99))
    return (
        f"{report.rows:,} rows, {report.windows:,} answers (p50 {p50:.3g} ms, p99 {p99:.3g} ms after the rows came), "
        f"{report.events:,} events, {report.alarms:,} alarms"
    )
