"""Sections with the results of a run: evaluation, objects, odd pictures and one prediction."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import replace

import msgspec
from msgspec import UnsetType

from edgewright.core.formatting import duration_text, fraction, number, percent, plural, shape_text
from edgewright.core.records.trace import (
    EvaluationRecord,
    Explained,
    GroupRow,
    Interval,
    LayerTrace,
    LeftOutRecord,
    PredictionRecord,
    RefitRecord,
    Trace,
)
from edgewright.core.records.trace_flow import ObjectsRecord, OddScene, Scene, Spot
from edgewright.trace.blocks.view_blocks import (
    Card,
    Cards,
    Cell,
    Fold,
    Items,
    Matrix,
    SideBySide,
    Span,
    Step,
    Steps,
    Table,
    Template,
    ViewBlock,
    line,
    row,
)
from edgewright.trace.sections import Exported, Section
from edgewright.trace.sentences.facts import (
    answer_text,
    ci_text,
    interval_text,
    layer_title,
    present,
    ranked,
    refit_text,
    score_text,
    scores_text,
    span,
)
from edgewright.trace.sentences.opening import receiver
from edgewright.trace.sentences.readiness import left_out_text


def left_out_blocks(record: LeftOutRecord | None) -> Sequence[ViewBlock]:
    """Return the mean with its caveat, what it was compared with, and each group, the worst first."""
    if record is None:
        return ()
    classify = record.r2 is None
    gains = [("always the most frequent class" if classify else "always the mean", record.majority)]
    gains += [] if record.simplest is None else [("one column with thresholds", record.simplest.gain)]
    text = "; ".join(f"{_gain(gain, classify=classify)} over {name}" for name, gain in gains)
    some = f" {len(record.groups)} of {record.known} groups: time ended." if len(record.groups) < record.known else ""
    return (
        line(left_out_text(record), "strong", "evaluation-left-out"),
        line(f"Gain: {text}.", "quiet"),
        line(
            f"Each {record.by} was left out once; stages and model were fitted on the others, as those of the package "
            f"are on all ({duration_text(record.seconds)}).{some} Confidence intervals: {record.score.method}; of "
            f"gains, {record.majority.method}.",
            "quiet",
        ),
        _group_table("Left out, the worst first", record.by, record.groups),
    )


def _gain(gain: Interval, *, classify: bool) -> str:
    write = (lambda x: f"{100 * x:+.1f}") if classify else "{:+.3g}".format
    return f"{write(gain.value)}{' points' if classify else ''} ({ci_text(gain, write)})"


def _group_table(caption: str, name: str, groups: Sequence[GroupRow]) -> Table:
    """List groups, the worst first: by accuracy, by F1, or by rmse."""
    figures = sorted(groups[0].regression) if groups[0].accuracy is None else []
    rows = []
    for group in sorted(groups, key=_quality):
        cells = [Cell(number(group.regression[figure])) for figure in figures]
        cells = cells or [Cell(fraction(group.accuracy), meter=group.accuracy)]
        rows.append(row(group.group, *cells, f"{group.samples:,}"))
    figures = figures or ["accuracy"]
    return Table(caption, (name, *(f"#{figure}" for figure in figures), "#samples"), rows, "measured")


def _quality(group: GroupRow) -> tuple[float, float, str]:
    return group.accuracy or group.regression.get("f1", 0.0), -group.regression.get("rmse", 0.0), group.group


_CONFUSIONS, _MISTAKES, _GROUPS = 10, 8, 8


def evaluation_blocks(evaluation: EvaluationRecord | None, refit: RefitRecord | None = None) -> Sequence[ViewBlock]:
    """Build everything that the evaluation has."""
    if evaluation is None:
        return ()
    blocks: list[ViewBlock] = [*left_out_blocks(evaluation.left_out), *_headline(evaluation)]
    blocks += [line(refit_text(refit), "quiet")] if refit is not None else []
    blocks += [Items(_baselines(evaluation))] if _baselines(evaluation) else []
    if evaluation.regression:
        blocks.append(_measures(evaluation))
    if evaluation.confusion:
        labels = evaluation.labels or tuple(str(i) for i in range(len(evaluation.confusion)))
        blocks.append(Matrix(labels, evaluation.confusion, _confusions(evaluation, labels)))
    if evaluation.classes:
        blocks.append(_classes(evaluation))
    lists: list[ViewBlock] = [*([_mistakes(evaluation)] if evaluation.mistakes else []), *_groups(evaluation)]
    return [*blocks, SideBySide(lists)] if lists else blocks


def _headline(evaluation: EvaluationRecord) -> list[ViewBlock]:
    if evaluation.folds:
        return [line(scores_text(evaluation.scores, evaluation.folds), anchor="evaluation-headline")]
    # Samples that no split chose: who scores on them says what they are.
    of = (
        f" on {plural(evaluation.samples, f'test {evaluation.unit}')}, split by {evaluation.split_by}"
        if evaluation.split_by
        else ""
    )
    figures = [
        (name, interval)
        for name, interval in (("accuracy", evaluation.accuracy), ("macro-F1", evaluation.macro_f1))
        if interval
    ]
    text = ", ".join(f"{name} {score_text(part)}" for name, part in figures)
    text = text or ", ".join(f"{name} {number(value)}" for name, value in sorted(evaluation.regression.items()))
    # Where each group was left out once, those fits give the headline, and these are the figures of one split.
    alone = evaluation.left_out is None
    headline = line(f"{'' if alone else 'One split: '}{text}{of}", "strong" if alone else "", "evaluation-headline")
    blocks: list[ViewBlock] = [headline] if text or of else []
    method = next(
        (
            interval.method
            for interval in (*(interval for _, interval in figures), *evaluation.intervals.values())
            if interval.method
        ),
        "",
    )
    return [*blocks, *([line(f"Confidence intervals: {method}.", "quiet")] if method else [])]


def _baselines(evaluation: EvaluationRecord) -> list[str]:
    """Return what an accuracy is compared with: the most frequent class, the calibration, ties."""
    baselines = []
    if evaluation.majority is not None:
        baselines.append(f"always the most frequent class: {fraction(evaluation.majority)}")
    if evaluation.calibration_error is not None:
        chance = evaluation.calibration_chance
        by_chance = "" if isinstance(chance, msgspec.UnsetType) else f" (by chance alone {percent(chance, 1)})"
        baselines.append(f"calibration error {percent(evaluation.calibration_error, 1)}{by_chance}")
    if evaluation.labels and evaluation.ties:
        baselines.append(f"{plural(evaluation.ties, 'tie')} of the largest probability")
    return baselines


def _measures(evaluation: EvaluationRecord) -> Table:
    rows = [
        row(name, number(value), span(evaluation.intervals[name]) if name in evaluation.intervals else "")
        for name, value in sorted(evaluation.regression.items())
    ]
    title = "Errors" if "rmse" in evaluation.regression else "Centres"
    return Table(title, ("measure", "#value", "#95 % CI"), rows, "measured")


def _confusions(evaluation: EvaluationRecord, labels: Sequence[str]) -> Table:
    pairs = sorted(
        (-count, labels[i], labels[j])
        for i, counts in enumerate(evaluation.confusion)
        for j, count in enumerate(counts)
        if count and i != j
    )
    rows = [row(truth, answer, f"{-count:,}") for count, truth, answer in pairs[:_CONFUSIONS]]
    return Table("Most frequent confusions", ("truth", "answer", "#samples"), rows, "measured")


def _classes(evaluation: EvaluationRecord) -> Table:
    rows = []
    for scores in evaluation.classes:
        recall = fraction(scores.recall) if scores.recall_interval is None else interval_text(scores.recall_interval)
        figures = (
            fraction(scores.precision),
            recall if scores.support else "-",
            fraction(scores.f1),
            f"{scores.support:,}",
        )
        rows.append(row(scores.label, *figures))
    return Table("By class", ("class", "#precision", "#recall (95 % CI)", "#F1", "#samples"), rows, "measured")


def _groups(evaluation: EvaluationRecord) -> list[ViewBlock]:
    """List people or machines, the worst first; of many, the others are folded."""
    if not evaluation.groups:
        return []
    table = _group_table("By group, the worst first", "group", evaluation.groups)
    rest = replace(table, caption="The other groups", rows=table.rows[_GROUPS:])
    if not rest.rows:
        return [table]
    names = evaluation.groups[0].regression
    better = "a higher accuracy" if not names else "smaller errors" if "rmse" in names else "a higher F1"
    title = f"{plural(len(rest.rows), 'group')} with {better}"
    return [replace(table, rows=table.rows[:_GROUPS]), Fold(title, [rest], [line(title, "quiet")])]


def _mistakes(evaluation: EvaluationRecord) -> Table:
    worst = sorted(evaluation.mistakes, key=lambda mistake: (-mistake.confidence, mistake.row))[:_MISTAKES]
    grouped = any(mistake.group for mistake in worst)
    rows = [
        row(
            Cell(f"{mistake.row + 1:,}", sample=mistake.row + 1), mistake.truth, Cell(mistake.answer, "bad"),
            percent(mistake.confidence),
            *([mistake.group] if grouped else []),
        )
        for mistake in worst
    ]  # fmt: skip
    heads = (evaluation.unit, "truth", "answer", "#confidence", *(["group"] if grouped else []))
    return Table("Most confident mistakes", heads, rows, "measured")


EVALUATION = Section(
    50,
    "Evaluation",
    lambda trace: evaluation_blocks(trace.evaluation, trace.refit),
    missing="This run has no evaluation.",
)


def objects_blocks(evaluation: EvaluationRecord | None) -> Sequence[ViewBlock]:
    """Build the table of classes, and how a map becomes objects."""
    record = present(None if evaluation is None else evaluation.objects)
    if record is None:
        return ()
    heads = ("class", "#precision", "#recall", "#F1 of centres (95 % CI)", "#true", "#found")
    rows = [
        row(scores.label, fraction(scores.precision), fraction(scores.recall), interval_text(scores.f1),
            f"{scores.true:,}", f"{scores.detected:,}")
        for scores in record.classes
    ]  # fmt: skip
    spec = record.spec
    text = (
        f"A centre is right at most one cell ({spec.height // spec.rows} pixels) from a true one of its class. The map "
        f"has {spec.rows} x {spec.columns} cells; touching cells of a class are one object."
    )
    if record.crowded:
        text += f" {plural(record.crowded, 'true object')} shared a cell with another one of the class."
    return (Table("Objects by class", heads, rows, "measured"), line(text, "quiet"))


def objects_page(trace: Trace, exported: Exported) -> Sequence[ViewBlock]:
    """Build the test pictures."""
    record = present(None if trace.evaluation is None else trace.evaluation.objects)
    if record is None or not record.scenes:
        return ()
    cards = [_card(scene, record) for scene in record.scenes]
    return (Template("scenes.html", {"cards": cards, "spec": record.spec}),)


def _card(scene: Scene, record: ObjectsRecord) -> dict[str, object]:
    return {
        "scene": scene,
        "picture": base64.b64encode(scene.picture).decode(),
        "true": [_mark(spot, scene.name, "is there") for spot in scene.true],
        "found": [_mark(spot, scene.name, f"found, {percent(spot.chance)}") for spot in scene.detected],
        "cell": record.spec.height // record.spec.rows,
        "text": f"{scene.name}: {plural(len(scene.true), 'true object')}, {len(scene.detected)} found",
    }


def _mark(spot: Spot, name: str, how: str) -> dict[str, object]:
    return {"x": f"{spot.x:.4g}", "y": f"{spot.y:.4g}", "label": spot.label, "title": f"{spot.label} {how} in {name}"}


OBJECTS = Section(35, "Objects in test pictures", lambda trace: objects_blocks(trace.evaluation), page=objects_page)


# A cell so many sixteenths of log-odds below the threshold is not drawn; at the threshold it is drawn half.
_REACH = 32


def anomalies_blocks(evaluation: EvaluationRecord | None) -> Sequence[ViewBlock]:
    """Build the table of figures, and how a map becomes an alarm."""
    record = present(None if evaluation is None else evaluation.anomalies)
    if record is None:
        return ()
    rows = [row("good pictures with an alarm", interval_text(record.false_alarms), f"{record.good:,}")]
    if record.recall is not None:
        rows.append(row("odd pictures with an alarm", interval_text(record.recall), f"{record.odd:,}"))
    if record.auroc is not None:
        rows.append(row("AUROC", interval_text(record.auroc), f"{record.good + record.odd:,}"))
    spec = record.spec
    promised = "" if isinstance(spec.false_alarms, UnsetType) else percent(spec.false_alarms)
    text = (
        f"A picture raises an alarm when one of its {spec.rows} x {spec.columns} cells reaches the threshold. By the "
        f"good validation pictures, a new good picture does so with a chance of at most {promised}."
    )
    if not record.odd:
        text += " There is no odd picture here: put some in a folder of another name than 'good' to see what is found."
    return (Table("Alarms on test pictures", ("figure", "#share (95 % CI)", "#pictures"), rows, "measured"),
            line(text, "quiet"))  # fmt: skip


def anomalies_page(trace: Trace, exported: Exported) -> Sequence[ViewBlock]:
    """Build the test pictures under their maps."""
    record = present(None if trace.evaluation is None else trace.evaluation.anomalies)
    if record is None or not record.scenes:
        return ()
    cards = [_anomaly_card(scene, record.spec.threshold, record.spec.columns) for scene in record.scenes]
    cell = record.spec.height // record.spec.rows
    return (Template("odd_scenes.html", {"cards": cards, "spec": record.spec, "cell": cell}),)


def _anomaly_card(scene: OddScene, threshold: int, columns: int) -> dict[str, object]:
    alarm = "alarm" if max(scene.odds) >= threshold else "no alarm"
    cells = []
    for index, odds in enumerate(scene.odds):
        strength = min(1.0, (odds - threshold + _REACH) / (2 * _REACH))
        if strength > 0:
            cells.append({"row": index // columns, "column": index % columns, "strength": f"{0.7 * strength:.2f}"})
    return {
        "scene": scene,
        "picture": base64.b64encode(scene.picture).decode(),
        "cells": cells,
        "text": f"{scene.name}: {scene.label}, {alarm}",
        "note": f"oddest cell {(max(scene.odds) - threshold) / 16:+.1f} log-odds from the threshold",
    }


ANOMALIES = Section(35, "Odd pictures", lambda trace: anomalies_blocks(trace.evaluation), page=anomalies_page)


_VALUES, _SCORES = 64, 8
_SQUASHING = ("softmax", "sigmoid")
_RAW = "Input"


def prediction_blocks(trace: Trace) -> Sequence[ViewBlock]:
    """Build a card for each traced sample."""
    if not trace.predictions:
        return ()
    lead = "What the model did with each sample, layer by layer. All values are measured."
    cards = [prediction_card(record, anchor=f"prediction-{i}") for i, record in enumerate(trace.predictions, 1)]
    return line(lead), Cards(cards)


def prediction_card(record: PredictionRecord, title: str = "", anchor: str = "") -> Card:
    """Build the card of one traced sample.

    Args:
        record: of the sample.
        title: where the sample came from; its row in the data, from 1, when empty.
        anchor: of the card on the page.
    """
    unit = "Window" if len(record.raw_shape) > 1 else "Row"
    head: list[Span] = [(answer_text(record), "strong")]
    if record.right is not None:
        head.append(("right", "good") if record.right else (f"wrong: it is {record.truth}", "bad"))
    elif record.truth:
        head.append((f"truth {record.truth}", "quiet"))
    steps = [
        *_input(_RAW, record.raw, record.input_names, record.raw_shape),
        *_input(f"To the {receiver(record)}", record.features, record.feature_names, record.feature_shape),
        *(_layer(layer, layer is record.layers[-1] and bool(record.probabilities)) for layer in record.layers),
    ]
    if record.probabilities:
        steps.append(Step("Answer", chances=ranked(record)))
    return Card(title or f"{unit} {record.row + 1:,}", tuple(head), [Steps(steps)], anchor)


def explained_blocks(record: Explained) -> Sequence[ViewBlock]:
    """Build the card of a prediction that was requested, what lies outside the declared ranges, and notes."""
    outside = (line(f"outside the declared range: {text}", "warn") for text in record.outside)
    card = prediction_card(record.prediction, f"Prediction of {record.origin}")
    return Cards([card]), *outside, *(line(text, "quiet") for text in record.notes)


def _input(title: str, values: Sequence[float | None], names: Sequence[str], shape: Sequence[int]) -> list[Step]:
    """Return a step of readings: by name, or of a window the profile of its first channel."""
    if not values:
        return []
    text = f"{shape_text(shape or (len(values),))} values"
    if len(shape) > 1:
        channel = names[0] if names else "channel 1"
        return [Step(title, f"{text}, {channel}", _finite(values), f"{channel} over time")]
    pairs = [(names[i] if i < len(names) else f"{i + 1}", number(value)) for i, value in enumerate(values)]
    more = (math.prod(shape) if shape else len(values)) - len(values)
    # Readings of several units have no common scale; what a model takes has one.
    drawn_values = [] if title == _RAW else _finite(values)
    return [Step(title, text, drawn_values, f"{title}: values in order", pairs=pairs, more=more)]


def _layer(layer: LayerTrace, output: bool) -> Step:
    title = layer_title(layer)
    if output:
        scores = ", ".join(number(value) for value in layer.values[:_SCORES])
        more = f" and {layer.size - _SCORES:,} more" if layer.size > _SCORES else ""
        return Step(title, "" if layer.activation in _SQUASHING or not scores else f"scores {scores}{more}")
    text = f"{layer.active:,} of {layer.size:,} active"
    if not layer.values:
        return Step(title, text)
    cut = f", the first {len(layer.values)} shown" if len(layer.values) < layer.size else ""
    text += f", largest {number(max(layer.values))}{cut}"
    return Step(title, text, _finite(layer.values), f"{layer.name}: {text}")


def _finite(values: Sequence[float | None]) -> list[float]:
    return [0.0 if value is None or not math.isfinite(value) else float(value) for value in values[:_VALUES]]


PREDICTION = Section(60, "Prediction trace", prediction_blocks, missing="No prediction was traced in this run.")


SECTIONS = {
    "evaluation": EVALUATION,
    "objects": OBJECTS,
    "anomalies": ANOMALIES,
    "prediction": PREDICTION,
}
