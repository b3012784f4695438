"""Reading WAV files: RIFF chunks with PCM of 8, 16, 24 and 32 bit or floats of 32 and 64 bit.

Layout: Microsoft's "Multimedia Programming Interface and Data Specifications 1.0" (1991), and
WAVE_FORMAT_EXTENSIBLE; sizes of RF64 and BW64 by EBU Tech 3306 and ITU-R BS.2088.
"""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.errors import RateDiffersError, WavError
from edgewright.core.records.data import Floats

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_LONGEST_FORM = 64  # bytes of 'fmt ' that any coding read here needs
_COMMENT, _LONGEST_NOTES = b"ICMT", 1 << 16
# Written by programs that stream and cannot go back to fill the size in, and by RF64, whose chunk 'ds64' has it.
_UNKNOWN_SIZE = 0xFFFFFFFF
_LONG_FORMS = (b"RF64", b"BW64")


class Sound(msgspec.Struct, frozen=True, kw_only=True):
    """Sound of one file.

    Attributes:
        rate: samples a second.
        values: shape (samples, channels), float32; PCM is scaled so that full scale is -1..1.
        bits: of a sample in the file.
    """

    rate: int
    values: Floats
    bits: int


def read_wav(data: bytes, where: str) -> Sound:
    """Read the bytes of a WAV file.

    Args:
        data: the whole file.
        where: its name, for errors.

    Raises:
        InputError: for another format, a truncated file, or a coding that is neither PCM nor float.
    """
    file = io.BytesIO(data)
    form, size = open_wav(file, where)
    body = data[file.tell() :] if size is None else data[file.tell() : file.tell() + size]
    if size is not None and len(body) < size:
        raise WavError(f"{size} bytes of sound", f"{len(body)} bytes", where, "The file is truncated: copy it again")
    frames = len(body) // form.frame
    if not frames:
        raise WavError("sound", "no samples", where)
    values = form.decode(body[: frames * form.frame])
    if not np.isfinite(values).all():
        bad = int(np.argwhere(~np.isfinite(values))[0][0])
        raise WavError("finite samples", "a value that is not finite", f"{where} sample {bad}")
    return Sound(rate=form.rate, values=values, bits=form.bits)


