"""The root that a device trusts: pinned once, and replaced only by somebody who stands before the device."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from edgewright.core.files import os_errors, write_atomic
from edgewright.device.store import file_operations
from edgewright.device.store.database import Connect, connect, trouble
from edgewright.device.store.guarded_database import ENDINGS, open_guarded
from edgewright.fleet.device.trust.verification import ROOTS
from edgewright.schema.errors import InputError, OutputError

FILE = "trust.sqlite"
_VERSION = 1
_TABLES = (
    "CREATE TABLE floors(role TEXT, keys TEXT, version INTEGER, PRIMARY KEY(role, keys))",
    "CREATE TABLE words(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
)
_WHAT = "what this device knows of signed metadata"
_DO = "It guards against older releases; only this command recreates it: `edgewright device trust-root`"
_WORD = "word"


class VerifiedMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """The newest word that was verified as a whole.

    Attributes:
        index: bytes of the standings; empty where none was published.
        expires: seconds since 1970 from which it is no longer fresh: the earliest expiry of the roles that it rests on.
        signed: latest signed time, and `timekeys` of the role that stood for time then.
        versions: of the roles.
        etag: of the timestamp as it came, to ask whether it changed.
    """

    index: bytes = b""
    expires: float = 0.0
    signed: float = 0.0
    timekeys: str = ""
    versions: dict[str, int] = msgspec.field(default_factory=dict)
    etag: str = ""


class MetadataState:
    """A small database, flushed at each change; lost files of the cache do not lower it.

    Args:
        folder: of the repository's files on this device; made where it is absent.
        opener: of databases.
        opener: of databases.

    Attributes:
        word: the newest.

    Raises:
        InputError: it is of a newer version.
        OutputError: it cannot be read; it is left as it is.
    """

    def __init__(self, folder: Path, opener: Connect = connect) -> None:
        with os_errors(OutputError, _WHAT, folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._database = open_guarded(folder / FILE, _VERSION, _TABLES, _WHAT, _DO, opener=opener, ahead=True)
        try:
            content = self._database.value("SELECT value FROM words WHERE key = ?", (_WORD,))
            self.word = msgspec.json.decode(content, type=VerifiedMetadata) if content else VerifiedMetadata()
        except Exception as error:
            self._database.close()
            raise OutputError(_WHAT, f"{trouble(error)}: {error}", str(folder / FILE), _DO) from error

    def floor(self, role: str, keys: str) -> int:
        """Highest version of a role that was verified under these keys; 0 where none was."""
        return int(self._database.value("SELECT version FROM floors WHERE role = ? AND keys = ?", (role, keys)) or 0)

    def learn(self, word: VerifiedMetadata, floors: Mapping[tuple[str, str], int]) -> None:
        """Take a new word and raise floors, durably and at once; the word's versions never fall under the same keys.

        Args:
            word: as above.
            floors: (role, hash of its key ids) -> version.
        """
        with self._database.transaction():
            for (role, keys), version in floors.items():
                # A floor under other keys stays: whoever rotates back to old keys finds it again.
                self._database.execute(
                    "INSERT INTO floors(role, keys, version) VALUES (?, ?, ?) "
                    "ON CONFLICT(role, keys) DO UPDATE SET version = max(version, excluded.version)",
                    (role, keys, version),
                )
            self._put(word)
        self.word = word

    def forget(self) -> None:
        """Begin anew under another root."""
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


PINNED = "pinned.root.json"
_LARGEST = 512_000


def pinned_root(folder: Path) -> bytes:
    """Return bytes of the pinned root.

    Raises:
        InputError: none is pinned here.
    """
    try:
        return (folder / PINNED).read_bytes()
    except OSError:
        raise InputError(
            "a pinned root", "none", str(folder / PINNED),
            "Enrol the device: edgewright device run --fleet URL --token T",
        ) from None  # fmt: skip


def pin(folder: Path, content: bytes, sha256: str) -> None:
    """Pins a root, once.

    Args:
        folder: of the repository's files on this device.
        content: bytes of the root's file.
        sha256: as the enrolment token says.

    Raises:
        InputError: other bytes than the token names, no root, or another root is pinned already.
        OutputError: it cannot be written.
    """
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(
            f"the root that the token names ({sha256[:16]}...)", f"{hashlib.sha256(content).hexdigest()[:16]}...",
            "the address given", "Is it the right fleet? Ask for a new token",
        )  # fmt: skip
    check_root(content, "the root")
    path = folder / PINNED
    if path.exists() and path.read_bytes() != content:
        raise InputError(
            "a device without a root", "one that trusts another root", str(path),
            "To move it to another fleet, use `edgewright device trust-root` before the device",
        )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content)


def recover(folder: Path, content: bytes, where: str, opener: Connect = connect) -> int:
    """Trusts another root from now on, for a fleet whose root keys are lost; needs access to the device itself.

    What was verified under the old one is forgotten, floors of releases are kept: they lie with the agent's state.

    Args:
        folder: of the repository's files on this device.
        content: bytes of the new root's file.
        where: its name, for messages.
        opener: of the database.

    Returns:
        The root's version.

    Raises:
        InputError: no root.
        OutputError: it cannot be written.
    """
    version = check_root(content, where)
    folder.mkdir(parents=True, exist_ok=True)
    # First the cache goes, then the root comes: broken off in between, the device trusts what it trusted.
    for path in folder.glob("*.json"):
        if path.name != PINNED:
            file_operations.remove(path)
    shutil.rmtree(folder / ROOTS, ignore_errors=True)
    if (folder / FILE).exists():
        try:
            memory = MetadataState(folder, opener)
        except OutputError:
            # Damaged: kept under a name that says so, with what belongs to it.
            aside = f"{FILE}.damaged-{os.urandom(4).hex()}"
            for ending in ("", *ENDINGS):
                if (folder / f"{FILE}{ending}").exists():
                    file_operations.rename(folder / f"{FILE}{ending}", folder / f"{aside}{ending}")
        else:
            memory.forget()
            memory.close()
    write_atomic(folder / PINNED, content)
    return version


def check_root(content: bytes, where: str) -> int:
    """Version of a root that is signed by its own keys.

    Raises:
        InputError: it is not.
    """
    try:
        if len(content) > _LARGEST:
            raise RepositoryError(f"{len(content):,} bytes")
        root: Metadata[Root] = Metadata.from_bytes(content)
        if not isinstance(root.signed, Root):
            raise RepositoryError(f"metadata of role {root.signed.type}")
        root.signed.verify_delegate(Root.type, root.signed_bytes, root.signatures)
    except RepositoryError as error:
        raise InputError("a root signed by its own keys", str(error), where) from None
    return int(root.signed.version)
