"""How many parameters a dense layer has."""

from __future__ import annotations

from edgewright.schema.lesson import Question
from edgewright.schema.trace import Trace
from edgewright.trace.anchors import MODEL
from edgewright.trace.questions import Rule
from edgewright.trace.questions._options import Ask, question


def ask(trace: Trace) -> Question | None:
    """Asked of the dense layer with the most parameters, whose inputs follow from its size."""
    dense = [
        layer
        for layer in trace.layers
        if layer.kind == "dense"
        and len(layer.shape_out) == 1
        and layer.shape_out[0] > 0
        and layer.parameters % layer.shape_out[0] == 0
        and layer.parameters > 2 * layer.shape_out[0]
    ]
    if not dense:
        return None
    layer = max(dense, key=lambda one: one.parameters)
    units = layer.shape_out[0]
    inputs = layer.parameters // units - 1
    return question(
        trace,
        Ask(
            name="layer_parameters",
            text=f"How many parameters has the layer '{layer.name}', with {inputs:,} inputs and {units:,} units?",
            right=(
                f"{layer.parameters:,}",
                f"{inputs:,} x {units:,} weights + {units:,} biases = {layer.parameters:,}.",
            ),
            wrong=(
                (f"{inputs * units:,}", f"That leaves out the {units:,} biases, one a unit."),
                (f"{inputs + units:,}", "Every input is joined to every unit: the numbers are multiplied, not added."),
                (f"{units * (units + 1):,}", f"That would be a layer of {units:,} units after {units:,} others."),
                (f"{inputs * (units + 1):,}", f"A bias belongs to a unit, not to an input: {units:,} of them."),
                (f"{2 * inputs * units:,}", "Each pair of input and unit has one weight, not two."),
            ),
            rests_on=f"Model, {layer.name}: {layer.parameters:,} parameters",
            anchor=MODEL,
        ),
    )


RULE = Rule(rank=20, ask=ask)
