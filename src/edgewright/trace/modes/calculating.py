"""Learning modes that calculate: formulas with the numbers of a run, and what another setting changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edgewright.core.errors import OptionFormatError
from edgewright.core.formatting import flow_text, fraction, number, percent, shape_text
from edgewright.core.records.trace import (
    CompressionRecord,
    EvaluationRecord,
    LayerRecord,
    PredictionRecord,
    StageRecord,
    Trace,
)
from edgewright.trace.blocks.records import Block, Code, Formula, Grid, Heading, Paragraph
from edgewright.trace.modes import Mode
from edgewright.trace.sentences.facts import ci_text, parameter_count, ranked, size_text, work_text
from edgewright.trace.sentences.insight import growth


def layer_formula(layer: LayerRecord) -> Formula:
    """Of one layer: what it computes, and how many parameters that takes."""
    units = layer.shape_out[-1] if layer.shape_out else 0
    takes = work_text([layer]) or "no multiply-accumulates"
    example = f"output {shape_text(layer.shape_out)}, {size_text([layer])}, {takes}"
    if layer.kind == "dense" and len(layer.shape_out) == 1 and units and layer.parameters % units == 0:
        inputs = layer.parameters // units - 1
        example = (
            f"{inputs:,} inputs x {units:,} units + {units:,} biases = {layer.parameters:,} parameters; "
            f"{inputs:,} x {units:,} = {inputs * units:,} multiply-accumulates"
        )
    meaning = "x: what comes in, W: weights, b: biases" if "W" in layer.formula else ""
    return Formula(text=f"{layer.name}: y = {layer.formula}", meaning=meaning, example=example)


def answer_formulas(prediction: PredictionRecord) -> list[Formula]:
    """How the last layer's sums become probabilities, in the traced sample."""
    if not prediction.probabilities or not prediction.layers:
        return []
    shares = ranked(prediction)
    end = prediction.layers[-1].activation
    total = " + ".join(fraction(p) for _, p in shares[:4]) + (" + ..." if len(shares) > 4 else "")
    top = prediction.confidence
    if end == "sigmoid" and 0 < top < 1:
        label, p = prediction.probabilities[-1]
        p = min(max(p, 1e-6), 1 - 1e-6)
        sum_ = math.log(p / (1 - p))
        return [
            Formula(
                text="p = 1 / (1 + exp(-z))",
                meaning="sigmoid: z is the weighted sum of the output layer, p the probability of the second class",
                example=f"z = {number(sum_)} gives p({label}) = {fraction(p)}, p({prediction.probabilities[0][0]}) = "
                f"1 - {fraction(p)} = {fraction(1 - p)}",
            )
        ]
    return [
        Formula(
            text="p_i = exp(z_i) / sum over j of exp(z_j)",
            meaning="softmax: z are the weighted sums of the output layer, p the probabilities of the classes",
            example=f"{', '.join(f'{label} {fraction(p)}' for label, p in shares[:4])}; together {total} = 1 "
            "(rounding apart)",
        )
    ]


def loss_formula(trace: Trace) -> list[Formula]:
    """Return the loss that training made smaller, for the traced sample and over the epochs."""
    training = trace.training
    if training is None or not training.epochs:
        return []
    first, last = training.epochs[0], training.epochs[-1]
    over = f"mean of epoch {first.epoch}: {fraction(first.loss)}, of epoch {last.epoch}: {fraction(last.loss)}"
    if "cross entropy" not in training.loss_name.replace("-", " ").replace("_", " "):
        return [Formula(text="loss = mean of (prediction - truth)^2", meaning="on the scaled target", example=over)]
    known = next((p for p in trace.predictions if p.truth and dict(p.probabilities).get(p.truth, 0) > 0), None)
    sample = ""
    if known is not None:
        share = dict(known.probabilities)[known.truth]
        sample = f"the traced {known.truth}: -ln({share:.4f}) = {-math.log(share):.4f}; "
    return [
        Formula(
            text="loss = -ln(p of the true class)",
            meaning=f"{training.loss_name}, averaged over a batch of {training.batch}",
            example=sample + over,
        )
    ]


