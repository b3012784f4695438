"""`edgewright bus run`: the shadow service."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.command import argument, declare, option
from edgewright.cli.interrupt import Ending


@declare(example="bus.toml --store /var/lib/edgewright-bus")
def command(
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
