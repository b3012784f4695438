"""Shamir's secret sharing of 32 bytes (How to share a secret, 1979), modulo the prime 2**256 + 297."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Collection, Mapping

_PRIME = (1 << 256) + 297
SECRET_BYTES, SHARE_BYTES = 32, 33
# Of shares of which some are false, so many sets are tried.
_MOST_SETS = 500


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
    for drawn in itertools.islice(itertools.combinations(sorted(numbers), threshold), _MOST_SETS):
        found = _interpolated({holder: numbers[holder] for holder in drawn}, 0)
        if found >> 256:
            continue
        secret = found.to_bytes(SECRET_BYTES, "big")
        if is_secret(secret):
            true = {holder: numbers[holder] for holder in drawn}
            false = {one for one in shares if one not in numbers or _interpolated(true, one + 1) != numbers[one]}
            return secret, frozenset(false)
    return None


def _value(terms: list[int], x: int) -> int:
    total = 0
    for term in reversed(terms):
        total = (total * x + term) % _PRIME
    return total


def _interpolated(points: Mapping[int, int], x: int) -> int:
    """Return the polynomial through the points of some holders at x (Lagrange)."""
    total = 0
    for holder, value in points.items():
        top = bottom = 1
        for other in points:
            if other != holder:
                top = top * (x - other - 1) % _PRIME
                bottom = bottom * (holder - other) % _PRIME
        total += value * top * pow(bottom, -1, _PRIME)
    return total % _PRIME
