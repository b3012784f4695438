"""Samples: one of each class, and what its answer rests on."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.core.formatting import number, percent
from edgewright.schema.trace import Trace
from edgewright.schema.trace_samples import ClassSample, ClassSamples
from edgewright.trace.sample_plots import shown_channels
from edgewright.trace.sections import Exported, Section
from edgewright.trace.view_blocks import Template, ViewBlock

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
    what = "a part of the signal is replaced by its mean" if len(known.shape) > 1 else "a column has its mean instead"
    text += f"The effect says how much {changed} changes ({_WORDS[known.score]}) when {what}"
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
