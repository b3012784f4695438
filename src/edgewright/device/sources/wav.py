"""Sound: a WAV file, or a microphone through ALSA.

Functions and numbers: alsa-lib's `pcm.h`. The library is there wherever ALSA is.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import os
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from edgewright.core.errors import InputError, SourceDataError, SourceError
from edgewright.core.files import os_errors
from edgewright.core.input.riff import channel_names, open_wav
from edgewright.core.records.data import Floats
from edgewright.core.records.device import Packet
from edgewright.device.sources import Stream, StreamConfig, StreamKind
from edgewright.device.sources._csv_place import ends_of
from edgewright.device.sources._packet import Arrived, match, refuse_missing
from edgewright.device.sources._polling import CapturedSource, Gone

_CAPTURE, _NONBLOCK = 1, 1
_S16_LE, _INTERLEAVED, _RESAMPLE = 2, 3, 1
_PART = 8  # of a second is what one read takes at most: well below what the driver holds
_LATENCY_US = 500_000  # what the driver holds while nobody reads


class Overrun(Exception):  # noqa: N818 - nothing failed; sound is missing
    """Sound was lost, because it was not read in time or the machine slept; capture goes on."""


class Capture:
    """An open capture device of 16 bit samples.

    Args:
        device: 'default', 'hw:1,0', 'plughw:...' or another name that ALSA's configuration knows.
        channels, rate: wanted; ALSA converts where the hardware has others and the device is no 'hw:'.

    Raises:
        Gone: when it cannot be opened.
    """

    def __init__(self, device: str, channels: int, rate: int) -> None:
        self._library = library()
        self._handle = ctypes.c_void_p()
        self.channels = channels
        code = self._library.snd_pcm_open(ctypes.byref(self._handle), device.encode(), _CAPTURE, _NONBLOCK)
        if code < 0:
            self._handle = ctypes.c_void_p()
            raise Gone(_text(code))
        code = self._library.snd_pcm_set_params(
            self._handle, _S16_LE, _INTERLEAVED, channels, rate, _RESAMPLE, _LATENCY_US
        )
        if code >= 0:
            code = self._library.snd_pcm_start(self._handle)
        if code < 0:
            self.close()
            raise Gone(f"{channels} channels at {rate} Hz: {_text(code)}")
        self._room = np.zeros((max(1, rate // _PART), channels), "<i2")

    def read(self, timeout: float) -> Floats:
        """Return samples that came, shape (n, channels), full scale -1..1; n is 0 when none came in time.

        Raises:
            Overrun: sound was lost.
            Gone: the device vanished.
        """
        ready = self._library.snd_pcm_wait(self._handle, max(0, round(timeout * 1000)))
        count = ready if ready < 0 else 0
        if ready > 0:
            count = self._library.snd_pcm_readi(
                self._handle, self._room.ctypes.data_as(ctypes.c_void_p), len(self._room)
            )
        if count in (-errno.EPIPE, -errno.ESTRPIPE):
            if self._library.snd_pcm_recover(self._handle, int(count), 1) < 0:
                raise Gone(_text(int(count)))
            self._library.snd_pcm_start(self._handle)
            raise Overrun
        if count < 0 and count not in (-errno.EAGAIN, -errno.EINTR):
            raise Gone(_text(int(count)))
        return self._room[: max(0, count)].astype(np.float32) / np.float32(32768.0)

    def close(self) -> None:
        """Give the device back."""
        if self._handle:
            self._library.snd_pcm_close(self._handle)
            self._handle = ctypes.c_void_p()


@cache
def library() -> Any:  # noqa: ANN401 - a C library
    """Return the C library libasound.

    Raises:
        InputError: it is not on this machine.
    """
    try:
        alsa = ctypes.CDLL("libasound.so.2")
    except OSError:
        do = "Install it (Debian: libasound2), or name a WAV file"
        raise SourceError("ALSA's library libasound.so.2", "none", "--source wav:alsa", do) from None
    alsa.snd_strerror.restype = ctypes.c_char_p
    alsa.snd_pcm_open.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    unsigned = ctypes.c_uint
    alsa.snd_pcm_set_params.argtypes = [
        ctypes.c_void_p, ctypes.c_int, ctypes.c_int, unsigned, unsigned, ctypes.c_int, unsigned
    ]  # fmt: skip
    alsa.snd_pcm_readi.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong]
    alsa.snd_pcm_readi.restype = ctypes.c_long
    alsa.snd_pcm_recover.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    alsa.snd_pcm_wait.argtypes = [ctypes.c_void_p, ctypes.c_int]
    for name in ("snd_pcm_start", "snd_pcm_close"):
        getattr(alsa, name).argtypes = [ctypes.c_void_p]
    # Its own messages stay off standard error: what failed is told in `Packet.notice`.
    alsa.snd_lib_error_set_handler.argtypes = [ctypes.c_void_p]
    alsa.snd_lib_error_set_handler(ctypes.cast(_SILENT, ctypes.c_void_p))
    return alsa


# Kept for as long as the library may call it.
_SILENT = ctypes.CFUNCTYPE(None)(lambda: None)


def _text(code: int) -> str:
    data: bytes = library().snd_strerror(ctypes.c_int(code))
    return data.decode(errors="replace")


_FRAMES = 4096  # in a packet of a file
_ALSA = "alsa"


class WavConfig(StreamConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of sound. Its channels are called `sound`, or `sound_1`, `sound_2` and so on.

    Attributes:
        path: of a WAV file; empty for a microphone.
        device: of ALSA: 'default', 'plughw:1,0', ...; read when `path` is empty.
        speed: of a file: 1 is its own pace, 0 as fast as it can be read.
        rate: samples a second of a microphone; of a file, what it must have.
        channels: of a microphone.
    """

    path: str = ""
    device: str = "default"
    speed: Annotated[float, msgspec.Meta(ge=0.0, le=1e6)] = 0.0
    rate: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    channels: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1


