"""A device's learned state in two slots: a power cut during a write leaves the other slot, the state before.

A slot is a header of 20 bytes (mark, sequence, identity of the model, length, CRC-32 of the rest) and the state, all
little endian; generated C writes the same bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np

from edgewright.core.files import lock, open_private, os_errors, private_folder, write_atomic
from edgewright.schema.adapt import AdaptSpec
from edgewright.schema.errors import InputError, OutputError

_MARK = 0x31415745  # EWA1
_HEADER = struct.Struct("<5I")
S = TypeVar("S", bound="KeptState")


class KeptState(Protocol):
    """Numbers that a device has learned; `KINDS` names its fields with their types, in the order of their bytes."""

    KINDS: ClassVar[tuple[tuple[str, str], ...]]


class Origin(Protocol[S]):
    """What a package holds of what its devices learn."""

    @property
    def identity(self) -> int:
        """Checksum of the factory's numbers."""

    def fresh(self) -> S:
        """Return the state of a device that has learned nothing."""

    def holds(self, state: S) -> bool:
        """Return whether a state that was read can be one of this model."""


class Medium(Protocol):
    """Where two slots are kept."""

    def read(self, slot: int) -> bytes:
        """Return the bytes of a slot; none where nothing was written."""

    def write(self, slot: int, data: bytes) -> None:
        """Replace the bytes of a slot."""


class Files:
    """Two files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, slot: int) -> bytes:
        """Return the bytes of a slot; none where there is no file."""
        path = self.path(slot)
        with os_errors(InputError, "a learned state", str(path)):
            return path.read_bytes() if path.is_file() else b""

    def write(self, slot: int, data: bytes) -> None:
        """Replace the file of a slot once the new one is durable."""
        private_folder(self._folder)
        write_atomic(self.path(slot), data, 0o600)

    def path(self, slot: int) -> Path:
        """Return the file of a slot."""
        return self._folder / f"adapt.{slot}"

    @contextmanager
    def locked(self, *, wait: bool = True) -> Iterator[bool]:
        """Let nobody else learn or undo meanwhile; false without `wait` where somebody does.

        Raises:
            OutputError: the folder cannot be written.
        """
        with os_errors(OutputError, "to keep what was learned", self._folder):
            private_folder(self._folder)
            file = open_private(self._folder / "lock", "ab")
        with file:
            yield lock(file, wait=wait)


class Slots(Generic[S]):
    """The two slots of one model.

    Args:
        medium: where they are kept.
        factory: of the package; a state of another one does not count.
    """

    def __init__(self, medium: Medium, factory: Origin[S]) -> None:
        self._medium, self._factory = medium, factory
        states = [(self._parse(medium.read(slot)), slot) for slot in (0, 1)]
        valid = [(sequence, slot, state) for (sequence, state), slot in states if state is not None]
        newest: tuple[int, int, S | None] = max(valid, key=lambda entry: entry[0], default=(0, 1, None))
        self._sequence, self._slot, self._state = newest

    def load(self) -> S:
        """Return the newest whole state; a fresh one where there is none."""
        return self._factory.fresh() if self._state is None else self._state

    def save(self, state: S) -> None:
        """Write a state into the slot that does not hold the newest one."""
        body = state_bytes(state)
        head = (self._sequence + 1, self._factory.identity, len(body))
        crc = zlib.crc32(struct.pack("<3I", *head) + body)
        slot = 1 - self._slot
        self._medium.write(slot, _HEADER.pack(_MARK, *head, crc) + body)
        self._sequence, self._slot, self._state = head[0], slot, state

    def undo(self) -> S:
        """Forget all that was learned: the factory's layer answers from now on, after a restart too."""
        state = self._factory.fresh()
        self.save(state)
        return state

    def _parse(self, data: bytes) -> tuple[int, S | None]:
        if len(data) < _HEADER.size:
            return 0, None
        mark, sequence, identity, length, crc = _HEADER.unpack_from(data)
        body = data[_HEADER.size : _HEADER.size + length]
        whole = zlib.crc32(struct.pack("<3I", sequence, identity, length) + body) == crc
        if mark != _MARK or identity != self._factory.identity or not whole:
            return 0, None
        return sequence, _parsed(body, self._factory)


def slot_bytes(spec: AdaptSpec) -> int:
    """Return the bytes of a state with the header of its slot: what each of two slots of flash takes."""
    sums = spec.classes * spec.width if spec.layer == "prototypes" else 0
    words, halfwords = spec.classes + sums + 2, spec.classes * spec.width + spec.classes + 3
    return _HEADER.size + 4 * words + 2 * halfwords + 2 + spec.pool * (1 + spec.width)


def memory_bytes(spec: AdaptSpec) -> int:
    """Return the bytes of RAM of a board: the state, and what the last layer received and gave."""
    size = slot_bytes(spec) - _HEADER.size + spec.width + spec.classes + 1
    return -(-size // 4) * 4


def state_bytes(state: KeptState) -> bytes:
    """Return the bytes of a state, as they lie in a slot and in the memory of a board."""
    return b"".join(np.asarray(getattr(state, name)).astype(kind).tobytes() for name, kind in state.KINDS)


def _parsed(body: bytes, factory: Origin[S]) -> S | None:
    state, at = factory.fresh(), 0
    if len(body) != len(state_bytes(state)):
        return None
    for name, kind in state.KINDS:
        value = getattr(state, name)
        array = np.frombuffer(body, kind, np.size(value), at).astype(np.int64)
        setattr(state, name, int(array[0]) if isinstance(value, int) else array.reshape(value.shape))
        at += np.size(value) * np.dtype(kind).itemsize
    return state if factory.holds(state) else None
