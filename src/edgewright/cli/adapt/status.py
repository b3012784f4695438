"""`edgewright adapt status`: what a device has learned."""

from __future__ import annotations

from pathlib import Path

from edgewright.cli.adapt._state import opened, report
from edgewright.cli.options import argument, declare, option


@declare("status", epilog="Example: edgewright adapt status watch.edge --state /var/lib/watch")
def command(
    package: Path = argument(metavar="RUN|PACKAGE"),
    state: Path = option(required=True, metavar="DIR", help="Folder of the device's state."),
    as_json: bool = option("--json", help="Print the status as JSON."),
) -> None:
    """Report the learned examples of each label, and whose layer answers."""
    predictor, _ = opened(package, state)
    report(predictor, as_json)
