"""`edgewright fleet federation start`: opens the first round."""

from __future__ import annotations

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions, seconds


@declare(example="runs/watch --fleet my-fleet --rounds 20 --noise 2")
def command(
    *,
    package: str = argument(metavar="PACKAGE"),
    product: str = option(metavar="NAME", help="Product of the devices; required if the fleet has several."),
    rounds: int = option(default=20, type=click.IntRange(1, 1000), help="Rounds of learning."),
    size: int = option("--devices-in-group", default=5, type=click.IntRange(3, 64), help="Devices of a secure sum."),
    passes: int = option(default=2, type=click.IntRange(1, 50), help="Passes of a device over its own examples."),
    clip: float = option(
        default=0.1,
        type=click.FloatRange(0, 4, min_open=True),
        help="How far the direction of a device counts, as a share of the norm of the layer.",
    ),
    noise: float = option(
        default=0.0, type=click.FloatRange(0, 1000), help="Noise in a sum, as a multiple of the signs of a device."
    ),
    devices: int = option(default=0, type=click.IntRange(0), help="A round begins at once with so many devices."),
    join: str = option(default="10m", metavar="TIME", help="How long a round waits for devices."),
    patience: str = option(default="2m", metavar="TIME", help="How long a step of a round waits for a device."),
    api: ApiOptions,
) -> Result:
    """Let the devices that run PACKAGE (a .edge file or a run folder) learn its last layer together.

    A device sends masked signs of its change, of which the server sees sums of small groups only. The rounds follow
    each other; a server that restarts goes on. `fleet federation package` then writes what was learned as a package,
    to be published and rolled out as any other.
    """
    from edgewright.cli.commands.fleet.federation._output import PATH, seen_lines
    from edgewright.core.adaptation.factory import arrays_of
    from edgewright.core.adaptation.predictor import factory_of
    from edgewright.core.package import read_package
    from edgewright.core.predictor import package_path
    from edgewright.schema.federation import FactoryFiles, FederationSeen, FederationSettings, StartFederation

    factory = factory_of(read_package(package_path(package)))
    request = StartFederation(
        product=product, factory=FactoryFiles(adapt=factory.spec, files=arrays_of(factory)),
        settings=FederationSettings(
            rounds=rounds, group=size, passes=passes, clip=clip, noise=noise,
            at_once=devices, join_s=seconds(join, "--join"), answer_s=seconds(patience, "--patience"),
        ),
    )  # fmt: skip
    seen = api.ask(FederationSeen, "POST", PATH, request)
    return Result(seen, seen_lines(seen), compact=True)