def step_formula(trace: Trace) -> list[Formula]:
    """How many steps training took."""
    training = trace.training
    if training is None or not training.epochs or not training.samples:
        return []
    steps = math.ceil(training.samples / training.batch)
    ran = len(training.epochs)
    return [
        Formula(
            text="steps = ceil(samples / batch) x epochs",
            meaning=f"each step changes all weights a little ({training.optimiser})",
            example=f"ceil({training.samples:,} / {training.batch:,}) x {ran} = {steps:,} x {ran} = {steps * ran:,}",
        )
    ]


def result_formulas(evaluation: EvaluationRecord) -> list[Formula]:
    """Accuracy, recall, precision, or the measures of a regression."""
    formulas = _classes(evaluation)
    if "r2" in evaluation.regression:
        r2 = evaluation.regression["r2"]
        formulas.append(
            Formula(
                text="r2 = 1 - mean((prediction - truth)^2) / variance(truth)",
                meaning="1 is perfect, 0 as good as always answering with the mean",
                example=f"1 - {fraction(1 - r2)} = {fraction(r2)} on {evaluation.samples:,} test samples",
            )
        )
    if {"rmse", "mae"} <= set(evaluation.regression):
        formulas.append(
            Formula(
                text="mae = mean(|prediction - truth|), rmse = sqrt(mean((prediction - truth)^2))",
                meaning="both in the unit of the target",
                example=f"mae {number(evaluation.regression['mae'])}, rmse {number(evaluation.regression['rmse'])}",
            )
        )
    return formulas


def _classes(evaluation: EvaluationRecord) -> list[Formula]:
    if not evaluation.confusion or evaluation.accuracy is None:
        return []
    right = sum(row[i] for i, row in enumerate(evaluation.confusion))
    total = sum(map(sum, evaluation.confusion))
    a = evaluation.accuracy
    formulas = [
        Formula(
            text="accuracy = right / all",
            meaning="the diagonal of the confusion matrix against all of it",
            example=f"{right:,} / {total:,} = {percent(right / max(total, 1), 1)}; {ci_text(a)} ({a.method})",
        )
    ]
    if len(evaluation.labels) == len(evaluation.confusion) and evaluation.classes:
        worst = min(evaluation.classes, key=lambda row: (row.recall, row.label))
        position = evaluation.labels.index(worst.label) if worst.label in evaluation.labels else -1
        if position >= 0 and worst.support:
            hit, answered = evaluation.confusion[position][position], sum(row[position] for row in evaluation.confusion)
            formulas.append(
                Formula(
                    text="recall = right / all of the class, precision = right / all answered so, "
                    "F1 = 2 x precision x recall / (precision + recall)",
                    meaning=f"of '{worst.label}', the class with the lowest recall",
                    example=f"recall {hit:,} / {sum(evaluation.confusion[position]):,} = {fraction(worst.recall)}, "
                    f"precision {hit:,} / {answered:,} = {fraction(worst.precision)}, F1 = {fraction(worst.f1)}",
                )
            )
    return formulas


def int8_formulas(record: CompressionRecord | None, parameters: int) -> list[Formula]:
    """Return what int8 stores and what that saves."""
    whole, small = (None, None) if record is None else (record.form("float"), record.form("int8"))
    if whole is None or small is None or not small.weight_bytes:
        return []
    return [
        Formula(
            text="q = round(x / scale) + zero point, x ~ (q - zero point) x scale",
            meaning="a value becomes a whole number from -128 to 127; scale and zero point come from training samples",
        ),
        Formula(
            text="bytes = 4 x parameters in float32; 1 x weights + 4 x biases + scales in int8",
            example=f"4 x {parameters:,} = {4 * parameters:,}; measured {whole.weight_bytes:,} -> "
            f"{small.weight_bytes:,} bytes of weights, {whole.weight_bytes / small.weight_bytes:.2f} times smaller",
        ),
    ]


