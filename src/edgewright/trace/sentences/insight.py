"""The key insight of a run, and what surprises in it, by rules from the numbers of its record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from msgspec import UNSET, UnsetType

from edgewright.core.formatting import fraction, measure_word, microseconds_text, number, percent, points, speed_text
from edgewright.core.records.race import RaceRecord
from edgewright.core.records.trace import (
    CompressionRecord,
    EvaluationRecord,
    Insight,
    LayerRecord,
    ScalingRecord,
    StageRecord,
    Trace,
)
from edgewright.trace.sentences.facts import drop_text, latency_change, layer_costs, parameter_count, work_text
from edgewright.trace.sentences.observations import best_of, watched_accuracy
from edgewright.trace.sentences.opening import MODELS
from edgewright.trace.sentences.readiness import NOTHING, chance_text, is_chance, left_out_text

# Sizes from which an exponent is told, and seconds above which one is believed.
_SIZES, _TELLING = 3, 0.001
LEFT_OUT = "left-out "
"""How the names of numbers begin that groups left out in turn gave."""
_UNSEEN = {
    "group": "samples of unseen people or machines",
    "session": "samples of unseen sessions",
    "time": "later samples",
}


def key_insight(trace: Trace) -> Insight:
    """Return the comparison that matters for this run, as one sentence with its numbers.

    A comparison over data sizes comes first where there is one. Otherwise: what is left of the columns against the
    accuracy kept, then what int8 saves against what it costs. Parts that are missing are left out.
    """
    if trace.scaling is not None and trace.scaling.points:
        return _scaling_insight(trace.scaling)
    stages, layers, evaluation, numbers = trace.stages, trace.layers, trace.evaluation, dict[str, float]()
    clauses = [_features_clause(stages, layers, evaluation, numbers), _int8_clause(trace.compression, numbers)]
    lines = [clause for clause in clauses if clause]
    if evaluation is not None and is_chance(evaluation):
        lines = [f"{NOTHING}: {chance_text(evaluation)}"]
    if not lines:
        lines = [_size_clause(stages, layers, numbers)]
    sentence = "; ".join(lines)
    return Insight(sentence=sentence[:1].upper() + sentence[1:], numbers=numbers)


def _scaling_insight(scaling: ScalingRecord) -> Insight:
    """How cost grows: the record's own sentence, or one from the largest exponents of time."""
    numbers = {
        f"{name} {measure_word(measure)} exponent": value
        for name, measures in sorted(scaling.exponents.items())
        for measure, value in sorted(measures.items())
    }
    largest = max(p.rows for p in scaling.points)
    for point in sorted((p for p in scaling.points if p.rows == largest), key=lambda p: p.architecture):
        numbers[f"{point.architecture} accuracy at {largest} rows"] = point.accuracy
        numbers[f"{point.architecture} CPU seconds an epoch at {largest} rows"] = point.cpu_seconds
    if scaling.pays_from is not None:
        numbers["pays from rows"] = float(scaling.pays_from)
    if scaling.sentence:
        text = scaling.sentence.rstrip(".") + _growth_clause(scaling)
        return Insight(sentence=text[:1].upper() + text[1:], numbers=numbers)
    best = max(scaling.points, key=lambda p: (p.accuracy, -p.parameters, p.architecture))
    cheap = min(scaling.points, key=lambda p: (p.rows != best.rows, p.cpu_seconds, p.architecture))
    if best.architecture == cheap.architecture:
        text = f"At {best.rows:,} rows {best.architecture} is both the cheapest and the most accurate"
    else:
        ratio = best.cpu_seconds / max(cheap.cpu_seconds, 1e-9)
        text = (
            f"At {best.rows:,} rows {best.architecture} gains {points(best.accuracy - cheap.accuracy)} over "
            f"{cheap.architecture} for {ratio:.3g} times the time of an epoch"
        )
    return Insight(sentence=text + _growth_clause(scaling), numbers=numbers)


def growth(scaling: ScalingRecord) -> tuple[str, dict[str, float]]:
    """Return the measured time and its exponent by architecture; empty for too few sizes or too short times.

    Processor time comes first; where it was too short at some size to be told from nothing, time on the clock.
    """
    if len({p.rows for p in scaling.points}) < _SIZES:
        return "", {}
    times = (("processor time", "cpu_seconds", [p.cpu_seconds for p in scaling.points]),
             ("time", "seconds", [p.seconds for p in scaling.points]))  # fmt: skip
    for word, key, spent in times:
        exponents = {name: measures[key] for name, measures in sorted(scaling.exponents.items()) if key in measures}
        if exponents and min(spent) >= _TELLING:
            return word, exponents
    return "", {}


