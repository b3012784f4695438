"""Shadows of devices: copies that part and meet end alike, deletions stay, and nothing that was told is lost."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Literal, get_args

import msgspec
import pytest

from edgewright.device.bus.shadow_store import (
    MOST_KEYS,
    MOST_VALUE_BYTES,
    SHADOW_FILE,
    Key,
    Message,
    Part,
    Register,
    Shadow,
    Shadows,
    ShadowStore,
    decode_copy,
    decode_patch,
    state_of,
)
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.store import Item

KEYS, PARTS = ("mode", "setpoint", "lamp"), get_args(Part)


def values(shadow: Shadow, part: Part = "desired") -> dict[str, object]:
    return {name: msgspec.json.decode(raw) for name, raw in shadow.values(part).items()}


def schedule(seed: int) -> tuple[list[Shadow], dict[Key, set[bytes]], Register | None]:
    """Let copies write, meet in pairs, lose messages, repeat old ones and restart; at the end all meet."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    names = [f"copy-{number}" for number in range(rng.randint(2, 5))]
    copies, written, old = [Shadow() for _ in names], dict[Key, set[bytes]](), list[bytes]()
    for _ in range(rng.randint(5, 60)):
        one = rng.randrange(len(copies))
        chance = rng.random()
        if chance < 0.5:
            part, key = rng.choice(PARTS), rng.choice(KEYS)
            value = rng.choice([None, rng.randint(0, 3), {"b": rng.randint(0, 1), "a": [1, "x"]}])
            for changed, register in copies[one].write(part, {key: value}, names[one]).items():
                written.setdefault(changed, set()).add(register.value)
        elif chance < 0.75:
            old.append(copies[one].encode())
            copies[rng.randrange(len(copies))].merge(decode_copy(old[-1], "test"))
        elif chance < 0.9 and old:
            copies[one].merge(decode_copy(rng.choice(old), "test"))
        else:
            copies[one] = Shadow(copies[one].registers)
    last = copies[0].write("desired", {"last": seed}, names[0])["desired", "last"]
    order = list(range(len(copies))) * 2
    rng.shuffle(order)
    for _ in range(2):
        for one in order:
            for other in rng.sample(range(len(copies)), len(copies)):
                copies[other].merge(decode_copy(copies[one].encode(), "test"))
    return copies, written, last


@pytest.mark.slow
def test_a_thousand_schedules_of_parting_and_meeting_end_alike() -> None:
    for seed in range(1000):
        copies, written, last = schedule(seed)
        assert all(copy.registers == copies[0].registers for copy in copies), seed
        assert {state_of(copy) for copy in copies} == {state_of(copies[0])}
        for key, register in copies[0].registers.items():
            if key != ("desired", "last"):
                assert register.value in written[key], seed
        assert copies[-1].registers["desired", "last"] == last


def test_a_write_that_knew_of_another_wins_wherever_they_meet() -> None:
    gateway, cloud = Shadow(), Shadow()
    for number in range(50):
        gateway.write("desired", {"setpoint": number}, "gateway")
    cloud.merge(gateway.registers)
    cloud.write("desired", {"setpoint": 7}, "cloud")
    gateway.merge(cloud.registers)
    assert values(gateway) == values(cloud) == {"setpoint": 7}


def test_a_deleted_key_is_not_brought_back_by_a_copy_that_was_away() -> None:
    gateway, away = Shadow(), Shadow()
    gateway.write("desired", {"lamp": True, "mode": "eco"}, "gateway")
    away.merge(gateway.registers)
    gateway.write("desired", {"lamp": None}, "gateway")
    assert gateway.merge(away.registers) == {}
    away.merge(decode_copy(gateway.encode(), "x"))
    assert values(away) == values(gateway) == {"mode": "eco"}
    gateway.write("desired", {"lamp": False}, "gateway")
    away.merge(gateway.registers)
    assert values(away) == {"lamp": False, "mode": "eco"}


def test_a_counter_that_was_given_twice_ends_alike_too() -> None:
    one, other = Shadow(), Shadow()
    one.write("desired", {"mode": "eco"}, "restored")
    other.write("desired", {"mode": "warm"}, "restored")
    before = dict(one.registers)
    one.merge(other.registers)
    other.merge(before)
    assert values(one) == values(other) == {"mode": "warm"}


