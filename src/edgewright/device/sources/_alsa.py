"""Sound from ALSA through libasound itself: no program and no package between, and no thread of its own.

Functions and numbers: alsa-lib's `pcm.h`. The library is there wherever ALSA is.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
from functools import cache
from typing import Any

import numpy as np

from edgewright.device.sources._polling import Gone
from edgewright.schema.data import Floats
from edgewright.schema.errors import InputError

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
        found = ctypes.CDLL("libasound.so.2")
    except OSError:
        do = "Install it (Debian: libasound2), or name a WAV file"
        raise InputError("ALSA's library libasound.so.2", "none", "--source wav:alsa", do) from None
    found.snd_strerror.restype = ctypes.c_char_p
    found.snd_pcm_open.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int]
    unsigned = ctypes.c_uint
    found.snd_pcm_set_params.argtypes = [
        ctypes.c_void_p, ctypes.c_int, ctypes.c_int, unsigned, unsigned, ctypes.c_int, unsigned
    ]  # fmt: skip
    found.snd_pcm_readi.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong]
    found.snd_pcm_readi.restype = ctypes.c_long
    found.snd_pcm_recover.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
    found.snd_pcm_wait.argtypes = [ctypes.c_void_p, ctypes.c_int]
    for name in ("snd_pcm_start", "snd_pcm_close"):
        getattr(found, name).argtypes = [ctypes.c_void_p]
    # Its own messages stay off standard error: what failed is told in `Packet.notice`.
    found.snd_lib_error_set_handler.argtypes = [ctypes.c_void_p]
    found.snd_lib_error_set_handler(ctypes.cast(_SILENT, ctypes.c_void_p))
    return found


# Kept for as long as the library may call it.
_SILENT = ctypes.CFUNCTYPE(None)(lambda: None)


def _text(code: int) -> str:
    data: bytes = library().snd_strerror(ctypes.c_int(code))
    return data.decode(errors="replace")