def _growth_clause(scaling: ScalingRecord) -> str:
    word, exponents = growth(scaling)
    text = " and ".join(f"{exponent:.2f} ('{name}')" for name, exponent in exponents.items())
    return f"; {word} of an epoch grows as rows to the power {text}" if text else ""


def reduction(stages: Sequence[StageRecord]) -> StageRecord | None:
    """Return the stage that leaves out the most columns of a table, by share; None when none does."""
    candidates = [
        s
        for s in stages
        if len(s.shape_in) == len(s.shape_out) == 2 and s.kind not in ("model", "predict", "package", "split")
    ]
    fewer = [s for s in candidates if 0 < s.shape_out[-1] < s.shape_in[-1]]
    return min(fewer, key=lambda s: s.shape_out[-1] / s.shape_in[-1], default=None)


def _result(evaluation: EvaluationRecord, numbers: dict[str, float]) -> str:
    """Return what the test samples say, as the end of a sentence: 'answer 88 % of the test samples right'."""
    unseen = _UNSEEN.get(evaluation.split_by, "test samples")
    if evaluation.accuracy is not None:
        a = evaluation.accuracy
        numbers.update({"accuracy": a.value, "accuracy low": a.low, "accuracy high": a.high})
        text = f"answer {percent(a.value, 1)} of {unseen} right"
        if evaluation.majority is not None:
            numbers["majority"] = evaluation.majority
            text += f" (always predicting the most frequent class: {percent(evaluation.majority, 1)})"
        return text
    if "r2" in evaluation.regression:
        numbers["r2"] = evaluation.regression["r2"]
        return f"explain {percent(max(0.0, numbers['r2']), 1)} of the variance of {unseen}"
    for name, value in sorted(evaluation.regression.items()):
        numbers[name] = value
        return f"reach {name} {number(value)} on {unseen}"
    return ""


def _features_clause(
    stages: Sequence[StageRecord],
    layers: Sequence[LayerRecord],
    evaluation: EvaluationRecord | None,
    numbers: dict[str, float],
) -> str:
    left = None if evaluation is None else evaluation.left_out
    result = _result(evaluation, numbers) if evaluation is not None and left is None else ""
    if left is not None:
        score, name = left.score, LEFT_OUT + ("accuracy" if left.r2 is None else "rmse")
        numbers.update({name: score.value, f"{name} low": score.low, f"{name} high": score.high})
        result = left_out_text(left)
    if not result:
        return ""
    fewer, enough = reduction(stages), " are enough to " if left is None else ": "
    if left is None and 0.0 < numbers.get("accuracy", 0.0) <= numbers.get("majority", 0.0):
        enough = " "  # what the most frequent class alone reaches is not enough
    if fewer is not None:
        numbers.update({"columns in": float(fewer.shape_in[-1]), "columns out": float(fewer.shape_out[-1])})
        # A direction is made of all columns; only what was selected is a part of them.
        of = "directions in the space of" if "pca" in fewer.kind else "of"
        return f"{fewer.shape_out[-1]:,} {of} {fewer.shape_in[-1]:,} columns{enough}{result}"
    parameters = parameter_count(layers)
    if parameters and not any(layer.macs for layer in layers):  # trees and rules
        name = MODELS.get(layers[0].kind, "the model")
        return f"{name} can {result}" if left is None else f"{name}: {result}"
    if parameters:
        numbers["parameters"] = float(parameters)
        return f"{parameters:,} parameters{enough}{result}"
    return f"the model can {result}" if left is None else result


# Estimates that differ by less are not told apart.
_SAME_LATENCY = 0.05


def _int8_clause(compression: CompressionRecord | None, numbers: dict[str, float]) -> str:
    whole, small = (None, None) if compression is None else (compression.form("float"), compression.form("int8"))
    if compression is None or whole is None or small is None or whole.weight_bytes <= 0:
        return ""
    numbers.update({"float weight bytes": float(whole.weight_bytes), "int8 weight bytes": float(small.weight_bytes)})
    saved = 1 - small.weight_bytes / whole.weight_bytes
    text = f"int8 takes {percent(abs(saved))} {'fewer' if saved >= 0 else 'more'} bytes of weights"
    text += f" and {drop_text(compression, small)}"
    numbers["accuracy drop" if isinstance(small.f1, UnsetType) else "F1 drop"] = compression.drop
    if not whole.latency_p50_us or not small.latency_p50_us:
        return text
    numbers.update({"float latency us": whole.latency_p50_us, "int8 latency us": small.latency_p50_us})
    times = f"{microseconds_text(small.latency_p50_us)} against {microseconds_text(whole.latency_p50_us)}"
    if small.device_us is not None and whole.device_us is not None:
        before, after = whole.device_us.value, small.device_us.value
        same = abs(after - before) < _SAME_LATENCY * before
        on_device = "as fast" if same else speed_text(before, after)
        return f"{text}, and is estimated {on_device} on {compression.device}"
    change = latency_change(whole, small)
    if not change:
        return f"{text}; the difference in time here is within its noise ({times})"
    return f"{text}, and answers {change} here ({times})"


