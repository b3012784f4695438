"""The numbers of a detector that generated C is written for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.text import smallest
from edgewright.export.c99_detectors import Score
from edgewright.monitor.detector_stream import FEATURES
from edgewright.schema.errors import InputError
from edgewright.schema.package import WindowSpec

MOST = 2**31 - 1
_BYTES = {"uint16_t": 2, "uint32_t": 4}


@dataclass(frozen=True)
class Form:
    """A detector as it is written.

    Attributes:
        kind: of the detector.
        score: its code.
        columns: channels in the order of a row.
        threshold: a score from here on is odd.
        refractory: rows, or windows, after an anomaly in which no other is told; below 1 this share of the rows seen.
        window: whose features the detector sees; None for rows.
        held: whether the code cuts the windows itself; it is else given whole ones.
    """

    kind: str
    score: Score
    columns: tuple[str, ...]
    threshold: float
    refractory: float
    window: WindowSpec | None
    held: bool

    @property
    def channels(self) -> int:
        """Numbers of a row."""
        return len(self.columns)

    @property
    def seen(self) -> int:
        """Numbers the detector looks at: a row, or a window's features."""
        return self.channels * (1 if self.window is None else len(FEATURES))

    @property
    def cuts(self) -> bool:
        """Whether rows come in and windows are cut of them."""
        return self.window is not None and self.held

    def fields(self) -> list[str]:
        """Return members of the state; those of two bytes come last, so that nothing lies between."""
        score, window = self.score, self.window
        lines = ["uint32_t rows;", f"uint32_t {'quiet' if self.refractory else 'odd'};"]
        if window is not None and self.held:
            lines += [f"float window[{self.channels * window.samples}];", "int filled;"]
            lines += ["int skip;"] if window.step > window.samples else []
        lines += ["uint32_t part;"] if score.season else []
        lines.append(f"float parts[{self.seen}];")
        lines += [f"float {name}[{count}];" for name, count in score.state.items()]
        lines += [f"uint32_t {name};" for name in score.counts]
        lines += ["@_net_context net;"] if score.network is not None else []
        whole = sorted(score.whole.items(), key=lambda item: -_BYTES[item[1][0]])
        return lines + [f"{kind} {name}[{count}];" for name, (kind, count) in whole]

    @property
    def ram(self) -> int:
        """Bytes of the state."""
        score, window = self.score, self.window
        words = 2 + self.seen + sum(score.state.values()) + len(score.counts) + (score.season is not None)
        if window is not None and self.held:
            words += self.channels * window.samples + 1 + (window.step > window.samples)
        whole = sum(_BYTES[kind] * count for kind, count in score.whole.values())
        return 4 * words + -(-whole // 4) * 4

    def tables(self) -> dict[str, NDArray[np.generic]]:
        """Return constants as they are stored."""
        return {name: t if t.dtype.kind == "f" else smallest(t) for name, t in self.score.tables.items()}


def checked(form: Form) -> Form:
    """Return the same, if it can be.

    Raises:
        InputError: no columns, a threshold or a count that is none, or windows of no size.
    """
    if not np.isfinite(np.float32(form.threshold)) or not 0 <= form.refractory <= MOST or not form.columns:
        raise InputError(
            "columns, a threshold and rows from 0 on",
            f"{form.channels}, {form.threshold:g} and {form.refractory}",
            "detector in C",
        )
    window = form.window
    if window is not None and 0 < form.refractory < 1:
        raise InputError("a number of windows without another alarm", f"{form.refractory:g}", "detector in C")
    if window is not None and not 1 <= min(window.samples, window.step) <= max(window.samples, window.step) <= MOST:
        raise InputError(f"windows and steps of 1 to {MOST} rows", f"{window.samples} and {window.step}", "detector")
    return form
