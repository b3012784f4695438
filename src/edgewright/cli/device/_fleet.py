"""What `device run` does with `--fleet`: options, and the agent that supervises the model's process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.interrupt import Ending
from edgewright.cli.options import option

if TYPE_CHECKING:
    from edgewright.device.agent.settings import Configured
    from edgewright.fleet.device.device_state import DeviceState


@dataclass(frozen=True, kw_only=True)
class FollowOptions:
    """Options of a device that follows a fleet."""

    fleet: str = option(metavar="URL", help="Follow the signed releases of the fleet at this address.")
    token: str = option(
        envvar="EDGEWRIGHT_TOKEN",
        metavar="T",
        help="With --fleet, the first time: the enrolment token; others see it in ps.",
    )
    token_file: str = option(
        metavar="FILE", help="With --fleet, the first time: file with the enrolment token; - for standard input."
    )
    name: str = option(metavar="NAME", help="With --fleet: name of the device.")
    profile: str = option(metavar="NAME", help="With --fleet: hardware profile.")
    ca: str = option(metavar="FILE", help="With --fleet: CA certificates to trust, in PEM.")
    broker: str = option(metavar="URL", help="With --fleet: MQTT broker that announces updates.")
    stick: str = option(metavar="DIR", help="With --fleet: where USB sticks are mounted.")
    keep_agent: bool = option("--keep-agent", help="With --fleet: never install wheels of the agent from a release.")
    federate: bool = option(
        "--federate", help="With --fleet: learn together with other devices; labelled examples stay on this one."
    )
    poll: float = option(
        type=click.FloatRange(1.0, 86_400.0), default=60.0, metavar="SECONDS",
        help="With --fleet: time between two checks for updates.",
    )  # fmt: skip


def follow_fleet(
    package: str, source: str, store: Path | None, config: Path | None, more: tuple[str, ...], quiet: bool,
    fleet: FollowOptions,
) -> None:  # fmt: skip
    """Supervise the model's process until a signal to end.

    Args:
        package: that came with the device; empty for none.
        source: where rows come from, as of the command.
        store: folder of the store, as of the command.
        config: TOML of the agent, as of the command.
        more: options that the model's process gets too.
        quiet: says nothing of where the device is.
        fleet: the options above.
    """
    # None of this may import NumPy: the supervisor stays small, the model's process is another one.
    from edgewright.cli.enrollment_token import enrollment_token
    from edgewright.device.agent.store_path import store_folder
    from edgewright.device.boards.configuration import read_boards
    from edgewright.fleet.device.launcher import launch, restart, restarted
    from edgewright.fleet.device.runner import RunnerOptions, arguments, follow, forward

    folder = store_folder(store)
    launch(folder)
    token = "" if restarted() else enrollment_token(fleet.token, fleet.token_file)
    options = RunnerOptions(
        url=fleet.fleet, token=token, store=folder, package=Path(package) if package else None,
        arguments=arguments(folder, config, source, more), name=fleet.name, profile=fleet.profile, ca_file=fleet.ca,
        broker=fleet.broker, poll=fleet.poll, stick=Path(fleet.stick) if fleet.stick else None,
        boards=read_boards(config, source), keep_agent=fleet.keep_agent,
        federate=fleet.federate,
    )  # fmt: skip
    with Ending() as ending:
        stays = follow(options, ending.asked, (lambda line: None) if quiet else _say, forward)
    if not stays and not ending.asked():
        restart()
    click.get_current_context().exit(ending.code())


def _say(line: str) -> None:
    # To standard error: standard output is that of the model's process.
    click.echo(f"fleet: {line}", err=True)


def under_the_agent(configured: Configured) -> Configured:
    """Return the settings of a model's process that the fleet's agent started; as they are for any other.

    The agent is the last way out of the outbox. And what it starts is that package or none: an older one that was
    proven here before must not stand in for a release on trial.
    """
    door = os.environ.get("EDGEWRIGHT_DOOR", "")
    if not door:
        return configured

    from edgewright.device import sinks
    from edgewright.device.agent.settings import SinkEntry

    kind = sinks.kind("agent")
    way = SinkEntry("agent", msgspec.convert({"path": door}, type=kind.config))
    settings = configured.settings
    strict = msgspec.structs.replace(settings, agent=msgspec.structs.replace(settings.agent, keep_old=False))
    return msgspec.structs.replace(configured, settings=strict, ways=(*configured.ways, way))


def followed(store: Path) -> dict[str, Any]:
    """Return what the fleet's agent of a store holds; empty where there is none.

    Raises:
        OutputError: it cannot be read.
    """
    from edgewright.fleet.device.state_database import FILE, State

    if not (store / FILE).exists():
        return {}

    state = State.open(store, writable=False)
    try:
        held, link = state.held, state.link
        record: dict[str, Any] = msgspec.to_builtins(held)
        record |= {
            "device": link.device,
            "tags": link.newest_tags,
            "broker": "",  # scripts of before read it; a broker carries no reports any more
            "floor": held.floor,
            "phase": phase_of(held),
        }
        return {**record, "outcomes": msgspec.to_builtins(state.outcomes)}
    finally:
        state.close()


def phase_of(held: DeviceState) -> str:
    """Where the agent is, as far as its file says it."""
    if held.quarantined:
        return "retired" if held.retired else "quarantined"
    if held.trial is not None:
        return "trial"
    return "idle" if held.fetched is None else "ready" if held.fetched.tested else "download"


def fleet_lines(fleet: dict[str, Any]) -> list[str]:
    """For people."""
    if not fleet:
        return []
    from edgewright.schema.boards import WORDS

    running = f"release {fleet['counter']} in slot {fleet['active']}" if fleet["active"] else "no release"
    lines = [
        f"fleet: {fleet['product']}, {running}, floor {fleet['floor']}, {fleet['phase']}; "
        f"device {fleet['device'] or 'not enrolled'}"
    ]
    if trial := fleet["trial"]:
        limits = trial["limits"]
        lines.append(
            f"  on trial: {trial['counts']['seconds']:.0f} of {limits['seconds']:.0f} s with rows, "
            f"{trial['crashes']} of {limits['crashes']} crashes, {trial['boots']} of {limits['boots']} cut off"
        )
    if fleet["burned"]:
        lines.append("  failed here: " + ", ".join(f"release {counter}" for counter in fleet["burned"]))
    lines += [
        f"  board {one['name']}: weights {one['counter'] or 'unknown'}, {WORDS[one['state']]}"
        + (f": {one['why']}" if one["why"] else "")
        for one in fleet["boards"]
    ]
    if fleet["quarantined"]:
        lines.append(f"  {fleet['phase']}: {fleet['quarantined']}")
    for one in fleet["outcomes"][-5:]:
        because = f" ({one['because']}: {one['detail']})" if one["because"] else ""
        lines.append(f"  not reported yet: release {one['counter']} {one['what']}{because}")
    return lines
