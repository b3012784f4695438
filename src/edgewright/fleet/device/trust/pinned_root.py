"""The root that a device trusts: pinned once, and replaced only by somebody who stands before the device."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from edgewright.core.files import write_atomic
from edgewright.device.store import file_operations
from edgewright.device.store.database import Connect, connect
from edgewright.device.store.guarded_database import ENDINGS
from edgewright.fleet.device.trust.metadata_state import FILE, Memory
from edgewright.fleet.device.trust.verification import ROOTS
from edgewright.schema.errors import InputError, OutputError

PINNED = "pinned.root.json"
_LARGEST = 512_000


def pinned_root(folder: Path) -> bytes:
    """Bytes of the pinned root.

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
            "a device without a root", "one that trusts another", str(path),
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
            memory = Memory(folder, opener)
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
