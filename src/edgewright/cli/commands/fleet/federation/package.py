"""`edgewright fleet federation package`: what a fleet has learned, as a package to publish."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions
from edgewright.cli.options import FILE


@declare(example="runs/watch --out learned.edge --fleet my-fleet")
def command(
    *,
    package: str = argument(metavar="PACKAGE"),
    name: str | None = argument(metavar="ID", required=False),
    out: Path = option(type=FILE, required=True, metavar="FILE", help="The new package."),
    force: bool = option(help="Replace FILE."),
    api: ApiOptions,
) -> Result:
    """Write PACKAGE with the layer that the fleet has learned so far, by default in the latest learning.

    Test vectors are answered again by the new network, so that the package proves itself on a device. Publish it with
    `edgewright fleet publish`: signature, canary and gates are those of any release.
    """
    from edgewright.cli.commands.fleet.federation._output import PATH, wanted
    from edgewright.cli.interrupt import loading
    from edgewright.core.adaptation.predictor import factory_of
    from edgewright.core.federation.layer import parse_layer
    from edgewright.core.package import read_package
    from edgewright.core.predictor import package_path
    from edgewright.schema.errors import InputError
    from edgewright.schema.federation import FederationSeen

    if out.exists() and not force:
        raise InputError("a new file", "one that exists", str(out), "Choose another name, or replace it with --force")
    before = read_package(package_path(package))
    factory = factory_of(before)
    seen = api.ask(FederationSeen, "GET", f"{PATH}/{wanted(api, name)}")
    if seen.identity != factory.identity:
        raise InputError(
            f"the package with the factory layer {seen.identity:08x}", f"{factory.identity:08x}", package,
            "Name the package that the learning was started with",
        )  # fmt: skip
    rounds = sum(entry.groups > 0 for entry in seen.rounds)
    if not rounds:
        raise InputError("a round with a sum", "none yet", f"learning {seen.id}", "edgewright fleet federation status")
    with loading():
        from edgewright.pipeline.package.learned_package import write_learned

    provenance = {"federation": seen.id, "federation rounds": str(rounds)}
    learned = write_learned(before, parse_layer(seen.layer, factory), out, provenance)
    return Result(
        {"package": str(out), "rounds": rounds, **msgspec.to_builtins(learned)},
        [
            f"{out}: learned in {rounds} rounds; "
            f"{learned.changed} of {learned.vectors} test vectors have another label",
            f"next: edgewright fleet publish {out} --fleet {api.fleet}",
        ],
    )
