"""Verdict of learning curves in one sentence: the gain from more data and from a larger model."""

from __future__ import annotations

import msgspec

from edgewright.schema.advice import CurveRecord, Curves
from edgewright.schema.trace import Interval


def verdict(curves: Curves) -> Curves:
    """Return the curves with their verdict."""
    data, parameters = curves.data, curves.parameters
    times = data.at / data.points[-1].size
    text = f"{_times(times)} the data ({data.at:,.0f} samples)"
    if data.unanswerable:
        lines = [f"the gain from {text} is unknown: {data.unanswerable}"]
    else:
        nothing = "" if data.gain.low > 0 else ", an interval that includes zero"
        lines = [f"{text} is worth {worth(data.gain, curves.share)}{nothing}"]
    if parameters is not None and not (data.unanswerable or parameters.unanswerable):
        lines.append(f"twice the parameters are worth {worth(parameters.gain, curves.share)}")
        lines.append(_which(data, parameters))
    if data.measured is not None:
        inside = "inside the interval" if data.inside else "OUTSIDE the interval"
        message = "no interval was predicted" if data.unanswerable else inside
        lines.append(f"measured afterwards: {figure(data.measured, curves.share)}, {message}")
    return msgspec.structs.replace(curves, verdict="; ".join(lines))


def law_words(record: CurveRecord, quantity: str, share: bool) -> str:
    """Describe the fitted power law; a floor above the lowest measured error is omitted."""
    power = record.exponent
    text = f"the error falls as {quantity}^-{power.value:.2f} ({power.low:.2f} to {power.high:.2f})"
    return f"{text} to a floor of {figure(record.floor, share)}" if record.floor <= record.lowest else text


def single_words(record: CurveRecord, share: bool) -> str:
    """Describe the spread between training runs; empty where the model is deterministic."""
    return f"9 of 10 training runs lie within {figure(record.single, share)} of the mean error" if record.single else ""


def worth(gain: Interval, share: bool) -> str:
    """Format a gain as '+1.30 points (+0.90 to +1.70)', or in the unit of the error."""
    if share:
        value, low, high = (round(100 * part, 2) + 0.0 for part in (gain.value, gain.low, gain.high))
        return f"{value:+.2f} points ({low:+.2f} to {high:+.2f})"
    return f"{gain.value:+.4g} ({gain.low:+.4g} to {gain.high:+.4g})"


def figure(error: float, share: bool) -> str:
    """Format an error as a percentage, or in its unit."""
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
