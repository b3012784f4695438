"""Files in a folder, on a USB stick for example: a batch a file, whole or not there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from edgewright.core.errors import OutputError
from edgewright.core.files import write_atomic
from edgewright.device.sinks import Sink, SinkConfig, SinkKind, lines
from edgewright.device.store.records import OutboxItem, Position


class FolderConfig(SinkConfig, frozen=True, kw_only=True):
    """Settings.

    Attributes:
        path: path of the folder; it must be there, so that a stick that is not plugged in is noticed.
    """

    path: str


class _Folder(Sink):
    def __init__(self, config: FolderConfig) -> None:
        self._folder = Path(config.path)

    def send(self, device: str, batch: Sequence[OutboxItem]) -> Sequence[Position]:
        """Written, flushed and renamed: durable as far as the stick honours a flush."""
        if not self._folder.is_dir():
            raise OutputError("a folder", "none", str(self._folder), "Is the stick plugged in and mounted?")
        content = lines(batch)
        boot, sequence = batch[0].position
        # The same batch sent again gets the same name.
        name = f"edgewright-{device}-{boot:06d}-{sequence:09d}-{hashlib.sha256(content).hexdigest()[:12]}.jsonl"
        write_atomic(self._folder / name, content)
        return [item.position for item in batch]


SINK = SinkKind(FolderConfig, _Folder, FolderConfig(path="/media/stick"))
