"""Runs side by side: what changed in configuration, in data and in result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from edgewright.core.formatting import (
    bytes_text,
    microseconds_text,
    number,
    percent,
    points,
    shape_text,
    shorten,
    times_text,
)  # fmt: skip
from edgewright.core.records.trace import EvaluationRecord, GroupRow, How, Interval, StageRecord, Trace, VariantRecord
from edgewright.core.records.trace_flow import Part, SampleGain
from edgewright.trace.blocks.records import Block, Facts, Grid, Heading, Paragraph
from edgewright.trace.sentences.facts import layer_costs
from edgewright.trace.sentences.opening import headline

COMPARISON_VERSION = 1


class ComparedRun(Part, frozen=True, kw_only=True):
    """One of the runs; `label` tells it from the others, `folder` is where it lies."""

    label: str
    folder: str
    name: str
    state: str
    started: str
    verdict: str
    insight: str


class Setting(Part, frozen=True, kw_only=True):
    """A key of the configuration that is not the same in all runs; '-' where a run does not have it."""

    key: str
    values: tuple[str, ...]


class ResultRow(Part, frozen=True, kw_only=True):
    """A figure of the results.

    Attributes:
        name: 'accuracy', 'weights, int8', ...
        texts: as a reader is told, a run each; '-' where a run lacks it.
        values: the figures, None where a run lacks one or it is no number.
        differences: against the first run, in words; the first is empty.
        how: None where runs differ in that, or it is no figure.
    """

    name: str
    texts: tuple[str, ...]
    values: tuple[float | None, ...] = ()
    differences: tuple[str, ...] = ()
    how: How | None = None


class Comparison(Part, frozen=True, kw_only=True):
    """Two runs or more; the first is what the others are compared with."""

    version: int = COMPARISON_VERSION
    runs: tuple[ComparedRun, ...]
    settings: tuple[Setting, ...]
    data: tuple[ResultRow, ...]
    results: tuple[ResultRow, ...]
    notes: tuple[str, ...] = msgspec.field(default_factory=tuple)


NONE = "-"
# Columns of runs beside the first one in a table of the terminal.
_COLUMNS = 2
_VALUE = 48
# A smaller p is no chance.
_CHANCE = 0.05
# Keys that say what samples are, and those of them by which one source gives other samples.
_CUT = ("window.", "data.ignore")
_SAMPLES = ("data.", *_CUT)


@dataclass(frozen=True)
class Entry:
    """A run to compare: how it is called, where it lies, its record, and its configuration (None where unknown)."""

    label: str
    folder: str
    trace: Trace
    config: Mapping[str, Any] | None


Paired = Callable[[Sequence[GroupRow], Sequence[GroupRow], bool], Interval | None]
"""Returns the gain in accuracy of the second over the first, by groups of the same samples, each counting alike or by
its samples; None where the samples are others."""
BySample = Callable[[EvaluationRecord, EvaluationRecord], SampleGain | None]
"""Compares answers to the same samples; None where a record keeps none, or of other samples."""


def compare(entries: Sequence[Entry], paired: Paired, by_sample: BySample) -> Comparison:
    """Compare two runs or more by a test of pairs where they allow it; the first is what the others are compared with.

    Args:
        entries: the runs.
        paired: the test of groups, such as `training.metrics.paired_gain`.
        by_sample: the test of samples where groups are not known, such as `training.sample_tests.sample_gain`.
    """
    notes = [f"{e.label}: its trace has no configuration, so changed settings cannot be listed"
             for e in entries if e.config is None]  # fmt: skip
    others = [_other(entries[0], entry) for entry in entries]
    if not any(others) and len({entry.trace.provenance.data_hash for entry in entries}) > 1:
        notes.append("the samples are cut differently: accuracies compare only roughly")
    notes += [
        f"{e.label} has other {other} than {entries[0].label}: their scores are not compared"
        for e, other in zip(entries, others, strict=True) if other
    ]  # fmt: skip
    notes += [
        f"{e.label} is {e.trace.state}: its figures are incomplete" for e in entries if e.trace.state != "finished"
    ]
    versions = {e.trace.provenance.versions.get("edgewright", "") for e in entries}
    if len(versions) > 1:
        notes.append(f"made by different versions of edgewright: {', '.join(sorted(v or 'unknown' for v in versions))}")
    return Comparison(
        runs=tuple(_run(entry) for entry in entries), settings=_settings(entries), data=tuple(_data(entries)),
        results=tuple(_results(entries, others, paired, by_sample)), notes=(*notes, *_unpaired(entries, others)),
    )  # fmt: skip


def _unpaired(entries: Sequence[Entry], others: Sequence[str]) -> Iterator[str]:
    first = entries[0].trace.evaluation
    for entry, other in list(zip(entries, others, strict=True))[1:]:
        evaluation = entry.trace.evaluation
        if other or first is None or evaluation is None or first.groups or evaluation.groups:
            continue
        if not (first.accuracy or first.regression) or not (evaluation.accuracy or evaluation.regression):
            continue
        without = [run.label for run, record in ((entries[0], first), (entry, evaluation)) if not record.answers]
        if without:
            yield f"{' and '.join(without)}: no answers by sample are kept, so the scores are compared without pairs"
        elif _kept(first) != _kept(evaluation):
            yield f"{entry.label} has other test samples than {entries[0].label}: the scores are compared without pairs"


def _kept(evaluation: EvaluationRecord) -> str:
    return "" if isinstance(evaluation.answers, msgspec.UnsetType) else evaluation.answers.samples


def _other(first: Entry, entry: Entry) -> str:
    """Return why scores of two runs say nothing of each other, 'data' or 'targets'; empty where they do."""
    settings, two = (dict(flat_settings(run.config)) for run in (first, entry))
    target = "data.target"
    if first.trace.task != entry.trace.task or settings.get(target, two.get(target)) != two.get(
        target, settings.get(target)
    ):
        return "targets"
    known, other = first.trace.provenance, entry.trace.provenance
    changed = [
        key for key in settings.keys() | two.keys() if settings.get(key) != two.get(key) and key.startswith(_SAMPLES)
    ]
    # Samples of one source that are cut otherwise, or have other columns, are still of the same people.
    cut = changed and known.data_path == other.data_path and all(key.startswith(_CUT) for key in changed)
    return "" if known.data_hash == other.data_hash or cut else "data"


def _run(entry: Entry) -> ComparedRun:
    trace = entry.trace
    return ComparedRun(
        label=entry.label, folder=entry.folder, name=trace.name, state=trace.state, started=trace.provenance.started,
        verdict=trace.verdict, insight=trace.insight.sentence,
    )  # fmt: skip


def _settings(entries: Sequence[Entry]) -> tuple[Setting, ...]:
    flat = [dict(flat_settings(entry.config)) if entry.config is not None else None for entry in entries]
    keys = dict.fromkeys(key for table in flat if table is not None for key in table)
    changed = []
    for key in keys:
        values = tuple(NONE if table is None else table.get(key, NONE) for table in flat)
        if len({value for value, table in zip(values, flat, strict=True) if table is not None}) > 1:
            changed.append(Setting(key=key, values=values))
    return tuple(changed)


def flat_settings(table: Any, path: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - tables of any shape
    """Yield keys with dots and their values as text; entries of lists by number, as `--set` takes them."""
    if isinstance(table, Mapping) and table:
        for key, value in table.items():
            yield from flat_settings(value, f"{path}.{key}" if path else str(key))
    elif isinstance(table, list | tuple) and any(isinstance(entry, Mapping) for entry in table):
        for index, entry in enumerate(table):
            yield from flat_settings(entry, f"{path}.{index}")
    else:
        yield path, table if isinstance(table, str) else msgspec.json.encode(table).decode()


def _data(entries: Sequence[Entry]) -> Iterator[ResultRow]:
    yield _texts("hash of the data", [e.trace.provenance.data_hash[:12] or NONE for e in entries])
    firsts = [e.trace.stages[0] if e.trace.stages else None for e in entries]
    yield _texts("samples and columns", [shape_text(s.shape_out) if s is not None else NONE for s in firsts])
    yield _texts("to the model", [_network_input(e.trace.stages) for e in entries])
    counts = [float(e.trace.evaluation.samples) if e.trace.evaluation is not None else None for e in entries]
    yield _figures("test samples", counts, lambda value: f"{value:,.0f}")


def _network_input(stages: Sequence[StageRecord]) -> str:
    model = next((stage for stage in stages if stage.kind == "model"), None)
    return shape_text(model.shape_in[1:]) if model is not None and model.shape_in else NONE


def _results(
    entries: Sequence[Entry], others: Sequence[str], paired: Paired, by_sample: BySample
) -> Iterator[ResultRow]:
    """Yield figures that at least one run has; scores of `others`, data or targets, are not compared."""
    traces = [entry.trace for entry in entries]
    evaluations = [t.evaluation for t in traces]
    leading = [None if e is None else headline(e.accuracy, e.left_out) for e in evaluations]
    # Where groups were left out in turn, those figures lead, and the others are of one split.
    in_turn = {first.name: first.measure for first in leading if first is not None and first.by}
    split = ", one split" if in_turn else ""
    for name, measure in in_turn.items():
        same = [first.interval if first is not None and first.name == name else None for first in leading]
        rows = [() if e is None or e.left_out is None else e.left_out.groups for e in evaluations]
        gains = [paired(rows[0], groups, True) for groups in rows]
        yield from _intervals(name, same, others, gains, share=measure == "accuracy")
    # Only the worst of many groups are in the record.
    rows = [() if e is None or sum(row.samples for row in e.groups) != e.samples else e.groups for e in evaluations]
    if any(e is not None and e.split_by != "group" for e in evaluations):
        rows = [()] * len(rows)  # other samples of the same groups may have been drawn
    gains = [paired(rows[0], groups, False) for groups in rows]
    # Samples of one group are alike: they are no pairs of their own.
    first = None if evaluations[0] is None or evaluations[0].groups else evaluations[0]
    samples = [None if e is None or e.groups or first is None else by_sample(first, e) for e in evaluations]
    accuracies, f1s = (
        [None if e is None else getattr(e, key) for e in evaluations] for key in ("accuracy", "macro_f1")
    )
    yield from _intervals(f"accuracy{split}", accuracies, others, gains, samples)
    yield from _intervals(f"macro-F1{split}", f1s, others)
    for name in sorted({name for e in evaluations if e is not None for name in e.regression}):
        values = [None if e is None else e.regression.get(name) for e in evaluations]
        row = _figures(f"{name}{split}", values, number)
        pairs = zip(row.differences, samples, strict=True)
        changes = tuple(
            text + _changed(gain.changes.get(name)) if gain and text not in ("", "same") else text
            for text, gain in pairs
        )
        yield _scored(msgspec.structs.replace(row, differences=changes), others)
    for form in dict.fromkeys(f.name for t in traces if t.compression is not None for f in t.compression.variants):
        yield from _form(
            [None if t.compression is None else t.compression.form(form) for t in traces], form, split, others
        )
    sizes = [(word, sum(size for size, _ in counts)) for (word, _), counts in (layer_costs(t.layers) for t in traces)]
    for word in dict.fromkeys(word for (word, _), t in zip(sizes, traces, strict=True) if t.layers):
        values = [float(size) if t.layers and of == word else None for (of, size), t in zip(sizes, traces, strict=True)]
        yield _figures(word, values, lambda v: f"{v:,.0f}")
    yield _figures(
        "epochs",
        [float(len(t.training.epochs)) if t.training and t.training.epochs else None for t in traces],
        lambda v: f"{v:.0f}",
    )
    yield _texts("verdict", [t.verdict or NONE for t in traces])


def _form(forms: Sequence[VariantRecord | None], name: str, split: str, others: Sequence[str]) -> Iterator[ResultRow]:
    hows = {form.how for form in forms if form is not None}
    how: How | None = hows.pop() if len(hows) == 1 else None
    yield from _intervals(f"accuracy, {name}{split}", [None if f is None else f.accuracy for f in forms], others)
    weights = [None if f is None else float(f.weight_bytes) for f in forms]
    if any(weights):  # trees have none
        yield _figures(f"weights, {name}", weights, bytes_text, how)
    yield _figures(f"file, {name}", [None if f is None else float(f.file_bytes) for f in forms], bytes_text, how)
    times = [None if f is None else f.latency_p50_us for f in forms]
    if any(time is not None for time in times):
        yield _figures(f"latency p50, {name}", times, microseconds_text, how)


def _texts(name: str, texts: Sequence[str]) -> ResultRow:
    differences = tuple("" if i == 0 else "same" if text == texts[0] else "differs" for i, text in enumerate(texts))
    return ResultRow(name=name, texts=tuple(texts), values=(None,) * len(texts), differences=differences)


def _figures(
    name: str, values: Sequence[float | None], report: Callable[[float], str], how: How | None = None
) -> ResultRow:
    return ResultRow(
        name=name, texts=tuple(NONE if value is None else report(value) for value in values), values=tuple(values),
        differences=tuple("" if i == 0 else _change(values[0], value) for i, value in enumerate(values)), how=how,
    )  # fmt: skip


def _change(first: float | None, value: float | None) -> str:
    """How a figure moved: 'same', '3.2 % less', '2.10 times as much'."""
    if first is None or value is None:
        return "not comparable"
    if first == value:
        return "same"
    if first <= 0 or value <= 0:
        return f"{'+' if value > first else '-'}{number(abs(value - first))}"
    ratio = value / first
    if ratio >= 2 or ratio <= 0.5:
        return times_text(ratio)
    return f"{percent(abs(ratio - 1), 1)} {'more' if ratio > 1 else 'less'}"


def _scored(row: ResultRow, others: Sequence[str]) -> ResultRow:
    """Refuse to compare scores of other data or targets."""
    pairs = zip(row.differences, others, strict=True)
    return msgspec.structs.replace(row, differences=tuple(f"not comparable: other {o}" if o else d for d, o in pairs))


def _intervals(
    name: str,
    intervals: Sequence[Interval | None],
    others: Sequence[str],
    gains: Sequence[Interval | None] = (),
    samples: Sequence[SampleGain | None] = (),
    *,
    share: bool = True,
) -> Iterator[ResultRow]:
    """Yield shares or amounts with their 95 % intervals, and gains of pairs or whether intervals overlap.

    Nothing where no run has one.
    """
    if all(interval is None for interval in intervals):
        return
    text = partial(percent, digits=1) if share else number
    texts = [NONE if i is None else f"{text(i.value)} ({text(i.low)} to {text(i.high)})" for i in intervals]
    pairs = zip(intervals, gains or [None] * len(intervals), samples or [None] * len(intervals), strict=True)
    differences = ("", *(_moved(intervals[0], other, gain, by, share=share) for other, gain, by in list(pairs)[1:]))
    values = tuple(None if interval is None else interval.value for interval in intervals)
    row = ResultRow(name=name, texts=tuple(texts), values=values, differences=differences, how="measured")
    yield _scored(row, others)


def _changed(change: Interval | None) -> str:
    if change is None:
        return ""
    text = f"; paired by sample, 95 % CI {change.low:+.3g} to {change.high:+.3g}"
    return text if change.low > 0 or change.high < 0 else f"{text}, may be chance"


def _moved(
    first: Interval | None, other: Interval | None, gain: Interval | None, samples: SampleGain | None, *, share: bool
) -> str:
    if first is None or other is None:
        return "not comparable"
    change = other.value - first.value
    significant = other.low > first.high or other.high < first.low
    text = "intervals apart" if significant else "intervals overlap: may be chance"
    if gain is not None:
        significant = gain.low > 0 or gain.high < 0
        text = f"paired by group, 95 % CI {100 * gain.low:+.1f} to {100 * gain.high:+.1f} points"
        text += "" if significant else ", may be chance"
    elif samples is not None:
        significant = samples.p < _CHANCE
        text = f"paired by sample, {samples.better:,} newly right, {samples.worse:,} newly wrong, p = {samples.p:.2g}"
        text += "" if significant else ", may be chance"
    if round(1000 * abs(change)) == 0 if share else not change:
        return f"same; {text}" if significant else "same"
    if not share:
        return f"{_change(first.value, other.value)}; {text}"
    return f"{'up' if change > 0 else 'down'} {points(change)}; {text}"


def comparison_blocks(record: Comparison) -> tuple[Block, ...]:
    """Return the comparison as the terminal and a page show it; the first run stands beside two others at a time."""
    labels = [run.label for run in record.runs]
    blocks: list[Block] = [Paragraph(text=f"{labels[0]} against {', '.join(labels[1:])}")]
    short = [row for row in record.results if row.name != "verdict"]
    blocks += [Heading(text="Result"), *_tables(["", *labels], [(_name(row), *row.texts) for row in short])]
    for index, label in enumerate(labels[1:], 1):
        reported = tuple((row.name, row.differences[index]) for row in short if row.differences[index] != "same")
        blocks.append(Paragraph(text=f"{label} against {labels[0]}:"))
        blocks.append(Facts(rows=reported) if reported else Paragraph(text="all figures are equal"))
    blocks += [Heading(text="Verdict"), Facts(rows=tuple((run.label, run.verdict or NONE) for run in record.runs))]
    blocks += [Heading(text="Configuration")]
    if record.settings:
        rows = [(setting.key, *(shorten(value, _VALUE) for value in setting.values)) for setting in record.settings]
        blocks += _tables(["key", *labels], rows)
    else:
        blocks.append(Paragraph(text="No key differs."))
    blocks += [Heading(text="Data"), *_tables(["", *labels], [(row.name, *row.texts) for row in record.data])]
    blocks += [Paragraph(text=f"Note: {text}") for text in record.notes]
    return tuple(blocks)


def _name(row: ResultRow) -> str:
    return f"{row.name} ({row.how})" if row.how == "estimated" else row.name


def _tables(headers: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[Block]:
    grids: list[Block] = []
    for start in range(2, len(headers), _COLUMNS):
        kept = [0, 1, *range(start, min(start + _COLUMNS, len(headers)))]
        grids.append(
            Grid(headers=tuple(headers[i] for i in kept), rows=tuple(tuple(row[i] for i in kept) for row in rows))
        )
    return grids
