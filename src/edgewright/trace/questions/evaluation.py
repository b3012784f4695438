"""Questions about the evaluation, one prediction and the surprise of a run."""

from __future__ import annotations

from collections.abc import Sequence

from edgewright.core.formatting import fraction, number, percent, plural
from edgewright.core.records.trace import GroupRow, Interval, LeftOutRecord, Trace
from edgewright.trace.questions import Draft, rule, short
from edgewright.trace.sentences.insight import Claim, claims
from edgewright.trace.sentences.opening import headline

_IN_TURN = "each left out of training once"
_KEPT = {
    "group": ("person or machine", "new people or machines"),
    "session": ("session", "new sessions"),
    "time": ("period of time", "later days"),
}


@rule("interval")
def interval(trace: Trace) -> Draft | None:
    """Ask what the interval means of every classifier whose accuracy has one of some width."""
    evaluation = trace.evaluation
    first = None if evaluation is None else headline(evaluation.accuracy, evaluation.left_out)
    if evaluation is None or first is None or first.measure != "accuracy":
        return None
    span, left = first.interval, evaluation.left_out
    if span.high - span.low < 0.001:
        return None
    value, low, high = (percent(part, 1) for part in (span.value, span.low, span.high))
    groups = evaluation.groups if left is None else left.groups
    grouped = left is not None or "group" in span.method
    repeats = "other people or machines" if grouped else f"other {evaluation.unit}s"
    of = f" of {len(groups)} people or machines" if grouped and groups else ""
    few = "The test samples" if left is None else "So few people or machines"
    source = f"{evaluation.samples:,} test samples{of}" if left is None else f"{_groups(left)}, {_IN_TURN}"
    return Draft(
        50,
        f"What does '{value} right (95 % CI {low} to {high})' mean?",
        f"{few} leave the accuracy uncertain: repeated with {repeats}, intervals made like this one "
        "contain the true accuracy about 95 times in 100",
        f"Method: {span.method}, from {source}. More of them make it narrower.",
        (
            *_one_group(groups, span),
            "95 % of the answers are right",
            f"{value} of them are; 95 % says how often such an interval contains the true value.",
            f"Each answer has a confidence between {low} and {high}",
            "A confidence belongs to one answer, the interval to the accuracy of all.",
            f"The accuracy was between {low} and {high} in every epoch",
            "The test samples are evaluated once, after the last epoch.",
        ),
        f"Evaluation, {first.name if first.by else first.measure}: {value} ({low} to {high})",
        "evaluation",
    )


def _groups(left: LeftOutRecord) -> str:
    return plural(len(left.groups), "person or machine", "people or machines")


def _one_group(groups: Sequence[GroupRow], span: Interval) -> list[str]:
    """Return the wrong answer that every group lies within the interval, where one lies outside."""
    known = [(g.accuracy, g.group) for g in groups if g.accuracy is not None]
    outside = [(max(span.low - share, share - span.high), name, share) for share, name in known]
    distance, far, share = max(outside, default=(0.0, "", 0.0))
    if distance <= 0:
        return []
    return [
        "For every single person or machine the accuracy lies between "
        f"{percent(span.low, 1)} and {percent(span.high, 1)}",
        f"The interval is for the mean of all; '{short(far)}' alone has {percent(share, 1)}.",
    ]


@rule("confused")
def confused(trace: Trace) -> Draft | None:
    """Ask for the most frequent mistake, where one confusion is more frequent than all others."""
    evaluation = trace.evaluation
    if evaluation is None or len(evaluation.labels) != len(evaluation.confusion):
        return None
    cells = [
        (count, evaluation.labels[i], evaluation.labels[j])
        for i, row in enumerate(evaluation.confusion)
        for j, count in enumerate(row)
        if i != j
    ]
    pairs = sorted(cells, key=lambda pair: (-pair[0], pair[1], pair[2]))
    if len(pairs) < 2 or pairs[0][0] <= pairs[1][0]:
        return None
    count, truth, answer = pairs[0]
    times, back = plural(count, "time"), next((n for n, t, a in pairs if (t, a) == (answer, truth)), 0)
    right = _mistake(truth, answer)
    wrong: list[str] = []
    for n, t, a in pairs[1:4]:
        wrong += [_mistake(t, a), f"That happened {plural(n, 'time')}; {right} {times}."]
    wrong += [
        f"'{short(truth)}' and '{short(answer)}' are confused equally often in both directions",
        f"{right} {times}, the other way round {plural(back, 'time')}.",
        "None: no class is confused with another",
        f"{sum(n for n, _, _ in pairs):,} of {evaluation.samples:,} test samples got a wrong class.",
    ]
    return Draft(
        51, "Which mistake does this model make most often on the test samples?", right,
        f"The confusion matrix counts {count:,}, the most off its diagonal.", wrong,
        f"Evaluation, confusion matrix: truth {short(truth)}, answer {short(answer)}: {count:,}", "evaluation",
    )  # fmt: skip


