"""What a training measured, as JSON and as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from edgewright.language.intents.scope_limit import auroc_interval
from edgewright.language.intents.train import Made
from edgewright.language.slots.score import SlotScore
from edgewright.training.metrics import calibration_error, class_scores, confusion, wilson

_CONFUSED, _WORST = 5, 5


def measures(made: Made, slots: SlotScore | None, utterances: int) -> dict[str, Any]:
    """Counts, and shares with intervals of 95 %, on utterances that the judged model was not fitted on."""
    judged, names = made.judged, made.intents
    right = judged.truth == judged.answer
    matrix = confusion(judged.truth, judged.answer, len(names))
    recall = class_scores(matrix)[1]
    each = []
    for number, name in enumerate(names):
        count = int(matrix[number].sum())
        share = wilson(int(matrix[number, number]), count)
        each.append({"intent": name, "judged": count, "right": round(float(recall[number]), 4),
                     "low": round(share.low, 4), "high": round(share.high, 4)})  # fmt: skip
    wrong = [
        {"said": names[row], "answered": names[column], "times": int(matrix[row, column])}
        for row, column in np.argwhere(matrix * (1 - np.eye(len(names), dtype=np.int64)) > 0)
    ]
    all_right = wilson(int(right.sum()), len(right))
    answered = wilson(int(judged.answered.sum()), len(right))
    area = auroc_interval(judged.scores, judged.outside)
    return {
        "utterances": utterances,
        "judged": len(right),
        "accuracy": {"value": all_right.value, "low": all_right.low, "high": all_right.high},
        "as_answered": {"value": answered.value, "low": answered.low, "high": answered.high},
        "reject": judged.reject,
        "calibration_error": calibration_error(judged.confidence, right),
        "kept_in_scope": float(np.mean(~judged.refused)),
        "refused_right": float(np.mean(judged.refused[right])) if right.any() else 0.0,
        "out_of_scope": None
        if not len(judged.outside)
        else {
            "judged": len(judged.outside), "auroc": area.value, "low": area.low, "high": area.high,
            "refused": float(np.mean(judged.refused_outside)),
        },
        "intents": each,
        "confused": sorted(wrong, key=lambda one: (-one["times"], str(one["said"]))),
        "bytes": made.bytes,
        "ladder": msgspec.to_builtins(made.ladder),
        "slots": None if slots is None else {"f1": slots.f1, "right": slots.right, "found": slots.found,
                                             "true": slots.true},
    }  # fmt: skip


def lines(told: dict[str, Any]) -> Iterator[str]:
    """The measures for people: as answered, the worst intents, what is confused with what, out of scope, slots."""
    share, refused = told["as_answered"], 1 - told["kept_in_scope"]
    yield (
        f"{100 * share['value']:.1f} % right as answered ({100 * share['low']:.1f} to {100 * share['high']:.1f}) of "
        f"{told['judged']:,} utterances held out; calibration error {100 * told['calibration_error']:.1f} points"
    )
    yield (
        f"  {100 * refused:.1f} % of them are refused as out of scope, which counts as wrong. Without refusals "
        f"{100 * told['accuracy']['value']:.1f} % are right; {100 * told['refused_right']:.1f} % of these right "
        f"answers are refused (--reject allows {100 * told['reject']:g} %)"
    )
    yield from mistakes(told)
    outside = told["out_of_scope"]
    if outside is None:
        yield "  no example is out of scope, so nothing says how many of such utterances are refused"
    else:
        yield (
            f"  out of scope: AUROC {outside['auroc']:.3f} ({outside['low']:.3f} to {outside['high']:.3f}) on "
            f"{outside['judged']}; {100 * outside['refused']:.0f} % of these are refused, and the limit was set by them"
        )
    slots = told["slots"]
    if slots is not None:
        yield f"  slots: F1 {100 * slots['f1']:.1f} on {slots['true']:,} slots held out"


def mistakes(told: dict[str, Any]) -> Iterator[str]:
    """The worst intents, and what is confused with what."""
    worst = sorted(told["intents"], key=lambda one: (one["right"], one["intent"]))[:_WORST]
    for one in worst if worst[0]["right"] < 1 else ():
        yield (
            f"  {one['intent']:<28} {100 * one['right']:.0f} % ({100 * one['low']:.0f} to {100 * one['high']:.0f}) "
            f"of {one['judged']}"
        )
    for one in told["confused"][:_CONFUSED]:
        times = "once" if one["times"] == 1 else f"{one['times']} times"
        yield f"  {one['said']} was taken for {one['answered']} {times}"
