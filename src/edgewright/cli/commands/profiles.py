"""`edgewright profiles`: the devices that estimates are made for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.text import describe
from edgewright.core.formatting import bytes_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.profiles.records import Profile


@declare(example="nrf52840", json="Print everything, with the source of every figure, as JSON.")
def command(
    *,
    names: tuple[str, ...] = argument(metavar="[NAME]...", nargs=-1),
    devices: tuple[str, ...] = option(
        "--device", metavar="PROFILE", help="Only this profile or TOML file; may be repeated."
    ),
) -> Result:
    """List device profiles, or show those named.

    NAME is a profile, or the path of your own TOML file. Every figure comes with its source.
    """
    from edgewright.profiles.catalogue import listing, load_profile

    profiles = [load_profile(name) for name in (*names, *devices) or listing()]
    lines = describe if names else _device
    return Result(profiles, (line for profile in profiles for line in lines(profile)))


def _device(profile: Profile) -> Iterator[str]:
    yield f"{profile.name:<19}  {profile.description}"
    parts = [f"{name} {bytes_text(getattr(profile, name).value)}" for name in ("flash", "ram")]
    parts.append(f"{profile.clock.value / 1e6:,.0f} MHz")
    if profile.bandwidth is not None:
        parts.append(f"memory {profile.bandwidth.value / 1e9:.1f} GB/s")
    yield f"{'':<19}  {', '.join(parts)}, {profile.instruction_set}"
