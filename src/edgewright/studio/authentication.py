"""Authentication and roles: the secret of the user who started the studio, or the users of a shared studio.

See docs/adr/0122-secret-of-the-studio.md.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Annotated, Literal, Protocol, get_args

import msgspec

from edgewright.core.errors import EdgewrightError, InputError, StudioUserError
from edgewright.core.files import PRIVATE, is_own, private_folder, state_folder, write_atomic

Role = Literal["view", "label", "train", "release"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each role includes the ones before it."""
SESSION_S = 12 * 3600.0
"""Lifetime of a session in a shared studio; the owner's sessions last until the studio ends."""
_MAX_SESSIONS, _MAX_VERIFIED_TOKENS = 1000, 1000
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_SCRYPT = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}
"""16 MiB and about 60 ms for each hash. The tokens are random, so the cost only matters if the file leaks."""


@dataclass(frozen=True)
class User:
    """The user of a request.

    Attributes:
        name: account or user name, for audit logs.
        role: role of the user.
        is_owner: whether the user started the studio.
    """

    name: str
    role: Role
    is_owner: bool = False

    def may(self, role: Role) -> bool:
        """Return whether the user's role includes a role."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class Login:
    """A verified token: the user's name, and the hash that it was verified against."""

    name: str
    fingerprint: str


class Accounts(Protocol):
    """The users of a studio."""

    def verify(self, token: str) -> Login | None:
        """Return the login of a token, or None if the token is wrong."""

    def user(self, login: Login) -> User | None:
        """Return the user as of now, or None if the user was removed or has another token."""


class Owner:
    """The only user of a local studio: whoever started it.

    Args:
        name: account name.
        token: the secret; a new one by default.
    """

    def __init__(self, name: str, token: str = "") -> None:
        self.token = token or secrets.token_urlsafe(32)
        self._user = User(name, "release", is_owner=True)

    def verify(self, token: str) -> Login | None:
        """Compare in constant time."""
        return Login(self._user.name, "") if hmac.compare_digest(_digest(token), _digest(self.token)) else None

    def user(self, login: Login) -> User | None:
        """Return the owner."""
        del login
        return self._user


class UserRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user of a shared studio, as stored in the users file."""

    name: str
    role: Role
    salt: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    created: int


class Users(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Content of the users file."""

    users: tuple[UserRecord, ...] = ()


