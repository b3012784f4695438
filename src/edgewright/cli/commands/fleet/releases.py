"""`edgewright fleet releases`: what was published."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgewright.cli.command import Result, declare, option
from edgewright.cli.commands.fleet._folder import FLEET


@declare(example="--fleet my-fleet")
def command(
    folder: Path = FLEET,
    product: str | None = option(metavar="NAME", help="Only releases of this product."),
) -> Result:
    """List signed releases, by product and number; each rollback release follows its release."""
    from edgewright.fleet.repository.acceptance import read_held
    from edgewright.fleet.repository.changes import plain
    from edgewright.fleet.repository.folder import open_fleet
    from edgewright.fleet.repository.releases import listed

    fleet = open_fleet(folder)
    wanted = None if product is None else fleet.product(product)
    releases = [release for release in listed(read_held(fleet)) if wanted in (None, release.release.product)]

    def text() -> Iterator[str]:
        for release in releases:
            way = f"  back to {release.of}" if release.revert else ""
            profiles = f"  for {', '.join(release.release.profiles)}" if release.release.profiles else ""
            notes = f"  {release.notes}" if release.notes and not release.revert else ""
            signed = release.release
            yield plain(f"{signed.product} {signed.counter:>5}  {signed.package}{way}{profiles}{notes}")
        if not releases:
            yield "no releases yet: edgewright fleet publish PACKAGE"

    return Result(releases, text())
