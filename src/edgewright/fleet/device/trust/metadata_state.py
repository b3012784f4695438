"""What the device remembers of signed metadata beside the files themselves: floors, signed time, the newest word."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from edgewright.device.store.database import Connect, connect, trouble
from edgewright.device.store.guarded_database import open_guarded
from edgewright.schema.errors import OutputError

FILE = "trust.sqlite"
_VERSION = 1
_TABLES = (
    "CREATE TABLE floors(role TEXT, keys TEXT, version INTEGER, PRIMARY KEY(role, keys))",
    "CREATE TABLE words(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
)
_WHAT = "what this device knows of signed metadata"
_DO = "It guards against older releases and is made anew only by `edgewright device trust-root`"
_WORD = "word"


class Word(msgspec.Struct, frozen=True, kw_only=True):
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


class Memory:
    """A small database, flushed at each change; lost files of the cache do not lower it.

    Args:
        folder: of the repository's files on this device; made where it is absent.
        opener: of databases.

    Raises:
        InputError: it is of a newer version.
        OutputError: it cannot be read; it is left as it is.
    """

    def __init__(self, folder: Path, opener: Connect = connect) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(_WHAT, error.strerror or str(error), str(folder)) from None
        self._database = open_guarded(folder / FILE, _VERSION, _TABLES, _WHAT, _DO, opener=opener, ahead=True)
        try:
            content = self._database.value("SELECT value FROM words WHERE key = ?", (_WORD,))
            self._word = msgspec.json.decode(content, type=Word) if content else Word()
        except Exception as error:
            self._database.close()
            raise OutputError(_WHAT, f"{trouble(error)}: {error}", str(folder / FILE), _DO) from error

    @property
    def word(self) -> Word:
        """The newest word."""
        return self._word

    def floor(self, role: str, keys: str) -> int:
        """Highest version of a role that was verified under these keys; 0 where none was."""
        return int(self._database.value("SELECT version FROM floors WHERE role = ? AND keys = ?", (role, keys)) or 0)

    def learn(self, word: Word, floors: Mapping[tuple[str, str], int]) -> None:
        """Takes a new word and raises floors, durably and at once; the word's versions never fall under the same keys.

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
        self._word = word

    def forget(self) -> None:
        """Begins anew under another root."""
        with self._database.transaction():
            self._database.execute("DELETE FROM floors")
            self._put(Word())
        self._word = Word()

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _put(self, word: Word) -> None:
        content = msgspec.json.encode(word).decode()
        self._database.execute("INSERT OR REPLACE INTO words(key, value) VALUES (?, ?)", (_WORD, content))