def _mistake(truth: str, answer: str) -> str:
    return f"'{short(truth)}' mistaken for '{short(answer)}'"


@rule("split")
def split(trace: Trace) -> Draft | None:
    """Ask why something was kept whole on one side: a person, a session, a period of time."""
    evaluation = trace.evaluation
    if evaluation is None or evaluation.split_by not in _KEPT:
        return None
    kept, new = _KEPT[evaluation.split_by]
    count = plural(evaluation.samples, "sample")
    of = f" of {len(evaluation.groups)} people or machines" if evaluation.groups else ""
    return Draft(
        52,
        f"Why is no {kept} of this run on both sides of the split?",
        f"So that the {count} used for evaluation show how well the model works for {new}",
        f"{count}{of} were held back. Samples of one {kept} are alike: with some of them in training, the figures "
        "would be too optimistic.",
        (
            "So that training is faster, as fewer samples are read",
            "A share sets how many samples train, whatever the split.",
            "So that every class is equally frequent on both sides",
            f"Keeping a {kept} whole does not do that; classes may even become less even.",
            "So that the test samples can be used to choose the best epoch",
            "Validation samples choose the epoch. The test samples are evaluated once, at the end.",
        ),
        f"Evaluation: {evaluation.samples:,} test samples, split by {evaluation.split_by}",
        "evaluation",
    )


@rule("majority")
def majority(trace: Trace) -> Draft | None:
    """Ask what an accuracy has to be compared with."""
    evaluation = trace.evaluation
    if evaluation is None or evaluation.accuracy is None or evaluation.majority is None or len(evaluation.labels) < 2:
        return None
    left, right, usual = evaluation.left_out, evaluation.accuracy.value, evaluation.majority
    whom = "the test samples"
    why = f"That class makes up {percent(usual, 1)} of the {evaluation.samples:,} test samples."
    if left is not None:
        right, whom = left.score.value, f"{_groups(left)}, {_IN_TURN},"
        usual = max(0.0, right - left.majority.value)
        why = "That class is the most frequent one of the others each time; the figure is the mean over those left out."
    base, classes = percent(usual, 1), len(evaluation.labels)
    even = (
        percent(1 / classes, 1),
        f"That is the accuracy of guessing one of {classes} classes at random; the most frequent "
        f"one does better, {base}.",
    )
    wrong = [
        percent(0.0, 1),
        "It takes as much knowledge to be always wrong as to be always right.",
        *([] if abs(usual - 1 / classes) < 0.02 else even),
        percent(1.0, 1),
        "That is the maximum, not what a model without knowledge reaches.",
        percent(0.5, 1),
        "A coin is right half the time between two equally frequent classes; the most frequent one of these "
        f"{classes} makes up {base}.",
        percent(1 - usual, 1),
        "That share is wrong when the most frequent class is always answered.",
    ]
    return Draft(
        53,
        f"{percent(right, 1)} of the answers on {whom} are right. What does always predicting the most frequent class "
        "reach, without learning anything?",
        base,
        why,
        wrong,
        f"Evaluation, always the most frequent class: {base}",
        "evaluation",
    )


@rule("r2")
def r2(trace: Trace) -> Draft | None:
    """Ask what R squared says of a regression that explains some of its target."""
    evaluation = trace.evaluation
    if evaluation is None:
        return None
    value = evaluation.regression.get("r2") if evaluation.left_out is None else evaluation.left_out.r2
    if value is None or not 0 < value < 1:
        return None
    source = (
        f"{evaluation.samples:,} test samples"
        if evaluation.left_out is None
        else f"{_groups(evaluation.left_out)}, {_IN_TURN}"
    )
    return Draft(
        54,
        f"What does r2 = {fraction(value)} mean for this regression?",
        f"Its mean squared error is {percent(1 - value, 1)} of that of always answering with the mean",
        f"r2 = 1 - mean squared error / variance of the target, on {source}.",
        (
            f"{percent(value, 1)} of the answers are right",
            "A regression rarely predicts the exact value, so answers are not counted as right or wrong.",
            f"Each answer is off by {percent(1 - value, 1)} of its value",
            "The mean absolute error measures how far answers are off, in the unit of the target.",
            f"The model has seen {percent(value, 1)} of the test samples before",
            "It has seen none of them: they were held back.",
        ),
        f"Evaluation, r2: {fraction(value)}",
        "evaluation",
    )


