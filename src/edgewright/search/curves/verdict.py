"""What two curves say, in a sentence: what more data is worth, and whether a larger model is worth more."""

from __future__ import annotations

import msgspec

from edgewright.schema.curve import CurveRecord, Curves
from edgewright.schema.trace import Interval


def verdict(curves: Curves) -> Curves:
    """The curves with their sentence."""
    data, parameters = curves.data, curves.parameters
    times = data.at / data.points[-1].size
    told = [
        f"{_times(times)} the data ({data.at:,.0f} samples) is worth {worth(data.gain, curves.share)}"
        f"{'' if data.gain.low > 0 else ', which may be nothing'}"
    ]
    if parameters is not None:
        told.append(f"a model of twice the parameters {worth(parameters.gain, curves.share)}")
        told.append(_which(data, parameters))
    if data.measured is not None:
        inside = "inside" if data.inside else "OUTSIDE"
        told.append(f"measured afterwards: {figure(data.measured, curves.share)}, {inside} the interval")
    return msgspec.structs.replace(curves, verdict="; ".join(told))


def worth(gain: Interval, share: bool) -> str:
    """'+1.3 points (+.9 to +1.7)', or in the unit of the error."""
    if share:
        value, low, high = (round(100 * part, 2) + 0.0 for part in (gain.value, gain.low, gain.high))
        return f"{value:+.2f} points ({low:+.2f} to {high:+.2f})"
    return f"{gain.value:+.4g} ({gain.low:+.4g} to {gain.high:+.4g})"


def figure(error: float, share: bool) -> str:
    """An error: per cent, or in its unit."""
    return f"{100 * error:.2f} %" if share else f"{error:.4g}"


def _times(times: float) -> str:
    return "twice" if abs(times - 2) < 0.02 else f"{times:.3g} times"


def _which(data: CurveRecord, parameters: CurveRecord) -> str:
    if data.gain.low > parameters.gain.high:
        return "labels are worth more than a bigger model"
    if parameters.gain.low > data.gain.high:
        return "a bigger model is worth more than labels"
    if data.gain.value > parameters.gain.value:
        return "labels are likely worth more than a bigger model"
    return "a bigger model is likely worth more than labels" if parameters.gain.value > 0 else "neither is worth much"
