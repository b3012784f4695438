"""Secure sums: what a server learns of a group is the sum of those who stayed, or nothing."""

from __future__ import annotations

import itertools
import secrets
from typing import Any

import msgspec
import numpy as np
import pytest

from edgewright.core.federation.group import Group, received, total_of
from edgewright.core.federation.masks import recover, split
from edgewright.core.federation.member import Member
from edgewright.core.federation.messages import (
    Advertise,
    Inbox,
    Masked,
    Poll,
    Refused,
    Request,
    Reveal,
    Revealed,
    Roster,
    Shares,
    encode,
    parse_reply,
    parse_request,
)
from edgewright.schema.errors import InputError
from federation_example import IDENTITY, LENGTH, Devices, changes, group_of


def test_shares_give_the_secret_from_the_threshold_on() -> None:
    secret = secrets.token_bytes(32)
    shares = split(secret, 3, range(5))
    for chosen in itertools.combinations(range(5), 3):
        assert recover({one: shares[one] for one in chosen}, 3, secret.__eq__) == (secret, frozenset())
    # With one share too few, each secret fits: here the one of zeros.
    forged = {**{one: shares[one] for one in (0, 1)}, 4: bytes(33)}
    assert recover(forged, 3, secret.__eq__) is None


def test_a_false_share_is_found() -> None:
    secret = secrets.token_bytes(32)
    shares = split(secret, 3, range(5)) | {1: secrets.token_bytes(33), 4: b"short"}
    assert recover(shares, 3, secret.__eq__) == (secret, frozenset({1, 4}))


@pytest.mark.parametrize(("size", "false"), [(12, 5), (13, 6), (25, 5), (51, 6)])
def test_true_shares_are_found_wherever_the_false_ones_are(size: int, false: int) -> None:
    secret, threshold = secrets.token_bytes(32), size // 2 + 1
    for wrong in (range(false), range(size - false, size)):
        shares = split(secret, threshold, range(size)) | {one: secrets.token_bytes(33) for one in wrong}
        assert recover(shares, threshold, secret.__eq__) == (secret, frozenset(wrong))


@pytest.mark.parametrize(
    "silent",
    [{}, {1: Advertise}, {4: Shares}, {0: Masked}, {0: Masked, 3: Masked}, {2: Revealed}, {1: Masked, 2: Revealed}],
    ids=["nobody", "advertise", "shares", "masked", "two masked", "revealed", "masked and revealed"],
)
def test_the_sum_is_that_of_those_who_answered(silent: dict[int, type[Request]]) -> None:
    group = Devices(group_of(5), silent).run()
    here = [one for one in range(5) if silent.get(one) in (None, Revealed)]
    assert (group.step, group.survivors) == ("done", tuple(here))
    assert np.array_equal(total_of(group), changes(5)[here].sum(axis=0))
    assert group.refused == {}


@pytest.mark.parametrize("kind", [Advertise, Shares, Masked, Revealed])
def test_too_few_members_give_no_sum(kind: type[Request]) -> None:
    group = Devices(group_of(5), dict.fromkeys(range(3), kind)).run()
    assert (group.step, group.total) == ("failed", b"")
    assert "2 of 5 members" in group.why


def test_a_group_that_is_over_has_forgotten_its_messages() -> None:
    group = Devices(group_of(4), {1: Masked}).run()
    assert not (group.adverts or group.shares or group.masked or group.revealed)


def test_what_passes_tells_no_change() -> None:
    seen: list[bytes] = []

    def keep(_: int, data: bytes) -> bytes:
        seen.append(data)
        return data

    Devices(group_of(4), {1: Revealed}, up=keep, down=keep).run()
    vectors = [np.frombuffer(m.values, "<i4") for m in map(_request, seen) if isinstance(m, Masked)]
    assert len(vectors) == 4
    for own, vector in zip(changes(4), vectors, strict=True):
        assert own.astype("<i4").tobytes() not in b"".join(seen)
        # A mask fills 32 bits; changes have 17.
        assert np.abs(vector).max() > 1 << 24


