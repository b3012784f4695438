"""Reading the text form `.ts` of the UEA and UCR archives of time series."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewright.data.sets._files import read_text
from edgewright.schema.errors import InputError

Channels = list[NDArray[np.float64]]


def read_ts(path: Path) -> Iterator[tuple[Channels, str]]:
    """Cases of a file: the channels, each of shape (samples,), and the class.

    Raises:
        InputError: for a file without data, text in a channel, or channels of unequal length; names the line.
    """
    inside, cases = False, 0
    for number, line in enumerate(read_text(path).splitlines(), 1):
        line = line.strip()
        if not inside:
            inside = line.lower() == "@data"
            continue
        if not line or line.startswith("#"):
            continue
        *parts, label = line.split(":")
        try:
            channels = [np.array(part.replace("?", "nan").split(","), dtype=np.float64) for part in parts]
        except ValueError as error:
            raise InputError("numbers separated by commas", str(error), f"{path} line {number}") from None
        if len({len(c) for c in channels}) != 1:
            raise InputError(
                "channels of equal length, then the class", str([len(c) for c in channels]), f"{path} line {number}"
            )
        cases += 1
        yield channels, label.strip()
    if not cases:
        raise InputError("cases after a line '@data'", "none", str(path), "Is it a whole .ts file?")
