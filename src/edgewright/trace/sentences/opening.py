"""A run in a few words: the figure that leads, the opening paragraph of its page, and five lines of plain text."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.core.formatting import bytes_text, microseconds_text, number, percent, plural, some_of
from edgewright.core.records.trace import EvaluationRecord, Interval, LeftOutRecord, PredictionRecord, Trace
from edgewright.trace.sentences.facts import ci_text, config_table, parameter_count, score_text, span
from edgewright.trace.sentences.readiness import is_chance, says_little


@dataclass(frozen=True)
class Headline:
    """A figure with its 95 % interval, and what it was measured on.

    Attributes:
        measure: 'accuracy' or 'rmse'.
        by: what was left out once in turn, such as 'person'; empty for the test samples of one split.
        groups: how many were left out; 0 for test samples.
        interval: value and interval.
        little: whether so few groups say little about another one.
    """

    measure: str
    by: str
    groups: int
    interval: Interval
    little: bool = False

    @property
    def name(self) -> str:
        """Measure and source: 'accuracy, each person left out once'; 'test accuracy'."""
        return f"{self.measure}, each {self.by} left out once" if self.by else f"test {self.measure}"

    @property
    def figure(self) -> str:
        """The value as text."""
        return self._text(self.interval.value)

    @property
    def span(self) -> str:
        """The interval as text: '86.4 % to 89.2 %'."""
        return span(self.interval, self._text)

    @property
    def source(self) -> str:
        """What so many groups say: 'by person, 4 groups'; empty for test samples."""
        little = ": says little" if self.little else ""
        return f"by {self.by}, {plural(self.groups, 'group')}{little}" if self.by else ""

    def _text(self, value: float) -> str:
        return percent(value, 1) if self.measure == "accuracy" else number(value)


def headline(accuracy: Interval | None, left_out: LeftOutRecord | None) -> Headline | None:
    """Return the figure that leads: of groups left out in turn, else the accuracy on the test samples.

    Args:
        accuracy: on the test samples of one split; None for an amount.
        left_out: each group left out once; None where it was not measured.

    Returns:
        The figure; None for an amount without groups left out, whose errors have no leading one.
    """
    if left_out is not None:
        measure = "accuracy" if left_out.r2 is None else "rmse"
        return Headline(measure, left_out.by, len(left_out.groups), left_out.score, says_little(left_out))
    return None if accuracy is None else Headline("accuracy", "", 0, accuracy)


SIMULATED = "Simulated data"
_LISTED = 6
# Fewer people or machines than this say little about others.
_FEW = 12
_WHOM = ("person or machine", "people or machines")
_MEMORIES = ("flash", "RAM")
MODELS = {
    "network": "a neural network", "tree": "a decision tree", "forest": "a forest of decision trees",
    "boosting": "a sum of boosted decision trees", "linear": "a linear model",
    "extra_trees": "a forest of random decision trees", "kernel_machine": "a kernel machine",
    "neighbours": "a table of the nearest examples",
    "rules": "a list of rules", "threshold": "one threshold", "majority": "the rule of the most frequent class",
}  # fmt: skip
_UNSEEN = {
    "group": "of people or machines that it had not seen", "session": "of sessions that it had not seen",
    "time": "from later than those it learned from",
}  # fmt: skip


def receiver(prediction: PredictionRecord) -> str:
    """Return what features go to: a network, or a model where its one layer is a whole model, such as a forest."""
    return "model" if len(prediction.layers) == 1 and prediction.layers[0].kind in MODELS else "network"


def simulated(trace: Trace) -> bool:
    """Return whether no sensor measured the data of a run."""
    return trace.provenance.origin.startswith("simulated") or trace.title.startswith(SIMULATED)


def opening(trace: Trace) -> str:
    """Return the paragraph; empty for a run that has not finished."""
    if trace.state != "finished" or not trace.stages:
        return ""
    if trace.evaluation is not None and is_chance(trace.evaluation):
        sentences = [_task(trace).replace(" tells ", " cannot tell ", 1), _result(trace), _caveat(trace)]
    else:
        sentences = [_task(trace), _result(trace), _cost(trace), _caveat(trace)]
    if simulated(trace):
        sentences.insert(0, "The data are simulated: no sensor measured them")
    return " ".join(f"{sentence}." for sentence in sentences if sentence)


def _task(trace: Trace) -> str:
    shape = trace.stages[0].shape_out[1:]
    if len(shape) == 3:
        source = f"pictures of {shape[1]} x {shape[2]} pixels in {plural(shape[0], 'channel')}"
    elif len(shape) == 2:
        source = f"windows of {plural(shape[-1], 'value')} from {plural(shape[0], 'channel')}"
    else:
        source = f"rows of {plural(shape[0], 'column')}" if shape else "rows"
    labels = trace.evaluation.labels if trace.evaluation is not None else ()
    names = next((stage.names_after for stage in trace.stages if stage.kind == "model"), ())
    more = f" or one of {len(labels) - _LISTED:,} more" if len(labels) > _LISTED else ""
    wanted = (
        f"tells {_either(labels[:_LISTED], closed=not more)}{more} apart"
        if labels
        else f"predicts {names[0] if names else 'an amount'}"
    )
    return f"{_model(trace)} {wanted} from {source}"


def _either(names: tuple[str, ...], *, closed: bool) -> str:
    if not closed or len(names) < 2:
        return ", ".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _model(trace: Trace) -> str:
    kind = str(config_table(trace, "model").get("kind", ""))
    text = MODELS.get(kind, f"a model of kind {kind}" if kind else "A model")
    parameters = parameter_count(trace.layers)
    of = f" of {plural(parameters, 'parameter')}" if parameters and kind in ("", "network", "linear") else ""
    return text[:1].upper() + text[1:] + of


def _result(trace: Trace) -> str:
    evaluation = trace.evaluation
    if evaluation is None:
        return "Nothing was evaluated"
    if evaluation.left_out is not None:
        return _left_out(evaluation.left_out)
    whom = f"{plural(evaluation.samples, f'test {evaluation.unit}')} {_whom(evaluation)}".strip()
    if evaluation.accuracy is not None:
        return f"It is right for {score_text(evaluation.accuracy)} of {whom}"
    figures = ", ".join(f"{name} {number(value)}" for name, value in sorted(evaluation.regression.items()))
    return f"On {whom} its error is {figures}" if figures else ""


def _left_out(record: LeftOutRecord) -> str:
    score = record.score
    if record.r2 is not None:
        text = f"its rmse is {number(score.value)} ({ci_text(score, number)} by {record.by})"
    else:
        text = f"{percent(score.value, 1)} of the answers are right ({ci_text(score)} by {record.by})"
    little = "; that says little" if says_little(record) else ""
    return f"On {plural(len(record.groups), *_WHOM)}, each left out of training once, {text}{little}"


def _whom(evaluation: EvaluationRecord) -> str:
    text = _UNSEEN.get(evaluation.split_by, "")
    count = len(evaluation.groups)
    return text.replace("people or machines", plural(count, *_WHOM)) if count else text


def _cost(trace: Trace) -> str:
    compression, device = trace.compression, trace.device
    if compression is None or device is None or not compression.variants:
        return ""
    small = compression.variants[-1]
    memories = [row for row in device.rows if row.available > 0 and row.unit == "B" and row.name in _MEMORIES]
    parts = [f"{bytes_text(row.used)} of {row.name}" for row in memories]
    if small.device_us is not None:
        span = f"{microseconds_text(small.device_us.low)} to {microseconds_text(small.device_us.high)}"
        parts.append(f"{span} for an answer")
    needs = [f"{bytes_text(small.weight_bytes)} of weights"] if small.weight_bytes else []  # trees have none
    needs += [f"an estimated {', '.join(parts)}"] if parts else []
    return f"On {device.profile} its {small.name} form takes {' and '.join(needs)}" if needs else ""


def _caveat(trace: Trace) -> str:
    if trace.warnings:
        return f"Mind: {trace.warnings[0].rstrip('.')}"
    evaluation = trace.evaluation
    if evaluation is not None and evaluation.left_out is not None:
        return ""
    if evaluation is not None and evaluation.known:
        return "Mind: the test samples are of recordings that also trained, so expect less of new ones"
    if evaluation is not None and evaluation.split_by == "group" and 0 < len(evaluation.groups) < _FEW:
        return f"Mind: {plural(len(evaluation.groups), *_WHOM)} say little about others"
    if evaluation is not None and evaluation.accuracy is not None and evaluation.samples < 100:
        return f"Mind: {plural(evaluation.samples, 'test sample')} leave a wide interval"
    return ""


def brief(trace: Trace, target: str) -> str:
    """Return the lines.

    Args:
        trace: of a finished run.
        target: column that is predicted; empty where it has no name.
    """
    evaluation = trace.evaluation
    labels = () if evaluation is None else evaluation.labels
    of = f"{len(labels)} classes ({some_of(labels, 4)})" if labels else "an amount"
    lines = [f"Model {trace.name}: {_kind(trace)}", f"target {target or 'unnamed'}: {of}"]
    return "\n".join([*lines, f"score {_score(trace)}", f"size {_size(trace)}", f"verdict {trace.verdict}"])


def _kind(trace: Trace) -> str:
    kind = str(config_table(trace, "model").get("kind", ""))
    return MODELS.get(kind, kind.replace("_", " ") or trace.task)


def _score(trace: Trace) -> str:
    evaluation = trace.evaluation
    if evaluation is None:
        return "not measured"
    leading = headline(evaluation.accuracy, evaluation.left_out)
    if leading is not None:
        return f"{leading.figure} (95 % CI {leading.span}), {leading.name}"
    name = next((name for name in ("rmse", "mae") if name in evaluation.intervals), "")
    if name:
        return f"{name} {score_text(evaluation.intervals[name], number)}, test"
    return ", ".join(f"{name} {number(value)}" for name, value in evaluation.regression.items()) or "not measured"


def _size(trace: Trace) -> str:
    rows = () if trace.device is None else trace.device.rows
    texts = {"B": bytes_text, "us": microseconds_text}
    texts_of_rows = [f"{row.name} {texts[row.unit](row.used)}" for row in rows if row.unit in texts]
    return (
        f"{', '.join(texts_of_rows)} on {trace.device.profile}"
        if texts_of_rows and trace.device is not None
        else "not estimated"
    )
