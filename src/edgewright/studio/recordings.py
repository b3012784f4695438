"""Recordings under way: what pages sent of them until now, kept below the studio's folder until somebody uses it."""

from __future__ import annotations

import io
import os
import re
import time
import wave
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException

from edgewright.core.errors import RecordingError
from edgewright.trace.journal import FOLDER

_RATE, _WIDTH = 16_000, 2
# A file begins with the address of the page that records.
_HEAD = 512
_MAX_BYTES = 120 * _RATE * _WIDTH
_MAX_RECORDINGS = 20
# A page that records sends a part a second.
_SETTLED_S = 3.0
_ANEW = "Record it anew"
_NAME, _ADDRESS = re.compile(r"[0-9a-f-]{8,40}"), re.compile(r"/[a-z][ -~]*")


@dataclass(frozen=True)
class Recording:
    """A recording that nobody used yet.

    Attributes:
        name: of its file.
        back: address of the page that records it.
        seconds: how long it is.
        age_s: seconds since its last part came.
    """

    name: str
    back: str
    seconds: float
    age_s: float


def recordings(root: Path) -> list[Recording]:
    """Return the recordings that are kept, in the order of their names; what is none in their folder is skipped."""
    known = []
    for path in sorted((root / FOLDER / "recordings").glob("*")):
        if not _NAME.fullmatch(path.name):
            continue
        # Another page may delete the file meanwhile.
        with suppress(OSError), path.open("rb") as file:
            back, state = file.read(_HEAD).decode(errors="replace").strip(), os.fstat(file.fileno())
            if _ADDRESS.fullmatch(back):
                seconds = max(0, state.st_size - _HEAD) / (_RATE * _WIDTH)
                known.append(Recording(path.name, back, seconds, time.time() - state.st_mtime))
    return known


def offered_recordings(root: Path, came_from: str) -> list[Recording]:
    """Return the recordings that a page offers: none that another tab may still record.

    Args:
        root: the studio's folder.
        came_from: address of the page whose link or form leads here, which records no more.
    """
    return [kept for kept in recordings(root) if kept.age_s >= _SETTLED_S or kept.back == came_from]


def delete_recording(root: Path, name: str) -> None:
    """Delete a recording that was used; nothing happens where no recording has the name."""
    if _NAME.fullmatch(name):
        recording_path(root, name).unlink(missing_ok=True)


def recording_path(root: Path, name: str) -> Path:
    """Return the file of a recording, which may not be there.

    Raises:
        HTTPException: 404 for no name of a recording.
    """
    if not _NAME.fullmatch(name):
        raise HTTPException(404, "Recording not found.")
    return root / FOLDER / "recordings" / name


def add_part(root: Path, name: str, back: str, at: int, samples: bytes) -> None:
    """Keep a part of a recording; a part may come twice, but none before the ones that it follows.

    Args:
        root: the studio's folder.
        name: of the recording, as the page chose it.
        back: address of the page.
        at: bytes of the recording before this part.
        samples: of one channel, 16,000 a second, 16 bits each, the low byte first.

    Raises:
        InputError: no address of a page, a part of a recording that was kept or deleted meanwhile, a recording that is
            too long, or too many of them.
    """
    path = recording_path(root, name)
    if not _ADDRESS.fullmatch(back) or len(back) > _HEAD:
        raise RecordingError("the address of a page", repr(back[:80]), "the recording")
    if at + len(samples) > _MAX_BYTES:
        raise RecordingError(f"at most {_MAX_BYTES // (_RATE * _WIDTH)} s", "more", "the recording")
    if not at and not path.exists() and len(recordings(root)) >= _MAX_RECORDINGS:
        raise RecordingError(f"at most {_MAX_RECORDINGS} kept recordings", "more", "", "Keep or delete one")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Only the first part makes the file. Two parts at once may both be the first: neither empties it.
        file = os.fdopen(os.open(path, os.O_RDWR | (0 if at else os.O_CREAT), 0o600), "r+b")
    except FileNotFoundError:
        raise RecordingError("a recording that is under way", "one that was kept or deleted", "", _ANEW) from None
    with file:
        if at > max(0, os.fstat(file.fileno()).st_size - _HEAD):
            raise RecordingError("the parts of a recording one after another", "a gap", "", _ANEW)
        file.write(back.encode().ljust(_HEAD))
        file.seek(_HEAD + at)
        file.write(samples)


def wav_of(path: Path) -> bytes:
    """Return what is kept of a recording as a WAV file.

    Raises:
        HTTPException: 404 where nothing is kept.
    """
    try:
        samples = path.read_bytes()[_HEAD:]
    except OSError:
        raise HTTPException(404, "Recording not found.") from None
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(_WIDTH)
        file.setframerate(_RATE)
        file.writeframes(samples)
    return stream.getvalue()
