"""Run a model on a device, record data, and inspect the device's store."""

from edgewright.cli.commands.device._store import (  # noqa: F401 - commands
    check,
    export,
    label,
    purge,
    query,
    trust_root,
)

EXAMPLE = "status --store /var/lib/edgewright"
