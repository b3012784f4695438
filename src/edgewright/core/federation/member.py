"""A device's part in a secure sum, as a state machine of bytes (Bonawitz et al., Practical secure aggregation, 2017).

A member adds to its change the mask of its own seed and one mask for each other member, of which the other adds the
negative. Shares of its seed and of its mask key let the others take out of the sum what does not cancel. It never gives
away both kinds of shares of one member: who has both sees that member's change.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgewright.core.adaptation.factory import Numbers
from edgewright.core.federation import masks
from edgewright.core.federation.masks import SHARE_BYTES, split
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
    encode,
    parse_reply,
)
from edgewright.schema.errors import CheckFailedError, InputError

_CIPHER = "cipher"
MASK_PURPOSE = "mask"
"""What the key of a pair's mask is derived for; the server derives the keys of those who dropped out."""
FEWEST = 3
"""Members of the smallest group and of the smallest sum: of two members, each would know the other's change."""


class RefusedByServerError(CheckFailedError):
    """The server did not accept a message; the reason is the server's."""


@dataclass
class _Secrets:
    cipher: bytes
    mask: bytes
    seed: bytes


class Member:
    """One device in one round.

    Args:
        identity: of the factory layer of its package.
        contribute: from the beginning of a round to the signs that are sent, shape (length,), noised.
        fewest: members of the smallest group that it joins.
    """

    def __init__(self, identity: int, contribute: Callable[[Begin], Numbers], fewest: int = FEWEST) -> None:
        self._identity, self._contribute, self._fewest = identity, contribute, max(FEWEST, fewest)
        self._begin: Begin | None = None
        self._roster: Roster | None = None
        self._sent: Request = Join(identity)
        self._shares: dict[int, tuple[bytes, bytes]] = {}
        self._among: set[int] = set()
        self._revealed: Reveal | None = None
        self._secrets = _Secrets(*(secrets.token_bytes(masks.KEY_BYTES) for _ in range(3)))
        self.finished: Finished | None = None
        self.wait_s = 0.0

    @property
    def complete(self) -> bool:
        """Whether the device has answered every question of the round."""
        return isinstance(self._sent, Revealed)

    def first(self) -> bytes:
        """Return the message that begins a round."""
        return encode(self._sent)

    def answer(self, data: bytes) -> bytes | None:
        """Return the next message to the server; None when the round is over. `wait_s` says how long to wait before.

        Args:
            data: what the server answered to the last message.

        Raises:
            InputError: a server that asks for what a device does not give.
            RefusedByServerError: a message that the server refused.
        """
        message = parse_reply(data)
        self.wait_s = 0.0
        if isinstance(message, Finished):
            self.finished = message
            return None
        if isinstance(message, Refused):
            raise RefusedByServerError(f"the server refused a message of the round: {message.reason}")
        if isinstance(message, Wait):
            self.wait_s = min(max(message.seconds, 0.0), 3600.0)
            return encode(self._sent if self._begin is None else Poll(self._begin.context))
        self._sent = self._next(message)
        return encode(self._sent)

    def _next(self, message: Reply) -> Request:
        if isinstance(message, Begin):
            return self._advertise(message)
        begin = self._begin
        if begin is None or message.context != begin.context:  # type: ignore[union-attr]
            raise _unexpected("a message of the round that this device joined", "one of another")
        if isinstance(message, Roster):
            return self._share(begin, message)
        if isinstance(message, Inbox):
            return self._mask(begin, message)
        assert isinstance(message, Reveal)  # noqa: S101 - the last kind
        return self._reveal(begin, message)

    def _advertise(self, begin: Begin) -> Request:
        if self._begin is not None and begin != self._begin:
            raise _unexpected("one beginning of a round", "another one")
        if begin.identity != self._identity:
            raise _unexpected(f"a round of the factory layer {self._identity:08x}", f"{begin.identity:08x}")
        if begin.size < self._fewest:
            raise _unexpected(f"a group of {self._fewest} or more", f"one of {begin.size}")
        # With a threshold above half, a server that tells one half what it hides from the other gains nothing.
        if not begin.size < 2 * begin.threshold <= 2 * begin.size or begin.threshold < 2:
            raise _unexpected(f"a threshold above half of {begin.size} members", str(begin.threshold))
        if begin.member >= begin.size:
            raise _unexpected(f"a member below {begin.size}", str(begin.member))
        self._begin = begin
        own = self._secrets
        return Advertise(
            begin.context, masks.public_key(own.cipher), masks.public_key(own.mask), masks.commitment(own.seed)
        )

    def _share(self, begin: Begin, roster: Roster) -> Request:
        if isinstance(self._sent, Shares):
            if roster != self._roster:
                raise _unexpected("one list of members", "another one")
            return self._sent
        if not isinstance(self._sent, Advertise):
            raise _unexpected("the step after this device's last message", "an earlier one")
        keys = {key for keys_of in roster.members.values() for key in (keys_of.cipher_key, keys_of.mask_key)}
        if len(keys) != 2 * len(roster.members) or roster.members.get(begin.member) != self._sent:
            raise _unexpected("a list of members with keys of their own", "another")
        if len(roster.members) < max(begin.threshold, self._fewest) or max(roster.members) >= begin.size:
            raise _unexpected(f"{max(begin.threshold, self._fewest)} or more members", f"{len(roster.members)}")
        self._roster = roster
        holders = tuple(roster.members)
        seeds = split(self._secrets.seed, begin.threshold, holders)
        keys_shared = split(self._secrets.mask, begin.threshold, holders)
        self._shares[begin.member] = (seeds[begin.member], keys_shared[begin.member])
        return Shares(begin.context, {
            other: masks.encrypt(self._cipher(begin, roster, begin.member, other), seeds[other] + keys_shared[other],
                                 begin.member, other)
            for other in holders if other != begin.member
        })  # fmt: skip

    def _mask(self, begin: Begin, inbox: Inbox) -> Request:
        roster = self._roster
        if isinstance(self._sent, Masked):
            return self._sent
        if not isinstance(self._sent, Shares) or roster is None:
            raise _unexpected("the step after this device's last message", "another")
        if begin.member in inbox.sealed or not set(inbox.sealed) <= set(roster.members):
            raise _unexpected("shares of the other members", "of somebody else")
        if len(inbox.sealed) + 1 < max(begin.threshold, self._fewest):
            raise _unexpected(f"{max(begin.threshold, self._fewest)} or more members", str(len(inbox.sealed) + 1))
        change = self._contribute(begin)
        total = (change & 0xFFFFFFFF).astype(np.uint32)
        total += masks.self_mask(self._secrets.seed, begin.context, len(total))
        for other, sealed in inbox.sealed.items():
            text = masks.decrypt(self._cipher(begin, roster, other, begin.member), sealed, other, begin.member)
            # What was forged on its way is a share less; the sum needs `threshold` of them.
            if text is not None and len(text) == 2 * SHARE_BYTES:
                self._shares[other] = text[:SHARE_BYTES], text[SHARE_BYTES:]
            key = masks.agreed_key(self._secrets.mask, roster.members[other].mask_key, begin.context, MASK_PURPOSE)
            total += masks.pair_mask(key, begin.member, other, len(total))
        self._among = {begin.member, *inbox.sealed}
        return Masked(begin.context, total.astype("<u4").tobytes())

    def _reveal(self, begin: Begin, question: Reveal) -> Request:
        if isinstance(self._sent, Revealed):
            if question != self._revealed:
                raise _unexpected("one question about each member", "another one, which would open a change")
            return self._sent
        if not isinstance(self._sent, Masked):
            raise _unexpected("the step after this device's last message", "another")
        survivors, dropped = set(question.survivors), set(question.dropped)
        if survivors & dropped:
            raise _unexpected("shares of the seed or of the key of a member", "both, which would open its change")
        if survivors | dropped != self._among or begin.member not in survivors:
            raise _unexpected("all members of the sum, this one among those who answered", "others")
        if len(survivors) < max(begin.threshold, self._fewest):
            raise _unexpected(f"{max(begin.threshold, self._fewest)} or more survivors", str(len(survivors)))
        self._revealed = question
        shares = self._shares
        return Revealed(
            begin.context,
            {member: shares[member][0] for member in question.survivors if member in shares},
            {member: shares[member][1] for member in question.dropped if member in shares},
        )

    def _cipher(self, begin: Begin, roster: Roster, sender: int, receiver: int) -> bytes:
        other = sender if receiver == begin.member else receiver
        return masks.agreed_key(
            self._secrets.cipher, roster.members[other].cipher_key, begin.context, f"{_CIPHER} {sender} {receiver}"
        )


def _unexpected(expected: str, got: str) -> InputError:
    return InputError(expected, got, "round of the fleet", "This device leaves the round")
