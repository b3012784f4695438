"""What `device run` does with `--fleet`: options, and the agent that supervises the model's process."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgewright.cli.command import option
from edgewright.cli.interrupt import Ending
from edgewright.core.errors import DONE, InputError, OutputError

if TYPE_CHECKING:
    from edgewright.device.agent.settings import Configured
    from edgewright.fleet.device.state_database import DeviceState


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
    mirror: tuple[str, ...] = option(
        metavar="URL", help="With --fleet: another address with the packages, for when one sends none or wrong bytes."
    )
    stick: str = option(metavar="DIR", help="With --fleet: where USB sticks are mounted.")
    keep_agent: bool = option("--keep-agent", help="With --fleet: take no wheels of the agent from a release.")
    # Still accepted: units of installed devices have it, and an agent that refuses it could not be updated.
    federate: bool = option("--federate", hidden=True)
    broker: str = option(hidden=True)
    poll: float = option(
        type=click.FloatRange(1.0, 86_400.0), default=60.0, metavar="SECONDS",
        help="With --fleet: time between two checks for updates.",
    )  # fmt: skip


def follow_fleet(
    package: str, source: str, store: Path | None, config: Path | None, more: tuple[str, ...], quiet: bool,
    fleet: FollowOptions,
) -> int:  # fmt: skip
    """Supervise the model's process until a signal to end; return the exit code.

    Args:
        package: that came with the device; empty for none.
        source: source of rows, as given to the command.
        store: folder of the store, as of the command.
        config: TOML of the agent, as of the command.
        more: options that the model's process gets too.
        quiet: says nothing of where the device is.
        fleet: the options above.
    """
    # None of this may import NumPy: the launcher and the agent stay small, the model's process is another one.
    from edgewright.cli.options import enrollment_token
    from edgewright.device.agent.systemd import store_folder
    from edgewright.fleet.device import launcher

    folder = store_folder(store)
    if not launcher.launched():
        token = enrollment_token(fleet.token, fleet.token_file)
        return launcher.launch(folder, token, quiet, click.get_current_context().obj)
    if launcher.superseded():
        return DONE
    from edgewright.device.boards.configuration import read_boards
    from edgewright.fleet.device.runner import RunnerOptions, arguments, follow, forward

    if fleet.federate:
        _say("--federate has no effect: federated learning was removed; delete it from the device's unit")
    if fleet.broker:
        _say("--broker has no effect: the device polls every --poll seconds; delete it from the device's unit")
    options = RunnerOptions(
        url=fleet.fleet, token=os.environ.pop(launcher.TOKEN_VARIABLE, ""), store=folder,
        package=Path(package) if package else None,
        arguments=arguments(folder, config, source, more), name=fleet.name, profile=fleet.profile, ca_file=fleet.ca,
        poll=fleet.poll, mirrors=fleet.mirror, stick=Path(fleet.stick) if fleet.stick else None,
        boards=read_boards(config, source), keep_agent=fleet.keep_agent,
        config=config,
    )  # fmt: skip
    with Ending() as ending:
        follow(options, ending.is_requested, (lambda line: None) if quiet else _say, forward)
    return ending.code()


def _say(line: str) -> None:
    # To standard error: standard output is that of the model's process. A log that cannot be written ends no agent.
    with suppress(OSError):
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
    from edgewright.core.read_only_database import read_unchanged
    from edgewright.fleet.device.state_database import FILE

    if not (store / FILE).exists():
        return {}
    return read_unchanged(store / FILE, lambda: _followed(store))


def _followed(store: Path) -> dict[str, Any]:
    from edgewright.fleet.device.state_database import State

    state = State.open(store, writable=False)
    try:
        device, link = state.device_state, state.link
        record: dict[str, Any] = msgspec.to_builtins(device)
        record |= {
            "device": link.device,
            "tags": link.newest_tags,
            "broker": "",  # scripts of before read it; a broker carries no reports any more
            "floor": device.floor,
            "phase": phase_of(device),
        }
        return {**record, "outcomes": msgspec.to_builtins(state.outcomes), "launcher": _watched(store, device)}
    finally:
        state.close()


def _watched(store: Path, device: DeviceState) -> dict[str, Any]:
    """Return what the launcher counts in the trial of a new agent, and what it took back last."""
    from edgewright.fleet.device.agent_choice import new_agent
    from edgewright.fleet.device.launcher_record import RecordFile

    try:
        record = RecordFile(store).read()
    except (InputError, OutputError) as error:
        return {"error": str(error)}
    watched: dict[str, Any] = {"returned": msgspec.to_builtins(record.returned)}
    trial = new_agent(device)
    if trial is not None:
        names = ("starts", "ends", "cuts", "waited", "how")
        watched |= {name: getattr(record, name) for name in names}
        watched["patience_left_s"] = max(0.0, trial.limits.patience - record.waited) if trial.limits.patience else None
    return watched


def phase_of(device: DeviceState) -> str:
    """Where the agent is, as far as its file says it."""
    if device.quarantined:
        return "retired" if device.retired else "quarantined"
    if device.trial is not None:
        return "trial"
    return "idle" if device.fetched is None else "ready" if device.fetched.tested else "download"


def launcher_lines(watched: dict[str, Any]) -> list[str]:
    """For people, what the launcher watches."""
    from edgewright.fleet.protocol.plans.decision import day

    lines = [f"  launcher: {watched['error']}"] if "error" in watched else []
    if "starts" in watched:
        left = watched["patience_left_s"]
        text = f"  new agent: {watched['starts']} starts without a report, ended {watched['ends']} times"
        text += f" (last: {watched['how']})" if watched["how"] else ""
        lines.append(f"{text}; patience left: {'any' if left is None else f'{left:.0f} s'}")
    if returned := watched.get("returned"):
        lines.append(
            f"  last return: release {returned['counter']} and its agent, {day(returned['at'])}"
            f" ({returned['because']}: {returned['why']})"
        )
    return lines


def fleet_lines(fleet: dict[str, Any]) -> list[str]:
    """For people."""
    if not fleet:
        return []
    from edgewright.core.records.fleet import WORDS

    running = f"release {fleet['counter']} in slot {fleet['active']}" if fleet["active"] else "no release"
    lines = [
        f"fleet: {fleet['product']}, {running}, floor {fleet['floor']}, {fleet['phase']}; "
        f"device {fleet['device'] or 'not enrolled'}"
    ]
    if not fleet["device"]:
        from edgewright.fleet.device.state_database import NOT_ENROLLED

        lines.append(f"  {NOT_ENROLLED}")
    if trial := fleet["trial"]:
        limits = trial["limits"]
        lines.append(
            f"  on trial: {trial['counts']['seconds']:.0f} of {limits['seconds']:.0f} s with rows, "
            f"{trial['crashes']} of {limits['crashes']} crashes, {trial['boots']} of {limits['boots']} cut off"
        )
    lines += launcher_lines(fleet["launcher"])
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