def _size_clause(stages: Sequence[StageRecord], layers: Sequence[LayerRecord], numbers: dict[str, float]) -> str:
    numbers["stages"] = float(len(stages))
    if layers:
        (size, work), counts = layer_costs(layers)
        work = work.replace("MACs", "multiply-accumulates")
        numbers |= {
            word: float(sum(column)) for word, column in zip((size, work), zip(*counts, strict=True), strict=True)
        }
        takes = work_text(layers) or f"no {work}"
        return f"a model of {numbers[size]:,.0f} {size} answers with {takes}; nothing was evaluated"
    return f"{len(stages)} stages ran; nothing was evaluated"


def trace_insight(trace: Trace) -> Insight:
    """Return the key insight of a record, with what is unexpected in this run."""
    insight = key_insight(trace)
    news = next((claim for claim in claims(trace) if claim.holds and not _repeats(insight, claim)), None)
    if news is None or insight.sentence.startswith(NOTHING):
        return insight
    sentence = f"{insight.sentence}. Unexpected: {news.text} ({news.figures})"
    return Insight(sentence=sentence, numbers=insight.numbers | news.numbers)


def _repeats(insight: Insight, claim: Claim) -> bool:
    """Return whether the sentence has the figures of a claim already."""
    return bool(claim.numbers) and claim.numbers.keys() <= insight.numbers.keys()


@dataclass(frozen=True)
class Claim:
    """A statement that few runs confirm.

    Attributes:
        text: the statement, without figures.
        figures: of this run, which confirm or deny it.
        strength: how far beyond the usual the figures are; from 1 on the claim holds.
        numbers: by name, for the key insight.
        anchor: where the page shows them.
        source: row of the record, for a quiz.
    """

    text: str
    figures: str
    strength: float
    numbers: dict[str, float]
    anchor: str
    source: str

    @property
    def holds(self) -> bool:
        """Return whether the run confirms it."""
        return self.strength >= 1

    @property
    def fails(self) -> bool:
        """Return whether the run clearly denies it."""
        return self.strength <= _CLEARLY


# Differences from which a reader is surprised, in shares; of ratios, in times.
_CLASS, _GROUP, _VALIDATION, _SURE, _MAJORITY = 0.15, 0.15, 0.08, 0.95, 0.85
_AHEAD, _BETTER = 1.5, 0.002
_CLEARLY, _EARLY, _EPOCHS, _SAMPLES = 0.8, 0.5, 10, 20


def claims(trace: Trace) -> list[Claim]:
    """Return what the record can be asked, the strongest claim first."""
    evaluation, compression = trace.evaluation, trace.compression
    known = chain(
        () if evaluation is None else _of_evaluation(evaluation),
        () if evaluation is None else _of_training(trace, evaluation),
        () if compression is None else _of_int8(compression),
        *(_of_columns(stage, step) for step, stage in enumerate(trace.stages, 1)),
        () if trace.race is None else _of_race(trace.race),
    )
    return sorted(known, key=lambda claim: (-claim.strength, claim.text))