class WavFile(Stream):
    """A WAV file that is played; what lies in memory is one packet.

    Raises:
        InputError: for a file that is none, is cut off, or has another rate than the settings say.
    """

    def __init__(self, config: WavConfig, columns: tuple[str, ...]) -> None:
        path = Path(config.path)
        with os_errors(InputError, "a WAV file", config.path):
            self._file = path.open("rb")
        try:
            self._form, size = open_wav(self._file, path.name)
            self._left = path.stat().st_size - self._file.tell() if size is None else size
            if path.stat().st_size - self._file.tell() < self._left:
                raise SourceDataError(
                    f"{size} bytes of sound", "fewer", path.name, "The file is cut off: copy it again"
                )
            if config.rate and config.rate != self._form.rate:
                raise SourceError(f"sound of {config.rate} Hz", f"{self._form.rate} Hz", path.name, "Resample it")
            names = channel_names(self._form.channels)
            chosen = match(names, columns, path.name)
            refuse_missing(chosen, names, path.name)
        except InputError:
            self._file.close()
            raise
        self.rate: float | None = float(self._form.rate)
        self.columns, self._places = chosen.names, list(chosen.places)
        self._speed, self._given, self._start = config.speed, 0, 0.0
        self._before, self._whole = 0, self._left
        self.live = bool(config.speed)
        self.origin, self.loses = str(path.absolute()), ""
        self._ends = ends_of(path)

    def position(self) -> dict[str, Any]:
        """Return how many samples were given, and what tells the file from another one."""
        self.reached = f"sample {self._given:,}"
        return {"samples": self._given, "whole": self._whole, "ends": self._ends}

    def resume(self, position: dict[str, Any]) -> bool:
        """Go on behind the samples that were given, where the file is the same."""
        behind = position["samples"] * self._form.frame
        same = position["whole"] == self._whole and position.get("ends", self._ends) == self._ends
        if not same or not 0 <= behind <= self._left:
            return False
        self._file.seek(behind, os.SEEK_CUR)
        self._left -= behind
        self._given = self._before = position["samples"]
        return True

    def read(self, timeout: float) -> Sequence[Packet]:
        """Return the next samples; at the file's own pace those whose time has come."""
        if self.ended():
            return []
        rate = self._form.rate
        maximum = _FRAMES
        if self._speed:
            now = time.monotonic()
            self._start = self._start or now
            # What a tenth of a second holds, at most: nobody at a real microphone gets more at once.
            wanted = self._given + max(1, min(_FRAMES, rate // 10))
            due = self._start + (wanted - self._before) / (rate * self._speed)
            if due > now:
                time.sleep(min(max(0.0, timeout), due - now))
            if due > time.monotonic():
                return []
            maximum = wanted - self._given
        body = self._file.read(min(self._left, maximum * self._form.frame))
        body = body[: len(body) // self._form.frame * self._form.frame]
        self._left = self._left - len(body) if body else 0
        if self._left < self._form.frame:
            self._left = 0
        if not body:
            return []
        values = self._form.decode(body)[:, self._places]
        moments = (self._given + np.arange(len(values))) / rate
        self._given += len(values)
        return [Packet(values=np.ascontiguousarray(values), time=moments)]

    def ended(self) -> bool:
        """Return whether the last sample was given."""
        return self._left == 0

    def close(self) -> None:
        """Close the file."""
        self._left = 0
        self._file.close()


class Microphone(CapturedSource):
    """A capture device of ALSA; one that vanishes is opened again when it comes back.

    Raises:
        InputError: without libasound, or for channels that are not there.
    """

    loses = "sound while the agent is away is lost"

    def __init__(self, config: WavConfig, columns: tuple[str, ...]) -> None:
        library()
        rate, name = config.rate or 16000, f"alsa {config.device}"
        names = channel_names(config.channels)
        chosen = match(names, columns, name)
        refuse_missing(chosen, names, name)
        super().__init__(name, lambda: Capture(config.device, config.channels, rate), float(rate), chosen.names)
        self._places = list(chosen.places)

    def _arrived(self, wait: float) -> Arrived | None:
        if not self._opened():
            return None
        try:
            return Arrived(np.ascontiguousarray(self._handle.read(wait)[:, self._places]))
        except Overrun:
            # How much is missing shows in the time: the clock jumps to the arrival.
            self._notice = "sound was lost: it was read too late"
        except Gone as error:
            self._gone(error)
        return None


def _settings_of(text: str) -> dict[str, str]:
    kind, _, device = text.partition(":")
    if kind != _ALSA:
        return {"path": text}
    return {"device": device} if device else {}


def _open(config: WavConfig, columns: tuple[str, ...]) -> Stream:
    return WavFile(config, columns) if config.path else Microphone(config, columns)


STREAM = StreamKind(config=WavConfig, open=_open, example="wav:alsa:default?rate=16000", location_settings=_settings_of)
