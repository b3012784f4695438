"""A group of devices and its server in one process: every message is bytes, and every state is stored in between."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.federation.group import OVER, Group, advance, received, threshold_of
from edgewright.core.federation.member import Member, RefusedByServerError
from edgewright.core.federation.messages import Begin, Request, encode, parse_request
from edgewright.schema.errors import InputError

LENGTH, IDENTITY = 9, 77
Numbers = NDArray[np.int64]
Change = Callable[[int, bytes], bytes]


def changes(size: int) -> Numbers:
    """Return the change of each member, shape (size, LENGTH)."""
    return np.random.default_rng(5).integers(-40_000, 40_000, (size, LENGTH))


def group_of(size: int, *, threshold: int | None = None) -> Group:
    """Return a group that waits ten seconds for its members."""
    begin = Begin(
        context=bytes(range(16)), identity=IDENTITY, member=0, size=size, threshold=threshold or threshold_of(size),
        layer=b"", passes=1, deviation=0,
    )  # fmt: skip
    return Group(begin=begin, length=LENGTH, answer_s=10.0, deadline=10.0)


class Devices:
    """Members that talk in turn; some fall silent before a message, a wire may change what passes.

    Args:
        group: of the server.
        silent: kind of message that a member never sends, by member.
        up, down: what the wire makes of a message of a member, and of an answer to it.
    """

    def __init__(
        self, group: Group, silent: dict[int, type[Request]] | None = None, up: Change | None = None,
        down: Change | None = None,
    ) -> None:  # fmt: skip
        self.group, self._silent = group, silent or {}
        self._up, self._down = up or (lambda _, data: data), down or (lambda _, data: data)
        size = group.begin.size
        self.members = [Member(IDENTITY, _giving(changes(size)[one])) for one in range(size)]
        self._next: list[bytes | None] = [member.first() for member in self.members]
        self.errors: dict[int, InputError | RefusedByServerError] = {}
        self.bytes_up = self.bytes_down = 0

    def run(self) -> Group:
        """Let all talk until the group is over, and return it; time passes when nobody says anything new."""
        now = 0.0
        while any(self._next) and now < 1000.0:
            for number in range(len(self.members)):
                self.turn(number, now)
            now += 1.0
        advance(self.group, 1e9)
        assert self.group.step in OVER
        return self.group

    def turn(self, number: int, now: float = 0.0) -> None:
        """Exchange one message of a member."""
        data = self._next[number]
        if data is None:
            return
        message = parse_request(data)
        if isinstance(message, self._silent.get(number, ())):
            self._next[number] = None
            return
        sent = self._up(number, data)
        reply = encode(received(self.group, number, parse_request(sent), now))
        # A server that restarts here goes on with what it has stored.
        self.group = msgspec.msgpack.decode(msgspec.msgpack.encode(self.group), type=Group)
        self.bytes_up, self.bytes_down = self.bytes_up + len(sent), self.bytes_down + len(reply)
        try:
            self._next[number] = self.members[number].answer(self._down(number, reply))
        except (InputError, RefusedByServerError) as error:
            self.errors[number], self._next[number] = error, None


def _giving(change: Numbers) -> Callable[[Begin], Numbers]:
    return lambda _: change
