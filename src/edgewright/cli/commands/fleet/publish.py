"""`edgewright fleet publish`: a package becomes a signed release with a number and a way back."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._folder import FLEET, PREPARE, KeyOptions, settled_lines


@declare(example="runs/pump --fleet my-fleet --notes 'more pumps'")
def command(
    *,
    package: str = argument(metavar="PACKAGE"),
    folder: Path = FLEET,
    product: str | None = option(
        metavar="NAME", help="Product (a line of packages); required if the fleet has several."
    ),
    profiles: tuple[str, ...] = option(
        "--profile", metavar="NAME", help="Hardware profile that the release is for; may be repeated. [default: all]"
    ),
    wheels: Path | None = option(
        "--agent-wheels", metavar="DIR", help="Folder with wheels of the agent that devices install with the release."
    ),
    minimum: str = option(
        "--least", metavar="VERSION", help="Lowest version of Edgewright that a device needs to run it."
    ),
    notes: str = option(help="Release notes; devices do not read them."),
    counter: int | None = option(
        type=click.IntRange(1), metavar="N", help="Number of the release; the next one by default."
    ),
    back: int | None = option(
        "--back-to",
        type=click.IntRange(1),
        metavar="N",
        help="Release to which a rollback returns; by default the newest whose rollout was not aborted.",
    ),
    signing: KeyOptions,
    prepare: Path | None = PREPARE,
) -> Result:
    """Check PACKAGE (a .edge file or a run folder), and sign it as the next release of a product.

    Its test vectors must pass on this machine. A dormant release is signed too, with the next number and the bytes of
    the newest earlier release whose rollout was not aborted: an aborted rollout can then send devices back to it
    without an offline key. No device runs the release before a rollout says so (edgewright fleet rollout start).
    """
    from edgewright.core.predictor import package_path
    from edgewright.fleet.repository.acceptance import settle, writing
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.publication import prepare_release, with_wheels

    fleet = open_fleet(folder)
    path, now = package_path(package), time.time()
    ring = signing.ring(fleet)
    with writing(fleet, now, ring), TemporaryDirectory() as temporary:
        if wheels is not None:
            path = with_wheels(path, wheels, Path(temporary))
        change, releases = prepare_release(
            fleet, path, now, product=fleet.product(product), counter=counter, profiles=profiles, minimum=minimum,
            notes=notes[:1000], back=back,
        )  # fmt: skip
        settled = settle(fleet, change, ring, now, prepare)
    lines = []
    for published in releases:
        release, way = published.release, f", the way back to {published.of}" if published.revert else ""
        lines.append(f"{release.product} {release.counter}: {release.package}, {release.length:,} bytes{way}")
    return Result({"change": settled, "releases": releases}, [*lines, *settled_lines(settled, folder)])
