"""Which layer takes most of the memory for weights."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import Trace
from edgewright.trace.anchors import MODEL
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question, short
from edgewright.trace.words import bytes_text, percent

_FLOAT32 = 4


def ask(trace: Trace) -> Question | None:
    """Asked where one layer has clearly more parameters than any other."""
    layers = sorted((one for one in trace.layers if one.parameters), key=lambda one: -one.parameters)
    total = sum(one.parameters for one in layers)
    if len(layers) < 2 or layers[0].parameters < 1.1 * layers[1].parameters:
        return None
    top = layers[0]
    share = percent(top.parameters / total)
    wrong = [
        (
            f"The layer '{short(one.name)}'",
            f"It has {one.parameters:,} of {total:,} parameters, {percent(one.parameters / total, 1)}.",
        )
        for one in layers[1:3]
    ]
    wrong += [
        (
            f"Each of the {len(layers)} layers takes the same share",
            f"The shares go from {percent(layers[-1].parameters / total, 1)} to {percent(top.parameters / total, 1)}.",
        ),
        (
            "The activations: weights take hardly any",
            f"Activations are kept in RAM while one answer is worked out; the weights are {bytes_text(4 * total)} in "
            "float32 on their own.",
        ),
    ]
    return question(
        trace,
        Ask(
            name="where_weights_go",
            text=f"Where do the {bytes_text(_FLOAT32 * total)} of float32 weights of this network go?",
            right=(
                f"Mostly to the layer '{short(top.name)}': {share}" if top.parameters * 2 > total
                else f"The largest share to the layer '{short(top.name)}': {share}",
                f"{top.parameters:,} of {total:,} parameters, 4 bytes each.",
            ),
            wrong=wrong,
            rests_on=f"Model, {top.name}: {top.parameters:,} of {total:,} parameters",
            anchor=MODEL,
        ),
    )  # fmt: skip


RULE = Rule(rank=21, ask=ask)
