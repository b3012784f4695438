"""Drift of how sure a model is: there is no reference in a package, so its change on the device is looked for."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from edgewright.monitor.drift.change_detection import Adwin, PageHinkley
from edgewright.monitor.drift.sketch import BLOCKS
from edgewright.schema.errors import InputError

# A change of the mean confidence below this does not matter.
_SIZE = 0.1
_LAYOUT = struct.Struct(f"<dIB{BLOCKS}f")
_PAGE = 44


@dataclass(frozen=True)
class ConfidenceChange:
    """The mean confidence of blocks before and after a change, which began `blocks` blocks ago."""

    before: float
    after: float
    blocks: int

    @property
    def step(self) -> float:
        """After less before, in units of the size that matters."""
        return (self.after - self.before) / _SIZE


class ConfidenceWatch:
    """The mean confidence of blocks, followed by ADWIN and Page and Hinkley's test."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0
        self._means: list[float] = []
        self._adwin = Adwin(clock=1, levels=3, grace=BLOCKS // 2)
        self._page = PageHinkley(delta=_SIZE / 2, threshold=8 * _SIZE, minimum=BLOCKS // 2)

    def push(self, confidence: float) -> None:
        """Take an answer's confidence, 0 to 1; one that is not finite, or 0 (no answer), is passed over."""
        if math.isfinite(confidence) and confidence > 0:
            self._sum, self._count = self._sum + confidence, self._count + 1

    def close(self) -> ConfidenceChange | None:
        """End the block; the change, where there is one that matters."""
        if not self._count:
            return None
        # float32 as it is saved, so that going on from a state changes nothing.
        mean = struct.unpack("<f", struct.pack("<f", self._sum / self._count))[0]
        self._sum, self._count = 0.0, 0
        self._means = [*self._means, mean][-BLOCKS:]
        reported = self._page.update(mean)
        if not (self._adwin.update(mean) or reported):
            return None
        return self._step()

    def _step(self) -> ConfidenceChange | None:
        best: ConfidenceChange | None = None
        weight = 0.0
        for cut in range(2, len(self._means) - 1):
            before, after = self._means[:cut], self._means[cut:]
            one = ConfidenceChange(sum(before) / len(before), sum(after) / len(after), len(after) - 1)
            if abs(one.step) * math.sqrt(len(before) * len(after)) > weight:
                best, weight = one, abs(one.step) * math.sqrt(len(before) * len(after))
        return best if best is not None and abs(best.step) >= 1 else None

    def to_bytes(self) -> bytes:
        """All it remembers, exact."""
        filled = [*self._means, *[0.0] * (BLOCKS - len(self._means))]
        head = _LAYOUT.pack(self._sum, self._count, len(self._means), *filled)
        return head + self._page.to_bytes() + self._adwin.to_bytes()

    def restore(self, data: bytes) -> None:
        """Go on from `to_bytes`.

        Raises:
            InputError: other bytes.
        """
        if len(data) < _LAYOUT.size + _PAGE:
            raise InputError("the state of a confidence", f"{len(data)} bytes", "drift")
        self._sum, self._count, kept, *means = _LAYOUT.unpack(data[: _LAYOUT.size])
        self._means = means[:kept]
        self._page.restore(data[_LAYOUT.size : _LAYOUT.size + _PAGE])
        self._adwin.restore(data[_LAYOUT.size + _PAGE :])
