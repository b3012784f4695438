"""Key files, which are never overwritten, and the ceremony that creates them."""

from __future__ import annotations

import base64
import errno
import os
import secrets
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from securesystemslib.signer import CryptoSigner, Key, Signer, SSlibKey

from edgewright.core.errors import (
    ExistingFileError,
    FileModeError,
    FileTooLargeError,
    InputError,
    MissingExtraError,
    OutputError,
    PassphraseError,
    SigningKeyError,
)
from edgewright.core.files import flush, os_errors, sync
from edgewright.fleet.protocol.layout import OFFLINE, RELEASES, ROOT, TARGETS, Ceremony, KeyMade, RoleKeys


class Ring:
    """Finds keys by id in folders and their direct subfolders; opens a private key with a `.pub` file only on request.

    Args:
        folders: folders with `*.key` files; a path to a file stands for that file.
        passphrases: passphrases to try, in this order.
        uris: private key URIs of securesystemslib by key id, for keys in a hardware module or a cloud service.
    """

    def __init__(
        self, folders: Iterable[Path], passphrases: Sequence[bytes] = (), uris: dict[str, str] | None = None
    ) -> None:
        self._passphrases, self._uris = tuple(passphrases), dict(uris or {})
        self._files: dict[str, Path] = {}
        self._locked: list[Path] = []
        for folder in folders:
            files = [folder] if folder.is_file() else [*folder.glob(f"*{PRIVATE}"), *folder.glob(f"*/*{PRIVATE}")]
            if not files and not folder.exists():
                raise SigningKeyError("a folder or file with keys", "nothing", str(folder))
            for file in sorted(files):
                self._note(file)

    def _note(self, file: Path) -> None:
        public = file.with_suffix(PUBLIC)
        if public.exists():
            self._files.setdefault(read_public(public).keyid, file)
            return
        signer = read_key(file, self._passphrases)
        if signer is None:
            self._locked.append(file)
        else:
            self._files.setdefault(signer.public_key.keyid, file)

    def file(self, name: str) -> Path | None:
        """Return the file of the key with that id."""
        return self._files.get(name)

    def signer(self, key: Key) -> Signer | None:
        """Return the signer for a key; None if the key is not available or no passphrase opens it.

        Raises:
            InputError: the key's file or URI cannot be used.
        """
        if key.keyid in self._uris:
            return _from_uri(self._uris[key.keyid], key)
        file = self._files.get(key.keyid)
        if file is None:
            return None
        key_read = read_key(file, self._passphrases)
        if key_read is None:
            self._locked.append(file)
            return None
        if key_read.public_key.keyid != key.keyid:
            raise SigningKeyError(f"the key {key.keyid[:16]}...", f"{key_read.public_key.keyid[:16]}...", str(file))
        return key_read

    def signers(self, keys: Iterable[Key]) -> list[Signer]:
        """Return the signers of all available keys."""
        available = (self.signer(key) for key in keys)
        return [signer for signer in available if signer is not None]

    def why(self) -> str:
        """Return the reason for missing keys, for an error message; empty if no file was locked."""
        locked = ", ".join(sorted({str(file) for file in self._locked}))
        if not locked:
            return ""
        text = (
            "none of the passphrases opens" if self._passphrases else "a passphrase is needed (--passphrase-file) for"
        )
        return f"{text} {locked}"


def _from_uri(uri: str, key: Key) -> Signer:
    kind = uri.split(":", maxsplit=1)[0]
    try:
        return Signer.from_priv_key_uri(uri, key)
    except ImportError:
        raise MissingExtraError("fleet", f"what {kind}: keys need") from None
    except Exception as error:  # noqa: BLE001 - every kind of module raises its own
        raise SigningKeyError(
            "a key behind this URI", str(error) or type(error).__name__, uri.split(":", maxsplit=1)[0]
        ) from None


