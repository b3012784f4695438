"""Samples: one of each class, what its answer rests on, and a plot of each channel of a window."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from edgewright.core.formatting import number, percent, plural
from edgewright.schema.trace import Trace
from edgewright.schema.trace_flow import Channel, ClassSample, ClassSamples
from edgewright.trace.blocks.charts import drawing, svg_text
from edgewright.trace.blocks.view_blocks import Template, ViewBlock
from edgewright.trace.sections import Exported, Section

STRIPS = 6
"""Channels of a window that are drawn at most."""
# Strips of all samples together, and points of one: a page has room for so many.
_STRIPS, _POINTS = 24, 120
# A part that changes the lead by less than a twentieth of the largest change is not shaded.
_PALE = 0.025
_WIDTH, _STRIP, _GAP, _FOOT = 400.0, 34.0, 16.0, 14.0


def values_of(sample: ClassSample, shape: Sequence[int]) -> NDArray[np.float32]:
    """Return the recorded values: (columns,), or of windows (channels, recorded values of each)."""
    flat = np.frombuffer(sample.values, "<f4")
    return flat if len(shape) == 1 else flat.reshape(shape[0], -1)


def shown_channels(sample: ClassSample, known: ClassSamples) -> list[int]:
    """Return the channels that are drawn: all, or those that matter most to the answer, in their order."""
    count, limit = len(known.channels), max(1, min(STRIPS, _STRIPS // max(1, len(known.samples))))
    if count <= limit:
        return list(range(count))
    weights = [max(map(abs, row), default=0.0) for row in sample.drops] if len(sample.drops) == count else [0.0] * count
    return sorted(sorted(range(count), key=lambda c: (-weights[c], c))[:limit])


def window_plot(sample: ClassSample, known: ClassSamples) -> Markup:
    """Return the strips of a window as one SVG element; pointing at a shaded part tells how much it matters."""
    values = values_of(sample, known.shape)
    chosen = shown_channels(sample, known)
    height = len(chosen) * (_STRIP + _GAP) + _FOOT
    largest = max((abs(drop) for row in sample.drops for drop in row), default=0.0)
    parts: list[str] = []
    for index, channel in enumerate(chosen):
        top = _GAP + index * (_STRIP + _GAP)
        drops = sample.drops[channel if len(sample.drops) > 1 else 0] if sample.drops else ()
        about = known.channels[channel]
        parts += _shades(drops, largest, top, known.shape[-1])
        parts += _strip(values[channel], about, top)
    parts += [svg_text(0, height - 2, "0"), svg_text(_WIDTH, height - 2, plural(known.shape[-1], "sample"), "end")]
    label = f"A window of {sample.truth}: {', '.join(known.channels[c].name for c in chosen)} over time"
    return drawing(parts, label, _WIDTH, height)


def _shades(drops: Sequence[float], largest: float, top: float, length: int) -> Iterator[str]:
    """Yield a rectangle for each part, the stronger the more the answer's lead changes without it."""
    width = _WIDTH / max(1, len(drops))
    for colour, sign in (("right", 1), ("wrong", -1)):
        shapes = []
        for part, drop in enumerate(drops):
            share = round(0.5 * abs(drop) / largest, 2) if largest else 0.0
            if share >= _PALE and drop * sign > 0:
                first, last = part * length // len(drops), (part + 1) * length // len(drops) - 1
                shapes.append(
                    f'<path opacity="{share:g}" d="M{part * width:g} {top:g}h{width:g}v{_STRIP:g}H{part * width:g}">'
                    f"<title>samples {first}-{last}: effect {drop:+.3g}</title></path>"
                )
        if shapes:
            yield f'<g fill="var(--{colour})">{"".join(shapes)}</g>'


def _strip(values: NDArray[np.float32], about: Channel, top: float) -> Iterator[str]:
    """Yield the curve of a channel between its extremes, with name and range; missing values stay gaps."""
    thin = values[:: max(1, math.ceil(len(values) / _POINTS))]
    finite = thin[np.isfinite(thin)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    path, pen = [], "M"
    for i, value in enumerate(thin):
        if not np.isfinite(value):
            pen = "M"
            continue
        x = i * _WIDTH / max(1, len(thin) - 1)
        y = top + _STRIP - 2 - (_STRIP - 4) * (float(value) - low) / (high - low or 1.0)
        path.append(f"{pen}{x:.0f} {round(y, 1):g}")
        pen = " "
    yield (
        f'<path d="{"".join(path)}" fill="none" stroke="var(--ink)" stroke-width="1.2" stroke-linejoin="round" '
        'pointer-events="none"/>'
    )
    unit = f" {about.unit}" if about.unit else ""
    yield svg_text(0, top - 4, about.name) + svg_text(_WIDTH, top - 4, f"{number(low)} to {number(high)}{unit}", "end")


_WORDS = {"log-odds": "in log-odds", "probability": "in probability", "prediction": "of the prediction"}


def page_blocks(trace: Trace, exported: Exported) -> Sequence[ViewBlock]:
    """Build a card for each sample."""
    known = trace.samples
    if known is None or not known.samples:
        return ()
    cards = [_card(sample, known) for sample in known.samples]
    context = {"lead": _lead(trace, known), "cards": cards, "known": known, "unit": _unit(known)}
    return (Template("samples.html", context),)


def _unit(known: ClassSamples) -> str:
    return "Window" if len(known.shape) > 1 else "Row"


def _lead(trace: Trace, known: ClassSamples) -> str:
    whole = f"the first {len(known.samples)} of {known.classes:,} classes" if known.classes > len(known.samples) else ""
    classed = bool(trace.evaluation and trace.evaluation.labels)
    each = f"of {whole}" if whole else "of each class" if classed else "from low, middle and high amounts"
    text = f"One {_unit(known).lower()} {each}, from the {known.side} samples; no test sample is shown here. "
    changed = "the lead of its answer over the next class" if classed else "the prediction"
    change = "a part of the signal is replaced by its mean" if len(known.shape) > 1 else "a column has its mean instead"
    text += f"The effect says how much {changed} changes ({_WORDS[known.score]}) when {change}"
    refit = trace.refit is not None and trace.refit.kept
    return f"{text}. The packaged model answers{', whose last fit includes these samples' if refit else ''}."


def _card(sample: ClassSample, known: ClassSamples) -> dict[str, object]:
    right = sample.answer == sample.truth
    sure = known.score != "prediction"
    answer = f"{sample.answer}, {percent(sample.confidence, 1)}" if sure else f"predicted {sample.answer}"
    largest = max((abs(effect.drop) for effect in sample.effects), default=0.0) or 1.0
    effects = [
        (effect.name, number(effect.value), f"{effect.drop:+.3g}", f"{abs(effect.drop) / largest:.4f}")
        for effect in sample.effects
    ]
    heads = ("column", "value") if len(known.shape) == 1 else ("feature", "as the network takes it")
    return {
        "sample": sample,
        "answer": answer,
        "verdict": "" if not sure else "right" if right else "wrong",
        "effects": effects,
        "heads": heads,
        "plot": len(known.shape) > 1,
        "hidden": len(known.channels) - len(shown_channels(sample, known)) if len(known.shape) > 1 else 0,
        "where": f"{_unit(known)} {sample.row + 1:,}",
    }


SECTION = Section(58, "One sample of each class", lambda trace: (), page=page_blocks)
