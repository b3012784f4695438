"""`edgewright bus show`: shadows of a store."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgewright.cli.command import Result, argument, declare, option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.device.bus.shadow_store import Shadow


@declare(example="--store /var/lib/edgewright-bus room")
def command(
    *,
    device: str = argument(metavar="[DEVICE]", required=False, default=""),
    store: Path = option(metavar="DIR", required=True, help="Folder of the shadows."),
) -> Result:
    """Print the shadows of a store, or of one DEVICE; the service may be running."""
    from edgewright.core.read_only_database import read_unchanged
    from edgewright.device.bus.shadow_store import SHADOW_FILE, ShadowStore, state_of
    from edgewright.schema.errors import UnknownNameError

    def load() -> dict[str, Shadow]:
        with closing(ShadowStore(store, writable=False)) as opened:
            return opened.load()

    shadows = read_unchanged(store / SHADOW_FILE, load)
    if device and device not in shadows:
        raise UnknownNameError("shadow", device, sorted(shadows), str(store))
    shown = {name: shadow for name, shadow in sorted(shadows.items()) if device in ("", name)}
    return Result({name: msgspec.json.decode(state_of(shadow)) for name, shadow in shown.items()}, _lines(shown))


def _lines(shadows: dict[str, Shadow]) -> Iterator[str]:
    for name, shadow in shadows.items():
        yield f"{name}, version {shadow.version}"
        delta = shadow.delta()
        for part in ("desired", "reported"):
            for key, value in shadow.values(part).items():
                waits = "  (not reported yet)" if part == "desired" and key in delta else ""
                yield f"  {part:<8} {key} = {bytes(value).decode()}{waits}"
