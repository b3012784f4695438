"""What happens on a device: packets of rows that arrive, events that come of them, and how decisions are made."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.records.data import Floats

# 'decision': the smoothed answer changed; 'alarm': it calls for somebody; 'anomaly': a detector's score passed its
# threshold; 'health': the source, the sensor or the store is not well; 'drift': a channel is no longer as in training;
# 'state': a state machine took a step; 'summary': counts over a stretch of time.
Kind = Literal["decision", "alarm", "anomaly", "health", "drift", "state", "summary"]
PRIORITY: dict[str, int] = {"alarm": 0, "health": 1, "anomaly": 2, "state": 3, "decision": 4, "drift": 5, "summary": 6}
"""The smaller, the earlier it leaves the outbox; raw rows come after all of them."""


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that arrived together.

    Attributes:
        stream: who sent them, in a source that carries many; empty in a source of one.
        values: shape (rows, channels), float32, NaN where missing, channels in the order the source was opened with.
        time: shape (rows,), seconds; of the device's clock where rows carry one, else of the monotonic clock at
            arrival. Only differences within a stream mean something.
        wall: seconds since 1970 of the last row, as well as it is known; None where nobody knows.
        sequence: shape (rows,), the sender's count; None where it does not count.
        lost: rows known to be lost before these.
        notice: what went wrong with the source since the last packet, in a few words; empty when nothing did.
    """

    stream: str = ""
    values: Floats
    time: NDArray[np.float64]
    wall: float | None = None
    sequence: NDArray[np.int64] | None = None
    lost: int = 0
    notice: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something worth keeping. The store gives it its place: (device, boot, sequence) is unique for ever.

    Attributes:
        kind: as above.
        stream: whose rows it comes from.
        time: seconds of the stream's clock at the last row that it rests on; the same rows give the same event.
        wall: seconds since 1970, and `doubt`, by how many seconds that may be wrong (None: unknown).
        label: answer, alarm, channel or state by name.
        score: confidence of a decision, score of an anomaly, distance of a drift.
        detail: further numbers and words by name; nothing of the raw rows.
    """

    kind: Kind
    stream: str = ""
    time: float = 0.0
    wall: float | None = None
    doubt: float | None = None
    label: str = ""
    score: float = 0.0
    detail: dict[str, Any] = msgspec.field(default_factory=dict)


class DecisionSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From the answers of single windows to events, in this order; the same in Python and in generated C.

    Attributes:
        smoothing: answers whose probabilities are averaged (a moving mean over the last so many windows).
        thresholds: by label, the averaged probability from which the label counts; `threshold` for labels not named.
        threshold: below it nothing is decided and the last decision stays.
        debounce: so many windows in a row must agree before a decision changes.
        alarms: labels whose beginning raises an alarm.
        refractory: seconds after an alarm in which the same label raises no other.
        full_mean: nothing is decided by a mean of fewer than `smoothing` answers, at the start and behind a gap; left
            out where it is not set, so that other packages keep their bytes.
    """

    smoothing: int = 1
    thresholds: dict[str, float] = msgspec.field(default_factory=dict)
    threshold: float = 0.0
    debounce: int = 1
    alarms: tuple[str, ...] = ()
    refractory: float = 0.0
    full_mean: bool | msgspec.UnsetType = msgspec.UNSET
