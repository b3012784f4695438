"""Encryption of raw columns: AES-256-GCM with a key from a file (`cryptography`, in the extra `device`)."""

from __future__ import annotations

import hashlib
import importlib
import os
from pathlib import Path
from typing import Any

from edgewright.schema.errors import InputError, MissingExtraError

_BYTES, _NONCE = 32, 12


class Key:
    """A key and its short name, by which a stretch of rows says which key it needs.

    Nonces are random: 96 bits, so that a lost boot counter cannot repeat one; NIST SP 800-38D allows 2**32 of them a
    key, which is 136 years of one a second.
    """

    def __init__(self, secret: bytes) -> None:
        try:
            aead = importlib.import_module("cryptography.hazmat.primitives.ciphers.aead")
        except ModuleNotFoundError:
            raise MissingExtraError("device", "cryptography, which encrypts raw columns,") from None
        self._aes: Any = aead.AESGCM(secret)
        self.name = hashlib.sha256(b"edgewright key name" + secret).hexdigest()[:8]

    def seal(self, plain: bytes, bound: bytes) -> bytes:
        """Nonce, ciphertext and tag; `bound` must be given again to open it."""
        nonce = os.urandom(_NONCE)
        sealed: bytes = self._aes.encrypt(nonce, plain, bound)
        return nonce + sealed

    def open(self, sealed: bytes, bound: bytes) -> bytes | None:
        """Return what was sealed; None where it was changed, moved to another place or sealed with another key."""
        try:
            plain: bytes = self._aes.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
        except Exception as error:
            if type(error).__name__ not in {"InvalidTag", "ValueError"}:
                raise
            return None
        return plain


def read_key(path: Path) -> Key:
    """Return the key in a file of 32 bytes or 64 hexadecimal digits.

    Raises:
        InputError: there is no such file, others may read it, or it holds something else.
        MissingExtraError: `cryptography` is absent.
    """
    try:
        content = path.read_bytes()
        mode = path.stat().st_mode
    except OSError as error:
        raise InputError("a file with a key", error.strerror or str(error), str(path)) from None
    if mode & 0o077:
        raise InputError("a key that only its owner reads", f"mode {mode & 0o777:o}", str(path), "chmod 600 the file")
    text = content.strip()
    if len(content) != _BYTES and len(text) == 2 * _BYTES:
        try:
            content = bytes.fromhex(text.decode("ascii"))
        except ValueError:
            content = b""
    if len(content) != _BYTES:
        raise InputError("32 bytes or 64 hexadecimal digits", f"{len(text)} characters", str(path),
                         "Make one: head -c 32 /dev/urandom > FILE")  # fmt: skip
    return Key(content)