def _request(data: bytes) -> Request | None:
    try:
        return parse_request(data)
    except InputError:
        return None


def changed(kind: type[Any], member: int, **fields: Any) -> Any:  # noqa: ANN401 - fields of a message
    """Return a wire that replaces fields of one message of a member."""

    def up(number: int, data: bytes) -> bytes:
        message = parse_request(data)
        if number == member and isinstance(message, kind):
            return encode(msgspec.structs.replace(message, **fields))
        return data

    return up


@pytest.mark.parametrize(
    ("up", "reason"),
    [
        (changed(Masked, 2, values=bytes(4 * LENGTH - 4)), "wrong length"),
        (changed(Masked, 2, context=bytes(16)), "wrong round"),
        (changed(Shares, 2, sealed={0: bytes(82)}), "wrong shares"),
        (changed(Revealed, 2, keys={0: bytes(33)}), "wrong shares"),
    ],
)
def test_a_message_that_does_not_fit_is_counted_and_nothing_is_lost(up: Any, reason: str) -> None:  # noqa: ANN401
    devices = Devices(group_of(5), up=up)
    group = devices.run()
    assert (group.step, group.refused) == ("done", {reason: 1})
    assert reason in str(devices.errors[2])
    assert np.array_equal(total_of(group), changes(5)[list(group.survivors)].sum(axis=0))
    assert set(group.survivors) >= {0, 1, 3, 4}


def test_messages_that_come_twice_late_or_early() -> None:
    devices = Devices(group_of(3))
    for number in (0, 1, 2, 0):
        devices.turn(number)
    advert = devices._next[0]
    assert advert is not None
    context = devices.group.begin.context
    devices.turn(0)

    def reply(message: Request) -> object:
        return received(devices.group, 0, message, 0.0)

    first = devices.group.adverts[0]
    assert reply(first) == reply(Poll(context))
    assert reply(msgspec.structs.replace(first, seed_hash=bytes(32))) == Refused("duplicate")
    assert reply(Masked(context, bytes(4 * LENGTH))) == Refused("out of order")
    devices.turn(1)
    devices.turn(2)
    assert devices.group.step == "shares"
    group = devices.group
    assert received(group, 0, Revealed(context, {}, {}), 0.0) == Refused("out of order")
    late = group_of(4)
    late.deadline = -1.0
    late.adverts = dict.fromkeys(range(3), first)
    assert received(late, 3, first, 0.0) == Refused("late")


def test_a_replayed_message_of_another_round_does_not_count() -> None:
    seen: list[bytes] = []

    def keep(_: int, data: bytes) -> bytes:
        seen.append(data)
        return data

    Devices(group_of(3), up=keep).run()
    other = group_of(3)
    other.begin = msgspec.structs.replace(other.begin, context=secrets.token_bytes(16))
    replies = {received(other, 0, message, 0.0) for message in map(parse_request, seen) if hasattr(message, "context")}
    assert replies == {Refused("wrong round")}


def test_false_shares_are_counted_and_the_sum_is_right() -> None:
    def up(number: int, data: bytes) -> bytes:
        message = parse_request(data)
        if number == 1 and isinstance(message, Revealed):
            return encode(msgspec.structs.replace(message, seeds=dict.fromkeys(message.seeds, secrets.token_bytes(33))))
        return data

    group = Devices(group_of(5), {4: Masked}, up=up).run()
    assert (group.step, group.refused) == ("done", {"false share": 4})
    assert sorted(group.blamed) == [(0, 1), (1,), (1, 2), (1, 3)]  # who held a share, and who dealt it
    assert np.array_equal(total_of(group), changes(5)[:4].sum(axis=0))


