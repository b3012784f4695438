"""Sections that open and close a page: header, key insight, quiz, provenance and decisions."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from edgewright.core.formatting import bytes_text, microseconds_text, number, percent, plural, points, seconds_text
from edgewright.core.records.trace import Trace
from edgewright.core.records.trace_flow import DebounceRecord, DebounceRow
from edgewright.trace import questions
from edgewright.trace.blocks.flow_picture import tiles
from edgewright.trace.blocks.view_blocks import Fold, Pairs, Row, Table, Template, ViewBlock, line, row
from edgewright.trace.sections import Exported, Section
from edgewright.trace.sentences.insight import LEFT_OUT, reduction, trace_insight
from edgewright.trace.sentences.opening import SIMULATED, simulated
from edgewright.trace.sentences.readiness import NO_MODEL, NOT_READY, WEAK, state_of

_STATES = {
    "running": "This run is in progress; the page shows what it has done so far.",
    "cancelled": "This run was cancelled; the page shows its progress up to then.",
    "failed": "This run failed; the page shows its progress up to then.",
}


def header_blocks(trace: Trace) -> Sequence[ViewBlock]:
    """Build names, state, verdict, and the data flow as tiles."""
    context: dict[str, object] = {
        "name": trace.name,
        "title": trace.title,
        "task": trace.task,
        "simulated": SIMULATED if simulated(trace) else "",
        "flow": tiles(trace),
        "device": trace.device.profile if trace.device is not None else "",
        "started": trace.provenance.started,
        # There is no verdict on half a run: its banner says why.
        "verdict": trace.verdict if trace.state == "finished" else "",
        "mood": {NO_MODEL: "bad", NOT_READY: "bad", WEAK: "weak"}.get(state_of(trace.verdict), "good"),
        "state": _STATES.get(trace.state, ""),
        "reason": trace.reason,
    }
    return (Template("header.html", context),)


HEADER = Section(0, "Header", header_blocks)


# A name of a number as the rules of the insight write it -> anchor of what it rests on; the first that fits holds.
_PLACES = (
    (LEFT_OUT, "evaluation-left-out"),
    (r"(accuracy|accuracy low|accuracy high|majority|r2|mae|rmse)$", "evaluation-headline"),
    (r"columns (in|out)$", "data_flow-{reduction}"),
    (r"float (weight bytes|latency us)$", "compression-float"),
    (r"int8 (weight bytes|latency us)$", "compression-int8"),
    (r"accuracy drop$", "compression-limit"),
    (r"(parameters|multiply-accumulates|nodes|comparisons)$", "model"),
    (r"(stages|highest score of a column)$", "data_flow"),
    (r"(best epoch|validation accuracy)$", "training"),
    (r".*(exponent)$", "scaling-exponents"),
    (r"(.* at \d+ rows|pays from rows)$", "scaling-points"),
)
_WRITTEN = (
    (r".*CPU seconds", seconds_text),
    (r".*(latency us)$", microseconds_text),
    (r".*bytes$", bytes_text),
    (r"accuracy drop$", lambda value: f"{'-' if value < 0 else ''}{points(value)}"),
    (r"(majority$|.*accuracy|recall of|confidence of)", lambda value: percent(value, 1)),
    (r".*exponent$", lambda value: f"{value:.2f}"),
)


def place_of(name: str, trace: Trace) -> str:
    """Return the anchor where the number of that name stands; the whole evaluation where no rule knows it."""
    anchor = next((anchor for pattern, anchor in _PLACES if re.match(pattern, name)), "evaluation")
    if "{reduction}" not in anchor:
        return anchor
    stage = reduction(trace.stages)
    return f"data_flow-{trace.stages.index(stage) + 1}" if stage is not None else "data_flow"


def written(name: str, value: float) -> tuple[str, str]:
    """Return the name and the figure as a reader expects them: ('float latency', '4.3 µs')."""
    text = next((write(value) for pattern, write in _WRITTEN if re.match(pattern, name)), number(value))
    name = re.sub(r" at (\d+) rows", lambda match: f" at {int(match[1]):,} rows", name)
    return re.sub(r" (us|seconds)\b", lambda match: " time" if match[1] == "seconds" else "", name), text


def insight_blocks(trace: Trace, _: Exported) -> Sequence[ViewBlock]:
    """Build the sentence, the numbers with their anchors, and the warnings; nothing where there is neither."""
    insight = trace.insight
    if not insight.sentence and trace.state == "finished":
        insight = trace_insight(trace)
    if not insight.sentence and not trace.warnings:
        return ()
    numbers = [(*written(name, value), place_of(name, trace)) for name, value in sorted(insight.numbers.items())]
    context = {"sentence": insight.sentence, "numbers": numbers, "warnings": trace.warnings}
    return (Template("insight.html", context),)


INSIGHT = Section(5, "Key insight", lambda trace: (), page=insight_blocks, folds=False)


def quiz_blocks(trace: Trace) -> Sequence[ViewBlock]:
    """Build the questions; none where the record gives none."""
    quiz = questions.quiz(trace)
    return (Template("quiz.html", {"questions": quiz}),) if quiz else ()


QUIZ = Section(90, "Quiz", quiz_blocks, missing="This trace has too little data for questions.")


def provenance_blocks(trace: Trace) -> Sequence[ViewBlock]:
    """Build facts, hashes, versions, licences, warnings and the configuration."""
    known = trace.provenance
    facts = [
        ("command", known.command), ("seed", str(known.seed)), ("started", known.started),
        ("platform", known.platform), ("data from", known.origin), ("data file", known.data_path),
        ("citation", known.citation), ("backbone", known.backbone), ("hash of the data", known.data_hash),
        ("hash of the configuration", known.config_hash), ("hash of the package", known.package_hash),
        *(("license of the data", text) for text in known.licences),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(known.versions.items()))),
        ("record", f"version {trace.version}"),
    ]  # fmt: skip
    parts: list[ViewBlock] = [Pairs([(name, value) for name, value in facts if value], wide=True)]
    parts += [line(text, "warn") for text in trace.warnings]
    if trace.config:
        config = msgspec.json.format(msgspec.json.encode(trace.config, order="sorted"), indent=2).decode()
        parts.append(Fold("The configuration, defaults included", [line(config, "code")]))
    return parts


PROVENANCE = Section(100, "Provenance", provenance_blocks)


_HEADS = (
    "windows that agree", "#time wrong", "#false switches an hour", "#median delay", "#never decided", "#cost an hour",
    "hides",
)  # fmt: skip


def debounce_blocks(record: DebounceRecord | None) -> Sequence[ViewBlock]:
    """Build the choice in a sentence, and the figures of those who chose and of those who did not."""
    if record is None:
        return ()
    blocks: list[ViewBlock] = [line(f"{record.why}.", "strong", "decisions-choice")]
    if not record.rows:
        return blocks
    hours = f"{record.hours:,.0f}" if record.hours >= 10 else f"{record.hours:.2g}"
    blocks.append(
        line(
            f"Compared on whole recordings, changes of label and unlabelled time included, of {record.chosen_on}: "
            f"{hours} labelled hours with {plural(record.changes, 'change')} of label. A false switch is a "
            "decision for a label that no row of its window has; a change of label that is never decided costs as "
            "much. A number that hides over a quarter of the changes to a label, which single answers decide, is not "
            "taken.",
            "quiet",
        )
    )
    blocks.append(Table(f"Who chose: {record.chosen_on}", _HEADS, _rows(record.rows, record.chosen), "measured"))
    if record.judged_rows:
        blocks.append(
            Table(
                f"Who did not choose: {record.judged_on}", _HEADS, _rows(record.judged_rows, record.chosen), "measured"
            )
        )
    return blocks


def _rows(figures: Sequence[DebounceRow], chosen: int) -> list[Row]:
    return [
        row(
            str(figure.debounce), percent(figure.wrong, 1), f"{figure.false_per_hour:.1f}",
            "" if figure.delay_s is None else seconds_text(figure.delay_s), f"{figure.missed:,}",
            f"{figure.cost_s:,.0f} s", ", ".join(figure.hidden),
            kind="best" if figure.debounce == chosen else "",
        )
        for figure in figures
    ]  # fmt: skip


DECISIONS = Section(75, "Decisions", lambda trace: debounce_blocks(trace.debounce))


SECTIONS = {
    "header": HEADER,
    "insight": INSIGHT,
    "quiz": QUIZ,
    "provenance": PROVENANCE,
    "decisions": DECISIONS,
}
