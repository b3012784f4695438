"""What the commands that sign in a fleet's folder share: options, passphrases, and saying what became of a change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.cli.command import option
from edgewright.fleet.protocol.layout import Settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgewright.fleet.protocol.keys import Ring
    from edgewright.fleet.repository.folder import Fleet

FLEET: Any = option(
    "--fleet", default=Path(), show_default=False, metavar="DIR",
    help="Folder of the fleet; the current folder by default.",
)  # fmt: skip
KEYS: Any = option(metavar="PATH", help="Folder or file with more keys, such as a USB stick; may be repeated.")
PASSPHRASES: Any = option(
    "--passphrase-file", metavar="FILE",
    help="File with a passphrase of offline keys in its first line; may be repeated.",
)  # fmt: skip
PREPARE: Any = option(
    metavar="FILE", help="Do not publish: write the change to FILE for others to sign (fleet key sign FILE)."
)


@dataclass(frozen=True, kw_only=True)
class KeyOptions:
    """Offline keys that are at hand, and what opens them."""

    keys: tuple[Path, ...] = KEYS
    passphrase_files: tuple[Path, ...] = PASSPHRASES

    def ring(self, fleet: Fleet) -> Ring:
        """Return the keys with those of the fleet's folder.

        Raises:
            InputError: a passphrase cannot be read or is empty.
        """
        return fleet.ring(self.keys, self.phrases())

    def phrases(self) -> tuple[bytes, ...]:
        """Return the passphrases.

        Raises:
            InputError: one cannot be read or is empty.
        """
        return passphrases(self.passphrase_files)


def passphrases(files: tuple[Path, ...]) -> tuple[bytes, ...]:
    """Return contents of the files.

    Raises:
        InputError: one cannot be read or is empty.
    """
    from edgewright.fleet.protocol.keys import read_passphrase

    return tuple(read_passphrase(file) for file in files)


def settled_lines(settled: Settled, folder: Path) -> Iterator[str]:
    """Yield what became of a change."""
    yield settled.about
    if settled.state == "published":
        yield "published"
    elif settled.state == "waiting":
        from edgewright.fleet.server.database.postgres import is_served

        missing = "" if is_served(folder) else f"; none runs here: edgewright fleet serve {folder}"
        yield f"signed; the control plane publishes it{missing}"
    else:
        yield from (f"  {line}" for line in settled.lacking)
        yield f"prepared {settled.file}; others sign it: edgewright fleet key sign {settled.file} --keys PATH"
        yield f"then publish it here: edgewright fleet finish {settled.file} --fleet {folder}"
