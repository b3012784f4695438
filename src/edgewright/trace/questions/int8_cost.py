"""What int8 saves and what it costs."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import CompressionRecord, Trace, VariantRecord
from edgewright.trace.anchors import COMPRESSION
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question
from edgewright.trace.words import bytes_text, percent, plural, points


def ask(trace: Trace) -> Question | None:
    """Asked where a float and an int8 form stand side by side."""
    record = trace.compression
    if record is None or trace.evaluation is None:
        return None
    forms = {form.name: form for form in record.variants}
    whole, small = forms.get("float"), forms.get("int8")
    if whole is None or small is None or not 0 < small.weight_bytes < whole.weight_bytes:
        return None
    saved = percent(1 - small.weight_bytes / whole.weight_bytes)
    sizes = f"{whole.weight_bytes:,} B -> {small.weight_bytes:,} B of weights"
    return question(
        trace,
        Ask(
            name="int8_cost",
            text="What does int8 save in this run, and what does it cost?",
            right=(f"It saves {saved} of the bytes of weights and {_cost(record, small)}", f"{sizes}. {_flips(small)}"),
            wrong=_wrong(trace, record, whole, small),
            rests_on=f"Compression, int8: {small.weight_bytes:,} B of weights",
            anchor=COMPRESSION,
        ),
    )


def _cost(record: CompressionRecord, small: VariantRecord) -> str:
    """What happens to the accuracy, or to the error of a regression."""
    if small.accuracy is None:
        return f"its error {'grows' if record.drop > 0 else 'falls'} by {percent(abs(record.drop), 1)}"
    if abs(record.drop) < 0.0005:
        return "keeps the accuracy"
    return f"{'costs' if record.drop > 0 else 'gains'} {points(record.drop)} of accuracy"


def _flips(small: VariantRecord) -> str:
    if small.accuracy is None:
        return "Each weight takes one byte instead of four."
    return f"{plural(small.flips, 'test sample')} got another class than from the float form."


def _wrong(
    trace: Trace, record: CompressionRecord, whole: VariantRecord, small: VariantRecord
) -> list[tuple[str, str]]:
    kept, saved = small.weight_bytes / whole.weight_bytes, 1 - small.weight_bytes / whole.weight_bytes
    made = []
    if round(100 * abs(record.drop)) != round(100 * saved):
        made.append(
            (
                f"It saves {percent(saved)} of the bytes of weights, so it loses {percent(saved)} of the accuracy",
                f"Bytes and accuracy do not fall alike: this run's int8 form {_cost(record, small)}.",
            )
        )
    if abs(kept - 0.5) > 0.02:
        made.append(
            (
                "It saves half of the bytes of weights, as every second weight is left out",
                f"No weight is left out: each is kept in one byte instead of four ({whole.weight_bytes:,} B -> "
                f"{small.weight_bytes:,} B).",
            )
        )
    made.append(
        (
            "It saves nothing in the file and only makes the arithmetic coarser",
            f"The weights shrink from {bytes_text(whole.weight_bytes)} to {bytes_text(small.weight_bytes)}.",
        )
    )
    if small.flips:
        made.insert(
            1,
            (
                f"It saves {percent(saved)} of the bytes of weights and changes no answer",
                f"{plural(small.flips, 'test sample')} of {trace.evaluation.samples if trace.evaluation else 0:,} "
                "changed class.",
            ),
        )
    made.append(
        (
            "It saves training time: the network is trained in int8 from the first epoch",
            "The trained float network is converted; its ranges are found on training samples.",
        )
    )
    return made


RULE = Rule(rank=40, ask=ask)
