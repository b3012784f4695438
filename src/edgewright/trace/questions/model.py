"""Questions on the model: its parameters, where its memory goes, and what a larger one costs."""

from __future__ import annotations

from edgewright.core.formatting import bytes_text, percent
from edgewright.schema.trace import ScalingPoint, Trace
from edgewright.trace.questions import Draft, rule, short

_FLOAT32 = 4
# Processor seconds below which a ratio says nothing.
_SHORT = 0.005


@rule("larger_architecture")
def larger_architecture(trace: Trace) -> Draft | None:
    """Ask why a larger architecture costs more, where two of different size were trained at several data sizes."""
    scaling = trace.scaling
    if scaling is None:
        return None
    largest = max((p.rows for p in scaling.points), default=0)
    points = sorted((p for p in scaling.points if p.rows == largest), key=lambda p: p.parameters)
    if len(points) < 2 or points[0].parameters >= points[-1].parameters or points[0].parameters <= 0:
        return None
    small, large = points[0], points[-1]
    if not _dense(trace, (small.architecture, large.architecture)):
        return None
    times = f"{large.parameters / small.parameters:.3g}"
    sizes = len({p.rows for p in scaling.points})
    return Draft(
        11,
        f"Why does the larger architecture affect scalability? '{short(large.architecture)}' has "
        f"{large.parameters:,} parameters, '{short(small.architecture)}' has {small.parameters:,}.",
        f"Every row passes every weight in every epoch: each additional row costs about {times} times as many "
        "multiply-accumulates",
        f"{large.parameters:,} / {small.parameters:,} = {times}. {_cost(small, large)}",
        (
            "It reads more columns of each row than the small one",
            "Both read the same columns; they differ in the number of weights behind them.",
            "It holds all rows in memory at once, the small one does not",
            "Both are trained in batches of the same size. Its extra memory is for weights and activations.",
            "It cannot be trained on more rows than it has parameters",
            f"There is no such limit: '{short(small.architecture)}' with {small.parameters:,} parameters was "
            f"trained at all {sizes} sizes, up to {largest:,} rows.",
        ),
        f"Scaling, {largest:,} rows: {large.parameters:,} against {small.parameters:,} parameters",
        "scaling",
    )


def _dense(trace: Trace, names: tuple[str, ...]) -> bool:
    """Return whether each weight is used once a row, as in dense layers; true where the record does not say."""
    scaling = trace.config.get("scaling")
    known = scaling.get("architectures", {}) if isinstance(scaling, dict) else {}
    return all(layer.get("kind") in ("dense", "dropout") for name in names for layer in known.get(name, ()))


def _cost(small: ScalingPoint, large: ScalingPoint) -> str:
    """Return what was measured at the largest size, where it is long enough to be compared."""
    if min(small.cpu_seconds, large.cpu_seconds) < _SHORT:
        return "An epoch is too short at these sizes to be compared."
    ratio = f"{large.cpu_seconds / small.cpu_seconds:.3g}"
    return f"Measured at {large.rows:,} rows: {ratio} times the processor time of an epoch."


@rule("layer_parameters")
def layer_parameters(trace: Trace) -> Draft | None:
    """Ask about the dense layer with the most parameters, whose inputs follow from its size."""
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
    layer = max(dense, key=lambda candidate: candidate.parameters)
    units = layer.shape_out[0]
    inputs = layer.parameters // units - 1
    return Draft(
        20,
        f"How many parameters does the layer '{layer.name}' have, with {inputs:,} inputs and {units:,} units?",
        f"{layer.parameters:,}",
        f"{inputs:,} x {units:,} weights + {units:,} biases = {layer.parameters:,}.",
        (
            f"{inputs * units:,}",
            f"That omits the {units:,} biases, one for each unit.",
            f"{inputs + units:,}",
            "Every input is connected to every unit: the numbers are multiplied, not added.",
            f"{units * (units + 1):,}",
            f"That would be a layer of {units:,} units after {units:,} others.",
            f"{inputs * (units + 1):,}",
            f"A bias belongs to a unit, not to an input: there are {units:,}.",
            f"{2 * inputs * units:,}",
            "Each pair of input and unit has one weight, not two.",
        ),
        f"Model, {layer.name}: {layer.parameters:,} parameters",
        "model",
    )


@rule("where_weights_go")
def where_weights_go(trace: Trace) -> Draft | None:
    """Ask which layer takes most of the memory, where one has clearly more parameters than any other."""
    layers = sorted((layer for layer in trace.layers if layer.parameters), key=lambda layer: -layer.parameters)
    total = sum(layer.parameters for layer in layers)
    if len(layers) < 2 or layers[0].parameters < 1.1 * layers[1].parameters:
        return None
    top, last = layers[0], layers[-1]
    share = percent(top.parameters / total)
    largest = "Mostly" if top.parameters * 2 > total else "The largest share"
    wrong: list[str] = []
    for layer in layers[1:3]:
        has = f"{layer.parameters:,} of {total:,} parameters, {percent(layer.parameters / total, 1)}"
        wrong += [f"To the layer '{short(layer.name)}'", f"It has {has}."]
    return Draft(
        21,
        f"Where do the {bytes_text(_FLOAT32 * total)} of float32 weights of this network go?",
        f"{largest} to the layer '{short(top.name)}': {share}",
        f"{top.parameters:,} of {total:,} parameters, {_FLOAT32} bytes each.",
        (
            *wrong,
            f"Each of the {len(layers)} layers takes the same share",
            f"The shares range from {percent(last.parameters / total, 1)} to {percent(top.parameters / total, 1)}.",
            "To the activations: weights take hardly any",
            "Activations are in RAM while one answer is computed; the weights alone are "
            f"{bytes_text(_FLOAT32 * total)} in float32.",
        ),
        f"Model, {top.name}: {top.parameters:,} of {total:,} parameters",
        "model",
    )
