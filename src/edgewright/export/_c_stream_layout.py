"""The numbers of a stream that generated C is written for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgewright.core.decision import SLACK, check_decision, own_thresholds
from edgewright.export.contract import Stream
from edgewright.schema.errors import InputError

_MOST_ROWS = 2**31 - 1


@dataclass(frozen=True)
class Layout:
    """Numbers of one stream.

    Attributes:
        name: prefix of all names.
        channels, samples, step: of a window; one row of columns has samples and step of 1.
        classes: probabilities of an answer; 0 for a model that gives a number.
        outputs: numbers the model gives; 1 for two classes of one sigmoid.
        smoothing, debounce: windows.
        threshold: float32.
        own: by class, 0 for none.
        alarms: places of the labels.
        quiet: rows after an alarm without another of the same label.
    """

    name: str
    channels: int
    samples: int
    step: int
    classes: int
    outputs: int
    smoothing: int
    debounce: int
    threshold: float
    own: tuple[float, ...]
    alarms: tuple[int, ...]
    quiet: int

    @property
    def ram(self) -> int:
        """Bytes of the state; every member takes a multiple of four."""
        window = self.channels * self.samples + 1 if self.samples > 1 else 0
        decision = (self.classes + 3) if self.classes else 0
        kept = self.smoothing * self.classes + 2 if self.smoothing > 1 else 0
        return 4 * (2 + window + (self.step > self.samples) + decision + kept + (len(self.alarms) if self.quiet else 0))


def layout_of(name: str, stream: Stream, shape: tuple[int, ...], outputs: int) -> Layout:
    """The numbers of a stream.

    Raises:
        InputError: as `write_stream_c99`.
    """
    spec, labels, window = stream.decision, stream.labels, stream.window
    check_decision(spec, labels)
    samples, step = (1, 1) if window is None else (window.samples, window.step)
    wanted = shape[:1] if window is None else (*shape[:1], samples)
    if not 1 <= min(samples, step) <= max(samples, step) <= _MOST_ROWS:
        raise InputError(f"windows and steps of 1 to {_MOST_ROWS} rows", f"{samples} and {step}", f"model {name}")
    if not shape or tuple(shape) != wanted:
        raise InputError(f"samples of shape {wanted}, as the stream has them", f"{shape}", f"model {name}")
    if labels and outputs not in (len(labels), 1 if len(labels) == 2 else len(labels)):
        raise InputError(f"a probability for each of {len(labels)} labels", str(outputs), f"model {name}")
    if not labels and outputs != 1:
        raise InputError("one number, or probabilities of labels", f"{outputs} numbers", f"model {name}")
    return Layout(
        name=name,
        channels=shape[0],
        samples=samples,
        step=step,
        classes=len(labels),
        outputs=outputs,
        smoothing=spec.smoothing,
        debounce=spec.debounce,
        threshold=float(np.float32(spec.threshold)),
        own=tuple(float(v) for v in own_thresholds(spec, labels)) if spec.thresholds else (),
        alarms=tuple(place for place, label in enumerate(labels) if label in spec.alarms),
        quiet=_quiet(stream) if spec.alarms else 0,
    )


def _quiet(stream: Stream) -> int:
    """Rows of the refractory time: so many rows after an alarm it is over, as `Decider` counts seconds."""
    seconds = stream.decision.refractory - SLACK
    if seconds <= 0:
        return 0
    rate = None if stream.window is None else stream.window.rate
    if rate is None or not 0 < rate < math.inf:
        raise InputError(
            "a rate of the rows, in which the refractory time is counted", "none", "decision.refractory",
            "Set it to 0, or give the run a rate",
        )  # fmt: skip
    rows = math.ceil(seconds * rate)
    if rows > _MOST_ROWS:
        raise InputError(f"at most {_MOST_ROWS} rows", f"{rows}", "decision.refractory")
    return rows
