"""python-tuf's client over a durable cache: what it would write is held back until the whole word has been believed.

python-tuf writes each file as soon as that file alone is verified, and never flushes. Here its hooks for reading and
writing files are taken over; they are not public, so `tests/unit/test_fleet_trust.py` fails when they move.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Role, TargetFile
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from edgewright.core.files import write_atomic
from edgewright.fleet.protocol.layout import METADATA_PATH, RELEASES, ROLLOUTS, TIMESTAMP
from edgewright.fleet.protocol.ports import Refused, Transport, Unreachable

ROOTS = "root_history"
_BASE = "fleet:"
_CONFIG = UpdaterConfig(
    max_root_rotations=256, max_delegations=8, root_max_length=512_000, timestamp_max_length=16_384,
    snapshot_max_length=2_000_000, targets_max_length=5_000_000,
)  # fmt: skip


def told(error: Exception) -> Refused | Unreachable:
    """Return what an error of python-tuf means for the agent."""
    cause = error.__cause__
    if isinstance(cause, Unreachable):
        return cause
    if isinstance(error, DownloadLengthMismatchError):
        return Refused(f"a file is too long: {error}", "length")
    if isinstance(error, DownloadError):
        return Unreachable(str(error))
    for kind, word in (
        (ExpiredMetadataError, "expired"), (BadVersionNumberError, "older"), (UnsignedMetadataError, "signature"),
        (LengthOrHashMismatchError, "hash"),
    ):  # fmt: skip
        if isinstance(error, kind):
            return Refused(str(error), word)
    return Refused(str(error), "format")


class _Fetcher(FetcherInterface):
    """Files of the repository through the device's own transport."""

    def __init__(self, transport: Transport, ready: dict[str, bytes]) -> None:
        self._transport, self._ready = transport, ready

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = url.removeprefix(_BASE)
        if path in self._ready:
            yield self._ready.pop(path)
            return
        with self._transport.exchange("GET", path, {}) as answer:
            if answer.status != 200:
                raise DownloadHTTPError(f"{path}: status {answer.status}", answer.status)
            yield from answer.body


class MetadataVerifier(Updater):
    """One refresh.

    Args:
        folder: of verified files; root versions go straight into it, since each is proven by the one before it.
        transport: to the repository.
        pinned: bytes of the root that everything rests on.
        moment: hash of the key ids of `timestamp` -> seconds since 1970 by which expiry is judged. It is asked when the
            newest root is known: signed times of keys that are gone no longer count.
        ready: files that have come already, by path.

    Attributes:
        fresh_files: verified files that the cache does not hold yet, by name.
    """

    def __init__(
        self, folder: Path, transport: Transport, pinned: bytes, moment: Callable[[str], float],
        ready: dict[str, bytes] | None = None,
    ) -> None:  # fmt: skip
        self.fresh_files: dict[str, bytes] = {}
        self._moment = moment
        (folder / ROOTS).mkdir(parents=True, exist_ok=True)
        base = f"{_BASE}{METADATA_PATH}"
        super().__init__(
            str(folder), base, fetcher=_Fetcher(transport, ready or {}), config=_CONFIG, bootstrap=pinned
        )  # fmt: skip

    def _load_root(self) -> None:
        super()._load_root()
        self._trusted_set.reference_time = datetime.fromtimestamp(self._moment(self.keys(TIMESTAMP)), UTC)

    def role(self, name: str) -> Any | None:  # noqa: ANN401 - roles differ
        """Return what was verified of a role; None where nothing was."""
        return self._trusted_set[name] if name in self._trusted_set._trusted_set else None

    def keys(self, role: str) -> str:
        """Hash of the key ids and the threshold that speak for a role.

        A floor belongs to them: when they are rotated it begins anew, so that a stolen key that has signed version
        2**31 does not shut a device out for ever.
        """
        if role in (RELEASES, ROLLOUTS):
            delegations = self._trusted_set.targets.delegations
            said: Role | None = delegations.roles.get(role) if delegations is not None and delegations.roles else None
        else:
            said = self._trusted_set.root.roles.get(role)
        if said is None:
            return ""
        return hashlib.sha256(f"{said.threshold}:{','.join(sorted(said.keyids))}".encode()).hexdigest()[:32]

    def target(self, path: str) -> TargetFile | None:
        """Return what the signed metadata says of a target; None where it does not name it.

        Raises:
            Refused, Unreachable: as `told`.
        """
        found: TargetFile | None = guarded(lambda: self.get_targetinfo(path))
        return found

    def _load_local_metadata(self, rolename: str) -> bytes:
        name = f"{quote(rolename, '')}.json"
        if name in self.fresh_files:
            return self.fresh_files[name]
        content: bytes = super()._load_local_metadata(rolename)
        return content

    def _persist_metadata(self, rolename: str, data: bytes) -> None:
        self.fresh_files[f"{quote(rolename, '')}.json"] = data

    def _persist_file(self, filename: str, data: bytes) -> None:
        path = Path(filename)
        # A root that lies there already is not written again: flash wears.
        if not path.exists() or path.read_bytes() != data:
            write_atomic(path, data)

    def _update_root_symlink(self) -> None:
        """Nothing: the pinned root and the numbered ones are what is read."""


def guarded(act: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever `act` gives
    """Call into python-tuf.

    Raises:
        Refused, Unreachable: as `told`.
    """
    try:
        return act()
    except (RepositoryError, DownloadError) as error:
        raise told(error) from None
