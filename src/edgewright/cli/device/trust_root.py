"""`edgewright device trust-root`: another root for a device of a fleet whose root keys are lost."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from edgewright.cli.device._store import store_option
from edgewright.schema.errors import InputError

_LARGEST = 1 << 20


@click.command("trust-root", epilog="Example: edgewright device trust-root new.root.json --store /var/lib/edgewright")
@click.argument("file", type=click.Path(path_type=Path))
@store_option
@click.option("--stick", is_flag=True, help="Replace the root of USB sticks instead of the network's.")
def command(file: Path, store: Path, stick: bool) -> None:
    """Trust the root in FILE from now on, instead of the one that was pinned at enrolment.

    Whoever holds its keys decides what this device runs: get the file from the operators of the fleet and compare its
    hash. The lowest release that the device accepts, and the releases that failed here, stay as they are. Stop
    `edgewright device run` first.
    """
    from edgewright.core.files import os_errors
    from edgewright.fleet.device.enrollment import TRUST_FOLDER
    from edgewright.fleet.device.store_lock import locked
    from edgewright.fleet.device.trust.pinned_root import recover
    from edgewright.fleet.device.usb_repository import FOLDER

    with os_errors(InputError, "a root", file), file.open("rb") as opened:
        content = opened.read(_LARGEST)
    if not store.is_dir():
        raise InputError("the folder of a store", "none", str(store), "Set it with --store")
    with locked(store):
        version = recover(store / (FOLDER if stick else TRUST_FOLDER), content, str(file))
    click.echo(f"root {version} is trusted, SHA-256 {hashlib.sha256(content).hexdigest()}; floors are unchanged")
