"""Shamir's secret sharing of 32 bytes (How to share a secret, 1979), modulo the prime 2**256 + 297."""

from __future__ import annotations

import itertools
import math
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

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
    for drawn in _sets(sorted(numbers), threshold):
        found = _interpolated({holder: numbers[holder] for holder in drawn}, 0)
        if found >> 256:
            continue
        secret = found.to_bytes(SECRET_BYTES, "big")
        if is_secret(secret):
            true = {holder: numbers[holder] for holder in drawn}
            false = {one for one in shares if one not in numbers or _interpolated(true, one + 1) != numbers[one]}
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
