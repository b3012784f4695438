"""Reading records of PhysioNet in the forms MIT-BIH uses: header, signal of format 212, annotations.

Forms: WFDB Applications Guide, pages header(5), signal(5) and annot(5).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.data.sets._files import read_bytes, read_text
from edgewright.schema.errors import InputError

# Codes of beats, annot(5), and their AAMI EC57 class; the other codes mark rhythm, noise and waves.
AAMI = {
    1: "N", 2: "N", 3: "N", 34: "N", 11: "N",  # normal, bundle branch blocks, atrial and nodal escape
    8: "S", 4: "S", 7: "S", 9: "S",  # premature above the ventricles
    5: "V", 10: "V",  # premature in a ventricle, ventricular escape
    6: "F",  # fusion of ventricular and normal
    12: "Q", 38: "Q", 13: "Q",  # paced, fusion of paced and normal, unclassifiable
}  # fmt: skip
_SKIP, _NUM, _SUB, _CHN, _AUX = 59, 60, 61, 62, 63


@dataclass(frozen=True)
class Header:
    """What a header says of a record.

    Attributes:
        rate: samples a second.
        samples: of each signal.
        leads: names of the signals.
    """

    rate: float
    samples: int
    leads: tuple[str, ...]


def read_header(path: Path) -> Header:
    """Header of a record of two signals in format 212.

    Raises:
        InputError: for another form.
    """
    lines = [line.split() for line in read_text(path).splitlines() if line.strip() and not line.startswith("#")]
    try:
        _, signals, rate, samples = lines[0][:4]
        forms = {line[1] for line in lines[1 : 1 + int(signals)]}
        header = Header(float(rate), int(samples), tuple(line[-1] for line in lines[1 : 1 + int(signals)]))
    except (ValueError, IndexError):
        raise InputError("a header of PhysioNet", "something else", str(path), "Fetch it again") from None
    if forms != {"212"} or len(header.leads) != 2:
        raise InputError("two signals of format 212", f"{len(header.leads)} of {', '.join(sorted(forms))}", str(path))
    return header


def read_212(path: Path, samples: int) -> NDArray[np.int16]:
    """Two signals of 12-bit two's complement, three bytes for a pair, shape (samples, 2).

    Raises:
        InputError: when the file is shorter or longer than the header says.
    """
    raw = np.frombuffer(read_bytes(path), dtype=np.uint8)
    if len(raw) != 3 * samples:
        raise InputError(f"{3 * samples} bytes", str(len(raw)), str(path), "Fetch it again")
    low, middle, high = raw.reshape(-1, 3).astype(np.int16).T
    pair = np.stack([low | (middle & 0x0F) << 8, high | (middle & 0xF0) << 4], axis=1)
    return np.where(pair > 2047, pair - 4096, pair).astype(np.int16)


def read_annotations(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Samples and codes of a record's annotations, each of shape (annotations,).

    Words of 16 bit: the upper 6 the code, the lower 10 the samples since the annotation before. Code 59 is followed
    by a distance of 32 bit, upper half first; code 63 by that many bytes of text, padded to an even number.

    Raises:
        InputError: when the file ends within an annotation.
    """
    raw = read_bytes(path)
    words = np.frombuffer(raw[: len(raw) // 2 * 2], dtype="<u2").astype(np.int64)
    samples, codes, at, now = [], [], 0, 0
    try:
        while words[at] != 0:
            code, distance = int(words[at] >> 10), int(words[at] & 0x3FF)
            at += 1
            if code == _SKIP:
                far = int(words[at] << 16 | words[at + 1])
                now += far - (1 << 32) if far >= 1 << 31 else far
                at += 2
            elif code == _AUX:
                at += (distance + 1) // 2
            elif code not in (_NUM, _SUB, _CHN):
                now += distance
                samples.append(now)
                codes.append(code)
    except IndexError:
        raise InputError("annotations up to an end mark", "the end of the file", str(path), "Fetch it again") from None
    return np.array(samples, dtype=np.int64), np.array(codes, dtype=np.int64)
