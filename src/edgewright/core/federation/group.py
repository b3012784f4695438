"""The server's part in a secure sum: a state that can be stored after each message, and what a message makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import numpy as np

from edgewright.core.adaptation.factory import Numbers
from edgewright.core.federation import masks
from edgewright.core.federation.masks import SHARE_BYTES, recover
from edgewright.core.federation.member import FEWEST, MASK_PURPOSE
from edgewright.core.federation.messages import (
    Advertise,
    Begin,
    Finished,
    Inbox,
    Join,
    Masked,
    Poll,
    Refused,
    Reply,
    Request,
    Reveal,
    Revealed,
    Roster,
    Shares,
    Wait,
)

Step = Literal["keys", "shares", "masked", "reveal", "done", "failed"]
OVER = ("done", "failed")
_ORDER: tuple[Step, ...] = ("keys", "shares", "masked", "reveal")
_STEPS: dict[type[Any], Step] = {Advertise: "keys", Shares: "shares", Masked: "masked", Revealed: "reveal"}
_POLL_S = 2.0
# The sum of noise lies within so many deviations in every number, but for once in a million rounds.
_NOISE_REACH = 6.0
# Length of an encrypted pair of shares.
_SEALED_BYTES = 2 * SHARE_BYTES + 16


class Group(msgspec.Struct):
    """One group of one round.

    Attributes:
        begin: what all members are told; `member` is set for each.
        length: signs of a change.
        answer_s: seconds that a step waits for a member.
        step: which messages the group waits for.
        deadline: when it goes on without those who are late, seconds since 1970.
        adverts, shares, masked, revealed: what came, by member.
        survivors: members whose changes are in the sum.
        total: the sum, int32 little endian; empty before.
        why: the group failed.
        refused: messages that did not count, by reason.
        blamed: sets of members of which one at least sent or dealt false shares.
    """

    begin: Begin
    length: int
    answer_s: float
    deadline: float
    step: Step = "keys"
    adverts: dict[int, Advertise] = {}
    shares: dict[int, dict[int, bytes]] = {}
    masked: dict[int, bytes] = {}
    revealed: dict[int, Revealed] = {}
    survivors: tuple[int, ...] = ()
    total: bytes = b""
    why: str = ""
    refused: dict[str, int] = {}
    blamed: tuple[tuple[int, ...], ...] = ()


def threshold_of(size: int) -> int:
    """Return how many members of a group must stay: more than half."""
    return max(2, size // 2 + 1)


def received(group: Group, member: int, message: Request, now: float) -> Reply:
    """Take a message of a member and return the answer.

    Args:
        group: changes in place.
        member: who sent it, as the transport authenticated.
        message: what it sent.
        now: seconds since 1970.
    """
    advance(group, now)
    if reason := _store(group, member, message):
        return refused(group, reason)
    advance(group, now)
    return _reply(group, member, now)


def refused(group: Group, reason: str) -> Refused:
    """Count a message that does not count, and return the answer."""
    group.refused[reason] = group.refused.get(reason, 0) + 1
    return Refused(reason)


def advance(group: Group, now: float) -> None:
    """Go on to the next step where everybody has answered, or the deadline has passed."""
    while group.step not in OVER:
        if not _expected(group) <= set(_messages(group, group.step)) and now < group.deadline:
            return
        _close(group, now)


def wait_s(now: float, deadline: float, lasts_s: float, first_s: float) -> float:
    """Return how long a device waits for others: twice as long as they all have, so that it asks a few times only.

    Args:
        now: seconds since 1970.
        deadline: at which nobody is waited for any more.
        lasts_s: seconds from the beginning of the wait to the deadline.
        first_s: shortest time, a tenth of `lasts_s` at most.
    """
    return max(min(first_s, lasts_s / 10), min(2 * (now - deadline + lasts_s), deadline - now))


def total_of(group: Group) -> Numbers:
    """Return the sum of the signs of a group that is done, shape (length,)."""
    return np.frombuffer(group.total, "<i4").astype(np.int64)


def is_beyond(group: Group) -> bool:
    """Return whether a sum is one that honest members cannot have: one of them sent more than a sign a number."""
    if group.step != "done":
        return False
    total, members, deviation = total_of(group), len(group.survivors), group.begin.deviation
    reach = members + _NOISE_REACH * deviation * math.sqrt(members)
    odd = not deviation and bool(((total - members) & 1).any())
    return odd or bool((np.abs(total) > reach).any())


def _store(group: Group, member: int, message: Request) -> str:
    """Store a message; return why it does not count, empty where it does."""
    if isinstance(message, Join):
        return ""
    if message.context != group.begin.context:
        return "wrong round"
    if isinstance(message, Poll):
        return ""
    step = _STEPS[type(message)]
    messages, content = _messages(group, step), _content(message)
    if member in messages:
        return "" if messages[member] == content else "duplicate"
    if group.step in OVER or _ORDER.index(step) < _ORDER.index(group.step):
        return "late"
    if step != group.step or member not in _expected(group):
        return "out of order"
    if wrong := _misfit(group, member, message):
        return wrong
    messages[member] = content
    return ""


def _messages(group: Group, step: str) -> dict[int, Any]:
    tables: dict[str, dict[int, Any]] = {
        "keys": group.adverts, "shares": group.shares, "masked": group.masked, "reveal": group.revealed,
    }  # fmt: skip
    return tables[step]


def _content(message: Request) -> Any:  # noqa: ANN401 - what the table of its step holds
    if isinstance(message, Shares):
        return message.sealed
    return message.values if isinstance(message, Masked) else message


def _expected(group: Group) -> set[int]:
    """Return the members whose message the step waits for."""
    if group.step == "keys":
        return set(range(group.begin.size))
    return set(_messages(group, _ORDER[_ORDER.index(group.step) - 1]))


def _misfit(group: Group, member: int, message: Request) -> str:
    """Return what is wrong in the content of a message, empty for nothing."""
    if isinstance(message, Advertise):
        # One member with such keys would make all others leave.
        known = {key for part in group.adverts.values() for key in (part.cipher_key, part.mask_key)}
        own = {message.cipher_key, message.mask_key}
        return "" if len(own) == 2 and not own & known and all(map(masks.is_public_key, own)) else "wrong keys"
    if isinstance(message, Shares):
        fits = set(message.sealed) == set(group.adverts) - {member}
        fits = fits and all(len(sealed) == _SEALED_BYTES for sealed in message.sealed.values())
        return "" if fits else "wrong shares"
    if isinstance(message, Masked):
        return "" if len(message.values) == 4 * group.length else "wrong length"
    if isinstance(message, Revealed):
        members_fit = set(message.seeds) <= set(group.masked) and set(message.keys) <= set(group.shares) - set(
            group.masked
        )
        whole = all(len(part) == SHARE_BYTES for part in (*message.seeds.values(), *message.keys.values()))
        return "" if members_fit and whole else "wrong shares"
    return ""


def _close(group: Group, now: float) -> None:
    """Go on with those who answered; too few of them end the group."""
    came, needed = len(_messages(group, group.step)), max(group.begin.threshold, FEWEST)
    # Shares are enough from `threshold` members, but changes of two would tell each member the other's.
    if came < (group.begin.threshold if group.step == "reveal" else needed):
        _end(group, "failed", f"{came} of {group.begin.size} members at the step {group.step!r}, {needed} needed")
    elif group.step == "reveal":
        _unmask(group)
    else:
        group.step = _ORDER[_ORDER.index(group.step) + 1]
        group.deadline = now + group.answer_s


def _unmask(group: Group) -> None:
    """Take out of the sum the masks that do not cancel: own seeds of survivors, pairs with those who dropped out."""
    begin, total = group.begin, np.zeros(group.length, np.uint32)
    for member, values in group.masked.items():
        shares = {
            holder: message.seeds[member] for holder, message in group.revealed.items() if member in message.seeds
        }
        seed = _recovered(group, member, shares, masks.commitment, group.adverts[member].seed_hash)
        if not seed:
            return
        total += np.frombuffer(values, "<u4")
        total -= masks.self_mask(seed, begin.context, group.length)
    for member in set(group.shares) - set(group.masked):
        shares = {holder: message.keys[member] for holder, message in group.revealed.items() if member in message.keys}
        secret = _recovered(group, member, shares, masks.public_key, group.adverts[member].mask_key)
        if not secret:
            return
        for other in group.masked:
            key = masks.agreed_key(secret, group.adverts[other].mask_key, begin.context, MASK_PURPOSE)
            total -= masks.pair_mask(key, other, member, group.length)
    group.survivors = tuple(sorted(group.masked))
    group.total = total.astype("<u4").tobytes()
    _end(group, "done", "")


def _recovered(
    group: Group, dealer: int, shares: dict[int, bytes], public: Callable[[bytes], bytes], known: bytes
) -> bytes:  # fmt: skip
    """Return a secret that is known by what is public of it; empty where too few shares are true: the group failed."""
    recovered = recover(shares, group.begin.threshold, lambda secret: public(secret) == known)
    if recovered is None:
        group.blamed += (tuple(sorted({dealer, *group.masked})),)
        _end(group, "failed", "too few true shares to unmask the sum")
        return b""
    if recovered[1]:
        group.refused["false share"] = group.refused.get("false share", 0) + len(recovered[1])
        group.blamed += tuple(tuple(sorted({dealer, holder})) for holder in sorted(recovered[1]))
    return recovered[0]


def _end(group: Group, step: Literal["done", "failed"], why: str) -> None:
    """End the group and forget what its members sent."""
    group.step, group.why = step, why
    group.adverts, group.shares, group.masked, group.revealed = {}, {}, {}, {}


def _reply(group: Group, member: int, now: float) -> Reply:
    begin = group.begin
    if group.step in OVER:
        return Finished(more=True)
    if member in _messages(group, group.step):
        return Wait(wait_s(now, group.deadline, group.answer_s, _POLL_S))
    if member not in _expected(group):
        return Finished(more=True)
    if group.step == "keys":
        return msgspec.structs.replace(begin, member=member)
    if group.step == "shares":
        return Roster(begin.context, group.adverts)
    if group.step == "masked":
        sealed = {other: mine[member] for other, mine in group.shares.items() if member in mine}
        return Inbox(begin.context, sealed)
    return Reveal(begin.context, tuple(sorted(group.masked)), tuple(sorted(set(group.shares) - set(group.masked))))