def test_what_is_there_already_is_no_change_and_the_difference_is_what_is_left_to_do() -> None:
    shadow = Shadow()
    shadow.write("desired", {"setpoint": 21, "mode": {"a": 1, "b": 2}}, "g")
    assert shadow.write("desired", {"mode": {"b": 2, "a": 1}, "setpoint": 21, "gone": None}, "g") == {}
    assert shadow.version == 1
    shadow.write("reported", {"setpoint": 19, "mode": {"b": 2, "a": 1}, "battery": 0.5}, "g")
    assert {name: bytes(raw) for name, raw in shadow.delta().items()} == {"setpoint": b"21"}
    state = msgspec.json.decode(state_of(shadow))
    assert state["reported"] == {"setpoint": 19, "mode": {"a": 1, "b": 2}, "battery": 0.5}
    assert (state["delta"], state["version"]) == ({"setpoint": 21}, 2)


@pytest.mark.parametrize(
    "patch",
    [{"": 1}, {"k" * 65: 1}, {"big": "x" * MOST_VALUE_BYTES}, {f"k{number}": 1 for number in range(MOST_KEYS + 1)}],
)
def test_too_much_is_refused_and_nothing_changes(patch: dict[str, object]) -> None:
    shadow = Shadow()
    shadow.write("desired", {"mode": 1}, "g")
    before = dict(shadow.registers)
    with pytest.raises(InputError):
        shadow.write("desired", patch | {"mode": 2}, "g")
    assert shadow.registers == before


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{", b'{"desired": {"a": [0, "x", 1]}}', b'{"desired": {"a": [9007199254740992, "x", 1]}}',
        b'{"desired": {"a": [1, "", 1]}}', b'{"other": {}}', b"\xff", b"[" * 200_000, b'{"desired": {"a": [1, "x"]}}',
    ],
)  # fmt: skip
def test_copies_that_are_none_are_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        decode_copy(data, "x")
    if data != b"{}":
        with pytest.raises(InputError):
            decode_patch(data if not data.startswith(b'{"') else b"[1]", "x")


def test_shadows_survive_a_restart_and_what_is_no_message_costs_only_itself(tmp_path: Path) -> None:
    notices = list[str]()
    store = ShadowStore(tmp_path)
    shadows = Shadows(store, notices.append)
    merged = shadows.take([
        Message("desired", "room", b'{"setpoint": 21}'), Message("desired", "room", b"21"),
        Message("reported", "room", b'{"setpoint": 20, "lamp": true}'), Message("copy", "hall", b"{"),
        Message("desired", "hall", b'{"lamp": false}'),
    ])  # fmt: skip
    assert merged.changed == ("room", "hall")
    assert len(notices) == 2
    store.close()
    again = ShadowStore(tmp_path)
    assert again.origin == store.origin
    loaded = again.load()
    assert {name: one.registers for name, one in loaded.items()} == {
        name: one.registers for name, one in shadows.shadows.items()
    }
    assert loaded["room"].version == 2
    again.close()
    (tmp_path / SHADOW_FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(OutputError, match="shadows"):
        ShadowStore(tmp_path)
    with pytest.raises(InputError, match="a store of shadows"):
        ShadowStore(tmp_path / "none", writable=False)


def test_what_an_agent_decides_is_reported_and_all_its_items_count(tmp_path: Path) -> None:
    def item(sequence: int, of: Literal["event", "rows"], **body: object) -> bytes:
        return msgspec.json.encode(Item(device="room", boot=3, sequence=sequence, kind=of, put=1e9, body=body))

    shadows = Shadows(ShadowStore(tmp_path))
    lines = [
        item(1, "event", kind="decision", label="empty"), item(2, "rows", names=["x"]),
        item(3, "event", kind="alarm", label="frost"), item(4, "event", kind="decision", label="occupied"),
        item(5, "event", kind="summary", label="agent"),
    ]  # fmt: skip
    merged = shadows.take([Message("items", "room", b"\n".join(lines) + b"\n")])
    assert merged.durable == {"room": [(3, number) for number in range(1, 6)]}
    reported = values(shadows.shadows["room"], "reported")
    assert reported == {"decision": "occupied", "alarm": "frost", "alarm_at": "2001-09-09T01:46:40+00:00"}
    assert shadows.take([Message("items", "room", b"{}")]).durable == {}
