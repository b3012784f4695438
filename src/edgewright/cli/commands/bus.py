"""Give services of a gateway rights at its broker, and keep shadows of devices that Home Assistant finds."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import Ending

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.device.bus.shadow_store import Shadow

EXAMPLE = "rights bus.toml --out broker"


@declare(example="bus.toml --out broker && mosquitto -c broker/mosquitto.conf")
def rights(
    *,
    bus: Path = argument(metavar="BUS.TOML"),
    out: Path = option(metavar="DIR", required=True, help="Folder for the files of the broker."),
    owner: str = option(metavar="USER", help="User as which the broker runs. [default: you]"),
) -> Result:
    """Write the access list, the passwords and a configuration of Mosquitto for the services and devices of BUS.TOML.

    DIR/secrets/USER has the password of a user; those that exist are kept. What BUS.TOML does not allow is refused. Run
    the command again after a change, and let the broker reload its files (SIGHUP).
    """
    from edgewright.device.bus.rights import users, write_rights
    from edgewright.device.bus.settings import read_bus

    settings = read_bus(bus)
    new = write_rights(settings, out, owner)
    known = users(settings)
    lines = [
        f"{name} publishes {', '.join(service.publish) or 'nothing'}; reads {', '.join(service.subscribe) or 'nothing'}"
        for name, service in sorted(known.items())
    ]
    lines.append(f"{click.format_filename(out)}: {len(new)} new passwords of {len(known)}")
    return Result({"folder": str(out), "users": sorted(known), "new": new}, lines)


@declare(example="bus.toml --store /var/lib/edgewright-bus")
def run(
    *,
    bus: Path = argument(metavar="BUS.TOML"),
    store: Path = option(metavar="DIR", required=True, help="Folder of the shadows."),
) -> int:
    """Keep the shadows of devices: desired and reported state, merged with other copies, durable before it is told.

    Runs until Ctrl-C or SIGTERM. It needs no cloud; a broker that is away is asked again every 5 seconds. Home
    Assistant finds the devices of BUS.TOML by itself.
    """
    from edgewright._version import __version__
    from edgewright.device.bus.service import ShadowService
    from edgewright.device.bus.settings import read_bus
    from edgewright.device.bus.shadow_store import ShadowStore
    from edgewright.device.store.file_operations import lock_folder

    settings = read_bus(bus)
    with lock_folder(store, "lock", "a store that no other `edgewright bus run` uses"):
        opened = ShadowStore(store)
        try:
            service = ShadowService(settings, opened, __version__, _say)
            with Ending() as ending:
                service.run(ending.is_requested, lambda: click.echo(f"copy {opened.origin} serves {settings.topic}"))
        finally:
            opened.close()
    return ending.code()


def _say(text: str) -> None:
    click.echo(f"edgewright: {' '.join(text.splitlines())}", err=True)


@declare(example="--store /var/lib/edgewright-bus room")
def show(
    *,
    device: str = argument(metavar="[DEVICE]", required=False, default=""),
    store: Path = option(metavar="DIR", required=True, help="Folder of the shadows."),
) -> Result:
    """Print the shadows of a store, or of one DEVICE; the service may be running."""
    from edgewright.core.read_only_database import read_unchanged
    from edgewright.device.bus.shadow_store import SHADOW_FILE, ShadowStore, state_of
    from edgewright.schema.errors import UnknownNameError

    def load() -> dict[str, Shadow]:
        with closing(ShadowStore(store, writable=False)) as opened:
            return opened.load()

    shadows = read_unchanged(store / SHADOW_FILE, load)
    if device and device not in shadows:
        raise UnknownNameError("shadow", device, sorted(shadows), str(store))
    shown = {name: shadow for name, shadow in sorted(shadows.items()) if device in ("", name)}
    return Result({name: msgspec.json.decode(state_of(shadow)) for name, shadow in shown.items()}, _lines(shown))


def _lines(shadows: dict[str, Shadow]) -> Iterator[str]:
    for name, shadow in shadows.items():
        yield f"{name}, version {shadow.version}"
        delta = shadow.delta()
        for part in ("desired", "reported"):
            for key, value in shadow.values(part).items():
                waits = "  (not reported yet)" if part == "desired" and key in delta else ""
                yield f"  {part:<8} {key} = {bytes(value).decode()}{waits}"