def formula_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return stages, layers, answer, loss, results, int8, growth: whatever this run has."""
    blocks: list[Block] = []
    before: tuple[str, ...] = ()
    for index, stage in enumerate(trace.stages, 1):
        if stage.formula:
            blocks += [Heading(text=stage.name, anchor=f"data_flow-{index}"), _stage(stage, before)]
        before = stage.names_after
    parts: tuple[tuple[str, str, list[Formula]], ...] = (
        ("Model", "model", [layer_formula(layer) for layer in trace.layers]),
        ("Training", "training", [*loss_formula(trace), *step_formula(trace)]),
        ("Answer", "prediction", answer_formulas(trace.predictions[0]) if trace.predictions else []),
        ("Results", "evaluation", [] if trace.evaluation is None else result_formulas(trace.evaluation)),
        ("Int8", "compression", int8_formulas(trace.compression, parameter_count(trace.layers))),
        ("Growth", "scaling", _growth(trace)),
    )
    for title, anchor, formulas in parts:
        if formulas:
            blocks += [Heading(text=title, anchor=anchor), *formulas]
    return tuple(blocks) or (Paragraph(text="This trace has no formulas."),)


def _stage(stage: StageRecord, names: tuple[str, ...]) -> Formula:
    shape = flow_text(stage.shape_in, stage.shape_out)
    fitted = f"fitted on {stage.fitted_on:,} training samples" if stage.fitted_on else ""
    example = shape
    if stage.sample_before and stage.sample_after and stage.sample_before[0] and stage.sample_after[0]:
        values = dict(zip(stage.names_after, stage.sample_after[0], strict=False))
        same = [(n, x, values[n]) for n, x in zip(names, stage.sample_before[0], strict=False) if n in values]
        moved = next(((n, x, y) for n, x, y in same if x is not None and x != y), same[0] if same else None)
        if moved is not None:
            example += f"; {moved[0]} of the first sample: {number(moved[1])} -> {number(moved[2])}"
    return Formula(text=stage.formula, meaning=fitted, example=example)


def _growth(trace: Trace) -> list[Formula]:
    if trace.scaling is None:
        return []
    word, exponents = growth(trace.scaling)
    if not exponents:
        return []
    meaning = f"e is fitted to the measured {word}: at 1 twice the rows take twice the time"
    example = "; ".join(f"{name}: rows^{exponent:.2f}" for name, exponent in exponents.items())
    return [Formula(text="cost = a x rows^e", meaning=meaning, example=example)]


FORMULAS = Mode(40, "Formulas", "What every stage and layer computes, with this run's numbers.", formula_blocks)


Config = Mapping[str, Any]
# Kinds of stages that decide how many columns go on, and the key that says so.
_COLUMNS = {"select": "k", "pca": "components"}
_BITS = {"8": "true", "32": "false"}


@dataclass(frozen=True)
class Knob:
    """One thing that can be changed.

    Attributes:
        description: a few words.
        now: its value in the run.
        other: a value worth trying.
        sets: value -> changes `a.b=v` of the configuration.
    """

    description: str
    now: str
    other: str
    sets: Callable[[str], tuple[str, ...]]


def alone(config: Config) -> dict[str, Any]:
    """Return the configuration without the comparison over data sizes, with the chosen architecture as its layers."""
    changed = dict(config)
    scaling, chosen = changed.get("scaling"), changed.get("architecture")
    if scaling and chosen:
        changed["model"] = {**changed.get("model", {}), "layers": scaling["architectures"][chosen]}
    return {**changed, "scaling": None, "architecture": ""}


def knobs(config: Config) -> dict[str, Knob]:
    """Return what can be changed in a run of this configuration, by short name."""
    single = alone(config)
    candidates = {
        "features": _features(single),
        "layers": _layers(single),
        "epochs": _number(single, "training", "epochs", "maximum passes over the training samples", 3),
        "bits": _bits(single),
        "rows": _number(single, "data", "rows", "simulated rows", 2),
    }
    return {name: knob for name, knob in candidates.items() if knob is not None}


def _count(name: str, text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise OptionFormatError("a whole number above zero", repr(text), f"--set {name}")
    return int(text)


def _features(config: Config) -> Knob | None:
    for index, stage in enumerate(config.get("stages", ())):
        key = _COLUMNS.get(stage.get("kind", ""))
        if key is not None and key in stage:
            now = stage[key]
            half = max(1, now // 2) if isinstance(now, int) else 3

            def sets(text: str, index: int = index, key: str = key) -> tuple[str, ...]:
                return (f"stages.{index}.{key}={_count('features', text)}",)

            return Knob(description="columns passed to the network", now=str(now), other=str(half), sets=sets)
    return None


def _layers(config: Config) -> Knob | None:
    layers = config.get("model", {}).get("layers", ())
    units = [layer["units"] for layer in layers if layer.get("kind") == "dense" and "units" in layer]
    if not units or any(layer.get("kind") not in ("dense", "dropout") for layer in layers):
        return None

    def sets(text: str) -> tuple[str, ...]:
        sizes = [_count("layers", part) for part in text.split(",")]
        tables = ", ".join(f'{{kind = "dense", units = {size}, activation = "relu"}}' for size in sizes)
        return (f"model.layers=[{tables}]",)

    other = ",".join(str(max(1, size // 2)) for size in units)
    return Knob(description="units of the hidden layers", now=",".join(map(str, units)), other=other, sets=sets)


def _number(config: Config, table: str, name: str, description: str, share: int) -> Knob | None:
    """Return a whole number of a table; a share of it is worth trying."""
    now = config.get(table, {}).get(name)
    if not isinstance(now, int):
        return None
    return Knob(
        description, str(now), str(max(1, now // share)), lambda text: (f"{table}.{name}={_count(name, text)}",)
    )


def _bits(config: Config) -> Knob | None:
    now = config.get("compression", {}).get("int8")
    if not isinstance(now, bool):
        return None

    def sets(text: str) -> tuple[str, ...]:
        if text.strip() not in _BITS:
            raise OptionFormatError(
                "8 or 32", repr(text), "--set bits", "8 creates an int8 form, 32 keeps only float32"
            )
        return (f"compression.int8={_BITS[text.strip()]}",)

    return Knob(description="bits of a weight", now="8" if now else "32", other="32" if now else "8", sets=sets)


def what_if_blocks(trace: Trace) -> tuple[Block, ...]:
    """Return the values that can be changed by a short name, and the command."""
    changes = knobs(trace.config) if trace.config else {}
    if not changes:
        return (Paragraph(text="This trace has no configuration: run the pipeline again to change it."),)
    rows = tuple((name, knob.description, knob.now, f"--set {name}={knob.other}") for name, knob in changes.items())
    name, first = next(iter(changes.items()))
    blocks: list[Block] = [
        Paragraph(text="Change one setting, run again, and see the effect on accuracy, bytes and latency."),
        Grid(headers=("name", "what", "now", "try"), rows=rows),
        Code(
            language="shell",
            text=f"edgewright learn runs/{trace.name} --mode what-if --set {name}={first.other}",
            caption="the new run gets the next number in this folder",
        ),
        Paragraph(text="Any key of the pipeline can be set as well, for example --set training.learning_rate=0.01."),
    ]
    if trace.scaling is not None:
        blocks.append(Paragraph(text="Such a run skips the comparison of data sizes."))
    return tuple(blocks)


WHAT_IF = Mode(rank=60, title="What if", purpose="Change one number and run again.", blocks=what_if_blocks)


MODES = {
    "formulas": FORMULAS,
    "what-if": WHAT_IF,
}
