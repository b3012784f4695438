"""Pictures of events in a folder: blurred outside of the zone, and deleted when their time is over.

The age of a picture is time that was measured: by the clock that counts since the start of the machine, which nobody
sets, also over restarts of the program. Only what passes while the machine is off is told by the time of day; where
that is earlier than before, nothing passed.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from PIL import Image, ImageDraw

from edgewright.core.errors import FormatNewerError, OutputError
from edgewright.core.files import private_folder, sync, write_atomic, write_together
from edgewright.device.camera.motion import Bytes
from edgewright.device.camera.watch import Point, scaled

INDEX = "ages.json"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PICTURE, _RECORD, _PRIVATE = ".jpg", ".json", 0o600
# Other files of the folder are somebody else's, and stay.
_NAME = r"\d{8}T\d{6}-\d{3,}"
_OWN = re.compile(rf"{_NAME}\.(jpg|json)")
# What a power cut leaves of a file that was being written.
_UNFINISHED = re.compile(rf"\.({_NAME}\.(jpg|json)|{re.escape(INDEX)})\.\w{{8}}")


def _since_start() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _boot_id() -> str:
    with suppress(OSError):
        return _BOOT_ID.read_text("ascii").strip()
    return ""


class Clocks(NamedTuple):
    """The time of day, seconds since the start of the machine, and which start that was; empty: nobody knows."""

    wall: Callable[[], float] = time.time
    since_start: Callable[[], float] = _since_start
    start: Callable[[], str] = _boot_id


class _Ages(msgspec.Struct, frozen=True, kw_only=True):
    """Ages in seconds by name at a moment, which three clocks tell."""

    ages: dict[str, float]
    wall: float
    since_start: float
    start: str
    layout: Literal[1] = 1


class EventFolder:
    """Pictures of events, each beside its record.

    Args:
        folder: made where there is none; only its owner reads it. Files that no watch wrote are left alone.
        keep_s: seconds after which a picture is deleted.
        keep_bytes: bytes of pictures from which on the oldest are deleted.
        clocks: of the machine.

    Raises:
        InputError: the index is of a newer version.
        OutputError: the folder cannot be written, or what is over cannot be deleted.
        OSError: the folder cannot be created or read.
    """

    def __init__(self, folder: Path, keep_s: float, keep_bytes: float, clocks: Clocks | None = None) -> None:
        self._folder, self._keep, self._bytes, self._clocks = folder, keep_s, keep_bytes, clocks or Clocks()
        private_folder(folder)
        now, start = self._clocks.wall(), self._clocks.start()
        known, away = self._read(now, start)
        self._ages: dict[str, float] = {}
        for path in folder.iterdir():
            name = path.stem
            if _UNFINISHED.fullmatch(path.name):
                path.unlink(missing_ok=True)
            elif _OWN.fullmatch(path.name) and name not in self._ages:
                # A picture that the index does not know was written last, or the index was lost.
                age = known[name] + away if name in known else max(0.0, now - path.stat().st_mtime)
                self._ages[name] = age
        self._last = self._clocks.since_start()
        self.expire()

    def _read(self, now: float, start: str) -> tuple[dict[str, float], float]:
        """Return the ages that were written, and the seconds since."""
        try:
            content = (self._folder / INDEX).read_bytes()
            before = msgspec.json.decode(content, type=_Ages)
        except FileNotFoundError:
            return {}, 0.0
        except msgspec.MsgspecError as error:
            with suppress(msgspec.MsgspecError, AttributeError, TypeError):
                if msgspec.json.decode(content).get("layout", 1) > 1:
                    do = "Update Edgewright, or name another folder"
                    raise FormatNewerError(
                        "an index of events of version 1", "a newer one", str(self._folder), do
                    ) from error
            return {}, 0.0
        if start and start == before.start:
            return before.ages, max(0.0, self._clocks.since_start() - before.since_start)
        return before.ages, max(0.0, now - before.wall)

    def add(self, picture: bytes, record: object) -> Path:
        """Keep an event.

        Args:
            picture: a JPEG.
            record: JSON beside it.

        Returns:
            Path of the picture.

        Raises:
            OutputError: the disk is full or broken; nothing of the event is left.
        """
        self._age()
        moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(self._clocks.wall()))
        number = 1
        # Another camera may write into the same folder.
        while (path := self._folder / f"{moment}-{number:03}{_PICTURE}").stem in self._ages or path.exists():
            number += 1
        files = {path: picture, path.with_suffix(_RECORD): msgspec.json.encode(record)}
        write_together(files, _PRIVATE)
        self._ages[path.stem] = 0.0
        with suppress(OutputError):  # the event stands; the next `expire` says the same
            self.expire()
        return path

    def expire(self) -> list[str]:
        """Delete what is over, and write down how old the rest is.

        Returns:
            Names that were deleted.

        Raises:
            OutputError: the ages cannot be written, or some of what is over cannot be deleted; the rest was.
        """
        self._age()
        sizes = {name: self._size(name) for name in self._ages}
        total, over = sum(sizes.values()), []
        for name in sorted(self._ages, key=self._ages.__getitem__, reverse=True):
            if self._ages[name] >= self._keep or total > self._bytes:
                total -= sizes[name]
                over.append(name)
        refused: OSError | None = None
        for name in over:
            try:
                for suffix in (_PICTURE, _RECORD):
                    (self._folder / f"{name}{suffix}").unlink(missing_ok=True)
                del self._ages[name]
            except OSError as error:
                refused = error
        if over:
            sync(self._folder)
        clocks = self._clocks
        ages = _Ages(ages=self._ages, wall=clocks.wall(), since_start=self._last, start=clocks.start())
        write_atomic(self._folder / INDEX, msgspec.json.encode(ages), _PRIVATE)
        if refused is not None:
            raise OutputError(
                "to delete pictures whose time is over", refused.strerror or str(refused), str(refused.filename),
                "Delete the file, or make its folder writable",
            )  # fmt: skip
        return over

    def _size(self, name: str) -> int:
        with suppress(OSError):
            return (self._folder / f"{name}{_PICTURE}").stat().st_size
        return 0

    def _age(self) -> None:
        now = self._clocks.since_start()
        passed, self._last = max(0.0, now - self._last), now
        self._ages = {name: age + passed for name, age in self._ages.items()}


def hidden(planes: Bytes, points: Sequence[Point], coarse: int) -> bytes:
    """Return a JPEG in which everything outside of a zone is blurred beyond recognition.

    Each square outside is the mean of its pixels, which no filter undoes, with soft edges. A square at the edge of the
    zone holds pixels of both sides.

    Args:
        planes: red, green and blue, shape (3, height, width).
        points: corners of the zone; none: everything is blurred.
        coarse: pixels of a side of a square.
    """
    height, width = planes.shape[1:]
    image = Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0)))
    few = image.resize((max(1, width // coarse), max(1, height // coarse)), Image.Resampling.BOX)
    blurred = few.resize(image.size, Image.Resampling.BILINEAR)
    if points:
        mask = Image.new("1", image.size)
        ImageDraw.Draw(mask).polygon([scaled(point, height, width) for point in points], fill=1)
        blurred.paste(image, mask=mask)
    stream = io.BytesIO()
    blurred.save(stream, "JPEG", quality=85)
    return stream.getvalue()