@rule("rmse")
def rmse(trace: Trace) -> Draft | None:
    """Ask why the root mean squared error is above the mean absolute error, where the shown digits differ."""
    evaluation = trace.evaluation
    measured = {} if evaluation is None else evaluation.regression
    if evaluation is not None and evaluation.left_out is not None and measured:
        # The headline is a mean over those left out, and so is what stands beside it.
        each = [group.regression["mae"] for group in evaluation.left_out.groups]
        measured = {"mae": sum(each) / len(each), "rmse": evaluation.left_out.score.value}
    root, mae = measured.get("rmse"), measured.get("mae")
    if root is None or mae is None or not 0 < mae < root or number(root) == number(mae):
        return None
    return Draft(
        55,
        f"The mean absolute error is {number(mae)}, the root mean squared error {number(root)}. Why is the second "
        "larger?",
        "Squaring gives large errors more weight, and errors differ in size",
        f"The two are equal only where all errors have one size; here the second is {number(root / mae)} times the "
        "first.",
        (
            "It is measured on the training samples",
            "Both are measured on the same test samples.",
            "It adds up all errors instead of taking their mean",
            "Both take a mean, the second of squares.",
            "Its unit is the square of the target's",
            "The root brings the squares back to the target's unit.",
        ),
        f"Evaluation, rmse: {number(root)}, mae: {number(mae)}",
        "evaluation",
    )


@rule("confidence")
def confidence(trace: Trace) -> Draft | None:
    """Ask about the first traced answer of a classifier whose calibration was measured."""
    prediction = next((p for p in trace.predictions if p.probabilities), None)
    error = None if trace.evaluation is None else trace.evaluation.calibration_error
    if prediction is None or error is None:
        return None
    share, label = percent(prediction.confidence), short(prediction.answer)
    return Draft(
        70,
        f"The model answers '{label}, {share}'. What does {share} mean?",
        f"About {share} of all answers with this confidence are right",
        f"Confidence and share of right answers differ by {percent(error, 1)} on average here (the calibration "
        "error, over ten bins of confidence).",
        (
            f"The sample is '{label}' to {share} and something else to the rest",
            "A sample has one class. The figure is a confidence, not a proportion of the sample.",
            f"{share} of the training samples were '{label}'",
            "How frequent a class is in training does not depend on the sample; the confidence does.",
            f"{share} of the values of the hidden layers voted for '{label}'",
            "Values of a layer are not counted like votes: they are weighted and added up.",
        ),
        f"Prediction trace: {label}, {share}; Evaluation, calibration error {percent(error, 1)}",
        "prediction",
    )


@rule("active")
def active(trace: Trace) -> Draft | None:
    """Ask about the first traced layer with ReLU that gives zeros and others."""
    layers = (layer for prediction in trace.predictions for layer in prediction.layers)
    shown = next((layer for layer in layers if layer.activation == "relu" and 0 < layer.active < layer.size), None)
    if shown is None:
        return None
    figures = f"{shown.active:,} of {shown.size:,} active"
    return Draft(
        71,
        f"In the prediction trace the layer '{shown.name}' shows '{figures}'. What happened to the other "
        f"{shown.size - shown.active:,}?",
        "Their weighted sums were zero or less, so ReLU gave exactly 0: for this sample they pass nothing on",
        f"relu(z) = max(0, z). Here {percent(shown.active / shown.size)} are active; other samples have others.",
        (
            "Dropout removed them",
            "Dropout removes values only during training; an answer uses all of them.",
            "They were pruned: their weights were removed to save memory",
            f"All {shown.size:,} units and their weights exist and were computed.",
            "They are broken and never give anything",
            "One sample cannot show that; with other inputs they may well be above zero.",
        ),
        f"Prediction trace, {shown.name}: {figures}",
        "prediction",
    )


@rule("surprise")
def surprise(trace: Trace) -> Draft | None:
    """Ask where the record confirms a claim and denies others."""
    known = claims(trace)
    if not known or not known[0].holds:
        return None
    first, wrong = known[0], list[str]()
    for claim in known:
        if claim.fails:
            wrong += [_sentence(claim), f"{claim.figures[:1].upper()}{claim.figures[1:]}."]
    return Draft(
        5, "What happened in this run that one would not expect?", _sentence(first),
        f"{first.figures[:1].upper()}{first.figures[1:]}.", wrong, first.source, first.anchor.partition("-")[0],
    )  # fmt: skip


def _sentence(claim: Claim) -> str:
    return claim.text[:1].upper() + claim.text[1:]
