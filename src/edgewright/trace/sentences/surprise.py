"""What a reader would not expect of a run: claims that its record confirms or denies, the strongest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from msgspec import UNSET

from edgewright.core.formatting import fraction, percent, points
from edgewright.core.records.race import RaceRecord
from edgewright.core.records.trace import CompressionRecord, EvaluationRecord, StageRecord, Trace
from edgewright.trace.sentences.observations import best_of, watched_accuracy


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