def wav_bytes(values: NDArray[np.floating], rate: int, comment: str = "") -> bytes:
    """Return a 16-bit PCM WAV file of (samples, channels), full scale -1..1; larger values are clipped.

    Args:
        values: shape (samples, channels).
        rate: samples a second.
        comment: stands in the file (`ICMT`) before the sound; empty for none.
    """
    pcm = np.clip(np.rint(np.asarray(values, np.float64) * 32768.0), -32768, 32767).astype("<i2").tobytes()
    frame = 2 * values.shape[1]
    form = struct.pack("<HHIIHH", _PCM, values.shape[1], rate, rate * frame, frame, 16)
    text = comment.encode()
    text += b"\0" * (2 - len(text) % 2)  # ends with a zero, and chunks have an even length
    info = struct.pack("<4sI4s4sI", b"LIST", 12 + len(text), b"INFO", _COMMENT, len(text)) + text if comment else b""
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + info + b"data" + struct.pack("<I", len(pcm)) + pcm
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def comment_of(file: BinaryIO) -> str:
    """Return the comment of a WAV file, wherever its list of notes stands; empty where it has none or is no WAV."""
    if file.read(12)[8:] != b"WAVE":
        return ""
    while len(chunk := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", chunk)
        if name != b"LIST" or size > _LONGEST_NOTES:
            file.seek(size + size % 2, 1)
            continue
        notes = io.BytesIO(file.read(size + size % 2)[4:])
        while len(note := notes.read(8)) == 8:
            key, length = struct.unpack("<4sI", note)
            text = notes.read(length + length % 2)[:length]
            if key == _COMMENT:
                return text.rstrip(b"\0").decode("utf-8", "replace")
    return ""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """How the samples of a file are written: PCM or float, channels, samples a second, bits of a sample."""

    coding: int
    channels: int
    rate: int
    bits: int

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * self.bits // 8

    def decode(self, body: bytes) -> Floats:
        """Whole frames as (samples, channels), float32; PCM is scaled so that full scale is -1..1."""
        flat = _samples(body, self.coding, self.bits)
        return np.ascontiguousarray(flat.reshape(-1, self.channels), dtype=np.float32)


def open_wav(file: BinaryIO, where: str) -> tuple[Form, int | None]:
    """Read a WAV file up to its first sample, where `file` then stands.

    Returns:
        The form of the samples, and how many bytes of them the file says it has; None where it does not say.

    Raises:
        InputError: for another format, or a coding that is neither PCM nor float.
    """
    head = file.read(12)
    if len(head) < 12 or head[:4] not in (b"RIFF", *_LONG_FORMS) or head[8:12] != b"WAVE":
        raise WavError("a WAV file (RIFF ... WAVE)", f"{head!r}" if head else "an empty file", where)
    form: bytes | None = None
    long_size: int | None = None
    while len(chunk := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", chunk)
        if name == b"data":
            if form is None:
                raise WavError("a chunk 'fmt ' before the sound", "the chunk 'data'", where)
            return _form(form, where), long_size if size == _UNKNOWN_SIZE else size
        if name == b"fmt ":
            form = file.read(min(size, _LONGEST_FORM))
            file.seek(size - len(form) + size % 2, 1)
        elif name == b"ds64" and head[:4] in _LONG_FORMS and 16 <= size < _UNKNOWN_SIZE:
            long_size = int.from_bytes(file.read(16)[8:], "little") or None
            file.seek(size - 16 + size % 2, 1)
        else:
            file.seek(size + size % 2, 1)
    raise WavError("a chunk 'data' with sound", "the end of the file", where, "The file is truncated: copy it again")


def _form(form: bytes, where: str) -> Form:
    if len(form) < 16:
        raise WavError("a format of at least 16 bytes", f"{len(form)} bytes", where)
    coding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", form)
    if coding == _EXTENSIBLE and len(form) >= 26:
        coding = struct.unpack_from("<H", form, 24)[0]
    if coding not in (_PCM, _FLOAT) or bits not in ((8, 16, 24, 32) if coding == _PCM else (32, 64)):
        raise WavError(
            "PCM of 8, 16, 24 or 32 bit, or float of 32 or 64 bit", f"coding {coding} of {bits} bit", where,
            "Convert it, for example: ffmpeg -i IN.wav -c:a pcm_s16le OUT.wav",
        )  # fmt: skip
    if not channels or not rate:
        raise RateDiffersError("at least one channel and a sampling rate", f"{channels} channels at {rate} Hz", where)
    return Form(coding=coding, channels=channels, rate=rate, bits=bits)


def channel_names(count: int) -> tuple[str, ...]:
    """`sound`, or `sound_1`, `sound_2`, ... for several channels."""
    return ("sound",) if count == 1 else tuple(f"sound_{i + 1}" for i in range(count))


def _samples(body: bytes, coding: int, bits: int) -> NDArray[np.float64] | NDArray[np.float32]:
    """Return the numbers of the body, PCM divided by its full scale 2^(bits - 1)."""
    if coding == _FLOAT:
        return np.frombuffer(body, dtype="<f4" if bits == 32 else "<f8").astype(np.float64)
    if bits == 8:  # the one unsigned form
        return (np.frombuffer(body, dtype=np.uint8).astype(np.float32) - 128.0) / np.float32(128.0)
    if bits == 16:
        return np.frombuffer(body, dtype="<i2").astype(np.float32) / np.float32(32768.0)
    if bits == 24:
        three = np.frombuffer(body, dtype=np.uint8).reshape(-1, 3).astype(np.int32)
        whole = three[:, 0] | (three[:, 1] << 8) | (three[:, 2] << 16)
        return np.where(whole >= 1 << 23, whole - (1 << 24), whole) / float(1 << 23)
    return np.frombuffer(body, dtype="<i4") / float(1 << 31)
