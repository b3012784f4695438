"""`edgewright profiles`: the devices that estimates are made for, and which of them hold a small language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from edgewright.cli.options import argument, declare, option
from edgewright.cli.output import print_json
from edgewright.core.formatting import bytes_text
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.schema.profile import Profile
    from edgewright.schema.small_model import Fit


@dataclass(frozen=True, kw_only=True)
class ProfilesOptions:
    """Options of the command."""

    names: tuple[str, ...] = argument(metavar="[NAME]...", nargs=-1)
    llm: bool = option(help="List small language models and the devices that hold them.")
    models: tuple[str, ...] = option("--model", help="With --llm: only this model or TOML file; may be repeated.")
    devices: tuple[str, ...] = option(
        "--device", metavar="PROFILE", help="Only this profile or TOML file; may be repeated."
    )
    context: int = option(type=click.IntRange(1), default=2048, help="With --llm: tokens of context.")
    as_json: bool = option("--json", help="Print everything, with the source of every figure, as JSON.")


@declare("profiles", epilog="Example: edgewright profiles nrf52840")
def command(options: ProfilesOptions) -> None:
    """List device profiles, show those named, or with --llm the small language models that fit them.

    NAME is a profile, or the path of your own TOML file. Every figure comes with its source. Memory is weights and
    key-value cache, and 10 % must stay free; tokens a second are the upper limit set by the memory's bandwidth, since
    every token reads all weights once. Scores are published ones; scores of different tasks cannot be compared.
    """
    from edgewright.profiles import small_models
    from edgewright.profiles.catalogue import listing, load_profile

    if options.models and not options.llm:
        raise InputError("--llm beside --model", "none", "profiles")
    devices = (*options.names, *options.devices)
    if not options.llm:
        profiles = [load_profile(name) for name in devices or listing()]
        if options.as_json:
            print_json(profiles)
            return
        for profile in profiles:
            _whole(profile) if options.names else _device(profile)
        return
    models = options.models or small_models.listing()
    fits = [small_models.fit(small_models.load(name), options.context, devices) for name in models]
    if options.as_json:
        print_json(fits)
        return
    _table(fits, options.context)


def _device(profile: Profile) -> None:
    click.echo(f"{profile.name:<19}  {profile.description}")
    parts = [f"{name} {bytes_text(getattr(profile, name).value)}" for name in ("flash", "ram")]
    parts.append(f"{profile.clock.value / 1e6:,.0f} MHz")
    if profile.bandwidth is not None:
        parts.append(f"memory {profile.bandwidth.value / 1e9:.1f} GB/s")
    click.echo(f"{'':<19}  {', '.join(parts)}, {profile.instruction_set}")


def _whole(profile: Profile) -> None:
    """Everything of a profile, with sources."""
    from edgewright.profiles.catalogue import figures

    click.echo(f"{profile.name}: {profile.description}")
    for key, text in (
        ("instruction set", profile.instruction_set),
        ("inherits", profile.inherits),
        ("core", profile.core),
        ("estimated as", profile.estimated_as),
    ):
        if text:
            click.echo(f"  {key:<15} {text}")
    for key, figure in figures(profile).items():
        click.echo(f"  {key.replace('_', ' '):<15} {_value(figure.value, figure.unit)}")
        click.echo(f"  {'':<15}   {figure.source}")
    for region in profile.regions:
        wait = f", a read waits {region.wait:g} cycles" if region.wait else ""
        click.echo(f"  region {region.name:<8} {_value(region.bytes, 'B')}{wait}")
        click.echo(f"  {'':<15}   {region.source}")
    for one in profile.accelerators:
        click.echo(
            f"  accelerator     {one.name}: {one.serves}; models are checked by the rules {one.rules!r}, not run"
        )
        click.echo(f"  {'':<15}   {one.source}")


def _value(value: float, unit: str) -> str:
    if unit == "B":
        return bytes_text(value)
    scales = {
        "Hz": ((1e9, "GHz"), (1e6, "MHz")),
        "B/s": ((1e9, "GB/s"),),
        "W": ((1.0, "W"), (1e-3, "mW"), (1e-6, "uW")),
    }
    for scale, name in scales.get(unit, ()):
        if value >= scale:
            return f"{value / scale:,.4g} {name}"
    return f"{value:,.4g} {unit}"


def _table(fits: list[Fit], context: int) -> None:
    names = list(dict.fromkeys(name for fit in fits for need in fit.needs for name in need.devices))
    click.echo(f"memory with {context:,} tokens of context; tokens/s: upper bound from memory bandwidth")
    click.echo(
        f"{'model':<19} {'params':>8} {'cache':>8} {'16 bit':>8} {'8 bit':>8} {'4 bit':>8}  held by (bits: tokens/s)"
    )
    for fit in fits:
        needs = {need.bits: need for need in fit.needs}
        cells = [bytes_text(need.weights + need.cache) for need in fit.needs]
        held = []
        for name in names:
            fitting = [need for need in fit.needs if name in need.devices]
            if fitting:
                # The widest weights that fit come first in the list of needs.
                lines = [
                    f"{need.bits}: {need.tokens[name]:.1f}" if name in need.tokens else str(need.bits)
                    for need in fitting
                ]
                held.append(f"{name} ({', '.join(lines)})")
        model = fit.model
        line = f"{model.name:<19} {model.parameters / 1e6:>7,.0f}M {bytes_text(needs[16].cache):>8}"
        click.echo(f"{line} {cells[0]:>8} {cells[1]:>8} {cells[2]:>8}  {'; '.join(held) or 'none of these'}")
        shorter = f"context at most {fit.context:,}; " if fit.context < context else ""
        click.echo(f"{'':<19}  {shorter}{model.score.task}: {model.score.value:g} % ({model.score.source})")
