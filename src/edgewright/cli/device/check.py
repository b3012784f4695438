"""`edgewright device check`: whether a configuration can be run, without running it."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec


@click.command("check", epilog="Example: edgewright device check device.toml")
@click.argument("config", type=click.Path(path_type=Path))
def command(config: Path) -> None:
    """Check a device.toml: keys, values, packages with their test vectors, detectors, state tables and sinks.

    Nothing is written or sent, and no source is opened. Exits with 1 if a package's test vectors give other answers on
    this device.
    """
    from edgewright.device.agent.plan import make_plan
    from edgewright.device.agent.settings import read_settings
    from edgewright.device.boards.configuration import read_boards

    configured = read_settings(config)
    settings = configured.settings
    strict = msgspec.structs.replace(settings, agent=msgspec.structs.replace(settings.agent, keep_old=False))
    if settings.packages or settings.detectors or settings.rules:
        plan = make_plan(strict, Path())
        for answerer in plan.answerers:
            rate = f" at {answerer.rate:g} Hz" if answerer.rate else ""
            predictor = answerer.predictor
            form = f"{predictor.form}, engine {predictor.engine.name}"
            form += f" ({predictor.note})" if predictor.note else ""
            click.echo(f"package {answerer.name}: {', '.join(answerer.columns)}{rate}; {form}")
        for watched in plan.watched:
            click.echo(f"detector {watched.name}: {', '.join(watched.columns)}")
        for rule in plan.rules:
            click.echo(f"rules {rule.name}: {len(rule.checked.table.states)} states")
    click.echo(f"source: {configured.source.kind if configured.source else 'of the command line'}")
    for way in configured.ways:
        way.open().close()  # waits for nothing and refuses what will never work, such as another machine without TLS
    click.echo(f"sinks: {', '.join(way.kind for way in configured.ways) or 'none, everything stays here'}")
    read_boards(config)  # that no rows come over the line of a board
    for board in settings.boards:
        click.echo(f"board {board.name}: {board.link}, {board.trial:g} s of trial; queried if the device has a fleet")
    named = settings.packages or settings.detectors or settings.rules
    more = "" if named else " with a package on the command line: it configures no work"
    click.echo(f"{config.name} can be run{more}")