def _of_evaluation(evaluation: EvaluationRecord) -> Iterator[Claim]:
    if evaluation.accuracy is None:
        return
    right = evaluation.accuracy.value
    if evaluation.majority is not None and len(evaluation.labels) > 1:
        usual = evaluation.majority
        yield Claim(
            "always answering the most frequent class would nearly do", f"it is right in {percent(usual, 1)}",
            usual / _MAJORITY, {"majority": usual}, "evaluation-headline",
            f"Evaluation, always the most frequent class: {percent(usual, 1)}",
        )  # fmt: skip
    known = [row for row in evaluation.classes if row.support >= _SAMPLES]
    if len(known) > 1:
        weak = min(known, key=lambda row: (row.recall, row.label))
        yield Claim(
            "one class is recognised far less often than the others",
            f"'{weak.label}' in {percent(weak.recall, 1)} of its samples, {percent(right, 1)} of all are right",
            (right - weak.recall) / _CLASS, {"recall of the weakest class": weak.recall}, "evaluation",
            f"Evaluation, {weak.label}: recall {percent(weak.recall, 1)}",
        )  # fmt: skip
    groups = [(row.accuracy, row.group) for row in evaluation.groups if row.accuracy is not None]
    if len(groups) > 1:
        (low, name), mean = min(groups), sum(share for share, _ in groups) / len(groups)
        yield Claim(
            "one person or machine is answered far worse than the others",
            f"'{name}' has {percent(low, 1)} right answers, the mean of all is {percent(mean, 1)}",
            (mean - low) / _GROUP, {"accuracy of the worst group": low}, "evaluation",
            f"Evaluation, {name}: {percent(low, 1)}",
        )  # fmt: skip
    if evaluation.mistakes:
        worst = max(evaluation.mistakes, key=lambda mistake: mistake.confidence)
        yield Claim(
            "a wrong answer was given with near certainty",
            f"'{worst.truth}' was called '{worst.answer}' with {percent(worst.confidence, 1)}",
            worst.confidence / _SURE, {"confidence of the surest mistake": worst.confidence}, "evaluation",
            f"Evaluation, surest mistake: {percent(worst.confidence, 1)}",
        )  # fmt: skip


def _of_training(trace: Trace, evaluation: EvaluationRecord) -> Iterator[Claim]:
    epochs = () if trace.training is None else trace.training.epochs
    if len(epochs) < _EPOCHS or epochs[-1].validation_loss is None:
        return
    best, last = best_of(epochs), epochs[-1]
    yield Claim(
        "more than half of the training made the model worse for new samples",
        f"epoch {best.epoch} of {len(epochs)} was the best on validation samples",
        _EARLY / max(best.epoch / last.epoch, 0.01), {"best epoch": float(best.epoch)}, "training",
        f"Training, best epoch: {best.epoch} of {len(epochs)}",
    )  # fmt: skip
    _, shown = watched_accuracy(best)
    if shown is not None and evaluation.accuracy is not None:
        right = evaluation.accuracy.value
        yield Claim(
            "the test samples are answered far worse than the validation samples",
            f"{percent(right, 1)} right against {fraction(shown)} of epoch {best.epoch}",
            (shown - right) / _VALIDATION, {"validation accuracy": shown}, "evaluation-headline",
            f"Training, validation accuracy of epoch {best.epoch}: {fraction(shown)}",
        )  # fmt: skip


def _of_int8(compression: CompressionRecord) -> Iterator[Claim]:
    whole, small = compression.form("float"), compression.form("int8")
    if whole is None or small is None:
        return
    if small.accuracy is not None and whole.accuracy is not None:
        gain = -compression.drop
        change = f"{'gains' if gain >= 0 else 'loses'} {points(abs(gain))}"
        yield Claim(
            "int8 is right more often than float", f"it {change}", gain / _BETTER,
            {"accuracy drop": compression.drop}, "compression-limit", f"Compression, int8: {change}",
        )  # fmt: skip


def _of_columns(stage: StageRecord, step: int) -> Iterator[Claim]:
    scores = () if stage.scores is UNSET else stage.scores
    ranked = sorted(((score, name) for name, score in scores), reverse=True)[:2]
    if len(ranked) == 2 and ranked[1][0] > 0:
        (first, name), (second, _) = ranked
        yield Claim(
            "one column says far more than all others",
            f"'{name}' scores {fraction(first)}, the next {fraction(second)}",
            first / second / _AHEAD, {"highest score of a column": first}, f"data_flow-{step}",
            f"Data flow, {stage.name}: {name} {fraction(first)}",
        )  # fmt: skip


def _of_race(race: RaceRecord) -> Iterator[Claim]:
    scored = [(entry.score.value, entry.title, entry.name) for entry in race.entrants if entry.score is not None]
    chosen = next((entry for entry in scored if entry[2] == race.chosen), None)
    if chosen is None or len(scored) < 2:
        return
    value, title, name = (max if race.higher else min)(scored)
    yield Claim(
        "the model with the best score of the race was not taken",
        f"{title} had {fraction(value)} and {chosen[1]} {fraction(chosen[0])}: {race.why}",
        1.0 if name != race.chosen else 0.0, {}, "race", f"Race: {title} {fraction(value)}",
    )  # fmt: skip
