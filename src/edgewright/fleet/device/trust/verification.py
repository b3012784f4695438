"""python-tuf's client with a durable cache: files are written only after the whole refresh is verified.

python-tuf writes each file as soon as that file is verified, and never flushes. This module overrides its hooks for
reading and writing files. They are not public, so `tests/unit/test_fleet_trust.py` fails if they change.
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

from edgewright.core.files import PRIVATE, private_folder, write_atomic
from edgewright.fleet.protocol.layout import METADATA_PATH, RELEASES, ROLLOUTS, TIMESTAMP
from edgewright.fleet.protocol.ports import Refused, Transport, Unreachable

ROOTS = "root_history"
_BASE = "fleet:"
_CONFIG = UpdaterConfig(
    max_root_rotations=256, max_delegations=8, root_max_length=512_000, timestamp_max_length=16_384,
    snapshot_max_length=2_000_000, targets_max_length=5_000_000,
)  # fmt: skip


def as_port_error(error: Exception) -> Refused | Unreachable:
    """Translate an error of python-tuf into one of the agent."""
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
    """Downloads files of the repository with the device's own transport."""

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
    """Verifies the metadata of one refresh.

    Args:
        folder: folder of verified files; roots are written immediately, since each is verified by the previous one.
        transport: transport to the repository.
        pinned: bytes of the pinned root.
        moment: returns the time for expiry checks, seconds since 1970, for a hash of the key ids of `timestamp`. It is
            called when the newest root is known: signed times of removed keys no longer count.
        ready: files that are already downloaded, by path.

    Attributes:
        fresh_files: verified files that are not in the cache yet, by name.
    """

    def __init__(
        self, folder: Path, transport: Transport, pinned: bytes, moment: Callable[[str], float],
        ready: dict[str, bytes] | None = None,
    ) -> None:  # fmt: skip
        self.fresh_files: dict[str, bytes] = {}
        self._moment = moment
        private_folder(folder / ROOTS)
        base = f"{_BASE}{METADATA_PATH}"
        super().__init__(
            str(folder), base, fetcher=_Fetcher(transport, ready or {}), config=_CONFIG, bootstrap=pinned
        )  # fmt: skip

    def _load_root(self) -> None:
        super()._load_root()
        self._trusted_set.reference_time = datetime.fromtimestamp(self._moment(self.keys(TIMESTAMP)), UTC)

    def role(self, name: str) -> Any | None:  # noqa: ANN401 - roles differ
        """Return the verified metadata of a role; None if there is none."""
        return self._trusted_set[name] if name in self._trusted_set._trusted_set else None

    def keys(self, role: str) -> str:
        """Return a hash of a role's key ids and threshold.

        Version floors belong to this hash: a key rotation starts a new floor, so that a version such as 2**31 signed
        with a stolen key does not block a device permanently.
        """
        if role in (RELEASES, ROLLOUTS):
            delegations = self._trusted_set.targets.delegations
            delegated: Role | None = (
                delegations.roles.get(role) if delegations is not None and delegations.roles else None
            )
        else:
            delegated = self._trusted_set.root.roles.get(role)
        if delegated is None:
            return ""
        return hashlib.sha256(f"{delegated.threshold}:{','.join(sorted(delegated.keyids))}".encode()).hexdigest()[:32]

    def target(self, path: str) -> TargetFile | None:
        """Return the signed metadata of a target; None if it is not signed.

        Raises:
            Refused, Unreachable: see `as_port_error`.
        """
        file: TargetFile | None = guarded(lambda: self.get_targetinfo(path))
        return file

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
        # Do not rewrite an existing root, to reduce flash wear.
        if not path.exists() or path.read_bytes() != data:
            write_atomic(path, data, PRIVATE)

    def _update_root_symlink(self) -> None:
        """Do nothing: only the pinned root and the numbered ones are read."""


def guarded(act: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever `act` gives
    """Call python-tuf and translate its errors.

    Raises:
        Refused, Unreachable: see `as_port_error`.
    """
    try:
        return act()
    except (RepositoryError, DownloadError) as error:
        raise as_port_error(error) from None