# 16 MiB and eight passes: OpenSSL refuses parameters that need more than 32 MiB. OWASP recommends p=5 at this N.
_N, _R, _P = 2**14, 8, 8
_SALT, _BLOCK, _KEY = 16, 16, 32
_SCRYPT = "2b06010401da47040b"
_AES256_CBC = "60864801650304012a"
_PBES2 = "2a864886f70d01050d"
_SEQUENCE, _OCTETS, _INTEGER, _OBJECT = 0x30, 0x04, 0x02, 0x06


def encrypted(der: bytes, passphrase: bytes) -> bytes:
    """Encrypt a private key and return it as PEM.

    Args:
        der: the key, PKCS #8.
        passphrase: the passphrase from which scrypt derives the AES-256 key.
    """
    salt, start = os.urandom(_SALT), os.urandom(_BLOCK)
    key = Scrypt(salt, _KEY, _N, _R, _P).derive(passphrase)
    padder = PKCS7(8 * _BLOCK).padder()
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(start)).encryptor()
    ciphertext = encryptor.update(padder.update(der) + padder.finalize()) + encryptor.finalize()
    parameters = _tlv(_SEQUENCE, _tlv(_OCTETS, salt), _integer(_N), _integer(_R), _integer(_P))
    derivation = _tlv(_SEQUENCE, _object(_SCRYPT), parameters)
    cipher = _tlv(_SEQUENCE, _object(_AES256_CBC), _tlv(_OCTETS, start))
    scheme = _tlv(_SEQUENCE, _object(_PBES2), _tlv(_SEQUENCE, derivation, cipher))
    text = base64.b64encode(_tlv(_SEQUENCE, scheme, _tlv(_OCTETS, ciphertext))).decode()
    lines = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", *textwrap.wrap(text, 64), "-----END ENCRYPTED PRIVATE KEY-----"]
    return "\n".join([*lines, ""]).encode()


def _tlv(tag: int, *parts: bytes) -> bytes:
    """Encode a DER element: tag, length, value."""
    value = b"".join(parts)
    size = (len(value).bit_length() + 7) // 8
    length = bytes([len(value)]) if len(value) < 128 else bytes([0x80 | size]) + len(value).to_bytes(size, "big")
    return bytes([tag]) + length + value


def _integer(value: int) -> bytes:
    return _tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _object(dotted: str) -> bytes:
    return _tlv(_OBJECT, bytes.fromhex(dotted))


PRIVATE, PUBLIC = ".key", ".pub"
_LARGEST = 1 << 16
_MARK = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


def make_key(path: Path, passphrase: bytes | None = None) -> CryptoSigner:
    """Make an Ed25519 key and its two files, `NAME.key` (mode 0600) and `NAME.pub`.

    Args:
        path: file of the private half.
        passphrase: passphrase that encrypts the private half; None leaves it unencrypted.

    Raises:
        InputError: one of the files exists, or the passphrase has fewer than 8 bytes.
        OutputError: the files cannot be written.
    """
    if passphrase is not None and len(passphrase) < 8:
        # Not the whole path: the fleet is created in a temporary folder that is deleted before the user reads this.
        do = "Write a longer one into the file that --passphrase-file names"
        raise PassphraseError(
            "a passphrase of at least 8 bytes", f"one of {len(passphrase)}", f"the key {path.name}", do
        )
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
    """Return the key in a file; None if no passphrase opens it.

    Raises:
        InputError: other users can read the file, or it contains no Ed25519 key.
    """
    data = _read(path)
    with os_errors(InputError, "a file with a key", path):
        mode = path.stat().st_mode
    if mode & 0o077:
        raise FileModeError(
            "a key that only its owner may read", f"mode {mode & 0o777:o}", str(path), f"chmod 600 {path}"
        )
    candidates: tuple[bytes | None, ...] = passphrases if data.lstrip().startswith(_MARK) else (None,)
    for passphrase in candidates:
        try:
            private = load_pem_private_key(data, passphrase)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            if passphrase is None:
                raise SigningKeyError("an Ed25519 key as PEM", str(error) or "something else", str(path)) from None
            continue
        if not isinstance(private, Ed25519PrivateKey):
            raise SigningKeyError("an Ed25519 key", "another kind", str(path))
        return CryptoSigner(private, SSlibKey.from_crypto(private.public_key()))
    return None


