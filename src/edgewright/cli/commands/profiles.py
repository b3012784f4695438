"""`edgewright profiles`: the devices that estimates are made for, and which of them hold a small language model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgewright.schema.profile import Profile
    from edgewright.schema.small_model import Fit


@click.command("profiles", epilog="Example: edgewright profiles --llm --context 2048 --device gateway-arm64")
@click.option("--llm", "language", is_flag=True, help="Small language models instead, and which devices hold them.")
@click.option("--model", "models", multiple=True, help="Of --llm: this model or TOML file only; may be repeated.")
@click.option("--device", "devices", multiple=True, help="This profile or TOML file only; may be repeated.")
@click.option("--context", type=click.IntRange(1), default=2048, show_default=True, help="Of --llm: tokens remembered.")
@click.option("--json", "as_json", is_flag=True, help="Print everything, with the source of every figure, as JSON.")
def command(language: bool, models: tuple[str, ...], devices: tuple[str, ...], context: int, as_json: bool) -> None:
    """List device profiles, or with --llm the small language models that they hold.

    Memory is weights and key-value cache, and a tenth more must be free; tokens a second are what the memory's
    bandwidth allows at most: every token reads all weights once. Scores are published ones; those of different tasks
    cannot be compared.
    """
    import msgspec

    from edgewright.profiles import small_models
    from edgewright.profiles.catalogue import listing, load_profile
    from edgewright.schema.errors import InputError

    if models and not language:
        raise InputError("--llm beside --model", "none", "profiles")
    if not language:
        profiles = [load_profile(name) for name in devices or listing()]
        if as_json:
            click.echo(msgspec.json.format(msgspec.json.encode(profiles), indent=1).decode())
            return
        for profile in profiles:
            _device(profile)
        return
    fits = [small_models.fit(small_models.load(name), context, devices) for name in models or small_models.listing()]
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(fits), indent=1).decode())
        return
    _table(fits, context)


def _device(profile: Profile) -> None:
    click.echo(f"{profile.name:<15}  {profile.description}")
    parts = [f"{name} {_size(getattr(profile, name).value)}" for name in ("flash", "ram")]
    parts.append(f"{profile.clock.value / 1e6:,.0f} MHz")
    if profile.bandwidth is not None:
        parts.append(f"memory {profile.bandwidth.value / 1e9:.1f} GB/s")
    click.echo(f"{'':<15}  {', '.join(parts)}, {profile.instruction_set}")


def _table(fits: list[Fit], context: int) -> None:
    names = list(dict.fromkeys(name for fit in fits for need in fit.needs for name in need.devices))
    click.echo(f"memory with {context:,} tokens of context; tokens/s at most, by the memory's bandwidth")
    click.echo(
        f"{'model':<19} {'params':>8} {'cache':>8} {'16 bit':>8} {'8 bit':>8} {'4 bit':>8}  held by (bits: tokens/s)"
    )
    for fit in fits:
        needs = {need.bits: need for need in fit.needs}
        cells = [_size(need.weights + need.cache) for need in fit.needs]
        held = []
        for name in names:
            fitting = [need for need in fit.needs if name in need.devices]
            if fitting:
                # The widest weights that fit come first in the list of needs.
                said = [
                    f"{need.bits}: {need.tokens[name]:.1f}" if name in need.tokens else str(need.bits)
                    for need in fitting
                ]
                held.append(f"{name} ({', '.join(said)})")
        model = fit.model
        line = f"{model.name:<19} {model.parameters / 1e6:>7,.0f}M {_size(needs[16].cache):>8}"
        click.echo(f"{line} {cells[0]:>8} {cells[1]:>8} {cells[2]:>8}  {'; '.join(held) or 'none of these'}")
        shorter = f"context {fit.context:,} at most; " if fit.context < context else ""
        click.echo(f"{'':<19}  {shorter}{model.score.task}: {model.score.value:g} % ({model.score.source})")


def _size(count: float) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:,.3g} {unit}"
    return f"{count:,.0f} B"


COMMAND = command
