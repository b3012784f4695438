"""`edgewright adapt status`: what a device has learned."""

from __future__ import annotations

from pathlib import Path

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.adapt._state import opened, report


@declare(example="watch.edge --state /var/lib/watch")
def command(
    package: Path = argument(metavar="RUN|PACKAGE"),
    state: Path = option(required=True, metavar="DIR", help="Folder of the device's state."),
) -> Result:
    """Report the learned examples of each label, and whose layer answers."""
    predictor, _ = opened(package, state)
    return report(predictor)
