"""`edgewright adapt undo`: back to the factory's layer."""

from __future__ import annotations

from pathlib import Path

from edgewright.cli.adapt._state import opened, report, restored
from edgewright.cli.options import argument, declare, option


@declare("undo", epilog="Example: edgewright adapt undo watch.edge --state /var/lib/watch")
def command(
    package: Path = argument(metavar="RUN|PACKAGE"),
    state: Path = option(required=True, metavar="DIR", help="Folder of the device's state."),
    as_json: bool = option("--json", help="Print the result as JSON."),
) -> None:
    """Forget all that a device has learned: the factory's layer answers, after a restart too."""
    from edgewright.core.adaptation.slots import Files

    predictor, _ = opened(package, state)
    with Files(state).locked():
        slots = restored(predictor, state)
        predictor.restore(slots.undo())
    report(predictor, as_json)
