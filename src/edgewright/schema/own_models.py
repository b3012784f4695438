"""The record of a model that the user registered."""

from __future__ import annotations

import msgspec

VERSION = 1


class OwnFile(msgspec.Struct, frozen=True):
    """A file of a registered model: its path in the model's folder, its bytes and its SHA-256."""

    path: str
    size_bytes: int
    sha256: str


class OwnModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the user.

    Attributes:
        name: name of its folder.
        kind: name of the file in `language/own_models` that recognised it.
        role: what it is used as: 'text', 'picture', 'sound', 'backbone' or 'phrasing'.
        sha256: SHA-256 of the paths and hashes of its files.
        licence: as its files or the user say.
        source: path that it was copied from.
        added: time in UTC, ISO 8601; the newest model of a role is the one that is used.
        main: what loaders take: path of a file in the folder; empty for the folder itself.
        files: copies, without the record.
        self_test: what the self-test measured.
        version: of this format.
    """

    name: str
    kind: str
    role: str
    sha256: str
    licence: str
    source: str
    added: str
    main: str = ""
    files: tuple[OwnFile, ...] = ()
    self_test: dict[str, str | int | float] = {}
    version: int = VERSION

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)
