"""Files of keys: the private half for its owner alone, the public half beside it; never written over."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from securesystemslib.signer import CryptoSigner, Key, SSlibKey

from edgewright.core.files import sync_folder
from edgewright.fleet.protocol.keys.pkcs8 import encrypted
from edgewright.schema.errors import InputError, OutputError

PRIVATE, PUBLIC = ".key", ".pub"
_LARGEST = 1 << 16
_MARK = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


def make_key(path: Path, passphrase: bytes | None = None) -> CryptoSigner:
    """Makes an Ed25519 key and its two files, `NAME.key` (mode 0600) and `NAME.pub`.

    Args:
        path: of the private half.
        passphrase: that protects it; None for none.

    Raises:
        InputError: one of the files exists, or the passphrase is too short to protect anything.
        OutputError: they cannot be written.
    """
    if passphrase is not None and len(passphrase) < 8:
        # Not the whole path: a fleet is made in a folder of another name, which is gone when this is read.
        do = "Write a longer one into the file that --passphrase-file names"
        raise InputError("a passphrase of at least 8 bytes", f"one of {len(passphrase)}", f"the key {path.name}", do)
    private = Ed25519PrivateKey.generate()
    signer = CryptoSigner(private, SSlibKey.from_crypto(private.public_key()))
    if passphrase is None:
        data = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    else:
        data = encrypted(private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), passphrase)
    _write_new(path, data, 0o600)
    public = {"keyid": signer.public_key.keyid, **signer.public_key.to_dict()}
    _write_new(path.with_suffix(PUBLIC), msgspec.json.encode(public) + b"\n", 0o644)
    return signer


def read_key(path: Path, passphrases: tuple[bytes, ...] = ()) -> CryptoSigner | None:
    """The key in a file; None where no passphrase opens it.

    Raises:
        InputError: others may read the file, or it holds no Ed25519 key.
    """
    data = _read(path)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise InputError("a file with a key", error.strerror or str(error), str(path)) from None
    if mode & 0o077:
        raise InputError("a key that only its owner may read", f"mode {mode & 0o777:o}", str(path), f"chmod 600 {path}")
    tried: tuple[bytes | None, ...] = passphrases if data.lstrip().startswith(_MARK) else (None,)
    for passphrase in tried:
        try:
            private = load_pem_private_key(data, passphrase)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            if passphrase is None:
                raise InputError("an Ed25519 key as PEM", str(error) or "something else", str(path)) from None
            continue
        if not isinstance(private, Ed25519PrivateKey):
            raise InputError("an Ed25519 key", "another kind", str(path))
        return CryptoSigner(private, SSlibKey.from_crypto(private.public_key()))
    return None


def read_public(path: Path) -> Key:
    """The public half in a `.pub` file.

    Raises:
        InputError: there is none, it is no Ed25519 key, or its id is another key's.
    """
    try:
        told = msgspec.json.decode(_read(path), type=dict[str, Any])
        name = str(told.pop("keyid"))
        key = Key.from_dict(name, told)
        if not isinstance(key, SSlibKey) or key.keytype != "ed25519":
            raise ValueError("no Ed25519 key")
        # A key id is the hash of the key: nobody can put another key under a known name.
        raw = bytes.fromhex(str(key.keyval["public"]))
        honest = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(raw))
    except (msgspec.DecodeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError("the public half of a key", str(error) or type(error).__name__, str(path)) from None
    if honest.keyid != name:
        raise InputError(f"key id {honest.keyid[:16]}...", f"{name[:16]}...", str(path), "The file was changed")
    return key


def read_passphrase(path: Path) -> bytes:
    """First line of a file.

    Raises:
        InputError: there is none, or it is empty.
    """
    line = _read(path).split(b"\n", 1)[0].rstrip(b"\r")
    if not line:
        raise InputError("a passphrase in the first line", "nothing", str(path))
    return line


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise InputError("a file with a key or passphrase", error.strerror or str(error), str(path)) from None
    if len(data) > _LARGEST:
        raise InputError(f"at most {_LARGEST} bytes", "more", str(path))
    return data


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Whole and durable under a name that nobody had."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _name(temporary, path)
    except FileExistsError:
        raise InputError(
            "a name that no key has", "an existing file", str(path), "Keys are never written over; choose another name"
        ) from None
    except OSError as error:
        where = "Choose a folder that can be written and has room"
        raise OutputError("to write a key", error.strerror or str(error), str(path), where) from None
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def _name(temporary: Path, path: Path) -> None:
    """Gives a whole file its name; fails where the name is taken, where a rename would replace the key."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise
        # FAT, as sticks have it, knows no links.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        temporary.replace(path)
