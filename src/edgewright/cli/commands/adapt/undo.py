"""`edgewright adapt undo`: back to the factory's layer."""

from __future__ import annotations

from pathlib import Path

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.adapt._state import opened, report, restored


@declare(example="watch.edge --state /var/lib/watch")
def command(
    package: Path = argument(metavar="RUN|PACKAGE"),
    state: Path = option(required=True, metavar="DIR", help="Folder of the device's state."),
) -> Result:
    """Forget all that a device has learned: the factory's layer answers, after a restart too."""
    from edgewright.core.adaptation.slots import Files

    predictor, _ = opened(package, state)
    with Files(state).locked():
        slots = restored(predictor, state)
        predictor.restore(slots.undo())
    return report(predictor)
