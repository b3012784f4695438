"""Keys and masks of a round: X25519 agreements, HKDF-SHA256, and key streams of ChaCha20 as numbers modulo 2**32.

`cryptography` comes with the extra `device`.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from edgewright.schema.errors import InputError

Words = NDArray[np.uint32]
KEY_BYTES = 32
# A key serves one message or one stream, so that its nonce never counts.
_NONCE = bytes(12)


def public_key(secret: bytes) -> bytes:
    """Return the public key of 32 secret bytes."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def is_public_key(key: bytes) -> bool:
    """Return whether 32 bytes agree on a secret with somebody: some points of X25519 give everybody zeros."""
    try:
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(key))
    except ValueError:
        return False
    return True


def commitment(seed: bytes) -> bytes:
    """Return the SHA-256 by which a seed is recognised."""
    return hashlib.sha256(seed).digest()


def agreed_key(secret: bytes, other: bytes, context: bytes, purpose: str) -> bytes:
    """Return the key that two members derive from their keys.

    Args:
        secret: of one member.
        other: public key of the other.
        context: of the round and group.
        purpose: what the key is for; both members name the same.

    Raises:
        InputError: a public key that gives none, such as zero.
    """
    try:
        shared = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError:
        raise InputError("a public key of X25519", "one that agrees on no secret", "keys of a round") from None
    return _derived(shared, context, purpose)


def self_mask(seed: bytes, context: bytes, length: int) -> Words:
    """Return the mask of a member's own seed, shape (length,)."""
    return key_stream(_derived(seed, context, "self"), length)


def pair_mask(key: bytes, member: int, other: int, length: int) -> Words:
    """Return what a member adds for another one: the other adds the negative, modulo 2**32."""
    stream = key_stream(key, length)
    return stream if member < other else np.uint32(0) - stream


def key_stream(key: bytes, length: int) -> Words:
    """Return the first numbers of the key stream of ChaCha20, shape (length,)."""
    stream = Cipher(ChaCha20(key, bytes(16)), None).encryptor().update(bytes(4 * length))
    return np.frombuffer(stream, "<u4").astype(np.uint32)


def encrypt(key: bytes, text: bytes, sender: int, receiver: int) -> bytes:
    """Return an authenticated cipher text for one receiver; each key encrypts one message."""
    return ChaCha20Poly1305(key).encrypt(_NONCE, text, bytes([sender, receiver]))


def decrypt(key: bytes, data: bytes, sender: int, receiver: int) -> bytes | None:
    """Return the text; None for a forged or damaged one."""
    try:
        return ChaCha20Poly1305(key).decrypt(_NONCE, data, bytes([sender, receiver]))
    except InvalidTag:
        return None


def _derived(secret: bytes, context: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, context, b"edgewright federation " + purpose.encode()).derive(secret)


# Of Shamir's secret sharing of 32 bytes (How to share a secret, 1979).
_PRIME = (1 << 256) + 297
SECRET_BYTES, SHARE_BYTES = 32, 33
# Of shares of which some are false, so many sets are tried: all sets of 13 holders, by chance those of more.
_MOST_SETS = 2000


def split(secret: bytes, threshold: int, holders: Collection[int]) -> dict[int, bytes]:
    """Return a share for each holder; fewer than `threshold` of them tell nothing of the secret.

    Args:
        secret: 32 bytes.
        threshold: shares that give the secret back.
        holders: numbers from 0.
    """
    terms = [int.from_bytes(secret, "big"), *(secrets.randbelow(_PRIME) for _ in range(threshold - 1))]
    return {holder: _value(terms, holder + 1).to_bytes(SHARE_BYTES, "big") for holder in holders}


def recover(
    shares: Mapping[int, bytes], threshold: int, is_secret: Callable[[bytes], bool]
) -> tuple[bytes, frozenset[int]] | None:
    """Return the secret and the holders whose shares are false; None where too few are true.

    Args:
        shares: by holder.
        threshold: shares that give the secret back.
        is_secret: whether a candidate is the secret, such as by its hash.
    """
    numbers = {holder: int.from_bytes(share, "big") for holder, share in shares.items() if len(share) == SHARE_BYTES}
    for chosen in _sets(sorted(numbers), threshold):
        number = _interpolated({holder: numbers[holder] for holder in chosen}, 0)
        if number >> 256:
            continue
        secret = number.to_bytes(SECRET_BYTES, "big")
        if is_secret(secret):
            true = {holder: numbers[holder] for holder in chosen}
            false = {
                other for other in shares if other not in numbers or _interpolated(true, other + 1) != numbers[other]
            }
            return secret, frozenset(false)
    return None


def _sets(holders: Sequence[int], threshold: int) -> Iterator[Sequence[int]]:
    """Yield sets of holders in an order that nobody can foresee, so that false shares cannot stand before true ones."""
    chance = secrets.SystemRandom()
    if math.comb(len(holders), threshold) > _MOST_SETS:
        yield from (chance.sample(holders, threshold) for _ in range(_MOST_SETS))
        return
    every = list(itertools.combinations(holders, threshold))
    chance.shuffle(every)
    yield from every


def _value(terms: list[int], x: int) -> int:
    total = 0
    for term in reversed(terms):
        total = (total * x + term) % _PRIME
    return total


def _interpolated(points: Mapping[int, int], x: int) -> int:
    """Return the polynomial through the points of some holders at x (Lagrange)."""
    above: list[int] = []
    below: list[int] = []
    for holder, value in points.items():
        others = [other for other in points if other != holder]
        above.append(value * math.prod(x - other - 1 for other in others))
        below.append(math.prod(holder - other for other in others))
    # One inverse for all: it takes longer than the rest.
    common = math.lcm(*below)
    total = sum(top * (common // bottom) for top, bottom in zip(above, below, strict=True))
    return total * pow(common, -1, _PRIME) % _PRIME
