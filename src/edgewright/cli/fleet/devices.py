"""`edgewright fleet devices`: which devices there are, and why each is where it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from edgewright.cli.fleet._api_options import desk_options, print_json, seconds

if TYPE_CHECKING:
    from edgewright.schema.fleet_api import DevicePage, DeviceSeen

_PATH = "/v1/fleet/devices"
_SORTS = ("name", "-name", "counter", "-counter", "seen", "-seen", "enrolled", "-enrolled")


@click.command("devices", epilog="Example: edgewright fleet devices --fleet my-fleet --silent 2h --sort seen")
@click.argument("device", required=False)
@click.option("--product", default="", help="Of this product only.")
@click.option("--tag", default="", help="With this tag.")
@click.option("--profile", default="", help="Of this hardware profile.")
@click.option("--counter", type=click.IntRange(0), help="That run this release.")
@click.option(
    "--phase", default="", type=click.Choice(["", "idle", "download", "ready", "intent", "trial"]), metavar="PHASE",
    help="idle, download, ready, intent or trial.",
)  # fmt: skip
@click.option("--plan", default="", help="That follow this rollout.")
@click.option("--name", default="", help="Whose name begins so.")
@click.option("--quarantined/--not-quarantined", default=None, help="In quarantine, or not.")
@click.option("--silent", metavar="TIME", help="That said nothing for so long, such as 2h.")
@click.option(
    "--sort", type=click.Choice(_SORTS), default="name", show_default=True, metavar="COLUMN",
    help="name, counter, seen or enrolled; with - in front the largest first.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many at once.")
@click.option("--after", type=click.IntRange(0), default=0, help="Leave out so many; the last line says which.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@desk_options
def command(device: str | None, as_json: bool, asked: Callable[[], Any], **options: Any) -> None:  # noqa: ANN401
    """List devices, or show one: DEVICE is its id or its name.

    The list says of each what it runs, its floor, where its agent is, which rollout it follows, when it was heard, and
    in its own words why it is where it is. One device is shown with what every rollout says to it, what it asked, its
    outcomes, alarms and reports. Text of devices is shown without control characters.
    """
    from edgewright.cli.fleet import _device
    from edgewright.cli.fleet._table import show

    with asked() as desk:
        if device is not None:
            told = _device.told(desk, device)
            if as_json:
                print_json(told)
            else:
                show(_device.lines(told, time.time()))
            return
        page = _page(desk, options)
    if as_json:
        print_json(page)
        return
    show(lines(page, time.time()))
    _count(page, options["after"])


def _page(desk: Any, options: dict[str, Any]) -> DevicePage:  # noqa: ANN401 - control.desk.Desk
    from urllib.parse import urlencode

    from edgewright.schema.fleet_api import DevicePage

    said = {name: options[name] for name in ("product", "tag", "profile", "phase", "plan", "name") if options[name]}
    if options["counter"] is not None:
        said["counter"] = options["counter"]
    if options["quarantined"] is not None:
        said["quarantined"] = "yes" if options["quarantined"] else "no"
    if options["silent"]:
        said["silent"] = seconds(options["silent"], "--silent")
    said |= {"order": options["sort"].replace("seen", "last"), "limit": options["limit"], "after": options["after"]}
    found: DevicePage = desk.ask(DevicePage, "GET", f"{_PATH}?{urlencode(said)}")
    return found


def lines(page: DevicePage, now: float) -> list[str]:
    """A table of devices."""
    from edgewright.cli.fleet._table import table

    if not page.devices:
        return []
    heads = ("name", "profile", "tags", "release", "floor", "phase", "rollout", "heard", "why")
    rows = [_row(one, now) for one in page.devices]
    if len({one.name for one in page.devices}) == len(rows):
        return table(heads, rows, frozenset({3, 4, 7}))
    # Names that several have do not say which one it is.
    rows = [(one.id, *row) for one, row in zip(page.devices, rows, strict=True)]
    return table(("id", *heads), rows, frozenset({4, 5, 8}))


def _row(one: DeviceSeen, now: float) -> tuple[str, ...]:
    from edgewright.cli.fleet._table import ago

    plan = f"{one.plan}:{one.stage + 1}" if one.plan and one.stage >= 0 else one.plan
    heard = "never" if one.last is None else ago(now - one.last)
    return (
        one.name, one.profile, ",".join(one.tags), str(one.counter), str(one.floor), one.phase,
        plan or "-", heard, why(one),
    )  # fmt: skip


def why(one: DeviceSeen) -> str:
    """One line about why a device is where it is."""
    if one.quarantined:
        return f"quarantined: {one.quarantine_reason}"
    if one.last is None:
        return "enrolled, and has never reported"
    return one.why or "-"


def _count(page: DevicePage, after: int) -> None:
    if not page.devices:
        click.echo("no device is like that" if page.total == 0 else f"only {page.total:,} are like that")
    elif page.next is not None:
        click.echo(f"{after + 1:,} to {page.next:,} of {page.total:,}; go on with --after {page.next}")
    else:
        click.echo(f"{page.total:,} device{'s' if page.total != 1 else ''}")


COMMAND = command
