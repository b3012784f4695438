"""A private key under a passphrase, as a file that OpenSSL reads too: PKCS #8, scrypt, AES-256-CBC.

`cryptography` reads such files but writes PBKDF2 with 2,048 rounds, which a graphics card tries in an afternoon; so the
few bytes of DER around the ciphertext are put together here (RFC 8018 section 6.2, RFC 7914 section 7).
"""

from __future__ import annotations

import base64
import os
import textwrap

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.padding import PKCS7

# 16 MiB and eight passes of it: OpenSSL reads nothing that asks for more than 32 MiB. OWASP asks for p=5 at this N.
_N, _R, _P = 2**14, 8, 8
_SALT, _BLOCK, _KEY = 16, 16, 32
_SCRYPT = "2b06010401da47040b"
_AES256_CBC = "60864801650304012a"
_PBES2 = "2a864886f70d01050d"
_SEQUENCE, _OCTETS, _INTEGER, _OBJECT = 0x30, 0x04, 0x02, 0x06


def encrypted(der: bytes, passphrase: bytes) -> bytes:
    """PEM of an encrypted private key.

    Args:
        der: the key, PKCS #8.
        passphrase: from which the cipher's key is made.
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
    """DER: tag, length, value."""
    value = b"".join(parts)
    size = (len(value).bit_length() + 7) // 8
    length = bytes([len(value)]) if len(value) < 128 else bytes([0x80 | size]) + len(value).to_bytes(size, "big")
    return bytes([tag]) + length + value


def _integer(value: int) -> bytes:
    return _tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _object(dotted: str) -> bytes:
    return _tlv(_OBJECT, bytes.fromhex(dotted))
