"""Questions about the model: its parameters, memory, training, compression and data flow."""

from __future__ import annotations

from edgewright.core.formatting import amount, bytes_text, fraction, percent, plural
from edgewright.core.records.trace import BudgetRow, ScalingPoint, Trace
from edgewright.trace.questions import Draft, rule, short
from edgewright.trace.sentences.facts import config_table, drop_text, parameter_count
from edgewright.trace.sentences.insight import reduction
from edgewright.trace.sentences.observations import overfitting as overfits
from edgewright.trace.sentences.opening import headline

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
    known = config_table(trace, "scaling").get("architectures", {})
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
    total = parameter_count(layers)
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


@rule("kept_epoch")
def kept_epoch(trace: Trace) -> Draft | None:
    """Ask where validation samples decided, after four epochs or more."""
    training = trace.training
    if training is None or len(training.epochs) < 4:
        return None
    losses = {e.epoch: e.validation_loss for e in training.epochs if e.validation_loss is not None}
    best = training.best_epoch
    if len(losses) < 4 or best not in losses or losses[best] != min(losses.values()):
        return None
    reasons = {training.epochs[-1].epoch: "It was the last one trained"}
    lowest = min(training.epochs, key=lambda e: e.loss)
    reasons.setdefault(lowest.epoch, f"Its training loss is the lowest ({fraction(lowest.loss)})")
    known = [e for e in training.epochs if e.validation_accuracy is not None]
    if known:
        top = max(known, key=lambda e: e.validation_accuracy or 0.0)
        reasons.setdefault(top.epoch, f"Its validation accuracy is the highest ({fraction(top.validation_accuracy)})")
    near = sorted(losses, key=lambda e: (abs(e - best), e))
    for epoch in [*near[1:3], training.epochs[0].epoch, *near]:
        reasons.setdefault(epoch, "It is another epoch")
    loss = fraction(losses[best], 4)
    wrong: list[str] = []
    for epoch, reason in reasons.items():
        if epoch != best:
            there = f"{fraction(losses[epoch], 4)} there, {loss} in epoch {best}" if epoch in losses else "it has none"
            wrong += [f"Epoch {epoch}", f"{reason}, but the validation loss decides: {there}."]
    return Draft(
        30, f"{len(training.epochs)} epochs were trained. The weights of which one were kept?", f"Epoch {best}",
        f"Its validation loss, {loss}, is the lowest of all epochs.", wrong,
        f"Training trace, epoch {best}: validation loss {loss}", "training",
    )  # fmt: skip


@rule("overfitting")
def overfitting(trace: Trace) -> Draft | None:
    """Ask since when training overfits, where the rule of the observations says so in some epoch."""
    epochs = trace.training.epochs if trace.training is not None else ()
    end = next((i for i, epoch in enumerate(epochs) if overfits(epochs[:i], epoch, 0) is not None), None)
    if end is None:
        return None
    start = min((e for e in epochs[:end] if e.validation_loss is not None), key=lambda e: e.validation_loss or 0.0)
    shown = epochs[end]
    rise = percent((shown.validation_loss or 0.0) / max(start.validation_loss or 0.0, 1e-9) - 1)
    return Draft(
        31,
        "Since when does this training overfit, and how can you see it?",
        f"Since epoch {start.epoch}: from there validation loss rises while training loss keeps falling",
        f"From epoch {start.epoch} to {shown.epoch} validation loss goes from {fraction(start.validation_loss)} to "
        f"{fraction(shown.validation_loss)}, training loss from {fraction(start.loss)} to {fraction(shown.loss)}.",
        (
            f"Since epoch {epochs[-1].epoch}: it shows only after the last epoch",
            f"It shows as soon as validation loss stays above its best: by epoch {shown.epoch} it is {rise} above it.",
            "It does not: training loss falls to the end",
            "Falling training loss says nothing about other data; validation loss rises meanwhile.",
            "Since epoch 1: training loss is never zero",
            "A loss above zero is not overfitting; memorizing would bring it towards zero.",
        ),
        f"Training trace, epoch {start.epoch}: validation loss {fraction(start.validation_loss)}",
        "training",
    )


@rule("int8_cost")
def int8_cost(trace: Trace) -> Draft | None:
    """Ask where a float and an int8 form stand side by side."""
    record = trace.compression
    if record is None or trace.evaluation is None:
        return None
    whole, small = record.form("float"), record.form("int8")
    if whole is None or small is None or not 0 < small.weight_bytes < whole.weight_bytes:
        return None
    kept = small.weight_bytes / whole.weight_bytes
    saved, cost = percent(1 - kept), drop_text(record, small)
    changed = f"{plural(small.flips, 'test sample')} got another class than from the float form."
    if small.accuracy is None:
        changed = "Each weight takes one byte instead of four."
    half = (
        "It saves half of the bytes of weights, as every second weight is removed",
        f"No weight is removed: each is kept in one byte instead of four ({whole.weight_bytes:,} B -> "
        f"{small.weight_bytes:,} B).",
    )
    same = (
        f"It saves {saved} of the bytes of weights and changes no answer",
        f"{plural(small.flips, 'test sample')} of {trace.evaluation.samples:,} changed class.",
    )
    equal = (
        f"It saves {saved} of the bytes of weights, so it loses {saved} of the accuracy",
        f"Bytes and accuracy do not fall alike: this run's int8 form {cost}.",
    )
    wrong = [*equal] if round(100 * abs(record.drop)) != round(100 * (1 - kept)) else []
    wrong += same if small.flips else []
    wrong += half if abs(kept - 0.5) > 0.02 else []
    wrong += [
        "It saves nothing in the file and only makes the arithmetic coarser",
        f"The weights shrink from {bytes_text(whole.weight_bytes)} to {bytes_text(small.weight_bytes)}.",
        "It saves training time: the network is trained in int8 from the first epoch",
        "The trained float network is converted; its ranges are found on training samples.",
    ]
    return Draft(
        40, "What does int8 save in this run, and what does it cost?",
        f"It saves {saved} of the bytes of weights and {cost}",
        f"{whole.weight_bytes:,} B -> {small.weight_bytes:,} B of weights. {changed}", wrong,
        f"Compression, int8: {small.weight_bytes:,} B of weights", "compression",
    )  # fmt: skip


