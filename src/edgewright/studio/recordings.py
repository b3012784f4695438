"""Recordings under way: what pages sent of them until now, kept below the studio's folder until somebody uses it."""

from __future__ import annotations

import io
import os
import re
import wave
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException

from edgewright.schema.errors import InputError
from edgewright.trace.journal import FOLDER

_RATE, _WIDTH = 16_000, 2
# A file begins with the address of the page that records.
_HEAD = 512
_MAX_BYTES = 120 * _RATE * _WIDTH
_MAX_RECORDINGS = 20
_NAME, _ADDRESS = re.compile(r"[0-9a-f-]{8,40}"), re.compile(r"/[a-z][ -~]*")


@dataclass(frozen=True)
class Recording:
    """A recording that nobody used yet: its name, the address of the page that records it, and how long it is."""

    name: str
    back: str
    seconds: float


def recordings(root: Path) -> list[Recording]:
    """Return the recordings that are kept, in the order of their names."""
    known = []
    for path in sorted((root / FOLDER / "recordings").glob("*")):
        with path.open("rb") as file:
            back = file.read(_HEAD).decode(errors="replace").strip()
        known.append(Recording(path.name, back, max(0, path.stat().st_size - _HEAD) / (_RATE * _WIDTH)))
    return known


def recording_path(root: Path, name: str) -> Path:
    """Return the file of a recording, which may not be there.

    Raises:
        HTTPException: 404 for no name of a recording.
    """
    if not _NAME.fullmatch(name):
        raise HTTPException(404, "Recording not found.")
    return root / FOLDER / "recordings" / name


def add_part(root: Path, name: str, back: str, at: int, samples: bytes) -> None:
    """Keep a part of a recording; parts may come in any order, and twice.

    Args:
        root: the studio's folder.
        name: of the recording, as the page chose it.
        back: address of the page.
        at: bytes of the recording before this part.
        samples: of one channel, 16,000 a second, 16 bits each, the low byte first.

    Raises:
        InputError: no address of a page, a recording that is too long, or too many of them.
    """
    path = recording_path(root, name)
    if not _ADDRESS.fullmatch(back) or len(back) > _HEAD:
        raise InputError("the address of a page", repr(back[:80]), "the recording")
    if at + len(samples) > _MAX_BYTES:
        raise InputError(f"at most {_MAX_BYTES // (_RATE * _WIDTH)} s", "more", "the recording")
    if not path.exists() and len(recordings(root)) >= _MAX_RECORDINGS:
        raise InputError(f"at most {_MAX_RECORDINGS} kept recordings", "more", "", "Keep or delete one")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two parts at once may both be the first: neither empties the file.
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        file.write(back.encode().ljust(_HEAD))
        file.seek(_HEAD + at)
        file.write(samples)


def wav_of(path: Path) -> bytes:
    """Return what is kept of a recording as a WAV file.

    Raises:
        HTTPException: 404 where nothing is kept.
    """
    if not path.is_file():
        raise HTTPException(404, "Recording not found.")
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(_WIDTH)
        file.setframerate(_RATE)
        file.writeframes(path.read_bytes()[_HEAD:])
    return stream.getvalue()
