"""The pinned root of a device: set once, and replaceable only with access to the device itself."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
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
from tuf.api.metadata import Metadata, Role, Root, TargetFile
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from edgewright.core.errors import EnrollmentTokenMissingError, OutputError, TrustRootError
from edgewright.core.files import PRIVATE, os_errors, private_folder, write_atomic
from edgewright.device.store import file_operations
from edgewright.device.store.database import Connect, Database, connect
from edgewright.device.store.guarded_database import LostError, open_guarded, start_over
from edgewright.fleet.protocol.layout import (
    METADATA_PATH,
    RELEASES,
    ROLLOUTS,
    TIMESTAMP,
    Refused,
    Transport,
    Unreachable,
)

FILE = "trust.sqlite"
_VERSION = 1
_TABLES = (
    "CREATE TABLE floors(role TEXT, keys TEXT, version INTEGER, PRIMARY KEY(role, keys))",
    "CREATE TABLE words(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
)
_SUBJECT = "what this device knows of signed metadata"
_DO = "It guards against older releases; only this command recreates it: `edgewright device trust-root`"
_WORD = "word"
_ANY = "token"
"""Key hash of a floor from the enrolment token, which applies to all keys."""


class VerifiedMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """The newest completely verified metadata.

    Attributes:
        index: bytes of the standings; empty if none was published.
        expires: expiry in seconds since 1970: the earliest expiry of the roles that the standings depend on.
        signed: latest signed time, seconds since 1970.
        timekeys: hash of the timestamp role's keys at that time.
        versions: versions of the metadata by role.
        etag: ETag of the timestamp, for conditional requests.
        aborted: plans with an abort signed by the offline keys.
    """

    index: bytes = b""
    expires: float = 0.0
    signed: float = 0.0
    timekeys: str = ""
    versions: dict[str, int] = msgspec.field(default_factory=dict)
    etag: str = ""
    aborted: tuple[str, ...] = ()


class MetadataState:
    """A small database of verified versions, durable after each change and independent of the metadata cache.

    Args:
        folder: folder of the repository's files on this device; created if absent.
        opener: opens the database.

    Attributes:
        word: newest verified metadata.

    Raises:
        InputError: a newer version wrote the database.
        OutputError: the database cannot be read; it is left unchanged.
    """

    def __init__(self, folder: Path, opener: Connect = connect) -> None:
        with os_errors(OutputError, _SUBJECT, folder):
            private_folder(folder)
        self._database = open_guarded(
            folder / FILE, _VERSION, _TABLES, _SUBJECT, _DO, opener=opener, ahead=True, tables=("floors", "words"),
            check=_read,
        )  # fmt: skip
        self.word = _read(self._database)

    def floor(self, role: str, keys: str) -> int:
        """Return the highest version of a role verified under these keys or named by the token; 0 for none."""
        query = "SELECT max(version) FROM floors WHERE role = ? AND keys IN (?, ?)"
        return int(self._database.value(query, (role, keys, _ANY)) or 0)

    def learn(self, word: VerifiedMetadata, floors: Mapping[tuple[str, str], int]) -> None:
        """Store newly verified metadata and raise the floors in one durable transaction; floors never decrease.

        Args:
            word: newly verified metadata.
            floors: versions by role and hash of its key ids.
        """
        with self._database.transaction():
            for (role, keys), version in floors.items():
                # A floor under other keys stays: it applies again if the role rotates back to them.
                self._database.execute(
                    "INSERT INTO floors(role, keys, version) VALUES (?, ?, ?) "
                    "ON CONFLICT(role, keys) DO UPDATE SET version = max(version, excluded.version)",
                    (role, keys, version),
                )
            self._put(word)
        self.word = word

    def forget(self) -> None:
        """Delete all floors and metadata, for another root."""
        with self._database.transaction():
            self._database.execute("DELETE FROM floors")
            self._put(VerifiedMetadata())
        self.word = VerifiedMetadata()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _put(self, word: VerifiedMetadata) -> None:
        content = msgspec.json.encode(word).decode()
        self._database.execute("INSERT OR REPLACE INTO words(key, value) VALUES (?, ?)", (_WORD, content))


def _read(database: Database) -> VerifiedMetadata:
    content = database.value("SELECT value FROM words WHERE key = ?", (_WORD,))
    return msgspec.json.decode(content, type=VerifiedMetadata) if content else VerifiedMetadata()


PINNED = "pinned.root.json"
_LARGEST = 512_000


def pinned_root(folder: Path) -> bytes:
    """Return the bytes of the pinned root.

    Raises:
        InputError: no root is pinned.
    """
    try:
        return (folder / PINNED).read_bytes()
    except OSError:
        raise TrustRootError(
            "a pinned root", "none", str(folder / PINNED),
            "Enrol the device: edgewright device run --fleet URL --token T",
        ) from None  # fmt: skip


def pin(folder: Path, content: bytes, sha256: str, releases: int = 0) -> None:
    """Pin a root; it can be pinned only once.

    Args:
        folder: folder of the repository's files on this device.
        content: bytes of the root's file.
        sha256: hash from the enrolment token.
        releases: lowest version of `releases` that the token accepts; 0 for any.

    Raises:
        InputError: the hash differs, the bytes are not a root, or another root is already pinned.
        OutputError: the root cannot be written.
    """
    if hashlib.sha256(content).hexdigest() != sha256:
        raise EnrollmentTokenMissingError(
            f"the root that the token names ({sha256[:16]}...)", f"{hashlib.sha256(content).hexdigest()[:16]}...",
            "the address given", "Is it the right fleet? Ask for a new token",
        )  # fmt: skip
    check_root(content, "the root")
    path = folder / PINNED
    if path.exists() and path.read_bytes() != content:
        raise TrustRootError(
            "a device without a root", "one that trusts another root", str(path),
            "To move it to another fleet, run `edgewright device trust-root` on the device itself",
        )  # fmt: skip
    private_folder(folder)
    if releases:
        memory = MetadataState(folder)
        memory.learn(memory.word, {(RELEASES, _ANY): releases})
        memory.close()
    write_atomic(path, content, PRIVATE)


def recover(folder: Path, content: bytes, where: str, opener: Connect = connect) -> int:
    """Replace the trusted root, for a fleet whose root keys are lost; needs access to the device itself.

    Metadata verified under the old root is deleted. Release floors stay, since they are in the agent's state.

    Args:
        folder: folder of the repository's files on this device.
        content: bytes of the new root's file.
        where: name of the file, for messages.
        opener: opens the database.

    Returns:
        The root's version.

    Raises:
        InputError: the bytes are not a valid root.
        OutputError: the root cannot be written.
    """
    version = check_root(content, where)
    private_folder(folder)
    # Delete the cache before writing the root: after an interruption the device still trusts the old root.
    for path in folder.glob("*.json"):
        if path.name != PINNED:
            file_operations.remove(path)
    shutil.rmtree(folder / ROOTS, ignore_errors=True)
    try:
        memory = MetadataState(folder, opener)
    except LostError:
        start_over(folder / FILE, _SUBJECT)
    else:
        memory.forget()
        memory.close()
    write_atomic(folder / PINNED, content, PRIVATE)
    return version


def check_root(content: bytes, where: str) -> int:
    """Check that a root is signed by its own keys, and return its version.

    Raises:
        InputError: the root is not validly signed.
    """
    try:
        if len(content) > _LARGEST:
            raise RepositoryError(f"{len(content):,} bytes")
        root: Metadata[Root] = Metadata.from_bytes(content)
        if not isinstance(root.signed, Root):
            raise RepositoryError(f"metadata of role {root.signed.type}")
        root.signed.verify_delegate(Root.type, root.signed_bytes, root.signatures)
    except RepositoryError as error:
        raise TrustRootError("a root signed by its own keys", str(error), where) from None
    return int(root.signed.version)


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
