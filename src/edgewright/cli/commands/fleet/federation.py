"""Let devices learn the last layer of their package together while their data stay on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.commands.fleet._api_options import ApiOptions, seconds
from edgewright.cli.options import FILE
from edgewright.cli.text import when
from edgewright.schema.errors import InputError, MissingExtraError
from edgewright.schema.federation import FederationSeen, FederationsSeen

EXAMPLE = "start runs/watch --fleet my-fleet --rounds 20"


PATH = "/v1/fleet/federations"


_SHOWN, _DELTA = 10, 1e-5


def wanted(api: ApiOptions, name: str | None) -> str:
    """Return an id, by default that of the latest.

    Raises:
        InputError: there is none, or a name that is no id.
    """
    if name is not None:
        if len(name) != 32 or not set(name) <= set("0123456789abcdef"):
            raise InputError("an id of 32 hexadecimal digits", repr(name), "ID", "edgewright fleet federation status")
        return name
    with api.connect() as client:
        rounds = client.ask(FederationsSeen, "GET", PATH).federations
        if not rounds:
            raise InputError("a learning of the fleet", "none", do="edgewright fleet federation start PACKAGE")
    return rounds[0].id


def seen_lines(seen: FederationSeen) -> Iterator[str]:
    """Yield where a learning stands, and its last rounds."""
    yield (
        f"{seen.id}: {seen.state}, product {seen.product}, factory layer {seen.identity:08x}, "
        f"opened {when(seen.opened_at)} UTC by {seen.opened_by}"
    )
    if seen.why:
        yield f"  {seen.why}"
    if seen.state == "running":
        doing = "waits for devices" if seen.joining else "adds up"
        yield f"  round {seen.round} of {seen.settings.rounds} {doing}: {seen.joined} devices"
    for round_ in seen.rounds[-_SHOWN:]:
        refused = ", ".join(f"{count} {reason}" for reason, count in sorted(round_.refused.items()))
        yield (
            f"  round {round_.number}: {round_.counted} of {round_.devices} devices in {round_.groups} sums, "
            f"{round_.failed} groups failed, {round_.beyond} sums beyond their range, moved {round_.moved:.1%}"
            + (f"; refused: {refused}" if refused else "")
        )
    from edgewright.core.federation.rounds import suspects

    suspected = sorted(suspects(seen.rounds[-1].suspicion)) if seen.rounds else []
    if suspected:
        yield f"  again and again in sums beyond their range: {', '.join(suspected[:_SHOWN])}"
        yield f"  {len(suspected)} devices share groups; to block one: edgewright fleet device block {suspected[0]}"
    yield _privacy(seen)


def _privacy(seen: FederationSeen) -> str:
    """Return what bounds the sums tell, after all rounds that are over."""
    from edgewright.core.federation.rounds import epsilon_of

    noise, rounds = seen.settings.noise, len(seen.rounds)
    if not noise:
        return "  no noise: no epsilon bounds what the sums tell"
    if not rounds:
        return f"  noise {noise:g}"
    try:
        epsilon = epsilon_of(noise, rounds, _DELTA)
    except MissingExtraError as error:
        return f"  noise {noise:g}; for epsilon: {error.do}"
    return f"  epsilon {epsilon:.2f} at delta {_DELTA:g} after {rounds} rounds"


@declare(example="runs/watch --fleet my-fleet --rounds 20 --noise 2")
def start(
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


@declare(example="--fleet my-fleet")
def status(
    *,
    name: str | None = argument(metavar="ID", required=False),
    api: ApiOptions,
) -> Result:
    """Show the rounds of a learning, by default of the latest: devices, sums, refusals and epsilon."""
    from edgewright.schema.federation import FederationSeen

    seen = api.ask(FederationSeen, "GET", f"{PATH}/{wanted(api, name)}")
    return Result(seen, seen_lines(seen), compact=True)


@declare(example="--fleet my-fleet --why 'wrong labels'")
def stop(
    *,
    name: str | None = argument(metavar="ID", required=False),
    why: str = option(help="Reason, for the audit log."),
    api: ApiOptions,
) -> Result:
    """Give the present round of a learning up, by default of the latest; what earlier rounds learned stays."""
    from edgewright.schema.federation import FederationSeen, StopFederation

    seen = api.ask(FederationSeen, "POST", f"{PATH}/{wanted(api, name)}/stop", StopFederation(reason=why[:400]))
    return Result(seen, seen_lines(seen), compact=True)


@declare(example="runs/watch --out learned.edge --fleet my-fleet")
def package(
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
