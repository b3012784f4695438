"""`edgewright fleet devices`: which devices there are, and why each is where it is."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions, seconds
from edgewright.cli.text import table, when
from edgewright.core.errors import DeviceUnknownError
from edgewright.core.formatting import elapsed_text, plural
from edgewright.core.measures import columns, measures
from edgewright.core.records.fleet import WORDS, BoardSeen, Vitals
from edgewright.fleet.protocol.api_records import DeviceHistory, DevicePage, DeviceSeen
from edgewright.fleet.protocol.rollout_records import Events, EventSeen, Whereabouts

if TYPE_CHECKING:
    from edgewright.fleet.server.api.client import ApiClient

_PATH = "/v1/fleet/devices"
_SORTS = ("name", "-name", "counter", "-counter", "seen", "-seen", "enrolled", "-enrolled")


@dataclass(frozen=True, kw_only=True)
class DeviceQuery:
    """Options that say which devices are listed, and in which order."""

    product: str = option(help="Only devices of this product.")
    tag: str = option(help="Only devices with this tag.")
    profile: str = option(help="Only devices with this hardware profile.")
    counter: int | None = option(type=click.IntRange(0), help="Only devices that run this release.")
    phase: str = option(
        type=click.Choice(["", "idle", "download", "ready", "intent", "trial"]), metavar="PHASE",
        help="Only devices in this phase: idle, download, ready, intent or trial.",
    )  # fmt: skip
    plan: str = option(help="Only devices that follow this rollout.")
    name: str = option(help="Only devices whose name begins with this.")
    quarantined: bool | None = option(
        "--quarantined/--not-quarantined", help="Only devices in quarantine, or only those that are not."
    )
    status: str = option(
        type=click.Choice(["", "active", "blocked", "retired", "any"]), metavar="STATUS",
        help="Only active, blocked or retired devices, or any; without it, all but retired ones.",
    )  # fmt: skip
    silent: str | None = option(metavar="TIME", help="Only devices that have not reported for this long, such as 2h.")
    sort: str = option(
        type=click.Choice(_SORTS), default="name", metavar="COLUMN",
        help="name, counter, seen or enrolled; a leading - sorts in descending order.",
    )  # fmt: skip
    limit: int = option(type=click.IntRange(1, 1000), default=100, help="Largest number of devices.")
    after: int = option(
        type=click.IntRange(0), default=0, show_default=False, help="Number of devices to skip; the last line names it."
    )

    def address(self) -> str:
        """Return the path of the list on the control plane."""
        texts = ("product", "tag", "profile", "phase", "plan", "name", "status")
        query: dict[str, object] = {name: getattr(self, name) for name in texts if getattr(self, name)}
        if self.counter is not None:
            query["counter"] = self.counter
        if self.quarantined is not None:
            query["quarantined"] = "yes" if self.quarantined else "no"
        if self.silent:
            query["silent"] = seconds(self.silent, "--silent")
        query |= {"order": self.sort.replace("seen", "last"), "limit": self.limit, "after": self.after}
        return f"{_PATH}?{urlencode(query)}"


@declare(example="--fleet my-fleet --silent 2h --sort seen")
def command(*, device: str | None = argument(required=False), query: DeviceQuery, api: ApiOptions) -> Result:
    """List devices, or show one: DEVICE is its id or its name.

    The list shows what each device runs, the lowest release it accepts, the state of its agent, the rollout it follows,
    when it last reported, how old the signed metadata is that it has, whether it is behind its rollout, and the reason
    it gives for its state. For one device, it shows what every rollout decides about it, its requests, outcomes, alarms
    and reports. Control characters in text from devices are removed.
    """
    if device is None:
        page = api.ask(DevicePage, "GET", query.address())
        return Result(page, [*lines(page, time.time()), _count(page, query.after)], compact=True)
    with api.connect() as client:
        whole = details(client, device)
    return Result(whole, detail_lines(whole, time.time()), compact=True)


def lines(page: DevicePage, now: float) -> list[str]:
    """Return a table of devices."""
    if not page.devices:
        return []
    heads = ("name", "profile", "tags", "release", "floor", "phase", "rollout", "heard", "metadata", "why")
    rows = [_row(one, now) for one in page.devices]
    if len({one.name for one in page.devices}) == len(rows):
        return table(heads, rows, frozenset({3, 4, 7, 8}), cut=True)
    # Names that several have do not say which one it is.
    rows = [(one.id, *row) for one, row in zip(page.devices, rows, strict=True)]
    return table(("id", *heads), rows, frozenset({4, 5, 8, 9}), cut=True)


def _row(one: DeviceSeen, now: float) -> tuple[str, ...]:
    plan = f"{one.plan}:{one.stage + 1}" if one.plan and one.stage >= 0 else one.plan
    reported = "never" if one.last is None else elapsed_text(now - one.last)
    return (
        one.name, one.profile, ",".join(one.tags), str(one.counter), str(one.floor), one.phase,
        plan or "-", reported, elapsed_text(now - one.signed) if one.signed else "-", why(one),
    )  # fmt: skip


def why(one: DeviceSeen) -> str:
    """One line about why a device is where it is."""
    if one.quarantined:
        return f"{one.phase}: {one.quarantine_reason}"
    if one.last is None:
        return "enrolled, never reported"
    notes = (
        "runs a release that nobody published" if one.unknown else "", f"behind: {one.behind}" if one.behind else "",
        f"download failed {one.transport_faults} times" if one.transport_faults else "", one.why,
    )  # fmt: skip
    return "; ".join(note for note in notes if note) or "-"


def _count(page: DevicePage, after: int) -> str:
    if not page.devices:
        return "no device matches" if page.total == 0 else f"only {page.total:,} match"
    if page.next is not None:
        return f"{after + 1:,} to {page.next:,} of {page.total:,}; next page: --after {page.next}"
    return plural(page.total, "device")


_MAX_REPORTS = 20


class DeviceDetails(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a device, newest first."""

    history: DeviceHistory
    whereabouts: Whereabouts
    events: tuple[EventSeen, ...]


