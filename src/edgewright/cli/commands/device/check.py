"""`edgewright device check`: whether a configuration can be run, without running it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.cli.command import Result, argument, declare


@declare(example="device.toml")
def command(config: Path = argument()) -> Result:
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
    lines, named = [], bool(settings.packages or settings.detectors or settings.rules)
    if named:
        plan = make_plan(strict, Path())
        for answerer in plan.answerers:
            rate = f" at {answerer.rate:g} Hz" if answerer.rate else ""
            predictor = answerer.predictor
            form = f"{predictor.form}, engine {predictor.engine.name}"
            form += f" ({predictor.note})" if predictor.note else ""
            lines.append(f"package {answerer.name}: {', '.join(answerer.columns)}{rate}; {form}")
        lines += [f"detector {watched.name}: {', '.join(watched.columns)}" for watched in plan.watched]
        lines += [f"rules {rule.name}: {len(rule.checked.table.states)} states" for rule in plan.rules]
    lines.append(f"source: {configured.source.kind if configured.source else 'of the command line'}")
    for way in configured.ways:
        way.open().close()  # waits for nothing and refuses what will never work, such as another machine without TLS
    lines.append(f"sinks: {', '.join(way.kind for way in configured.ways) or 'none, everything stays here'}")
    read_boards(config)  # that no rows come over the line of a board
    lines += [
        f"board {board.name}: {board.link}, {board.trial:g} s of trial; queried if the device has a fleet"
        for board in settings.boards
    ]
    more = "" if named else " with a package on the command line: it configures no work"
    lines.append(f"{config.name} can be run{more}")
    return Result({"config": str(config), "works_alone": named, "checked": lines}, lines)
