"""The shadows of a gateway: messages change them in batches, and what is told was made durable before."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import msgspec

from edgewright.device.bus.shadow_store import Key, Register, Shadow, ShadowStore, decode_copy, decode_patch
from edgewright.schema.device import Event
from edgewright.schema.errors import InputError
from edgewright.schema.store import Item

Kind = Literal["desired", "reported", "copy", "items"]
_SHOWN = ("decision", "alarm", "state")
_MOST_DEVICES = 10_000


class Message(NamedTuple):
    """A message about a device: new values, another copy's registers, or items of an agent's outbox."""

    kind: Kind
    device: str
    content: bytes


class BatchResult(NamedTuple):
    """What came of a batch.

    Attributes:
        changed: devices whose shadow changed.
        durable: (boot, sequence) of an agent's items, by device.
    """

    changed: tuple[str, ...]
    durable: dict[str, list[tuple[int, int]]]


class Shadows:
    """All shadows of a gateway.

    Args:
        store: where they are kept.
        say: receives one line for each message that does not count.
    """

    def __init__(self, store: ShadowStore, say: Callable[[str], None] = lambda _: None) -> None:
        self._store, self._say = store, say
        self.shadows: dict[str, Shadow] = store.load()
        self.origin = store.origin

    def take(self, messages: Sequence[Message]) -> BatchResult:
        """Take messages in their order, and make what they change durable together.

        Raises:
            Exception: the disk refuses; nothing of the batch is durable, and this object is of no more use.
        """
        changed: dict[str, dict[Key, Register]] = {}
        durable: dict[str, list[tuple[int, int]]] = {}
        for message in messages:
            try:
                shadow = self._of(message.device)
                new = self._change(shadow, message, durable)
            except InputError as error:
                self._say(f"{message.device}: {error}")
                continue
            if new:
                changed.setdefault(message.device, {}).update(new)
        self._store.save(changed)
        return BatchResult(tuple(changed), durable)

    def _of(self, device: str) -> Shadow:
        if device not in self.shadows:
            if len(self.shadows) >= _MOST_DEVICES:
                raise InputError(f"at most {_MOST_DEVICES:,} shadows", "more", "shadows")
            self.shadows[device] = Shadow()
        return self.shadows[device]

    def _change(
        self, shadow: Shadow, message: Message, durable: dict[str, list[tuple[int, int]]]
    ) -> dict[Key, Register]:
        kind, where = message.kind, f"{message.device}, {message.kind}"
        if kind == "copy":
            return shadow.merge(decode_copy(message.content, where))
        if kind == "items":
            return self._items(shadow, message, durable)
        return shadow.write(kind, decode_patch(message.content, where), self.origin)

    def _items(
        self, shadow: Shadow, message: Message, durable: dict[str, list[tuple[int, int]]]
    ) -> dict[Key, Register]:
        """Take the latest decision, alarm and state of an agent; all its items count as taken."""
        values, places = dict[str, object](), list[tuple[int, int]]()
        for line in message.content.splitlines():
            try:
                item = msgspec.json.decode(line, type=Item)
                event = msgspec.convert(item.body, Event) if item.kind == "event" else None
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise InputError("items of an agent, one JSON object a line", str(error)[:200], "items") from None
            places.append((item.boot, item.sequence))
            if event is not None and event.kind in _SHOWN:
                values[event.kind] = event.label
                if event.kind == "alarm":
                    wall = item.put if event.wall is None else event.wall
                    values["alarm_at"] = datetime.datetime.fromtimestamp(wall, datetime.UTC).isoformat()
        new = shadow.write("reported", values, self.origin)
        durable.setdefault(message.device, []).extend(places)
        return new


def state_of(shadow: Shadow) -> bytes:
    """Return what everybody may read of a shadow: desired, reported, the difference, and a number that grows."""
    return msgspec.json.encode({
        "desired": shadow.values("desired"), "reported": shadow.values("reported"), "delta": shadow.delta(),
        "version": shadow.version,
    })  # fmt: skip
