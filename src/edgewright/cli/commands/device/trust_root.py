"""`edgewright device trust-root`: another root for a device of a fleet whose root keys are lost."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.device._store import STORE
from edgewright.schema.errors import InputError

_LARGEST = 1 << 20


@declare(example="new.root.json --store /var/lib/edgewright")
def command(
    file: Path = argument(),
    store: Path = STORE,
    stick: bool = option(help="Replace the root of USB sticks instead of the network's."),
) -> Result:
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
    fingerprint = hashlib.sha256(content).hexdigest()
    return Result(
        {"root": version, "sha256": fingerprint},
        [f"root {version} is trusted, SHA-256 {fingerprint}; floors are unchanged"],
    )