class UsersFile:
    """The users of a shared studio, in a JSON file of mode 600. Changes apply to the next request.

    Args:
        path: the file.

    Raises:
        InputError: the file cannot be read, or other users of the machine may read or write it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, ...] = ()
        self._records: dict[str, UserRecord] = {}
        read_users(path)

    def _current(self) -> dict[str, UserRecord]:
        """Return the users by name; none while the file is missing, damaged or open to other users."""
        try:
            status = self._path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
            if stamp != self._stamp:
                self._records = {record.name: record for record in read_users(self._path).users}
                self._stamp = stamp
        except (OSError, InputError):
            self._stamp, self._records = (), {}
        return self._records

    def verify(self, token: str) -> Login | None:
        """Hash a token and compare it in constant time; an unknown name takes as long as a wrong secret."""
        record = self._current().get(token.partition(".")[0])
        known = record or UserRecord("", "view", "00" * 16, "", 0)
        is_right = hmac.compare_digest(_scrypt(token, known.salt), known.hash)
        return Login(known.name, known.hash) if is_right and record is not None else None

    def user(self, login: Login) -> User | None:
        """Return the user unless the record was removed or replaced."""
        record = self._current().get(login.name)
        return User(record.name, record.role) if record is not None and record.hash == login.fingerprint else None


def read_users(path: Path) -> Users:
    """Read a users file.

    Raises:
        InputError: there is none, it is damaged, or other users of the machine may read or write it.
    """
    location = str(path)
    try:
        status, content = path.stat(), path.read_bytes()
    except OSError as error:
        do = f"Add a user: edgewright studio-user add NAME --users {location}"
        raise StudioUserError("a users file", error.strerror or str(error), location, do) from None
    if status.st_mode & 0o077 or status.st_uid not in (0, os.getuid()):
        raise StudioUserError(
            "a file that only you can read and write", "wider rights", location, f"chmod 600 {location}"
        )
    try:
        return msgspec.json.decode(content, type=Users)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StudioUserError("a users file", str(error), location) from None


def add_user(path: Path, name: str, role: Role) -> str:
    """Add a user to a users file, which is created if needed.

    Args:
        path: the users file.
        name: of the user.
        role: one of `ROLES`.

    Returns:
        The user's token. The file stores only its hash.

    Raises:
        InputError: the name is invalid or taken.
        OutputError: the file cannot be written.
    """
    users = read_users(path).users if path.exists() else ()
    if not _NAME.fullmatch(name):
        raise StudioUserError("a name of 1 to 32 lower-case letters, digits, - and _", repr(name[:40]), "NAME")
    if any(record.name == name for record in users):
        do = f"Remove the user first: edgewright studio-user remove {name} --users {path}"
        raise StudioUserError("a new name", repr(name), str(path), do)
    token, salt = f"{name}.{secrets.token_urlsafe(32)}", secrets.token_hex(16)
    _write_users(path, (*users, UserRecord(name, role, salt, _scrypt(token, salt), int(time.time()))))
    return token


def remove_user(path: Path, name: str) -> None:
    """Remove a user from a users file; the user's token and sessions end immediately.

    Raises:
        InputError: there is no such user.
        OutputError: the file cannot be written.
    """
    users = read_users(path).users
    rest = tuple(record for record in users if record.name != name)
    if len(rest) == len(users):
        names = ", ".join(record.name for record in users) or "no users"
        raise StudioUserError(f"the name of a user ({names})", repr(name[:40]), str(path))
    _write_users(path, rest)


def _write_users(path: Path, users: tuple[UserRecord, ...]) -> None:
    write_atomic(path, msgspec.json.format(msgspec.json.encode(Users(users))) + b"\n", PRIVATE)


class Sessions:
    """Verified logins by session cookie and by token; bounded.

    Args:
        accounts: who may log in.
        lifetime_s: seconds after which a session ends; None for no limit.
        clock: seconds on a monotonic clock.
    """

    def __init__(
        self, accounts: Accounts, lifetime_s: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._accounts, self._lifetime_s, self._clock = accounts, lifetime_s, clock
        # Keys are hashes, so neither a lookup's time nor a memory dump reveals a cookie or token.
        self._sessions: OrderedDict[bytes, tuple[Login, float]] = OrderedDict()
        self._tokens: OrderedDict[bytes, Login] = OrderedDict()
        self._hashing = threading.Lock()

    def open_session(self, token: str) -> str:
        """Return a new session for a token, or "" if the token is wrong."""
        login = self._verify(token)
        if login is None:
            return ""
        session = secrets.token_urlsafe(32)
        self._sessions[_digest(session)] = (login, self._clock())
        _shorten(self._sessions, _MAX_SESSIONS)
        return session

    def user_of_session(self, session: str) -> User | None:
        """Return the user of a session cookie."""
        login, opened = self._sessions.get(_digest(session), (None, 0.0))
        if login is None or (self._lifetime_s is not None and self._clock() - opened > self._lifetime_s):
            self._sessions.pop(_digest(session), None)
            return None
        return self._accounts.user(login)

    def user_of_token(self, token: str) -> User | None:
        """Return the user of a bearer token."""
        login = self._verify(token)
        return None if login is None else self._accounts.user(login)

    def _verify(self, token: str) -> Login | None:
        digest = _digest(token)
        known = self._tokens.get(digest)
        if known is not None and self._accounts.user(known) is not None:
            return known
        with self._hashing:  # at most one core hashes the tokens of unknown clients
            login = self._accounts.verify(token)
        if login is not None:
            self._tokens[digest] = login
            _shorten(self._tokens, _MAX_VERIFIED_TOKENS)
        return login


def _shorten(entries: OrderedDict[bytes, tuple[Login, float]] | OrderedDict[bytes, Login], maximum: int) -> None:
    while len(entries) > maximum:
        entries.popitem(last=False)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _scrypt(token: str, salt: str) -> str:
    return hashlib.scrypt(token.encode("utf-8", "surrogatepass"), salt=bytes.fromhex(salt), **_SCRYPT).hex()


_REDIRECT = """<!doctype html><html><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url={address}"><title>Edgewright</title></head></html>
"""


class ServerAddress(msgspec.Struct, frozen=True):
    """A running studio or chat server.

    Attributes:
        address: without the token.
        token: send it as `Authorization: Bearer TOKEN`.
        folder: of the studio's runs; the working directory of a chat server.
        process: number of its process.
    """

    address: str
    token: str
    folder: str
    process: int


def token_folder(service: str = "studio") -> Path:
    """Return the folder of the token files: `~/.local/state/edgewright/SERVICE`, or below $XDG_STATE_HOME."""
    return state_folder() / service


@contextmanager
def token_files(address: str, token: str, folder: Path, port: int, service: str = "studio") -> Iterator[Path | None]:
    """Provide `PORT.json`, and next to it `PORT.html`, which opens the server's page in a browser.

    A browser gets the path of a file: every user of the machine can read the arguments of a process.

    Args:
        address: of the server, without the token.
        token: the owner's.
        folder: of the studio's runs, or the working directory.
        port: of the server.
        service: `studio` or `serve`.

    Yields:
        The page that opens the server's; None if the files cannot be written, or others may write to their folder.
    """
    home = token_folder(service)
    record, page = home / f"{port}.json", home / f"{port}.html"
    described = ServerAddress(address, token, str(folder.resolve()), os.getpid())
    opening: Path | None = page
    try:
        private_folder(home)
        if not is_own(home):
            opening = None
        else:
            content = _REDIRECT.format(address=escape(f"{address}?token={token}")).encode()
            write_atomic(page, content, PRIVATE)
            write_atomic(record, msgspec.json.encode(described), PRIVATE)
    except (OSError, EdgewrightError):
        opening = None
    try:
        yield opening
    finally:
        for path in (record, page) if opening else ():
            with suppress(OSError):
                path.unlink()
