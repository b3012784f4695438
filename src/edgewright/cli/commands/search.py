"""`edgewright search`: architectures under a device's budget, as a front of error, flash, RAM and latency."""

from __future__ import annotations

from edgewright.cli.interrupt import loading
from edgewright.cli.options import declare
from edgewright.cli.search_options import SearchOptions


@declare(
    "search", epilog="Example: edgewright search hapt --device cortex-m4 --budget flash=64kB,ram=32kB --trials 100"
)
def command(options: SearchOptions) -> None:
    """Search networks and features for PIPELINE (a name or a TOML file) that a device has room for.

    Points are estimated before they are trained; those beyond the budget are not trained. People whom [split]
    test_groups names take no part. Leaves a study that --resume goes on with after any kill, front.html, and a
    pipeline points/N.toml for every point of the front: edgewright run STUDY/points/N.toml
    """
    with loading():
        from edgewright.cli.search_output import search

    search(options)
