"""Explanation of a race: the models from simple to complex on the same folds, and their gains over the chosen one."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from edgewright.core.formatting import bytes_text
from edgewright.core.records.race import EntrantRecord, RaceRecord
from edgewright.core.records.trace import Interval
from edgewright.race.pipeline_end import VARIANT_SEPARATOR, Entrant
from edgewright.race.problem import candidates
from edgewright.race.race import Race, Standing
from edgewright.trace.blocks.records import Block, Grid, Heading, Paragraph
from edgewright.training.metrics import FEW_GROUPS, power

WITHOUT_ML = ("majority", "threshold", "rules", "state_machine")
"""Candidates that are rules and thresholds, simplest first."""


def explain(race: Race, record: RaceRecord) -> RaceRecord:
    """Measure the models of the ladder on all folds, and add their gains over the chosen model; Ctrl-C stops early.

    The choice stays that of the race.

    Args:
        race: finished race.
        record: its record.
    """
    chosen = next(standing for standing in race.standings if standing.entrant.name == record.chosen)
    folds = race.heats.of(race.rounds[-1])
    spent_s = -_cpu_seconds(race)
    measured: list[Standing] = []
    try:
        # The chosen model comes first: without it there is nothing to compare with.
        ordered = sorted(_ladder(race, record.chosen), key=lambda other: other is not chosen)
        measured.extend(standing for standing in ordered if race.measure(standing, folds))
    except KeyboardInterrupt:
        if chosen not in measured:
            return record
    race.heats.forget()
    measured.sort(key=lambda standing: standing.entrant.candidate.rank)
    rows = np.concatenate([fold.queries for fold in folds])
    judge = race.judge_of(rows, max(1, len(measured) - 1))
    before = chosen.joined(folds)
    answers = {standing.entrant.name: standing.joined(folds) for standing in measured}
    explained = {
        standing.entrant.name: standing.record
        if standing is chosen
        else msgspec.structs.replace(standing.record, gain=judge.gain(answers[standing.entrant.name], before))
        for standing in measured
    }
    verdicts = {entrant.name: entrant.verdict for entrant in record.entrants}
    entrants = [*record.entrants, *(explained[name] for name in explained if name not in verdicts)]
    above = list(answers.values())[1:]
    return msgspec.structs.replace(
        record,
        entrants=tuple(
            msgspec.structs.replace(explained.get(entrant.name, entrant), verdict=verdicts.get(entrant.name, ""))
            for entrant in entrants
        ),
        cpu_seconds=record.cpu_seconds + spent_s + _cpu_seconds(race),
        ladder=tuple(explained),
        beats_chance=not above or any(judge.is_beyond_chance(own, len(above)) for own in above),
    )


def ladder_of(record: RaceRecord) -> tuple[EntrantRecord, ...]:
    """Return the entrants of an explained race from simple to complex; empty for another race."""
    by_name = {entrant.name: entrant for entrant in record.entrants}
    return () if record.ladder is msgspec.UNSET else tuple(by_name[name] for name in record.ladder)


def ladder_blocks(record: RaceRecord) -> tuple[Block, ...]:
    """Return the table of an explained race and what follows from it."""
    entrants = ladder_of(record)
    if not entrants:
        return ()
    title = next(entrant.title for entrant in entrants if entrant.name == record.chosen)
    kept = "single rows" if record.kept == "row" else f"{record.units:,} whole {record.kept}s"
    direction = "" if record.higher else " (less is better)"
    level = 100 * (1 - 0.05 / max(1, len(entrants) - 1))
    return (
        Heading(text="From simple to complex"),
        Paragraph(text=f"{record.samples:,} samples; folds keep {kept}. {record.metric_title}{direction}."),
        Grid(
            headers=("model", "score (95 % CI)", f"gain over {title}", "flash", ""),
            rows=tuple(_row(entrant, record) for entrant in entrants),
            figures=(3,),
            caption=f"Gains have a {level:.2f} % CI, corrected for {len(entrants) - 1} comparisons.",
        ),
        Paragraph(text=" ".join(ladder_sentences(record))),
    )


def ladder_sentences(record: RaceRecord) -> tuple[str, ...]:
    """Return the simplest model that is not significantly worse, and whether a more complex one pays."""
    entrants = ladder_of(record)
    position = next(index for index, entrant in enumerate(entrants) if entrant.name == record.chosen)
    chosen = entrants[position]
    sentences = [f"{record.why[:1].upper()}{record.why[1:]}."]
    simpler = [entrant for entrant in entrants[:position] if entrant.gain and not entrant.beyond]
    equal = next((entrant for entrant in simpler if entrant.gain and entrant.gain.high >= 0), None)
    if equal is not None and equal.gain:
        sentences.append(f"The simplest model that is not significantly worse is {equal.title}: {change(equal.gain)}.")
    elif simpler:
        sentences.append(f"Every simpler model is significantly worse than {chosen.title}.")
    above = [entrant for entrant in entrants[position + 1 :] if entrant.gain]
    best = max(above, key=lambda entrant: entrant.gain.value if entrant.gain else 0.0, default=None)
    if best is not None and best.gain:
        pays = "gains significantly" if best.gain.low > 0 else "does not gain significantly"
        limit = f", but exceeds {best.beyond}" if best.beyond else ""
        sentences.append(f"The best more complex model, {best.title}, {pays}: {change(best.gain)}{limit}.")
    if record.kept != "row" and record.units <= FEW_GROUPS:
        text = power(record.units, record.kept)
        sentences.append(f"{text[:1].upper()}{text[1:]}.")
    return tuple(sentences)


def change(interval: Interval) -> str:
    """Format a gain with its interval."""
    value, low, high = (f"{part:+.4f}" if abs(part) < 1 else f"{part:+.4g}" for part in _parts(interval))
    return f"{value} ({low} to {high})"


def figure(value: float) -> str:
    """Format a score with four digits."""
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"


def _parts(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


def _row(entrant: EntrantRecord, record: RaceRecord) -> tuple[str, ...]:
    score, gain, footprint = entrant.score, entrant.gain, entrant.footprint
    result = "chosen" if entrant.name == record.chosen else f"exceeds {entrant.beyond}" if entrant.beyond else ""
    if not result and gain:
        result = "better" if gain.low > 0 else "worse" if gain.high < 0 else "no significant difference"
    return (
        entrant.title,
        "" if score is None else f"{figure(score.value)} ({figure(score.low)} to {figure(score.high)})",
        change(gain) if gain else "",
        "" if footprint is None else bytes_text(footprint.flash.value),
        result,
    )


def _ladder(race: Race, chosen: str) -> Iterator[Standing]:
    """Yield the standings of the ladder: its candidates, a state machine if the samples allow one, and the winner."""
    for standing in race.standings:
        entrant = standing.entrant
        if entrant.name == chosen or (entrant.candidate.rung and VARIANT_SEPARATOR not in entrant.name):
            yield standing
    machine = candidates(("state_machine",))["state_machine"]
    threshold = next((other.entrant for other in race.standings if other.entrant.name == "threshold"), None)
    if threshold is not None and not machine.unsupported_reason(race.problem):
        yield Standing.of(Entrant("state_machine", machine, threshold.config))


def _cpu_seconds(race: Race) -> float:
    return sum(standing.record.cpu_seconds for standing in race.standings)