def read_public(path: Path) -> Key:
    """Read the public half of a key from a `.pub` file.

    Raises:
        InputError: the file is missing, is not an Ed25519 key, or has the id of another key.
    """
    try:
        record = msgspec.json.decode(_read(path), type=dict[str, Any])
        name = str(record.pop("keyid"))
        key = Key.from_dict(name, record)
        if not isinstance(key, SSlibKey) or key.keytype != "ed25519":
            raise ValueError("not an Ed25519 key")
        # A key id is the hash of the key, so nobody can replace the key behind a known id.
        raw = bytes.fromhex(str(key.keyval["public"]))
        honest = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(raw))
    except (msgspec.DecodeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise SigningKeyError("the public half of a key", str(error) or type(error).__name__, str(path)) from None
    if honest.keyid != name:
        raise SigningKeyError(f"key id {honest.keyid[:16]}...", f"{name[:16]}...", str(path), "The file was changed")
    return key


def read_passphrase(path: Path) -> bytes:
    """Read a passphrase from the first line of a file.

    Raises:
        InputError: the file is missing, or its first line is empty.
    """
    line = _read(path).split(b"\n", 1)[0].rstrip(b"\r")
    if not line:
        raise PassphraseError("a passphrase in the first line", "nothing", str(path))
    return line


def _read(path: Path) -> bytes:
    with os_errors(InputError, "a file with a key or passphrase", path), path.open("rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise FileTooLargeError(f"at most {_LARGEST} bytes", "more", str(path))
    return data


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a new file atomically and durably; refuse an existing name."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            flush(file)
        _name(temporary, path)
    except FileExistsError:
        raise ExistingFileError(
            "a new file name", "an existing file", str(path), "Keys are never overwritten; choose another name"
        ) from None
    except OSError as error:
        where = "Choose a writable folder with free space"
        raise OutputError("to write a key", error.strerror or str(error), str(path), where) from None
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def _name(temporary: Path, path: Path) -> None:
    """Give a complete file its final name; fail if the name is taken (a rename would replace the key)."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise
        # FAT, the usual file system of USB sticks, has no hard links.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        temporary.replace(path)


SHORT = 16
_FOR = {
    ROOT: "defines which keys are trusted; once a year, and when a key is lost or stolen",
    TARGETS: "defines who may publish packages and control rollouts; rarely",
    RELEASES: "signs packages and plans; used for each of them, at least every 90 days",
    "rollouts": "picks the stage of a rollout within its signed plan; the control plane, daily",
    "snapshot": "defines which metadata belong together; the control plane, daily",
    "timestamp": "states which version is newest; the control plane, daily",
}

_FOR_STICKS = _FOR | {
    RELEASES: "signs packages and plans for sticks; with each stick that carries new ones",
    "rollouts": "states the rollout stages on a stick; with each stick",
    "snapshot": "defines which metadata of a stick belong together; with each stick",
    "timestamp": "states which stick is newer; with each stick",
}


def ceremony(
    folder: Path, root: str, roles: Sequence[RoleKeys], new_keys: Sequence[KeyMade], *, stick: bool = False
) -> Ceremony:
    """Return the instructions for a person who made a fleet or its repository for USB sticks.

    Args:
        folder: folder of the fleet.
        root: SHA-256 of the root's bytes.
        roles: roles with their thresholds.
        new_keys: every key.
        stick: whether this is the repository for USB sticks.
    """
    return Ceremony(
        folder=str(folder), root=root, roles=tuple(roles), keys=tuple(new_keys), stick=stick,
        steps=_steps(folder, root, roles, stick), warnings=_warnings(roles, new_keys),
    )  # fmt: skip


def _steps(folder: Path, root: str, roles: Sequence[RoleKeys], stick: bool) -> tuple[str, ...]:
    counts = {role.role: len(role.keys) for role in roles if role.role in OFFLINE}
    maximum = max(counts.values())
    online = (
        f"{folder}/keys/online and a releases key go to the person who writes sticks: every stick needs all these keys."
        if stick
        else f"{folder}/keys/online stays on the control plane's machine, readable only by its user. Encrypt"
        " every backup that contains it; replace a lost online key with `edgewright fleet key rotate`."
    )
    believed = (
        f"A device takes {folder}/public/metadata/1.root.json with `edgewright device trust-root --stick`, and"
        " trusts no other stick."
        if stick
        else "A device that enrols with this fingerprint trusts no other root."
    )
    return (
        f"Write the root's fingerprint on paper and check it: sha256sum {folder}/public/metadata/1.root.json"
        f" must say {root}. {believed}",
        f"Take {maximum} media (USB sticks, or encrypted disks of different people). From {folder}/keys/offline copy, "
        f"each with its .pub file, {'; '.join(_onto(number, counts) for number in range(1, maximum + 1))}.",
        "Check each copy on another machine: sha256sum of both files must agree, and"
        f" `edgewright fleet key list --fleet {folder} --keys MEDIUM` must show 'at hand' for the medium's keys.",
        f"Delete the copied files from {folder}/keys/offline. Store the keys of root and targets in safes in different"
        f" places; a releases key stays with the person who {'writes sticks' if stick else 'publishes'}.",
        online,
        f"Back up {folder}/public: every version of the root must be {'kept' if stick else 'served'} permanently.",
    )


def _onto(medium: int, counts: Mapping[str, int]) -> str:
    """Return which keys go onto a medium."""
    files = [f"{role}-{medium}.key" for role, count in counts.items() if medium <= count]
    several = f"{', '.join(files[:-1])} and {files[-1]}" if len(files) > 1 else files[0]
    return f"onto medium {medium} {several}"


def _warnings(roles: Sequence[RoleKeys], new_keys: Sequence[KeyMade]) -> tuple[str, ...]:
    lines = ["All keys are on this machine: its user controls the fleet. Use this for tests only; do the steps above"
            " before the first real device enrols."]  # fmt: skip
    if not any(key.encrypted for key in new_keys):
        lines.append("The offline keys have no passphrase; --passphrase-file FILE gives them one.")
    for role in roles:
        if role.role in (ROOT, TARGETS) and role.threshold == 1:
            lines.append(f"A single key signs {role.role}: an attacker who steals it can replace everything below.")
        if role.role == ROOT and role.threshold == len(role.keys):
            lines.append("Do not lose any root key: every device would need a visit (edgewright device trust-root).")
    return tuple(lines)


def lines(ceremony: Ceremony) -> list[str]:
    """Return the ceremony as text."""
    tasks = _FOR_STICKS if ceremony.stick else _FOR
    text = [
        f"{'repository for sticks' if ceremony.stick else 'fleet'} in {ceremony.folder}",
        f"root fingerprint (SHA-256 of 1.root.json): {ceremony.root}",
        "",
    ]
    for role in ceremony.roles:
        text.append(f"{role.role}: {role.threshold} of {len(role.keys)} keys; {tasks[role.role]}; until {role.expires}")
        for key in ceremony.keys:
            if key.role == role.role:
                kind = "offline" if key.offline else "online "
                shut = "with passphrase" if key.encrypted else "no passphrase"
                text.append(f"  {kind} {key.key[:SHORT]}  {key.file}  ({shut})")
    text += ["", "Next steps:"]
    text += [f"  {number}. {step}" for number, step in enumerate(ceremony.steps, 1)]
    text += ["", *(f"warning: {warning}" for warning in ceremony.warnings)]
    then = f"publish PACKAGE --fleet {ceremony.folder}"
    if ceremony.stick:
        then = f"stick write MOUNT --fleet {Path(ceremony.folder).parent}"
    text += ["", f"Next: edgewright fleet {then}"]
    return text
