"""One device in the terminal: where it is and why, what it asked, what happened, how it does."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from edgewright.cli.fleet._api_options import when
from edgewright.cli.fleet._table import ago, table
from edgewright.cli.fleet.devices import why
from edgewright.schema.boards import WORDS, BoardSeen
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_api import DeviceHistory, DevicePage
from edgewright.schema.fleet_report import Vitals
from edgewright.schema.fleet_watch import Events, EventSeen, Whereabouts

_MOST = 20


class DeviceDetails(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a device, newest first."""

    history: DeviceHistory
    whereabouts: Whereabouts
    events: tuple[EventSeen, ...]


def told(desk: Any, name: str) -> DeviceDetails:  # noqa: ANN401 - control.desk.Desk
    """Asks about a device.

    Args:
        desk: to ask.
        name: its id, or its name where no other device has it.

    Raises:
        InputError: no such device, or several.
    """
    found = identified(desk, name)
    path = f"/v1/fleet/devices/{found}"
    return DeviceDetails(
        history=desk.ask(DeviceHistory, "GET", f"{path}?limit={_MOST}"),
        whereabouts=desk.ask(Whereabouts, "GET", f"{path}/whereabouts"),
        events=desk.ask(Events, "GET", f"/v1/fleet/events?device={found}&limit={_MOST}").events,
    )


def identified(desk: Any, name: str) -> str:  # noqa: ANN401 - control.desk.Desk
    """The id of a device that a person names by its id or its whole name.

    Raises:
        InputError: no such device, or several.
    """
    return name if re.fullmatch(r"[0-9a-f]{32}", name) else _named(desk, name)


def _named(desk: Any, name: str) -> str:  # noqa: ANN401 - control.desk.Desk
    from urllib.parse import urlencode

    # In the order of names the exact one comes before those that only begin with it.
    said = urlencode({"name": name[:64], "limit": 10})
    page = desk.ask(DevicePage, "GET", f"/v1/fleet/devices?{said}")
    same = [one.id for one in page.devices if one.name == name]
    if len(same) == 1:
        return str(same[0])
    if same:
        raise InputError("the id of a device", f"a name that {len(same)} or more have", ", ".join(same))
    near = ", ".join(f"{one.name} ({one.id})" for one in page.devices[:3])
    raise InputError("a device's id or whole name", repr(name), near, "edgewright fleet devices lists them")


def lines(one: DeviceDetails, now: float) -> list[str]:
    """Everything, in parts."""
    device = one.history.device
    heard = "never" if device.last is None else f"{ago(now - device.last)} ago"
    said = [
        f"{device.name}  {device.id}",
        f"  {device.product}, {device.profile}, tags {', '.join(device.tags) or 'none'}, Edgewright {device.version}",
        f"  enrolled {when(device.enrolled)} UTC in batch {device.batch}; last heard {heard}",
        f"  runs release {device.counter}, floor {device.floor}, {device.phase}: {why(device)}",
    ]
    if device.vitals is not None:
        said.append(f"  {vitals(device.vitals)}")
    if abs(device.skew) > 60.0:
        said.append(f"  its clock is {ago(abs(device.skew))} {'ahead' if device.skew > 0 else 'behind'}")
    said += [f"  rollout {w.plan} of release {w.counter}, {w.state}: {w.why}" for w in one.whereabouts.rollouts]
    for intent in one.whereabouts.intents:
        answer = "may activate" if intent.go else f"is to wait: {intent.why}"
        said.append(f"  asked for release {intent.counter} at {when(intent.asked_at)}: {answer}")
    if device.boards:
        said += ["", *_boards(device.boards)]
    if one.events:
        rows = [(when(e.at), e.kind, e.text) for e in one.events]
        said += ["", *table(("what happened, UTC", "kind", ""), rows)]
    if one.history.reports:
        said += ["", *_reports(one.history)]
    return said


def vitals(of: Vitals) -> str:
    """How the model does, in a line."""
    unsure = f"{100 * of.unsure / of.windows:.1f} % unsure" if of.windows else "no windows"
    drift = f"{len(of.drifting)} of {of.channels} channels drift"
    named = f" ({', '.join(of.drifting[:5])})" if of.drifting else ""
    return (
        f"{of.windows:,} windows in {ago(of.seconds)}, {unsure}, p99 {1000 * of.latency[1]:.3g} ms, "
        f"{of.memory / 1e6:.0f} MB, {drift}{named}, {of.alarms} alarms, {of.crashes} crashes"
    )


def _boards(boards: tuple[BoardSeen, ...]) -> list[str]:
    heads = ("board", "weights", "wanted", "state", "release", "code", "")
    rows = [
        (b.name, str(b.counter or "-"), str(b.wanted or "-"), WORDS[b.state], str(b.release), b.layout or "-", b.why)
        for b in boards
    ]
    return table(heads, rows, frozenset({1, 2, 4}))


def _reports(history: DeviceHistory) -> list[str]:
    heads = ("report, UTC", "release", "floor", "phase", "windows", "unsure", "p99 ms", "MB", "drift", "alarms")
    rows = []
    for one in history.reports:
        of = one.vitals
        counted: tuple[str, ...] = ("-",) * 6
        if of is not None:
            unsure = f"{100 * of.unsure / of.windows:.1f} %" if of.windows else "-"
            drift = f"{len(of.drifting)}/{of.channels}"
            counted = (
                f"{of.windows}", unsure, f"{1000 * of.latency[1]:.3g}", f"{of.memory / 1e6:.0f}", drift, f"{of.alarms}"
            )  # fmt: skip
        rows.append((when(one.at), str(one.counter), str(one.floor), one.phase, *counted))
    return table(heads, rows, frozenset(range(4, 10)) | {1, 2})
