"""After a restore: the files that signed metadata names, brought into the folder from where devices read.

Metadata, plans and standings come out of the database again. Packages are in no database: what was published after the
backup is nowhere but where devices read it, and a rollout whose package is missing gets no further.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from edgewright.fleet.protocol.layout import ONLINE, TARGETS_PATH
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.folder import Fleet
from edgewright.fleet.repository.offline import role_keys
from edgewright.fleet.repository.public_files import read_target, write_targets
from edgewright.fleet.repository.static_export import named_targets
from edgewright.schema.errors import InputError


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the files that the folder did not have.

    Attributes:
        brought: paths below `targets` that were written, the hash before the name.
        missing: those that are not where devices read either, or that have other bytes there.
    """

    brought: tuple[str, ...]
    missing: tuple[str, ...]


def bring(fleet: Fleet, read: Callable[[str], bytes | None], held: Mapping[str, bytes]) -> Brought:
    """Writes what the folder lacks of the files that metadata names, one file in memory at a time.

    Args:
        fleet: into whose folder.
        read: from where devices read: a path such as '/targets/NAME' to its bytes, None where there is none.
        held: metadata by role, verified.

    Raises:
        Unreachable: nobody answers there.
        OutputError: a file cannot be written.
    """
    brought: list[str] = []
    missing: list[str] = []
    for path, sha256 in named_targets(held).items():
        if _whole(fleet, path, sha256):
            continue
        name = metadata.prefixed(path, sha256)
        data = read(f"{TARGETS_PATH}/{name}")
        if data is None or metadata.sha256(data) != sha256:
            missing.append(name)
        else:
            brought += write_targets(fleet, {path: data})
    return Brought(brought=tuple(brought), missing=tuple(missing))


def keyless(fleet: Fleet, held: Mapping[str, bytes]) -> tuple[str, ...]:
    """Online roles that nobody here can sign: their keys were rotated after the backup, and lost with the machine.

    Raises:
        InputError: the file of a key cannot be used.
    """
    ring, elsewhere = fleet.ring(), fleet.settings.signers
    return tuple(
        one.role
        for one in role_keys(held)
        if one.role in ONLINE
        and sum(ring.file(key) is not None or key in elsewhere for key in one.keys) < one.threshold
    )


def _whole(fleet: Fleet, path: str, sha256: str) -> bool:
    try:
        read_target(fleet, path, sha256)
    except InputError:
        return False
    return True