@rule("budget")
def budget(trace: Trace) -> Draft | None:
    """Ask about the budget that is filled most, where the device sets limits."""
    device = trace.device
    rows = [] if device is None else [r for r in device.rows if r.available > 0 and r.used > 0]
    if device is None or not rows:
        return None
    row = max(rows, key=lambda r: (r.used / r.available, r.name))
    share = percent(row.used / row.available, 1)
    figures = f"{amount(row.used, row.unit)} of {amount(row.available, row.unit)}"
    wrong: list[str] = []
    for r in rows:
        less = percent(r.used / r.available, 1)
        wrong += [] if less == share else [_used(r), f"Less of that budget is used: {less}."]
    for factor, word in ((10.0, "ten times"), (0.1, "a tenth of"), (3.0, "three times")):
        wrong += [_used(row, factor), f"That is {word} what is used: {figures}."]
    return Draft(
        60, f"Which budget of {device.profile} does this model fill most, and how far?", _used(row),
        f"{figures}, {row.how}.", wrong, f"Device fit, {row.name}: {figures}", "device",
    )  # fmt: skip


def _used(row: BudgetRow, factor: float = 1.0) -> str:
    return f"{row.name}: {percent(factor * row.used / row.available, 1)} of it"


@rule("fewer_features")
def fewer_features(trace: Trace) -> Draft | None:
    """Ask why fewer features go into training, where the first layer is dense, so that its weights can be counted."""
    stage = reduction(trace.stages)
    if stage is None or not trace.layers:
        return None
    before, after, first = stage.shape_in[-1], stage.shape_out[-1], trace.layers[0]
    units = first.shape_out[-1]
    if first.kind != "dense" or first.parameters != units * (after + 1):
        return None
    was = f"{units * (before + 1):,}"
    evaluation = trace.evaluation
    score = None if evaluation is None else headline(evaluation.accuracy, evaluation.left_out)
    kept = ""
    if score is not None and score.measure == "accuracy":
        kept = f", and {score.figure} of the answers are still right"
    left = ", ".join(short(name) for name, _ in stage.dropped[:3])
    left = f" ({left}{', ...' if len(stage.dropped) > 3 else ''})" if left else ""
    why = "They were dropped because they say less about the target, not because they are wrong"
    if "pca" in stage.kind:
        why = "Each direction that is kept combines all columns; the directions left out vary least"
    return Draft(
        10,
        f"Why are fewer features selected before training? This run continues with {after:,} of {before:,}.",
        "The model gets smaller and has less noise to memorize: its first layer has "
        f"{first.parameters:,} parameters instead of {was}",
        f"{units:,} units x ({after:,} inputs + 1 bias) = {first.parameters:,}; with all {before:,} columns {was}"
        f"{kept}.",
        (
            f"The {before - after:,} dropped columns hold wrong readings, which must be removed",
            f"{why}{left}.",
            f"A dense layer of {units:,} units cannot take more than {after:,} inputs",
            f"A dense layer takes any number of inputs; {before:,} of them would need {was} parameters.",
            f"With {before:,} columns fewer rows would be left for training",
            f"Selection changes columns only: {stage.shape_in[0]:,} rows in, {stage.shape_out[0]:,} rows out.",
        ),
        f"Data flow, {stage.name}: {before:,} -> {after:,} columns",
        "data_flow",
    )


@rule("fitted_on")
def fitted_on(trace: Trace) -> Draft | None:
    """Ask about the first stage that was fitted on some of the samples only."""
    fitted = (s for s in trace.stages if s.shape_in and 0 < s.fitted_on < s.shape_in[0] and s.kind != "model")
    stage = next(fitted, None)
    if stage is None:
        return None
    total, used = stage.shape_in[0], stage.fitted_on
    return Draft(
        12,
        f"{total:,} samples pass the stage '{stage.name}'. Which of them was it fitted on?",
        f"The {used:,} that are not used for evaluation",
        f"What it learns must not come from the other {total - used:,}: they must be as new to the pipeline as "
        "samples of the device will be.",
        (
            f"All {total:,}",
            f"Then the {total - used:,} test samples would influence what they evaluate.",
            f"The {total - used:,} used for evaluation",
            "Nothing may be learned from them: they are evaluated once.",
            "None: it is computed from each sample alone",
            f"It keeps figures of {used:,} training samples and applies them to every sample.",
        ),
        f"Data flow, {stage.name}: fitted on {used:,} training samples",
        "data_flow",
    )
