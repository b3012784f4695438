"""Where a device stands in a rollout: a number that it finds by itself and that nobody can choose.

The id is random and given by the control plane after the device committed to its key; the salt is of one plan alone. So
a device is early in one rollout and late in the next, and a list of ids tells nothing without the salt.
"""

from __future__ import annotations

import hmac

WHOLE = 100.0


def _digest(salt: str, *words: str) -> bytes:
    """HMAC-SHA256 (RFC 2104) of words with a byte between them that none of them has."""
    return hmac.digest(bytes.fromhex(salt), b"\0".join(word.encode() for word in words), "sha256")


def _percent(digest: bytes) -> float:
    """The first 64 bits as a number from 0 up to 100, 100 never reached.

    Only 53 of the bits fit a float; more would round up to 100 for one device in 2^54.
    """
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53 * WHOLE


def place(salt: str, plan: str, device: str) -> float:
    """Percent from 0 up to 100: the device may take part in a stage whose percent is above it.

    Args:
        salt: of the plan, hexadecimal.
        plan: its id.
        device: its id.
    """
    return _percent(_digest(salt, "place", plan, device))


def held_out(salt: str, plan: str, device: str, percent: float) -> bool:
    """Whether the device is one of those that keep the old release until the last stage.

    Another number than `place`, so that those who wait are a fair sample of every stage.
    """
    return _percent(_digest(salt, "holdout", plan, device)) < percent


def listed(salt: str, device: str) -> str:
    """How a single device is named in a signed list, 64 hexadecimal digits."""
    return _digest(salt, "device", device).hex()