def test_a_member_whose_shares_open_nothing_brings_its_group_under_suspicion() -> None:
    def up(number: int, data: bytes) -> bytes:
        message = parse_request(data)
        if number == 1 and isinstance(message, Shares):
            return encode(msgspec.structs.replace(message, sealed=dict.fromkeys(message.sealed, bytes(82))))
        return data

    group = Devices(group_of(5), {4: Shares}, up=up).run()
    assert (group.step, group.blamed) == ("failed", ((0, 1, 2, 3),))
    group = Devices(group_of(5), {1: Masked}, up=up).run()
    assert (group.step, group.blamed) == ("failed", ((0, 1, 2, 3, 4),))
    assert Devices(group_of(5), dict.fromkeys((0, 1, 2), Masked)).run().blamed == ()


def test_shares_that_were_forged_on_the_way_are_shares_less() -> None:
    def down(number: int, data: bytes) -> bytes:
        message = parse_reply(data)
        if number == 0 and isinstance(message, Inbox):
            return encode(msgspec.structs.replace(message, sealed=dict.fromkeys(message.sealed, bytes(82))))
        return data

    group = Devices(group_of(5), {4: Masked}, down=down).run()
    assert group.step == "done"
    assert np.array_equal(total_of(group), changes(5)[:4].sum(axis=0))


def member_at(kind: type[Any]) -> tuple[Member, Any]:
    """Return a member of five, and the last answer before it, of this kind."""
    devices, last = Devices(group_of(5), {4: Masked}), list[Any]()

    def down(number: int, data: bytes) -> bytes:
        message = parse_reply(data)
        if number == 0 and isinstance(message, kind):
            last.append(message)
            raise InputError("nothing more")
        return data

    devices._down = down
    devices.run()
    return devices.members[0], last[0]


def test_a_server_that_asks_for_both_kinds_of_shares_is_refused() -> None:
    member, request = member_at(Reveal)
    assert (request.survivors, request.dropped) == ((0, 1, 2, 3), (4,))
    for survivors, dropped, text in (
        ((0, 1, 2, 3), (3, 4), "both, which would open its change"),
        ((0, 1, 2), (4,), "all members of the sum"),
        ((1, 2, 3), (0, 4), "this one among those who answered"),
        ((0, 1), (2, 3, 4), "3 or more survivors"),
    ):
        with pytest.raises(InputError, match=text):
            member.answer(encode(Reveal(request.context, survivors, dropped)))
    assert member.answer(encode(request)) == member.answer(encode(request))
    with pytest.raises(InputError, match="which would open a change"):
        member.answer(encode(Reveal(request.context, (0, 1, 2, 4), (3,))))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"size": 2, "threshold": 2}, "a group of 3"),
        ({"threshold": 2}, "a threshold above half"),
        ({"threshold": 6}, "a threshold above half"),
        ({"identity": 3}, "a round of the factory layer"),
        ({"member": 5}, "a member below 5"),
    ],
)
def test_a_beginning_that_protects_too_little_is_refused(fields: dict[str, int], text: str) -> None:
    member = Member(IDENTITY, lambda _: changes(5)[0])
    with pytest.raises(InputError, match=text):
        member.answer(encode(msgspec.structs.replace(group_of(5).begin, **fields)))


@pytest.mark.parametrize("threshold", [3, 5])
def test_a_threshold_is_above_half_and_at_most_all(threshold: int) -> None:
    member = Member(IDENTITY, lambda _: changes(5)[0])
    begin = msgspec.structs.replace(group_of(5).begin, threshold=threshold)
    assert isinstance(parse_request(member.answer(encode(begin)) or b""), Advertise)


def test_a_list_of_members_with_keys_of_one_is_refused() -> None:
    member, roster = member_at(Roster)
    false = {**roster.members, 2: roster.members[1]}
    with pytest.raises(InputError, match="keys of their own"):
        member.answer(encode(Roster(roster.context, false)))


def test_bytes_that_are_no_message_are_one_line() -> None:
    for data in (b"", b"\x00", b"\xff" * 40, encode(Poll(bytes(16)))[:-1], bytes(1 << 19)):
        with pytest.raises(InputError, match="message") as refusal:
            parse_request(data)
        assert "\n" not in str(refusal.value)


def test_a_stored_group_is_whole() -> None:
    group = Devices(group_of(3)).run()
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(group), type=Group) == group
