"""`edgewright profiles`: the devices that estimates are made for, and which of them hold a small language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.text import table
from edgewright.core.formatting import bytes_text
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.schema.profile import Fit, Profile


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


@declare(example="nrf52840", json="Print everything, with the source of every figure, as JSON.")
def command(options: ProfilesOptions) -> Result:
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
        lines = _whole if options.names else _device
        return Result(profiles, (line for profile in profiles for line in lines(profile)))
    models = options.models or small_models.listing()
    fits = [small_models.fit(small_models.load(name), options.context, devices) for name in models]
    return Result(fits, _models(fits, options.context))


def _device(profile: Profile) -> Iterator[str]:
    yield f"{profile.name:<19}  {profile.description}"
    parts = [f"{name} {bytes_text(getattr(profile, name).value)}" for name in ("flash", "ram")]
    parts.append(f"{profile.clock.value / 1e6:,.0f} MHz")
    if profile.bandwidth is not None:
        parts.append(f"memory {profile.bandwidth.value / 1e9:.1f} GB/s")
    yield f"{'':<19}  {', '.join(parts)}, {profile.instruction_set}"


def _whole(profile: Profile) -> Iterator[str]:
    """Yield everything of a profile, with sources."""
    from edgewright.profiles.catalogue import figures

    yield f"{profile.name}: {profile.description}"
    rows = {name: getattr(profile, name) for name in ("instruction_set", "inherits", "core", "estimated_as")}
    yield from (f"  {name.replace('_', ' '):<15} {text}" for name, text in rows.items() if text)
    for key, figure in figures(profile).items():
        yield f"  {key.replace('_', ' '):<15} {_value(figure.value, figure.unit)}"
        yield f"  {'':<15}   {figure.source}"
    for region in profile.regions:
        wait = f", a read waits {region.wait:g} cycles" if region.wait else ""
        yield f"  region {region.name:<8} {_value(region.bytes, 'B')}{wait}"
        yield f"  {'':<15}   {region.source}"
    for one in profile.accelerators:
        yield f"  accelerator     {one.name}: {one.serves}; models are checked by the rules {one.rules!r}, not run"
        yield f"  {'':<15}   {one.source}"


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


def _models(fits: list[Fit], context: int) -> Iterator[str]:
    yield f"memory with {context:,} tokens of context; tokens/s: upper bound from memory bandwidth"
    rows, notes = [], []
    for fit in fits:
        devices: dict[str, list[str]] = {}
        for need in fit.needs:  # the widest weights first
            for name in need.devices:
                speed = f": {need.tokens[name]:.1f}" if name in need.tokens else ""
                devices.setdefault(name, []).append(f"{need.bits}{speed}")
        model = fit.model
        rows.append((
            model.name, f"{model.parameters / 1e6:,.0f}M",
            bytes_text(next(need.cache for need in fit.needs if need.bits == 16)),
            *(bytes_text(need.weights + need.cache) for need in fit.needs),
            "; ".join(f"{name} ({', '.join(speeds)})" for name, speeds in devices.items()) or "none of these",
        ))  # fmt: skip
        shorter = f"context at most {fit.context:,}; " if fit.context < context else ""
        notes.append(f"  {shorter}{model.score.task}: {model.score.value:g} % ({model.score.source})")
    heads = ("model", "params", "cache", "16 bit", "8 bit", "4 bit", "held by (bits: tokens/s)")
    head, *lines = table(heads, rows, frozenset(range(1, 6)))
    yield head
    width = max(len(row[0]) for row in rows) if rows else 0
    for line, note in zip(lines, notes, strict=True):
        yield from (line, f"{'':<{width}}{note}")