def details(api: ApiClient, name: str) -> DeviceDetails:
    """Ask about a device.

    Raises:
        InputError: no such device, or several.
    """
    device = device_id(api, name)
    path = f"/v1/fleet/devices/{device}"
    return DeviceDetails(
        history=api.ask(DeviceHistory, "GET", f"{path}?limit={_MAX_REPORTS}"),
        whereabouts=api.ask(Whereabouts, "GET", f"{path}/whereabouts"),
        events=api.ask(Events, "GET", f"/v1/fleet/events?device={device}&limit={_MAX_REPORTS}").events,
    )


def device_id(api: ApiClient, name: str) -> str:
    """Return the id of a device that a person names by its id or its whole name.

    Raises:
        InputError: no such device, or several.
    """
    return name if re.fullmatch(r"[0-9a-f]{32}", name) else _named(api, name)


def _named(api: ApiClient, name: str) -> str:
    # In the order of names the exact one comes before those that only begin with it. A device that replaces a retired
    # one may have its name: the retired one is meant only where no other has it.
    for status in ("", "any"):
        text = urlencode({"name": name[:64], "limit": 10, "status": status})
        page = api.ask(DevicePage, "GET", f"{_PATH}?{text}")
        if any(one.name == name for one in page.devices):
            break
    same = [one.id for one in page.devices if one.name == name]
    if len(same) == 1:
        return str(same[0])
    if same:
        raise DeviceUnknownError("the id of a device", f"a name of {len(same)} or more devices", ", ".join(same))
    near = ", ".join(f"{one.name} ({one.id})" for one in page.devices[:3])
    raise DeviceUnknownError("a device's id or whole name", repr(name), near, "List them with edgewright fleet devices")


def detail_lines(one: DeviceDetails, now: float) -> list[str]:
    """Return everything, in parts."""
    device = one.history.device
    reported = "never" if device.last is None else f"{elapsed_text(now - device.last)} ago"
    lines = [
        f"{device.name}  {device.id}",
        f"  {device.product}, {device.profile}, tags {', '.join(device.tags) or 'none'}, Edgewright {device.version}",
        f"  enrolled {when(device.enrolled)} UTC in batch {device.batch}; last heard {reported}",
        f"  runs release {device.counter}, floor {device.floor}, {_state(device)}",
    ]
    if device.signed:
        lines.append(f"  its signed metadata is {elapsed_text(now - device.signed)} old")
    if device.vitals is not None:
        lines.append(f"  {vitals_text(device.vitals)}")
    if abs(device.skew) > 60.0:
        lines.append(f"  its clock is {elapsed_text(abs(device.skew))} {'ahead' if device.skew > 0 else 'behind'}")
    lines += [f"  rollout {w.plan} of release {w.counter}, {w.state}: {w.why}" for w in one.whereabouts.rollouts]
    for intent in one.whereabouts.intents:
        answer = "may activate" if intent.go else f"must wait: {intent.why}"
        lines.append(f"  asked for release {intent.counter} at {when(intent.asked_at)}: {answer}")
    if device.boards:
        lines += ["", *_boards(device.boards)]
    if one.events:
        rows = [(when(e.at), e.kind, e.text) for e in one.events]
        lines += ["", *table(("what happened, UTC", "kind", ""), rows, cut=True)]
    if one.history.reports:
        lines += ["", *_reports(one.history)]
    return lines


def _state(one: DeviceSeen) -> str:
    return why(one) if one.quarantined else f"{one.phase}: {why(one)}"


def vitals_text(of: Vitals) -> str:
    """How the model does, in a line."""
    unsure = f"{100 * of.unsure / of.windows:.1f} % unsure" if of.windows else "no windows"
    drift = f"{len(of.drifting)} of {of.channels} channels drift"
    named = f" ({', '.join(of.drifting[:5])})" if of.drifting else ""
    read = {name: one for name, one in measures().items() if one.read and name != "memory"}
    own = "".join(
        f"{'' if name in one.unit else f'{name} '}"
        f"{f'{100 * value:.2g} %' if one.is_fraction else f'{value:.4g}'}{one.unit}, "
        for name, one in read.items()
        if (value := one.value(columns(of))) is not None
    )
    return (
        f"{of.windows:,} windows in {elapsed_text(of.seconds)}, {unsure}, p99 {1000 * of.latency[1]:.3g} ms, "
        f"{of.memory / 1e6:.0f} MB, {own}{drift}{named}, {of.alarms} alarms, {of.crashes} crashes"
    )


def _boards(boards: tuple[BoardSeen, ...]) -> list[str]:
    heads = ("board", "weights", "wanted", "state", "release", "code", "")
    rows = [
        (b.name, str(b.counter or "-"), str(b.wanted or "-"), WORDS[b.state], str(b.release), b.layout or "-", b.why)
        for b in boards
    ]
    return table(heads, rows, frozenset({1, 2, 4}), cut=True)


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
    return table(heads, rows, frozenset(range(4, 10)) | {1, 2}, cut=True)
