"""What two curves say, in a sentence: what more data is worth, and whether a larger model is worth more."""

from __future__ import annotations

import msgspec

from edgewright.schema.curve import CurveRecord, Curves
from edgewright.schema.trace import Interval


def verdict(curves: Curves) -> Curves:
    """Return the curves with their sentence."""
    data, parameters = curves.data, curves.parameters
    times = data.at / data.points[-1].size
    text = f"{_times(times)} the data ({data.at:,.0f} samples)"
    if data.unanswerable:
        lines = [f"the gain from {text} is unknown: {data.unanswerable}"]
    else:
        nothing = "" if data.gain.low > 0 else ", which may be nothing"
        lines = [f"{text} is worth {worth(data.gain, curves.share)}{nothing}"]
    if parameters is not None and not (data.unanswerable or parameters.unanswerable):
        lines.append(f"a model of twice the parameters {worth(parameters.gain, curves.share)}")
        lines.append(_which(data, parameters))
    if data.measured is not None:
        inside = "inside the interval" if data.inside else "OUTSIDE the interval"
        message = "no interval was predicted" if data.unanswerable else inside
        lines.append(f"measured afterwards: {figure(data.measured, curves.share)}, {message}")
    return msgspec.structs.replace(curves, verdict="; ".join(lines))


def law_words(record: CurveRecord, what: str, share: bool) -> str:
    """How the error falls with size; a floor above what was measured is none."""
    power = record.exponent
    text = f"falls as {what}^-{power.value:.2f} ({power.low:.2f} to {power.high:.2f})"
    return f"{text} to a floor of {figure(record.floor, share)}" if record.floor <= record.lowest else text


def single_words(record: CurveRecord, share: bool) -> str:
    """How far one training lies from the mean that is predicted; empty where the model has nothing random."""
    return (
        f"a single training lies within {figure(record.single, share)} of that mean in 9 of 10 cases"
        if record.single
        else ""
    )


def worth(gain: Interval, share: bool) -> str:
    """'+1.3 points (+.9 to +1.7)', or in the unit of the error."""
    if share:
        value, low, high = (round(100 * part, 2) + 0.0 for part in (gain.value, gain.low, gain.high))
        return f"{value:+.2f} points ({low:+.2f} to {high:+.2f})"
    return f"{gain.value:+.4g} ({gain.low:+.4g} to {gain.high:+.4g})"


def figure(error: float, share: bool) -> str:
    """Return an error: per cent, or in its unit."""
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
